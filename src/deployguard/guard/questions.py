"""Which samples the guard needs. The telemetry answers; `judge` looks the answers up by the same questions.

For each guarded unit and trigger: everyone since the unit's anchor, and where its users can be compared the users who
have the flag and those who do not. Where no unit is guarded each trigger is still asked for everyone, so that a fault
alerts.

Theory of operation. Samples are kept in buckets of ten seconds, so nothing can be cut finer. The anchor of a unit is
the moment since which its users have seen the same thing; the bucket that holds the anchor has samples of both kinds.
So a window starts at the first bucket edge at or after the anchor, and at most ten seconds are not looked at. A
trigger's `warmUp` comes on top: a cold cache is no fault. A window is the last `window` up to now; where that holds at
least one sample but fewer than it needs it grows backwards, bucket by bucket, and never past this start.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deployguard.config.metrics import COUNTING
from deployguard.config.values import Environment, Trigger
from deployguard.flags.definitions import definitions
from deployguard.guard.sight import PROBE, REQUESTS, Metric, Reads, check_at, checks_of, configured, metric_of
from deployguard.guard.units import compared, guarded
from deployguard.guard.values import BUCKET, Population, Question, Questions, RoundsQuestion
from deployguard.state import State, Unit, units

SPLIT = (Population.EXPOSED, Population.OTHERS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def questions(state: State, environment: Environment, now: datetime) -> Questions:
    """Everything that `judge` reads at `now`, each question once."""
    defined = definitions(environment.flags, state)
    samples: dict[Question, None] = {}
    rounds: dict[RoundsQuestion, None] = {}
    watched: tuple[Unit | None, ...] = guarded(state, environment, now) or (None,)
    for unit in watched:
        flags = compared(unit, state, defined) if unit else ()
        for trigger in environment.triggers.values():
            since = since_of(unit, trigger, state, environment, now)
            if metric_of(trigger.when).reads is Reads.ROUNDS:
                rounds.update(dict.fromkeys(rounds_asked(trigger, unit, environment, since)))
            else:
                samples.update(dict.fromkeys(_asked(trigger, since, flags, environment)))
    return Questions(samples=tuple(samples), rounds=tuple(rounds))


def since_of(unit: Unit | None, trigger: Trigger, state: State, environment: Environment, now: datetime) -> datetime:
    """The start of what is evidence. Without a unit: the last change of any, at most `guardFor` ago."""
    if unit is not None:
        return start_of(unit.anchor, trigger.warm_up)
    changed = max((found.anchor for found in units(state)), default=now - environment.guard_for)
    return edge_at_or_after(max(changed, now - environment.guard_for))


def rounds_since(unit: Unit | None, trigger: Trigger, since: datetime) -> datetime:
    """Rounds have their own times, so they need no bucket edge: those at or after the anchor and `warmUp` count."""
    return since if unit is None else unit.anchor + trigger.warm_up


def rounds_asked(
    trigger: Trigger, unit: Unit | None, environment: Environment, since: datetime
) -> tuple[RoundsQuestion, ...]:
    at = rounds_since(unit, trigger, since)
    return tuple(RoundsQuestion(check.name, at) for check in checks_of(environment, trigger.when))


def question(
    trigger: Trigger,
    metric: Metric,
    since: datetime,
    flag: str | None = None,
    population: Population = Population.ALL,
    endpoint: str | None = None,
) -> Question:
    """One question of a trigger. A count is complete with any number of samples, so its window never grows."""
    return Question(
        kind=metric.kind,
        metric=metric.feed,
        since=since,
        window=trigger.window,
        at_least=0 if trigger.when.function in COUNTING else trigger.min_samples,
        endpoint=endpoint,
        flag=flag,
        population=population,
    )


def day_one(trigger: Trigger, since: datetime, environment: Environment) -> Question | None:
    """The health checks in place of requests; None where no check stands for what the rule asks."""
    endpoint = trigger.when.argument
    if endpoint is None:
        return question(trigger, PROBE, since) if environment.checks else None
    check = check_at(environment, endpoint)
    return question(trigger, PROBE, since, endpoint=check.name) if check else None


def _asked(trigger: Trigger, since: datetime, flags: tuple[str, ...], environment: Environment) -> Iterator[Question]:
    metric = metric_of(trigger.when)
    endpoint = trigger.when.argument
    yield question(trigger, metric, since, endpoint=endpoint)
    if metric.of_checks:
        return
    for flag in flags:
        for population in SPLIT:
            yield question(trigger, metric, since, flag, population, endpoint)
    # Whether requests have come by another way (an import) is known only to the answer, so both are asked.
    if metric.reads is Reads.REQUESTS and not configured(environment, REQUESTS):
        probes = day_one(trigger, since, environment)
        if probes is not None:
            yield probes


def edge_before(at: datetime) -> datetime:
    """The last bucket edge at or before `at`."""
    return _EPOCH + (at - _EPOCH) // BUCKET * BUCKET


def edge_at_or_after(at: datetime) -> datetime:
    """The first bucket edge at or after `at`."""
    edge = edge_before(at)
    return edge if edge == at else edge + BUCKET


def edge_after(at: datetime) -> datetime:
    """The next bucket edge, strictly after `at`."""
    return edge_before(at) + BUCKET


def start_of(anchor: datetime, warm_up: timedelta) -> datetime:
    """Where the samples of a unit begin to be evidence for a trigger."""
    return edge_at_or_after(edge_at_or_after(anchor) + warm_up)
