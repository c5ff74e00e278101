"""What a row of the table does: to its unit, one function for each of `Does`, and then to the others.

Nothing here knows a phase by name but for what a lost requirement pauses.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from deployguard.config.build import flags_from_document
from deployguard.errors import Code, fail
from deployguard.flags.definitions import definitions
from deployguard.flags.dependencies import dependants
from deployguard.rollout.moves import Asked, Move, MoveKind, ask
from deployguard.rollout.table import RULES, SAME, Does, Level, Row, find
from deployguard.rollout.telling import tell
from deployguard.state import Edit, FlagState, PausedBy, Phase, Recorder, Rollout, State, Via

_CLEARS_COOLDOWN = frozenset({MoveKind.RESUME, MoveKind.PROMOTE})


def carry_out(asked: Asked, row: Row, rollback_id: str | None = None) -> Edit:
    """What the row changes of this unit alone; empty where nothing changes."""
    edit = Edit(asked.state)
    _DOES[row.does](edit, asked, row, rollback_id)
    return edit


def leave(edit: Edit, leaving: Iterable[str]) -> None:
    """The flags out of their rollouts. Without its lead a rollout goes on under the first of its riders.

    So the riders of a rollout that was taken back stay taken back when somebody insists on its lead.
    """
    gone = frozenset(leaving)
    for lead in dict.fromkeys(edit.flag(key).rollout for key in sorted(gone)):
        rollout = edit.rollout(lead)
        if rollout is not None:
            _shrink(edit, rollout, tuple(key for key in rollout.flags if key not in gone))
    for key in gone:
        if edit.flag(key).rollout is not None:
            edit.put_flags({key: replace(edit.flag(key), rollout=None)})


def _shrink(edit: Edit, rollout: Rollout, staying: tuple[str, ...]) -> None:
    if not staying or staying[0] != rollout.lead:
        edit.drop_rollout(rollout.lead)
        edit.put_flags({key: replace(edit.flag(key), rollout=staying[0]) for key in staying})
    if staying:
        edit.put_rollout(replace(rollout, lead=staying[0], riders=staying[1:]))


def _start(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:  # noqa: ARG001  # one shape for all
    """The new rollout, its flags at the row's percentage.

    A lead that starts from 0 % takes its own key as seed and its riders take the lead's, but for those with a seed of
    their own; above 0 % seeds stay, and nobody rides. A rider of an earlier rollout that is not asked again stays off.
    """
    plan, move, now = asked.move.plan, asked.move, asked.now
    if plan is None or row.to is None or row.to is SAME:
        raise fail(Code.USAGE, f"{move.kind} of {asked.key} carries no steps", wanted="a plan made from a strategy")
    from_zero = asked.flag.percentage == 0
    riders = tuple(key for key in plan.riders if _free(asked, key)) if from_zero else ()
    seed = asked.key if from_zero or not asked.flag.seed else asked.flag.seed
    leave(edit, (asked.key, *riders))
    level = RULES[row.level](asked)
    for key in (asked.key, *riders):
        flag = _stamped(asked, edit.flag(key), level, None)
        own = key if key in plan.own_seeds else seed
        flag = replace(flag, seed=own, rollout=asked.key, anchor=None, acted_at=None, rollback_id=None)
        edit.put_flags({key: flag})
    edit.put_rollout(
        Rollout(
            lead=asked.key,
            riders=riders,
            strategy=plan.strategy,
            steps=asked.steps,
            on_inconclusive=plan.on_inconclusive,
            max_wait=plan.max_wait,
            holdout=plan.holdout,
            phase=row.to,
            started_at=now,
            entered_at=now,
            anchor=now,
            reason=asked.reason,
            changed_at=now,
            changed_by=move.actor.shown,
            release=move.release,
        )
    )


def _free(asked: Asked, key: str) -> bool:
    """At 0 %, without a rollout, or in the one that is started again."""
    flag = asked.state.flag(key)
    return key != asked.key and flag.percentage == 0 and flag.rollout in {None, asked.key}


def _step(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:
    rollout, move, now = asked.rollout, asked.move, asked.now
    if rollout is None or row.to is None or row.to is SAME:
        raise AssertionError(row)  # the table says so: see its test
    edit.put_rollout(
        replace(
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
    )
    if row.level == "=":
        return
    level = RULES[row.level](asked)
    for key in rollout.flags:
        before = asked.state.flag(key)
        after = _stamped(asked, before, level, rollback_id)
        if after.core != before.core:
            edit.put_flags({key: after})


def _hand(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:
    """The named flag alone, out of its rollout. From 0 % it takes its own key as seed, unless one is asked."""
    level, flag = RULES[row.level](asked), asked.flag
    from_zero = flag.percentage == 0 and level.percentage > 0
    after = replace(
        _stamped(asked, flag, level, rollback_id),
        rollout=None,
        seed=asked.move.seed or (asked.key if from_zero or not flag.seed else flag.seed),
        anchor=asked.now,
        acted_at=asked.now if asked.by_trigger else flag.acted_at,
    )
    if after.core != flag.core:
        leave(edit, {asked.key})
        edit.put_flags({asked.key: after})


def _riders(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:
    for key in sorted(asked.met):
        _hand(edit, replace(asked, key=key), row, rollback_id)
    rollout = edit.rollout(asked.lead)
    if rollout is None:
        raise AssertionError(row)  # its lead stays: a row for riders only
    moved = replace(rollout, entered_at=asked.now, anchor=asked.now, rollback_id=rollback_id)
    edit.put_rollout(replace(moved, acted_at=_acted_at(asked, rollout.acted_at)))


def _target(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:
    flag, move = asked.flag, asked.move
    if flag.targeting == move.targeting:
        return
    flag = replace(flag, targeting=move.targeting, targeted_at=asked.now, targeted_by=move.actor.shown)
    edit.put_flags({asked.key: replace(flag, seed=flag.seed or asked.key)})
    _anchor(edit, asked, row, rollback_id)


def _anchor(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:  # noqa: ARG001  # one shape for all
    if asked.rollout is not None:
        edit.put_rollout(replace(asked.rollout, anchor=asked.now))
    else:
        edit.put_flags({asked.key: replace(edit.flag(asked.key), anchor=asked.now)})


def _nothing(edit: Edit, asked: Asked, row: Row, rollback_id: str | None) -> None:
    """Exit 0, no new revision."""


_DOES: dict[Does, Callable[[Edit, Asked, Row, str | None], None]] = {
    Does.START: _start,
    Does.STEP: _step,
    Does.HAND: _hand,
    Does.RIDERS: _riders,
    Does.TARGET: _target,
    Does.ANCHOR: _anchor,
    Does.NOTHING: _nothing,
}


def _stamped(asked: Asked, flag: FlagState, level: Level, rollback_id: str | None) -> FlagState:
    """`flag` at `level`, with who, when and why."""
    return replace(
        flag,
        percentage=level.percentage,
        enabled=level.enabled,
        updated_at=asked.now,
        updated_by=asked.move.actor.shown,
        reason=asked.reason,
        rollback_id=rollback_id if rollback_id or level.percentage > flag.percentage else flag.rollback_id,
    )


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


def lowered(edit: Edit) -> frozenset[str]:
    """The flags that fewer users have than before: reduced, disabled or taken back."""
    return frozenset(
        key for key, was, now in edit.flags if was.enabled and (not now.enabled or now.percentage < was.percentage)
    )


def others_anchored(edit: Edit, now: datetime) -> Edit:
    """The anchor of every live unit at `now`, where `edit` lowered a flag: older samples are its doing."""
    others = Edit(edit.state)
    if lowered(edit):
        for rollout in others.below.rollouts.values():
            if rollout.phase.live and rollout.anchor != now:
                others.put_rollout(replace(rollout, anchor=now))
        for key, flag in others.below.flags.items():
            if flag.enabled and flag.rollout is None and flag.anchor != now:
                others.put_flags({key: replace(flag, anchor=now)})
    return others


def pause_dependants(recorder: Recorder, edit: Edit, move: Move, now: datetime, cause: int) -> None:
    """Pause each rollout that progresses while a requirement outside it went off by `edit`."""
    off = [key for key in sorted(lowered(edit)) if not edit.flag(key).enabled]
    for lead, required in _that_lost(recorder.state, off):
        reason = f"{required}, which it requires, was taken back"
        asked = ask(recorder.state, Move(kind=MoveKind.REQUIREMENT, flag=lead, actor=move.actor, reason=reason), now)
        row = find(asked)
        if row is not None:
            tell(recorder, asked, row, carry_out(asked, row), None, cause=cause)


def _that_lost(state: State, off: list[str]) -> list[tuple[str, str]]:
    """The leads of progressing rollouts that require, at any depth, a flag that went off, and that flag.

    It is a flag outside: where one of its own went off a rollout does not progress, or the flag has left it.
    """
    progressing = [rollout for rollout in state.rollouts.values() if rollout.phase is Phase.PROGRESSING]
    if not off or not progressing or state.config is None:
        return []
    lost = dependants(definitions(flags_from_document(state.config.document, state.environment), state), off)
    found = ((rollout.lead, [lost[key] for key in rollout.flags if key in lost]) for rollout in progressing)
    return [(lead, min(keys)) for lead, keys in found if keys]
