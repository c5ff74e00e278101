"""What holds over 200,000 users: shares, staying in, independence, riders."""

from math import sqrt
from random import Random

import pytest

from deployguard.config.values import Flag
from deployguard.flags.evaluate import Context, compile_flags
from deployguard.state import FlagState

COUNT = 200_000
SHARES = (1, 100, 573, 500, 1_500, 3_000, 5_000, 7_500, 9_950, 9_999)


@pytest.fixture(scope="module")
def users() -> list[Context]:
    """Half as `dg_id` gives them, half as an application's own running numbers."""
    draw = Random(41)
    ids = [f"{draw.getrandbits(128):032x}" for _ in range(COUNT // 2)]
    return [Context(key) for key in ids + [f"u-{n}" for n in range(COUNT // 2)]]


def having(definitions, state, users, key):
    on = compile_flags(definitions, state).on
    return {context.targeting_key for context in users if on(key, context)}


def one(percentage, seed="new_checkout"):
    return {"f": Flag(key="f")}, {"f": FlagState(enabled=True, percentage=percentage, seed=seed)}


def test_each_percentage_is_met_and_users_stay_in_as_it_grows(users):
    before: set[str] = set()
    for percentage in sorted(SHARES):
        inside = having(*one(percentage), users, "f")
        share = percentage / 10_000
        # Five standard errors: a right program misses this once in two million times, and the ids are fixed.
        assert abs(len(inside) - COUNT * share) <= 5 * sqrt(COUNT * share * (1 - share)) + 1, percentage
        assert before <= inside
        before = inside


def test_places_are_spread_evenly(users):
    """Chi-square over 100 classes; the 99.99 % quantile with 99 degrees of freedom is 161.3."""
    rules = compile_flags(*one(5_000))
    classes = [0] * 100
    for context in users:
        classes[rules.evaluate("f", context).bucket // 100] += 1
    expected = COUNT / 100
    assert sum((seen - expected) ** 2 / expected for seen in classes) < 161.3


def test_flags_of_separate_rollouts_are_independent(users):
    """Chi-square of the two-by-two table, one degree of freedom; 15.1 is its 99.99 % quantile."""
    definitions = {key: Flag(key=key) for key in ("homepage", "new_checkout", "checkout_new")}
    state = {key: FlagState(enabled=True, percentage=3_000, seed=key) for key in definitions}
    inside = {key: having(definitions, state, users, key) for key in definitions}
    for one_key, other in (
        ("homepage", "new_checkout"),
        ("new_checkout", "checkout_new"),
        ("homepage", "checkout_new"),
    ):
        a, b = inside[one_key], inside[other]
        table = [len(a & b), len(a - b), len(b - a), COUNT - len(a | b)]
        rows, columns = (len(a), COUNT - len(a)), (len(b), COUNT - len(b))
        expected = [r * c / COUNT for r in rows for c in columns]
        assert sum((seen - e) ** 2 / e for seen, e in zip(table, expected, strict=True)) < 15.1


def test_riders_reach_exactly_their_leads_users(users):
    definitions = {"lead": Flag(key="lead")} | {key: Flag(key=key, requires=("lead",)) for key in ("one", "two")}
    state = {key: FlagState(enabled=True, percentage=1_500, seed="lead") for key in definitions}
    lead = having(definitions, state, users, "lead")
    assert lead
    assert having(definitions, state, users, "one") == having(definitions, state, users, "two") == lead


def test_a_rider_under_its_own_seed_reaches_the_product(users):
    definitions = {"lead": Flag(key="lead"), "own": Flag(key="own", requires=("lead",), own_seed=True)}
    state = {key: FlagState(enabled=True, percentage=5_000, seed=key) for key in definitions}
    reached = having(definitions, state, users, "own")
    assert reached < having(definitions, state, users, "lead")
    assert abs(len(reached) - COUNT / 4) <= 5 * sqrt(COUNT * 0.25 * 0.75)
