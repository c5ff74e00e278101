"""Everything off in one commit and one record."""

from rollouts import GRADUAL, MARIA, at, by_trigger, empty, move, plan, settled, walk

from deployguard.rollout.apply import apply
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.release import ask_to_stop, begin_release
from deployguard.state import Phase, ReleasePhase, RollbackKind, State


def busy() -> State:
    """A rollout of three, a rollout taken back, flags by hand: on, permanent, on for an allow list only, disabled."""
    return walk(
        empty(),
        move(M.START, plan=GRADUAL),
        move(M.START, "gone", plan=plan(500, 10_000)),
        move(M.ABORT, "gone"),
        move(M.SET, "banner", percentage=1000),
        move(M.SET, "legacy", percentage=10_000),
        move(M.ENABLE, "staff_only"),
        move(M.SET, "resting", percentage=4000),
        move(M.DISABLE, "resting"),
        start=-9,
    )


EMERGENCY = move(M.EMERGENCY, "", left_on=("legacy",), reason="checkout is down")


def test_every_flag_that_is_on_goes_off_but_those_left_on() -> None:
    before = busy()
    change = apply(before, EMERGENCY, at(0))
    after = settled(before, change)
    assert [key for key, flag in after.flags.items() if flag.enabled] == ["legacy"]
    assert after.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert after.flag("resting") == before.flag("resting")
    assert after.rollouts["gone"] == before.rollouts["gone"]
    assert after.flag("legacy").anchor == at(0)


def test_it_leaves_one_record_told_once() -> None:
    change = apply(busy(), EMERGENCY, at(0))
    assert [draft.type for draft in change.events] == [
        "rollout.rolledBack",
        "flag.updated",
        "flag.updated",
        "rollback.executed",
    ]
    told = change.events[-1]
    assert (told.cause, told.reason, told.data["kind"], told.data["leftOn"]) == (
        0,
        "checkout is down",
        "emergency",
        ["legacy"],
    )
    assert {entry["flagId"] for entry in told.data["flags"]} == {"lead", "rider", "other", "banner", "staff_only"}
    record = change.state.rollbacks[told.data["rollbackId"]]
    assert record.kind is RollbackKind.EMERGENCY
    assert set(record.flags_before) == {"lead", "rider", "other", "banner", "staff_only"}


def test_where_nothing_is_enabled_nothing_changes() -> None:
    off = apply(busy(), EMERGENCY, at(0)).state
    again = apply(off, EMERGENCY, at(1))
    assert again.state is off
    assert again.events == ()
    assert apply(empty(), EMERGENCY, at(1)).events == ()


def test_undo_restores_all_of_it() -> None:
    before = busy()
    after = walk(before, EMERGENCY, move(M.UNDO))
    for key, flag in before.flags.items():
        now = after.flag(key)
        assert (now.enabled, now.percentage, now.seed, now.rollout) == (
            flag.enabled,
            flag.percentage,
            flag.seed,
            flag.rollout,
        )
    assert (after.rollouts["lead"].phase, after.rollouts["lead"].riders) == (Phase.PAUSED, ("rider", "other"))


def test_as_a_triggers_action_it_takes_only_the_flags_named() -> None:
    asked = by_trigger(M.EMERGENCY, "", flags=("lead", "rider", "other"))
    after = walk(busy(), asked)
    assert after.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert after.rollouts["lead"].acted_at == at(0)
    assert after.flag("banner").on


def test_a_permanent_rider_goes_on_by_hand() -> None:
    after = walk(busy(), move(M.EMERGENCY, "", left_on=("rider",)))
    assert (after.flag("rider").on, after.flag("rider").rollout) == (True, None)
    assert after.rollouts["lead"].riders == ("other",)
    assert not after.flag("lead").enabled


def test_riders_of_a_permanent_lead_go_off_alone() -> None:
    after = walk(busy(), move(M.EMERGENCY, "", left_on=("lead", "legacy")))
    assert after.rollouts["lead"].phase is Phase.PROGRESSING
    assert after.rollouts["lead"].riders == ()
    assert not after.flag("rider").enabled
    assert not after.flag("other").enabled


def test_a_deploy_that_runs_is_named_in_the_record() -> None:
    begun = begin_release(
        busy(), version="2.0", host="h", pid=1, rollback=(), actor=MARIA, reason=None, now=at(-1)
    ).state
    stopped = ask_to_stop(begun, "r-1", MARIA).state
    after = walk(stopped, EMERGENCY)
    assert after.rollbacks["rb-3"].release == "r-1"
    assert after.releases["r-1"].phase is ReleasePhase.ABORTING
