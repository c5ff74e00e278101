"""Undo puts a record back exactly, or says who was first."""

from typing import Any

import pytest
from rollouts import ALI, GRADUAL, MARIA, at, by_trigger, empty, move, plan, standing, walk

from deployguard.errors import Code, DeployguardError, Problem
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.undo import latest_undoable
from deployguard.state import PausedBy, Phase, RollbackKind, State

TAKE_BACKS = [
    move(M.ROLLBACK),
    move(M.ABORT),
    move(M.SET, percentage=0),
    move(M.EMERGENCY),
    move(M.DISABLE),
    by_trigger(M.DISABLE, flags=("rider",)),
    by_trigger(M.REDUCE, share=5000),
    by_trigger(M.REDUCE, share=9999),
    move(M.ROLLBACK, "rider"),
    move(M.SET, "rider", percentage=0),
]


def held(state: State) -> dict[str, Any]:
    """All that undo restores: anchors, times, reasons aside."""
    return {
        "flags": {
            key: (flag.enabled, flag.percentage, flag.seed, flag.rollout, flag.targeting)
            for key, flag in state.flags.items()
        },
        "rollouts": {lead: (rollout.riders, rollout.steps) for lead, rollout in state.rollouts.items()},
    }


def refused(state: State, asked: Move, hours: float = 9) -> Problem:
    with pytest.raises(DeployguardError) as error:
        apply(state, asked, at(hours))
    return error.value.problem


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED, Phase.COMPLETED])
@pytest.mark.parametrize("asked", TAKE_BACKS, ids=lambda one: f"{one.kind} {one.flag} {one.flags or one.share or ''}")
def test_undo_restores_exactly_and_what_progressed_comes_back_paused(asked: Move, phase: Phase) -> None:
    before = standing(phase)
    after = walk(before, asked, move(M.UNDO))
    assert held(after) == held(before)
    rollout = after.rollouts["lead"]
    assert rollout.phase is (Phase.PAUSED if phase is Phase.PROGRESSING else phase)
    assert (rollout.entered_at, rollout.anchor) == (at(1), at(1))
    assert rollout.paused_by is (None if phase is Phase.COMPLETED else PausedBy.PERSON)


def test_undo_of_a_flag_by_hand() -> None:
    before = standing(None)
    for asked in (move(M.ROLLBACK), move(M.DISABLE), move(M.REDUCE, share=1000), move(M.SET, percentage=0)):
        after = walk(before, asked, move(M.UNDO))
        assert held(after) == held(before)
        assert (after.flag("lead").anchor, after.flag("lead").updated_at) == (at(1), at(1))


def test_undo_is_a_record_and_an_undo_is_undone_by_its_id() -> None:
    back = walk(standing(Phase.PROGRESSING), by_trigger(M.ROLLBACK))
    undone = walk(back, move(M.UNDO), start=1)
    assert undone.rollbacks["rb-1"].undone_by == "rb-2"
    assert (undone.rollbacks["rb-2"].kind, undone.rollbacks["rb-2"].undoes) == (RollbackKind.UNDO, "rb-1")
    assert refused(undone, move(M.UNDO)).code is Code.NOT_ALLOWED_NOW  # the latest is undone
    again = walk(undone, move(M.UNDO, rollback_id="rb-2"), start=2)
    assert held(again) == held(back)
    assert again.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert again.rollbacks["rb-2"].undone_by == "rb-3"
    # What the undone undo undid counts again, so it can be undone once more.
    assert again.rollbacks["rb-1"].undone_by is None
    assert held(walk(again, move(M.UNDO), start=3)) == held(undone)


def test_the_latest_is_neither_an_undo_nor_undone() -> None:
    state = walk(standing(None), move(M.REDUCE, share=5000), move(M.REDUCE, share=5000))
    record = latest_undoable(state)
    assert record is not None
    assert record.id == "rb-2"
    state = walk(state, move(M.UNDO), start=2)
    assert state.flag("lead").percentage == 1000
    state = walk(state, move(M.UNDO), start=3)
    assert state.flag("lead").percentage == 2000
    assert latest_undoable(state) is None


