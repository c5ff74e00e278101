"""What a rollout waits for, so that none is stuck without saying why; and when the next decision can differ.

    trigger   a trigger of it fails
    source    a source is down, this machine is offline, or a required metric is not connected
    hold      the step's hold is not over
    samples   the hold is over and too little was seen yet
    person    it is paused, or it has waited for longer than `maxWait` past its hold

The first that holds; beyond `maxWait` it is a person, whatever the cause, which the verdicts still name. It goes on by
itself when the cause is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from deployguard.config.values import Environment
from deployguard.guard.blame import Standing
from deployguard.guard.choose import cooldown_ends, promotes_at
from deployguard.guard.questions import edge_after, start_of
from deployguard.guard.units import guarded, guarded_until
from deployguard.guard.values import Cause, Evidence, Result, Verdict
from deployguard.rollout.plan import hold_ends
from deployguard.state import Phase, Rollout, State, Unit


class WaitsFor(StrEnum):
    HOLD = "hold"
    SAMPLES = "samples"
    SOURCE = "source"
    TRIGGER = "trigger"
    PERSON = "person"


_BLIND = (Cause.NOT_CONNECTED, Cause.WATCHER_OFFLINE, Cause.SOURCE_DOWN)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`until` is when the cause may end by itself, as far as that is known. `verdicts` are those that hold it."""

    waits_for: WaitsFor
    until: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()


def waiting(
    state: State, standings: Sequence[Standing], watched: Sequence[Unit], after: Mapping[str, Unit], now: datetime
) -> dict[str, Waiting]:
    """For each rollout that progresses or is paused, in the state that this tick's moves have left.

    `standings` were judged on the units `watched`; those of units that are another in `after` are no evidence any more.
    """
    unchanged = {unit.key for unit in watched if after.get(unit.key) == unit}
    out: dict[str, Waiting] = {}
    for lead, rollout in state.rollouts.items():
        if rollout.phase is Phase.PAUSED:
            out[lead] = Waiting(WaitsFor.PERSON)
        elif rollout.phase is Phase.PROGRESSING:
            own = [one for one in standings if one.unit is not None and one.unit.key == lead and one.holds]
            out[lead] = _progressing(rollout, state.flag(lead).percentage, own if lead in unchanged else [], now)
    return out


def _progressing(rollout: Rollout, percentage: int, standings: Sequence[Standing], now: datetime) -> Waiting:
    due = hold_ends(rollout, percentage) or now
    cause = _cause(rollout, due, standings, now)
    return cause if now <= _gives_up_at(rollout, due) else replace(cause, waits_for=WaitsFor.PERSON)


def _gives_up_at(rollout: Rollout, due: datetime) -> datetime:
    """When it says that it waits for a person: `maxWait` past the hold."""
    return due + rollout.max_wait


def _cause(rollout: Rollout, due: datetime, standings: Sequence[Standing], now: datetime) -> Waiting:
    failing = [one for one in standings if one.result is Result.FAIL]
    if failing:
        ends = [end for one in failing if one.unit and (end := cooldown_ends(one.unit, one.trigger)) and end > now]
        return Waiting(WaitsFor.TRIGGER, min(ends, default=None), _deciding(failing))
    missing = [one for one in standings if one.result is Result.INCONCLUSIVE]
    blind = [one for one in missing if one.deciding.cause in _BLIND]
    if blind:
        return Waiting(WaitsFor.SOURCE, None, _deciding(blind))
    if now < due:
        return Waiting(WaitsFor.HOLD, due)
    ready = [one.deciding.ready_at for one in missing if one.deciding.ready_at is not None]
    return Waiting(WaitsFor.SAMPLES, promotes_at(rollout, due) or max(ready, default=None), _deciding(missing))


def _deciding(standings: Sequence[Standing]) -> tuple[Verdict, ...]:
    return tuple(one.deciding for one in standings)


def next_at(state: State, evidence: Evidence, environment: Environment, now: datetime) -> datetime | None:
    """When the next decision can differ from this one, if nobody does anything.

    The earliest moment after `now` of: the end of a hold, of hold + maxWait, of a cooldown, of warmUp, of guardFor, a
    sample turning stale, and the next bucket edge where a unit is guarded and samples lie in a window.
    """
    moments = [at for unit in guarded(state, environment, now) for at in _moments(state, unit, environment)]
    if moments:
        for question, reading in evidence.readings.items():
            if reading.count > 0:
                moments.append(edge_after(now))
            if reading.newest is not None:
                moments.append(reading.newest + question.window)
    return min((at for at in moments if at > now), default=None)


def _moments(state: State, unit: Unit, environment: Environment) -> Iterator[datetime]:
    rollout = state.rollouts.get(unit.key)
    due = hold_ends(rollout, unit.percentage) if rollout is not None and unit.phase is Phase.PROGRESSING else None
    if rollout is not None and due is not None:
        yield due
        yield _gives_up_at(rollout, due)
        promotes = promotes_at(rollout, due)
        if promotes is not None:
            yield promotes
    if unit.phase not in (Phase.PROGRESSING, Phase.PAUSED):
        yield guarded_until(unit, environment)
    for trigger in environment.triggers.values():
        yield start_of(unit.anchor, trigger.warm_up)
        ends = cooldown_ends(unit, trigger)
        if ends is not None:
            yield ends
