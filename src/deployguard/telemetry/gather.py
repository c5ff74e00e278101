"""Everything that one decision needs, read at one moment: the guard asks, the metric store answers."""

from collections.abc import Iterator
from datetime import datetime

from deployguard.config.values import Environment
from deployguard.flags.definitions import definitions
from deployguard.guard.questions import questions
from deployguard.guard.units import compared, guarded
from deployguard.guard.values import Evidence
from deployguard.state import State
from deployguard.telemetry.metrics import MetricStore


def gather(metrics: MetricStore, state: State, environment: Environment, now: datetime) -> Evidence:
    """The evidence at `now`."""
    readings, rounds = metrics.answer(questions(state, environment, now), now)
    return Evidence(
        readings=readings,
        rounds=rounds,
        checks=metrics.last_rounds(),
        sources=metrics.source_states(environment, now),
        exposed=metrics.exposed(tuple(_steps(state, environment, now))),
        offline=metrics.offline(now),
    )


def _steps(state: State, environment: Environment, now: datetime) -> Iterator[tuple[str, str, datetime]]:
    """Each guarded unit's key, the first of its flags that the bucket decides, and the start of its step."""
    defined = definitions(environment.flags, state)
    for unit in guarded(state, environment, now):
        flags = compared(unit, state, defined)
        if flags:
            yield unit.key, flags[0], unit.entered_at
