"""A rollout's table: one line a trigger with both populations, the limit, and a spark line whose top is the limit."""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from deployguard.config.values import Environment, Trigger
from deployguard.guard.values import Population, Result, Verdict
from deployguard.operations.values.rollouts import TriggerLine
from deployguard.state import Rollout
from deployguard.story.verdicts import cause_words, early_words, limit_words, metric_words, value_words, worst
from deployguard.telemetry.metrics import MetricStore

POINTS = 12
SPAN = timedelta(minutes=30)


def lines_of(
    verdicts: Iterable[Verdict],
    settings: Environment,
    metrics: MetricStore,
    rollout: Rollout,
    now: datetime,
    zone: tzinfo | None = None,
) -> tuple[tuple[TriggerLine, ...], datetime]:
    """The table of one rollout and since when its spark lines run: nothing older than the anchor is evidence."""
    since = max(now - SPAN, rollout.anchor)
    by_trigger: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_trigger.setdefault(verdict.trigger, []).append(verdict)
    lines = tuple(
        _line(settings.triggers[name], found, metrics, rollout, since, now, zone)
        for name, found in by_trigger.items()
        if name in settings.triggers
    )
    return lines, since


def _line(
    trigger: Trigger,
    verdicts: list[Verdict],
    metrics: MetricStore,
    rollout: Rollout,
    since: datetime,
    now: datetime,
    zone: tzinfo | None,
) -> TriggerLine:
    # `others` explain the contrast; a line's own result rests on everyone and on its users.
    ours = [verdict for verdict in verdicts if verdict.population is not Population.OTHERS] or verdicts
    shown = worst(ours)
    exposed = next((v for v in ours if v.population is Population.EXPOSED and v.flag_id in (None, rollout.lead)), None)
    samples = exposed if exposed is not None and exposed.samples else shown
    return TriggerLine(
        trigger=trigger.name,
        verdict=shown.verdict,
        metric=metric_words(trigger.when),
        limit=limit_words(trigger.when),
        exposed=_value(exposed),
        everyone=_value(next((v for v in ours if v.population is Population.ALL), None)),
        others=_value(next((v for v in verdicts if v.population is Population.OTHERS), None)),
        samples=samples.samples,
        needed=samples.needed,
        cause=cause_words(shown, zone, now) if shown.verdict is Result.INCONCLUSIVE else None,
        early=early_words(shown),
        holds=shown.holds,
        shadow=shown.shadow,
        spark=spark(trigger, metrics, rollout.lead if exposed is not None else None, since, now, POINTS),
    )


def _value(verdict: Verdict | None) -> str | None:
    if verdict is None:
        return None
    return value_words(verdict) if verdict.value is not None else "none"


def spark(
    trigger: Trigger, metrics: MetricStore, flag: str | None, since: datetime, now: datetime, points: int
) -> tuple[float | None, ...]:
    """Shares of the limit, oldest first; 1.0 is the limit, None is a gap. Empty where the limit is no number."""
    limit = trigger.when.value
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0:
        return ()
    values = metrics.series(
        trigger.when,
        flag=flag,
        population=Population.EXPOSED if flag else Population.ALL,
        since=since,
        until=now,
        points=points,
    )
    return tuple(None if value is None else value / limit for value in values)
