"""The one way to change what is on: `apply(state, move, now) -> Change`, driven by the table of transitions.

`apply` finds the row, does what the row says (one function for each of `Does`), and records it:

1. the unit's own event; its `set` has the unit's new values, and the anchors of the other units where this one was
   lowered: what their users see may have changed;
2. `rollback.executed` with the record that `undo` restores, where the row leaves one;
3. a `rollout.paused` for each rollout that progressed and has lost a requirement, by its own row of the table.

An emergency is one move for many units: each goes by its own row, 2 and 3 follow once. `undo` is its own page.

A move that changes nothing answers the state as it was and no event, so no revision comes of it.
"""

from dataclasses import replace
from datetime import datetime

from deployguard.rollout.carry import carry_out, leave, others_anchored, pause_dependants
from deployguard.rollout.moves import Asked, Move, MoveKind, ask
from deployguard.rollout.refusals import refused
from deployguard.rollout.table import Row, find
from deployguard.rollout.telling import evidence_of, executed, record_of, tell
from deployguard.rollout.undo import undo
from deployguard.state import Change, Edit, Recorder, RollbackKind, State


def apply(state: State, move: Move, now: datetime) -> Change:
    """What `move` makes of `state`. Raises not-allowed-now, trigger-fails or changed-since, with what is allowed."""
    if move.kind is MoveKind.EMERGENCY:
        return _emergency(state, move, now)
    if move.kind is MoveKind.UNDO:
        return undo(state, move, now)
    asked = ask(state, move, now)
    row = find(asked)
    if row is None:
        raise refused(asked)
    rollback_id = state.next_id("rb") if row.record else None
    edit = carry_out(asked, row, rollback_id)
    if edit.empty:
        return Change(state=state)
    recorder = Recorder(state, move.actor, asked.reason)
    last = tell(recorder, asked, row, edit.add(others_anchored(edit, now)), rollback_id)
    if row.record and rollback_id:
        after = recorder.state
        record = record_of(state, after, row.record, rollback_id, asked)
        data = executed(record) | evidence_of(asked)
        last = recorder.record("rollback.executed", data, Edit(after).put_record(record), cause=last)
    pause_dependants(recorder, edit, move, now, last)
    return recorder.change()


def _emergency(state: State, move: Move, now: datetime) -> Change:
    """Every flag on that is not in `left_on` goes to 0 % and off, in one commit and one record that `undo` restores.

    By hand it takes every flag that is enabled; as a trigger's action those that the guard names. Where nothing is
    enabled there are no events, so no new revision. A deploy that runs is asked to stop by `release.ask_to_stop`, which
    whoever calls an emergency by hand puts before it into the same commit.
    """
    rollback_id = state.next_id("rb")
    release = state.running_release()
    move = replace(move, release=move.release or (release.id if release else None))
    asked = ask(state, move, now, "")
    walk = _walk(state, move, now, rollback_id)
    if not walk:
        return Change(state=state)
    whole = Edit(state)
    for _, _, edit in walk:
        whole.add(edit)
    walk[-1][-1].add(others_anchored(whole, now))
    recorder = Recorder(state, move.actor, asked.reason)
    told = [tell(recorder, one, row, edit, rollback_id) for one, row, edit in walk]
    after = recorder.state
    left_on = tuple(key for key in move.left_on if state.flag(key).enabled)
    record = record_of(state, after, RollbackKind.EMERGENCY, rollback_id, asked, left_on)
    last = recorder.record("rollback.executed", executed(record), Edit(after).put_record(record), cause=told[0])
    pause_dependants(recorder, whole, move, now, last)
    return recorder.change()


def _walk(state: State, move: Move, now: datetime, rollback_id: str) -> list[tuple[Asked, Row, Edit]]:
    """One row a unit. No unit touches what is another's, so each is asked of the state in which they stand apart."""
    left_on = frozenset(move.left_on)
    off = [key for key in dict.fromkeys(move.flags or state.flags) if key not in left_on and state.flag(key).enabled]
    parting = _parted(state, frozenset(off), left_on, now)
    apart = parting.state
    leads = {key: None for key in off if key in state.rollouts}
    out: list[tuple[Asked, Row, Edit]] = []
    for key in [*leads, *(key for key in off if apart.flag(key).rollout not in leads)]:
        asked = ask(apart, move, now, key)
        row = find(asked)
        edit = carry_out(asked, row, rollback_id) if row is not None else Edit(apart)
        if row is not None and not edit.empty:
            out.append((asked, row, edit if out else parting.add(edit)))
    return out


def _parted(state: State, off: frozenset[str], left_on: frozenset[str], now: datetime) -> Edit:
    """A rider that is left on goes on by hand when its lead goes off; one whose lead is left on goes off alone."""
    edit = Edit(state)
    for lead, rollout in state.rollouts.items():
        parting = [key for key in rollout.riders if key in (left_on if lead in off else off)]
        if parting:
            leave(edit, parting)
            edit.put_flags({key: replace(edit.flag(key), anchor=now) for key in parting})
    return edit
