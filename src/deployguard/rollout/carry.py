"""What a row of the table does to its unit: one function for each of `Does`. Nothing here knows a phase by name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from deployguard.rollout.asked import Asked
from deployguard.rollout.hand import differs, set_by_hand, stamped
from deployguard.rollout.moves import MoveKind
from deployguard.rollout.start import started
from deployguard.rollout.table import RULES, SAME, Does, Row
from deployguard.state import PausedBy, Phase, State, Via, with_flags, with_rollout

_CLEARS_COOLDOWN = frozenset({MoveKind.RESUME, MoveKind.PROMOTE})


def carry_out(asked: Asked, row: Row, rollback_id: str | None = None) -> State:
    """The state after the row, for this unit alone; equal to the state before where nothing changes."""
    return _DOES[row.does](asked, row, rollback_id)


def _start(asked: Asked, row: Row, rollback_id: str | None) -> State:  # noqa: ARG001  # one shape for all
    return started(asked, row)


def _step(asked: Asked, row: Row, rollback_id: str | None) -> State:
    rollout, move, now = asked.rollout, asked.move, asked.now
    if rollout is None or row.to is None or row.to is SAME:
        raise AssertionError(row)  # the table says so: see its test
    after = replace(
        rollout,
        phase=row.to,
        entered_at=now if row.entered else rollout.entered_at,
        anchor=now if row.anchor else rollout.anchor,
        acted_at=_acted_at(asked, rollout.acted_at),
        paused_by=_paused_by(asked) if row.to is Phase.PAUSED else None,
        trigger=move.why.trigger,
        reason=asked.reason,
        changed_at=now,
        changed_by=move.actor.shown,
        rollback_id=rollback_id if row.record else rollout.rollback_id,
    )
    state = with_rollout(asked.state, after)
    if row.level == "=":
        return state
    level = RULES[row.level](asked)
    flags = {key: stamped(asked, state.flag(key), level, rollback_id) for key in rollout.flags}
    return with_flags(state, {key: flag for key, flag in flags.items() if differs(flag, state.flag(key))})


def _hand(asked: Asked, row: Row, rollback_id: str | None) -> State:
    return set_by_hand(asked, asked.key, RULES[row.level](asked), rollback_id)


def _riders(asked: Asked, row: Row, rollback_id: str | None) -> State:
    state = asked.state
    for key in sorted(asked.met):
        one = replace(asked, state=state, key=key)
        state = set_by_hand(one, key, RULES[row.level](one), rollback_id)
    rollout = state.rollouts[asked.lead]
    return with_rollout(
        state,
        replace(
            rollout,
            entered_at=asked.now,
            anchor=asked.now,
            acted_at=_acted_at(asked, rollout.acted_at),
            rollback_id=rollback_id,
        ),
    )


def _target(asked: Asked, row: Row, rollback_id: str | None) -> State:
    if asked.flag.targeting == asked.move.targeting:
        return asked.state
    flag = replace(
        asked.flag,
        targeting=asked.move.targeting,
        targeted_at=asked.now,
        targeted_by=asked.move.actor.shown,
        seed=asked.flag.seed or asked.key,
    )
    return _anchor(replace(asked, state=with_flags(asked.state, {asked.key: flag})), row, rollback_id)


def _anchor(asked: Asked, row: Row, rollback_id: str | None) -> State:  # noqa: ARG001  # one shape for all
    if asked.rollout is not None:
        return with_rollout(asked.state, replace(asked.rollout, anchor=asked.now))
    return with_flags(asked.state, {asked.key: replace(asked.flag, anchor=asked.now)})


def _nothing(asked: Asked, row: Row, rollback_id: str | None) -> State:  # noqa: ARG001  # one shape for all
    return asked.state


_DOES: dict[Does, Callable[[Asked, Row, str | None], State]] = {
    Does.START: _start,
    Does.STEP: _step,
    Does.HAND: _hand,
    Does.RIDERS: _riders,
    Does.TARGET: _target,
    Does.ANCHOR: _anchor,
    Does.NOTHING: _nothing,
}


def _acted_at(asked: Asked, before: datetime | None) -> datetime | None:
    if asked.by_trigger:
        return asked.now
    return None if asked.move.kind in _CLEARS_COOLDOWN else before


def _paused_by(asked: Asked) -> PausedBy:
    match asked.move.kind:
        case MoveKind.REQUIREMENT:
            return PausedBy.REQUIREMENT
        case MoveKind.INCONCLUSIVE:
            return PausedBy.INCONCLUSIVE
        case _:
            return PausedBy.TRIGGER if asked.move.actor.via is Via.CONTROLLER else PausedBy.PERSON
