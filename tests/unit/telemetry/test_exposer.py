"""Which arms a sample's user is in, worked out from the state."""

from dataclasses import replace
from datetime import timedelta

from telemetry_builders import EDGE, HOUR_AGO, NOW, arms, environment, exposer, trigger

from deployguard.config.values import Flag, Retention
from deployguard.flags.bucket import bucket
from deployguard.state import FlagState, Phase, Rollout, State, StepState
from deployguard.telemetry.exposer import Step, exposer_of

MINUTE = timedelta(minutes=1)


def state(percentage: int = 3_000, **flags: FlagState) -> State:
    """`lead` in a rollout with `rider`, one seed; and flags set by hand."""
    rollout = Rollout(
        lead="lead",
        riders=("rider",),
        strategy="s",
        steps=(StepState(percentage=3_000), StepState(percentage=10_000)),
        max_wait=timedelta(hours=24),
        phase=Phase.PROGRESSING,
        started_at=HOUR_AGO,
        entered_at=EDGE - 10 * MINUTE,
        anchor=EDGE - 5 * MINUTE,
    )
    ride = FlagState(enabled=True, percentage=percentage, seed="lead", rollout="lead", updated_at=HOUR_AGO)
    return State(
        environment="prod", revision=7, flags={"lead": ride, "rider": ride, **flags}, rollouts={"lead": rollout}
    )


SETTINGS = environment(
    triggers={"pay": trigger("pay", "errorRate('/pay') > 2%"), "all": trigger("all", "errorRate > 2%")},
    flags=("lead", "rider", "hand"),
)


def test_the_flags_of_guarded_units_are_compared_one_for_each_that_reaches_the_same_users() -> None:
    by_hand = FlagState(enabled=True, percentage=500, seed="hand", updated_at=HOUR_AGO)
    found = exposer_of(state(hand=by_hand), SETTINGS, NOW)
    assert found.guarded == {"lead": EDGE - 5 * MINUTE, "hand": HOUR_AGO}
    assert found.steps["lead"] == Step(EDGE - 10 * MINUTE, HOUR_AGO, 3_000)
    assert found.steps["hand"] == Step(HOUR_AGO, HOUR_AGO, 500)
    assert found.revision == 7


def test_nobody_is_left_to_compare_with_at_all_or_nothing() -> None:
    assert exposer_of(state(10_000), SETTINGS, NOW).guarded == {}
    off = FlagState(enabled=False, percentage=500, seed="hand", updated_at=HOUR_AGO)
    assert "hand" not in exposer_of(state(hand=off), SETTINGS, NOW).guarded


def test_a_change_of_long_ago_is_not_guarded() -> None:
    old = FlagState(enabled=True, percentage=500, seed="hand", updated_at=NOW - timedelta(hours=49))
    assert "hand" not in exposer_of(state(hand=old), SETTINGS, NOW).guarded


def test_arms_are_the_buckets_and_begin_at_the_anchor() -> None:
    found = exposer_of(state(), SETTINGS, NOW)
    for number in range(200):
        user = f"u{number}"
        on = bucket("lead", user) < 3_000
        assert arms(found, user, at=EDGE) == arms(found, user) == (("lead", on),)
        assert arms(found, user, at=EDGE - 6 * MINUTE) == ()
    assert arms(found, None) == arms(found, "") == ()


def test_each_flag_begins_at_its_own_anchor() -> None:
    two = exposer({"f": 5_000, "g": 5_000})
    two = replace(two, guarded={"f": HOUR_AGO, "g": EDGE})
    assert [len(arms(two, "u", at=HOUR_AGO + MINUTE * at)) for at in (-1, 0, 59, 60)] == [0, 1, 1, 2]


def test_countries_outside_and_lists_are_in_no_arm() -> None:
    found = exposer_of(
        State(environment="prod", flags={"f": FlagState(enabled=True, percentage=5_000, seed="f", updated_at=EDGE)}),
        replace(SETTINGS, flags={"f": _targeted()}),
        NOW,
    )
    assert arms(found, "u1", "DZ") != ()
    assert arms(found, "u1", "FR") == arms(found, "u1") == arms(found, "vip", "DZ") == ()


def _targeted() -> Flag:
    from deployguard.config.values import Targeting

    return Flag(key="f", targeting=Targeting(allow_users=frozenset({"vip"}), countries=frozenset({"DZ"})))


def test_what_the_config_lists_and_what_rules_name_are_endpoints() -> None:
    kept = Retention(metrics=timedelta(days=3))
    found = exposer_of(state(), replace(SETTINGS, endpoints=("/lofts/:id",), retention=kept), NOW)
    assert found.endpoints.listed == {"/lofts/:id", "/pay"}
    assert found.retention == timedelta(days=3)
