"""`rollout status`: a rollout and its table, one line a trigger with both populations, the limit, and a spark line.

The top of a spark line is the limit. The tables of `watch` and what a deploy shows are the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from deployguard.config.values import Environment, Trigger
from deployguard.guard.judge import judge
from deployguard.guard.units import guarded
from deployguard.guard.values import BUCKET, Exposure, Population, Result, Verdict
from deployguard.operations import flags, judged, rows
from deployguard.operations.judged import Look
from deployguard.operations.values.rollouts import RolloutRow, RolloutsStatus, TriggerLine
from deployguard.session import Session
from deployguard.state import Phase, Rollback, Rollout
from deployguard.story.verdicts import (
    cause_words,
    early_words,
    limit_words,
    metric_words,
    value_words,
    verdict_of,
    worst,
)
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore

BUCKET_S = BUCKET.total_seconds()
POINTS = 12
SPAN = timedelta(minutes=30)


def rollouts(session: Session, lead: str | None) -> RolloutsStatus:
    """Every rollout, or one, with its verdicts as they stand now."""
    look = Look(session)
    if lead is not None:
        flags.known(session.definitions(look.state), lead, f"rollout status FLAG --env {session.environment}")
        lead = look.state.flag(lead).rollout or lead
    return RolloutsStatus(
        environment=session.environment,
        revision=look.state.revision,
        rollouts=tuple(
            full_row(look, rollout) for rollout in look.state.rollouts.values() if lead in (None, rollout.lead)
        ),
        controller=look.controller,
        at=look.now,
    )


def full_row(look: Look, rollout: Rollout) -> RolloutRow:
    ours, then, at = judged.of_unit(look.verdicts, rollout.lead), rollout, look.now
    if rollout.phase is Phase.ROLLED_BACK:
        ours, then, at = _as_judged(look, rollout) or (ours, then, at)
    exposed = look.evidence.exposed.get(rollout.lead, Exposure()) if rollout.phase.live else None
    row = rows.rollout_row(look.state, look.settings, rollout, look.now, verdicts=ours, exposed=exposed)
    since = max(at - SPAN, then.anchor)  # nothing older is evidence
    table = tuple(_table(look, ours, then.lead, since, at))
    return replace(row, lines=table, spark_since=since, nearest=nearest_limit(ours, look.settings))


def _as_judged(look: Look, rollout: Rollout) -> tuple[tuple[Verdict, ...], Rollout, datetime] | None:
    """What was taken back keeps the table of that moment, from its earlier anchor.

    A trigger's event has the verdicts. For a person's they are judged again, without the bucket that was open then: it
    still fills with what the others do.
    """
    state, settings = look.state, look.settings
    record = state.rollbacks.get(rollout.rollback_id or "")
    before = record.rollouts_before.get(rollout.lead) if record is not None else None
    if record is None or before is None:
        return None
    ours = _recorded(look.session, rollout, record)
    if not ours:
        at = max(datetime.fromtimestamp(record.at.timestamp() // BUCKET_S * BUCKET_S, UTC), before.anchor)
        flags_then, rollouts_then = {**state.flags, **record.flags_before}, {**state.rollouts, rollout.lead: before}
        then = replace(state, flags=flags_then, rollouts=rollouts_then)
        evidence = gather(look.metrics, then, settings, at)
        ours = judged.of_unit(judge(guarded(then, settings, at), evidence, settings, then, at), rollout.lead)
    # Nothing comes any more that one of them could be ready for.
    return tuple(replace(one, ready_at=None) for one in ours), before, record.at


def _recorded(session: Session, rollout: Rollout, record: Rollback) -> tuple[Verdict, ...]:
    """The verdicts of the event that took it back; empty where a person did, or all at once."""
    for event in session.store.events(newest_first=True):
        if event.time < record.at:
            break
        if event.type == "rollout.rolledBack" and event.data.get("rollbackId") == record.id:
            found = (verdict_of(one) for one in event.data.get("verdicts") or ())
            return tuple(one for one in found if one is not None and one.unit == rollout.lead)
    return ()


def nearest_limit(verdicts: Iterable[Verdict], settings: Environment) -> str | None:
    """The passing verdict that is closest to its limit: `poor-web-vitals 2.44s of 4s`."""
    closest: tuple[float, str] | None = None
    for verdict in verdicts:
        trigger = settings.triggers.get(verdict.trigger)
        if verdict.verdict is not Result.PASS or not verdict.value or not verdict.threshold or trigger is None:
            continue
        share = verdict.value / verdict.threshold
        if share < 1 and (closest is None or share > closest[0]):
            limit = limit_words(trigger.when).split(" ", 1)[1]
            closest = (share, f"{verdict.trigger} {value_words(verdict)} of {limit}")
    return closest[1] if closest else None


def _table(
    look: Look, verdicts: Iterable[Verdict], lead: str, since: datetime, until: datetime
) -> Iterator[TriggerLine]:
    by_trigger: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_trigger.setdefault(verdict.trigger, []).append(verdict)
    for name, found in by_trigger.items():
        trigger = look.settings.triggers.get(name)
        if trigger is not None:
            yield _line(look, trigger, found, lead, since, until)


def _line(
    look: Look, trigger: Trigger, verdicts: list[Verdict], lead: str, since: datetime, until: datetime
) -> TriggerLine:
    # `others` explain the contrast; a line's own result rests on everyone and on its users.
    ours = [verdict for verdict in verdicts if verdict.population is not Population.OTHERS] or verdicts
    shown = worst(ours)
    exposed = next((v for v in ours if v.population is Population.EXPOSED and v.flag_id in (None, lead)), None)
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
        cause=cause_words(shown, look.session.zone, until) if shown.verdict is Result.INCONCLUSIVE else None,
        early=early_words(shown),
        holds=shown.holds,
        shadow=shown.shadow,
        spark=spark(trigger, look.metrics, lead if exposed is not None else None, since, until, POINTS),
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
