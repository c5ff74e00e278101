"""When the next decision can differ from this one, if nobody does anything: `nextAt`."""

from collections.abc import Iterator
from datetime import datetime

from deployguard.config.values import Environment
from deployguard.guard.choose import cooldown_ends, promotes_at
from deployguard.guard.units import guarded, guarded_until
from deployguard.guard.values import Evidence
from deployguard.guard.waiting import gives_up_at
from deployguard.guard.windows import edge_after, start_of
from deployguard.rollout.plan import hold_ends
from deployguard.state import Phase, State, Unit


def next_at(state: State, evidence: Evidence, environment: Environment, now: datetime) -> datetime | None:
    """The earliest moment after `now` of: the end of a hold, of hold + maxWait, of a cooldown, of warmUp, of guardFor,
    a sample turning stale, and the next bucket edge where a unit is guarded and samples lie in a window."""
    moments = [at for unit in guarded(state, environment, now) for at in _of_unit(state, unit, environment)]
    if moments:
        moments.extend(_of_samples(evidence, now))
    return min((at for at in moments if at > now), default=None)


def _of_unit(state: State, unit: Unit, environment: Environment) -> Iterator[datetime]:
    rollout = state.rollouts.get(unit.key)
    due = hold_ends(rollout, unit.percentage) if rollout is not None and unit.phase is Phase.PROGRESSING else None
    if rollout is not None and due is not None:
        yield due
        yield gives_up_at(rollout, due)
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


def _of_samples(evidence: Evidence, now: datetime) -> Iterator[datetime]:
    for question, reading in evidence.readings.items():
        if reading.count > 0:
            yield edge_after(now)
        if reading.newest is not None:
            yield reading.newest + question.window
