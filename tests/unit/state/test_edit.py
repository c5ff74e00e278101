"""An edit says what changes; a state is made of it once, and not for each flag."""

from datetime import UTC, datetime

import pytest

from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.state import Actor, Edit, FlagState, Recorder, State, Via, changes, fold

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MARIA = Actor(name="maria", via=Via.CLI)
ON = FlagState(enabled=True, percentage=3_000, seed="a")
OFF = FlagState(seed="a")


def state(**flags: FlagState) -> State:
    return State(environment="prod", flags=flags)


def test_an_edit_is_read_through_to_the_state_below():
    edit = Edit(state(a=ON, b=ON)).put_flags({"a": OFF}).put("flags", {"b": None})
    assert (edit.flag("a"), edit.flag("b"), edit.flag("c")) == (OFF, FlagState(seed="b"), FlagState(seed="c"))
    assert edit.state == state(a=OFF)
    assert [(key, was, now) for key, was, now in edit.flags] == [("a", ON, OFF), ("b", ON, FlagState(seed="b"))]


def test_what_stands_below_already_is_no_change():
    edit = Edit(state(a=ON)).put_flags({"a": OFF}).put_flags({"a": ON}).put("flags", {"gone": None})
    assert edit.empty
    assert edit.set == {}
    assert edit.state is edit.below


def test_its_set_is_the_difference_of_the_two_states():
    edit = Edit(state(a=ON, b=ON)).put("flags", {"a": OFF, "b": None, "c": ON}).put("told", {"check.api": "fail"})
    assert edit.set == changes(edit.below, edit.state)
    assert sorted(edit.set) == ["flags.a", "flags.b", "flags.c", "told.check.api"]
    assert edit.set["flags.b"] is None
    assert fold({"flags": {"b": {}}}, edit.set)["flags"].keys() == {"a", "c"}


def test_events_of_a_recorder_tell_each_its_own_edit_and_lead_to_the_last_state():
    recorder = Recorder(state(a=ON), MARIA)
    recorder.record("flag.updated", {}, Edit(recorder.state).put_flags({"a": OFF}))
    recorder.record("flag.updated", {}, Edit(recorder.state).put_flags({"a": ON}))
    recorder.take(apply(recorder.state, Move(kind=MoveKind.SET, flag="b", percentage=100, actor=MARIA), NOW), cause=0)
    change = recorder.change()
    assert [sorted(draft.set) for draft in change.events] == [["flags.a"], ["flags.a"], ["flags.b"]]
    assert change.events[2].cause == 0
    assert (change.state.flag("a"), change.state.flag("b").percentage) == (ON, 100)


@pytest.mark.parametrize("kind", [MoveKind.EMERGENCY, MoveKind.UNDO])
def test_as_many_states_are_made_for_a_hundred_flags_as_for_two(kind, monkeypatch):
    made = []
    make = Edit.state.fget
    monkeypatch.setattr(Edit, "state", property(lambda edit: made.append(1) or make(edit)))

    def states_made(count: int) -> int:
        before = state(**{f"f{n}": ON for n in range(count)})
        if kind is MoveKind.UNDO:
            before = apply(before, Move(kind=MoveKind.EMERGENCY, actor=MARIA), NOW).state
        made.clear()
        apply(before, Move(kind=kind, actor=MARIA), NOW)
        return len(made)

    assert states_made(100) == states_made(2) > 0
