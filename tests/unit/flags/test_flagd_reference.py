"""Our buckets against the reference evaluator of flagd's specification v3 (PyPI openfeature-flagd-core 2)."""

from random import Random

import pytest

from deployguard.flags.bucket import bucket

core = pytest.importorskip("openfeature.contrib.tools.flagd.core", reason="the reference evaluator is not installed")

from openfeature.contrib.tools.flagd.core.targeting import targeting  # noqa: E402  # after the skip
from openfeature.evaluation_context import EvaluationContext  # noqa: E402

SEEDS = ("new_checkout", "f", "dual_audience_homepage", "séed", "s" * 130)


def rule(seed, percentage):
    by = {"cat": [f"{seed}/", {"var": "targetingKey"}]}
    return {"fractional": [by, ["on", percentage], ["off", 10_000 - percentage]]}


def ids(count):
    draw = Random(7)
    odd = ("é", "用户-四", "\N{WINKING FACE}", " ", "a/b", "x" * 300, "x" * 70_000, "0")
    made = [f"{draw.getrandbits(128):032x}" if n % 2 else f"u-{n}" for n in range(count - len(odd))]
    return [*odd, *made]


def test_20000_users_stand_where_flagd_puts_them():
    """Asked at the very edge, two questions pin a user's place: out at its bucket, in at one above."""
    for number, key in enumerate(ids(20_000)):
        seed = SEEDS[number % len(SEEDS)]
        place = bucket(seed, key)
        context = EvaluationContext(targeting_key=key)
        assert targeting("f", rule(seed, place), context) == "off", (seed, key)
        assert targeting("f", rule(seed, place + 1), context) == "on", (seed, key)


def test_the_whole_evaluator_agrees_on_a_flag_whose_requirement_is_nested():
    definition = {"if": [{"==": [rule("base", 4_000), "on"]}, rule("shop", 7_000), "off"]}
    flagd = core.FlagdCore()
    flagd.set_flags(
        {
            "flags": {
                "shop": {
                    "state": "ENABLED",
                    "variants": {"on": True, "off": False},
                    "defaultVariant": "off",
                    "targeting": definition,
                }
            }
        }
    )
    from deployguard.config.values import Flag
    from deployguard.flags.evaluate import Context, compile_flags
    from deployguard.state import FlagState

    rules = compile_flags(
        {"base": Flag(key="base"), "shop": Flag(key="shop", requires=("base",))},
        {
            "base": FlagState(enabled=True, percentage=4_000, seed="base"),
            "shop": FlagState(enabled=True, percentage=7_000, seed="shop"),
        },
    )
    for key in ids(4_000):
        theirs = flagd.resolve_boolean_value("shop", False, EvaluationContext(targeting_key=key)).value
        assert rules.on("shop", Context(key)) is theirs, key
