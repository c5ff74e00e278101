"""A flag and a rollout as people see them: the state's values with what follows from them spelled out.

Used by status, show, rollout status, watch, deploy and gate alike, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deployguard.config.units import format_percentage
from deployguard.config.values import Environment, Flag
from deployguard.flags.reach import reach, reaches
from deployguard.operations.values.status import FlagRow, FlagsStatus
from deployguard.rollout.plan import hold_ends, next_step, step_of
from deployguard.state import FlagState, PausedBy, Phase, Rollout, State
from deployguard.store.locks import read_controller

if TYPE_CHECKING:
    from deployguard.guard.values import Exposure, Verdict
    from deployguard.operations.values.rollouts import FlagChange, RolloutRow
    from deployguard.session import Session

_WAITS_FOR = {
    "hold": "the step's hold",
    "samples": "more data",
    "source": "a source that cannot be read",
    "trigger": "a trigger that fails",
    "person": "a person",
}


def status(session: Session) -> FlagsStatus:
    """`feature-flags status`: every flag in one look. Here, because the first command must start in a blink."""
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    definitions = session.definitions(state)
    warnings = [
        f"{key} has left the config and is still at {format_percentage(flag.percentage)}: orphaned"
        for key, flag in state.flags.items()
        if flag.orphaned is not None
    ]
    if session.config_problem is not None:
        warnings.append(f"the config cannot be read ({session.config_problem.message}): shown as last in force")
    return FlagsStatus(
        environment=session.environment,
        revision=state.revision,
        controller=read_controller(session.state_dir, session.environment, now),
        flags=flag_rows(state, settings, definitions, now),
        at=now,
        warnings=tuple(warnings),
    )


def change(before: State, after: State, key: str) -> FlagChange:
    """One flag before and after, with what became of its rollout in words."""
    from deployguard.operations.values.rollouts import FlagChange, FlagPosition

    rollout = after.rollouts.get(after.flag(key).rollout or "")
    words = rollout.phase.value if rollout is not None else None
    if rollout is not None and key != rollout.lead and rollout.phase is Phase.COMPLETED:
        words = "completed with its lead"
    was, is_ = (
        FlagPosition(enabled=flag.enabled, percentage=flag.percentage) for flag in (before.flag(key), after.flag(key))
    )
    return FlagChange(flag_id=key, from_=was, to=is_, state=words)


def changes(before: State, after: State) -> tuple[FlagChange, ...]:
    """Every flag whose users changed."""
    found = (change(before, after, key) for key in after.flags if before.flags.get(key) is not after.flags[key])
    return tuple(one for one in found if one.from_ != one.to)


def new_record(before: State, after: State) -> str | None:
    """The last rollback that was recorded in between."""
    return next((key for key in reversed(list(after.rollbacks)) if key not in before.rollbacks), None)


def flag_rows(
    state: State, settings: Environment, definitions: Mapping[str, Flag], now: datetime
) -> tuple[FlagRow, ...]:
    """Every flag in the config's order, orphaned ones last."""
    reached = reaches(definitions, state.flags, definitions)
    return tuple(flag_row(state, settings, definitions, key, now, reached[key]) for key in definitions)


def flag_row(
    state: State,
    settings: Environment,
    definitions: Mapping[str, Flag],
    key: str,
    now: datetime,
    reached: int | None = None,
) -> FlagRow:
    definition, flag = definitions[key], state.flag(key)
    rollout = state.rollouts.get(flag.rollout) if flag.rollout else None
    live = rollout is not None and rollout.phase.live
    taken_back = rollout is not None and rollout.phase is Phase.ROLLED_BACK
    waits_for, waits_text = waiting(state, rollout, now) if rollout is not None else (None, None)
    return FlagRow(
        flag_id=key,
        description=definition.description,
        enabled=flag.enabled,
        percentage=flag.percentage,
        seed=flag.seed or key,
        phase=rollout.phase if rollout else None,
        rollout=rollout.lead if rollout else None,
        strategy=rollout.strategy if rollout else None,
        step=step_of(rollout, flag.percentage) if rollout and live else None,
        steps=len(rollout.steps) if rollout and live else None,
        next_step_at=next_step_at(rollout, flag.percentage) if rollout else None,
        next_percentage=next_step(rollout, flag.percentage) if rollout and live else None,
        waits_for=waits_for,
        waits_text=waits_text,
        requires=definition.requires,
        tags=definition.tags,
        orphaned=flag.orphaned is not None,
        reason=rollout.reason if rollout else flag.reason,
        rollback_id=rollout.rollback_id if rollout else flag.rollback_id,
        guarded_until=guarded_until(flag, rollout, settings, now),
        updated_at=flag.updated_at,
        updated_by=flag.updated_by,
        reach=reach(definitions, state.flags, key) if reached is None else reached,
        permanent=definition.permanent,
        owner=definition.owner,
        targeting_overridden=flag.targeting is not None,
        taken_back_at=rollout.entered_at if rollout and taken_back else None,
        why=_why(state, rollout),
    )


