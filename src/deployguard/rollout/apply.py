"""The one way to change what is on: `apply(state, move, now) -> Change`, driven by the table of transitions.

`apply` finds the row, does what the row says (one function for each of `Does`), and records it:

1. the unit's own event; its `set` has the unit's new values, and the anchors of the other units where this one was
   lowered: what their users see may have changed;
2. `rollback.executed` with the record that `undo` restores, where the row leaves one;
3. a `rollout.paused` for each rollout that progressed and has lost a requirement, by its own row of the table.

A move that changes nothing answers the state as it was and no event, so no revision comes of it.
"""

from datetime import datetime

from deployguard.rollout.carry import carry_out, others_anchored, pause_dependants
from deployguard.rollout.emergency import emergency
from deployguard.rollout.moves import Move, MoveKind, ask
from deployguard.rollout.refusals import refused
from deployguard.rollout.table import find
from deployguard.rollout.telling import evidence_of, executed, record_of, tell
from deployguard.rollout.undo import undo
from deployguard.state import Change, Edit, Recorder, State


def apply(state: State, move: Move, now: datetime) -> Change:
    """What `move` makes of `state`. Raises not-allowed-now, trigger-fails or changed-since, with what is allowed."""
    if move.kind is MoveKind.EMERGENCY:
        return emergency(state, move, now)
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
