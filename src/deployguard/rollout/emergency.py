"""Emergency: everything off, in one commit and one record.

By hand it takes every flag that is enabled and not left on. As a trigger's action it takes the flags that the guard
names. Each unit goes by its own row of the table; the record holds them all, so one `undo` restores them all.
"""

from dataclasses import replace
from datetime import datetime

from deployguard.rollout.carry import carry_out, leave, others_anchored, pause_dependants
from deployguard.rollout.moves import Asked, Move, ask
from deployguard.rollout.table import Row, find
from deployguard.rollout.telling import executed, record_of, tell
from deployguard.state import Change, Edit, Recorder, RollbackKind, State


def emergency(state: State, move: Move, now: datetime) -> Change:
    """Every flag on that is not in `left_on` goes to 0 % and off.

    Where nothing is enabled there are no events, so no new revision. A deploy that runs is asked to stop by
    `release.ask_to_stop`, which whoever calls an emergency by hand puts before it into the same commit.
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