def _why(state: State, rollout: Rollout | None) -> str | None:
    """The trigger that lowered it, or what began its figures anew."""
    if rollout is None:
        return None
    anew = restarted(state, rollout) if rollout.phase is Phase.PROGRESSING else None
    return f"figures start again: {anew}" if anew else rollout.trigger


def guarded_until(flag: FlagState, rollout: Rollout | None, settings: Environment, now: datetime) -> datetime | None:
    """The end of the bake: for what is on and does not move any more. None where it is over or never began."""
    if not flag.on:
        return None
    since = rollout.entered_at if rollout and rollout.phase is Phase.COMPLETED else None
    if rollout is None:
        since = flag.updated_at
    if since is None or since + settings.guard_for <= now:
        return None
    return since + settings.guard_for


def next_step_at(rollout: Rollout, percentage: int) -> datetime | None:
    return hold_ends(rollout, percentage) if rollout.phase is Phase.PROGRESSING else None


def restarted(state: State, rollout: Rollout) -> str | None:
    """Why a rollout's figures began anew in the midst of its step; None where they did not."""
    if not rollout.phase.live or rollout.anchor <= rollout.entered_at:
        return None
    for other in state.rollouts.values():
        if other.entered_at == rollout.anchor and other.lead != rollout.lead:
            return f"{other.lead} was {'taken back' if other.phase is Phase.ROLLED_BACK else 'lowered'}"
    for release in state.releases.values():
        if release.started_at < rollout.anchor <= (release.finished_at or rollout.anchor):
            return f"{release.version or 'a deploy'} gave its users new code"
    return "what its users see was changed"


def waiting(state: State, rollout: Rollout, now: datetime) -> tuple[str | None, str | None]:
    """What a rollout waits for, as a word of the contract and in words."""
    if rollout.phase is Phase.PAUSED:
        return "person", _WAITS_FOR["person"]
    if rollout.phase is not Phase.PROGRESSING:
        return None, None
    told = state.told.get(f"waiting.{rollout.lead}")
    ends = hold_ends(rollout, state.flag(rollout.lead).percentage)
    if told is None or (told == "hold" and ends is not None and now < ends):
        told = "hold"
    return told, _WAITS_FOR.get(told, told)


def rollout_row(
    state: State,
    settings: Environment,
    rollout: Rollout,
    now: datetime,
    *,
    verdicts: tuple[Verdict, ...] = (),
    exposed: Exposure | None = None,
) -> RolloutRow:
    from deployguard.operations.values.rollouts import RolloutRow, StepRow
    from deployguard.rollout.table import allowed

    flag = state.flag(rollout.lead)
    live = rollout.phase.live
    step = step_of(rollout, flag.percentage) if live else None
    hold = rollout.steps[step - 1].hold if step else None
    passed = max(now - rollout.entered_at, timedelta(0))
    waits_for, waits_text = waiting(state, rollout, now)
    record = state.rollbacks.get(rollout.rollback_id or "")
    before = record.rollouts_before.get(rollout.lead) if record and not live else None
    came_from = record.flags_before.get(rollout.lead) if record and not live else None
    return RolloutRow(
        rollout=rollout.lead,
        riders=rollout.riders,
        phase=rollout.phase,
        step=step,
        steps=tuple(StepRow(percentage=s.percentage, hold=s.hold, name=s.name) for s in rollout.steps),
        percentage=flag.percentage,
        entered_at=rollout.entered_at,
        next_step_at=next_step_at(rollout, flag.percentage),
        waits_for=waits_for,
        waits_text=waits_text,
        exposed=exposed,
        verdicts=verdicts,
        strategy=rollout.strategy,
        held=min(1.0, passed / hold) if hold else None,
        held_for=passed,
        next_percentage=next_step(rollout, flag.percentage) if live else None,
        anchor=rollout.anchor,
        restarted=restarted(state, rollout),
        paused_by=rollout.paused_by or (PausedBy.PERSON if rollout.phase is Phase.PAUSED else None),
        trigger=rollout.trigger,
        reason=rollout.reason,
        rollback_id=rollout.rollback_id,
        taken_back_from=came_from.percentage if came_from else None,
        taken_back_step=step_of(before, came_from.percentage) if before and came_from else None,
        lasted=rollout.entered_at - before.entered_at if before else None,
        guarded_until=guarded_until(flag, rollout, settings, now),
        allowed=tuple(allowed(state, rollout.lead)),
    )
