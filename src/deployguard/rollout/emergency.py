"""Emergency: everything off, in one commit and one record.

By hand it takes every flag that is enabled and not left on. As a trigger's action it takes the flags that the guard
names. Each unit goes by its own row of the table; the record holds them all, so one `undo` restores them all.
"""

from dataclasses import replace
from datetime import datetime

from deployguard.rollout.asked import Asked, ask
from deployguard.rollout.carry import carry_out
from deployguard.rollout.consequences import others_anchored, pause_dependants
from deployguard.rollout.hand import leave
from deployguard.rollout.moves import Move
from deployguard.rollout.records import executed, record_of
from deployguard.rollout.table import Row, find
from deployguard.rollout.telling import tell
from deployguard.state import (
    Change,
    Recorder,
    RollbackKind,
    State,
    with_flags,
    with_rollback,
)


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
    recorder = Recorder(state, move.actor, asked.reason)
    told = [
        tell(recorder, one, row, after if number < len(walk) else others_anchored(state, after, now), rollback_id)
        for number, (one, row, after) in enumerate(walk, 1)
    ]
    after = recorder.state
    left_on = tuple(key for key in move.left_on if state.flag(key).enabled)
    record = record_of(state, after, RollbackKind.EMERGENCY, rollback_id, asked, left_on)
    last = recorder.record("rollback.executed", executed(record), with_rollback(after, record), cause=told[0])
    pause_dependants(recorder, state, move, now, last)
    return recorder.change()


def _walk(state: State, move: Move, now: datetime, rollback_id: str) -> list[tuple[Asked, Row, State]]:
    """One row a unit, each from the state that the one before left."""
    off = [key for key in _targets(state, move) if state.flag(key).enabled]
    leads = [lead for lead in state.rollouts if lead in off]
    whole = {key for lead in leads for key in state.rollouts[lead].flags}
    out = []
    after = state
    for key in [*leads, *(key for key in off if key not in whole)]:
        after = _let_go(after, key, move, now)
        asked = ask(after, move, now, key)
        if asked.rides:  # its lead is left on: the rider goes alone
            asked = replace(asked, rollout=None)
        row = find(asked)
        if row is not None:
            before, after = after, carry_out(asked, row, rollback_id)
            if after != before:
                out.append((asked, row, after))
    return out


def _targets(state: State, move: Move) -> list[str]:
    named = move.flags or tuple(state.flags)
    return [key for key in named if key not in move.left_on]


def _let_go(state: State, lead: str, move: Move, now: datetime) -> State:
    """A rider that is left on goes on by hand when its lead goes off."""
    rollout = state.rollouts.get(lead)
    staying = {key for key in rollout.riders if key in move.left_on} if rollout else set()
    if not staying:
        return state
    state = leave(state, staying)
    return with_flags(state, {key: replace(state.flag(key), anchor=now) for key in staying})