def test_a_flag_changed_since_refuses_the_whole_and_is_named_with_who_and_when() -> None:
    state = walk(standing(Phase.PROGRESSING), move(M.EMERGENCY))
    touched = move(M.SET, "rider", percentage=1000, force=True, actor=ALI, reason="staff only")
    state = walk(state, touched, start=1)
    problem = refused(state, move(M.UNDO))
    assert problem.code is Code.CHANGED_SINCE
    assert problem.exit_code == 5
    assert problem.message == "1 of 3 flags of prod was changed after rb-1"
    assert problem.found == 'rider 0% → 10% by ali at 2026-11-24T13:00:00Z ("staff only")'
    assert problem.wanted == "all 3 flags as rb-1 left them"
    assert problem.allowed[0].command == "deployguard rollback undo rb-1 --force --env prod"
    assert problem.allowed[0].does == "the other 2 only"


def test_force_restores_the_untouched_and_a_touched_rider_stays_out() -> None:
    state = walk(standing(Phase.PROGRESSING), move(M.EMERGENCY))
    state = walk(state, move(M.SET, "rider", percentage=1000, force=True), start=1)
    asked = move(M.UNDO, force=True)
    change = apply(state, asked, at(2))
    after = walk(state, asked, start=2)
    assert after.flag("rider") == state.flag("rider")
    assert after.rollouts["lead"].riders == ("other",)
    assert (after.flag("lead").percentage, after.flag("other").percentage) == (2500, 2500)
    assert change.events[0].data["leftAlone"] == ["rider"]
    assert {entry["flagId"] for entry in change.events[0].data["flags"]} == {"lead", "other"}


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (move(M.RESUME, actor=ALI), "lead is progressing by ali at 2026-11-24T13:00:00Z"),
        (move(M.TARGET, targeting={"countries": ["DZ"]}, actor=ALI), "lead has other targeting by ali at"),
        (move(M.SET, percentage=100, actor=ALI), "lead 12.5% → 1% by ali at 2026-11-24T13:00:00Z"),
        (move(M.DISABLE, actor=ALI), "lead 12.5% → 0% by ali"),
    ],
    ids=lambda one: str(getattr(one, "kind", "")),
)
def test_whatever_touched_the_lead_keeps_all_of_its_rollout(since: Move, words: str) -> None:
    state = walk(standing(Phase.PROGRESSING), by_trigger(M.REDUCE, share=5000))
    state = walk(state, since, start=1)
    for force in (False, True):
        problem = refused(state, move(M.UNDO, rollback_id="rb-1", force=force))
        assert problem.code is Code.CHANGED_SINCE
        assert words in (problem.found or "")
        assert not any("--force" in offer.command for offer in problem.allowed)


def test_force_restores_other_units_than_the_touched_one() -> None:
    state = walk(standing(Phase.PROGRESSING), move(M.SET, "banner", percentage=300), move(M.EMERGENCY))
    state = walk(state, move(M.RETRY, plan=GRADUAL), start=2)
    after = walk(state, move(M.UNDO, force=True), start=3)
    assert after.flag("banner").percentage == 300
    assert after.rollouts["lead"] == state.rollouts["lead"]


def test_what_anchors_moved_is_unchanged() -> None:
    """Another unit's fault, a deploy: times are no change."""
    state = walk(standing(Phase.PROGRESSING), by_trigger(M.REDUCE, share=5000), move(M.DEPLOYED))
    assert held(walk(state, move(M.UNDO), start=2)) == held(standing(Phase.PROGRESSING))


def test_a_record_that_is_not_there_or_undone_is_refused_with_the_way_on() -> None:
    assert "rb-7" in refused(standing(None), move(M.UNDO, rollback_id="rb-7")).message
    assert refused(standing(None), move(M.UNDO)).message == "there is nothing to undo"
    state = walk(standing(None), move(M.ROLLBACK), move(M.UNDO))
    problem = refused(state, move(M.UNDO, rollback_id="rb-1"))
    assert problem.found == "undone by rb-2"
    assert problem.allowed[0].command == "deployguard rollback undo rb-2 --env prod"


def test_an_undo_that_turns_off_again_moves_the_others_anchors() -> None:
    state = walk(standing(Phase.PROGRESSING), move(M.START, "search", plan=plan(500, 10_000)))
    state = walk(state, move(M.ROLLBACK), move(M.UNDO), move(M.UNDO, rollback_id="rb-2"), start=1)
    assert state.rollouts["search"].anchor == at(3)


def test_fifty_records_are_kept_and_ids_count_on() -> None:
    state = empty()
    for number in range(60):
        state = walk(state, move(M.SET, percentage=1000, actor=MARIA), move(M.SET, percentage=0), start=2 * number)
    assert len(state.rollbacks) == 50
    assert list(state.rollbacks)[-1] == "rb-60"
    record = latest_undoable(state)
    assert record is not None
    assert record.id == "rb-60"
