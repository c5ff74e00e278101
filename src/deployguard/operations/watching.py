"""`watch`, `monitoring` and `rollout status`: what is seen and judged, for whoever looks on."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from deployguard.config.values import Environment
from deployguard.errors import unknown
from deployguard.guard.judge import judge
from deployguard.guard.units import guarded
from deployguard.guard.values import BUCKET, CheckRound, Evidence, Exposure, Population, Result, Verdict
from deployguard.operations import flags, judged, lines, rows
from deployguard.operations.told import newest
from deployguard.operations.values.rollouts import RolloutRow, RolloutsStatus, TriggerLine
from deployguard.operations.values.watching import (
    ChecksRound,
    Forgotten,
    Imported,
    MetricLine,
    MonitoringStatus,
    Overview,
)
from deployguard.session import Session
from deployguard.state import Phase, Rollback, Rollout, State
from deployguard.store.locks import read_controller
from deployguard.story.headline import headline
from deployguard.story.verdicts import limit_words, metric_words, value_words, verdict_of
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.probes import probe_all

EVENTS_SHOWN = 8
BUCKET_S = BUCKET.total_seconds()
MONITORING_SPAN = timedelta(hours=2)
MONITORING_POINTS = 24
SHOWN_AFTER_TAKE_BACK = timedelta(hours=1)
_VITALS = ("lcp", "inp", "cls", "fcp", "ttfb")
_PHASE_ORDER = (Phase.ROLLED_BACK, Phase.PROGRESSING, Phase.PAUSED, Phase.COMPLETED)


def rollouts(session: Session, lead: str | None) -> RolloutsStatus:
    """Every rollout, or one, with its verdicts as they stand now."""
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    if lead is not None:
        flags.known(session.definitions(state), lead, f"rollout status FLAG --env {session.environment}")
        lead = state.flag(lead).rollout or lead
    evidence, verdicts = judged.observe(session, state, settings, now)
    metrics = session.metrics(read_only=True)
    found = tuple(
        full_row(session, state, settings, rollout, metrics, evidence, verdicts, now)
        for rollout in state.rollouts.values()
        if lead in (None, rollout.lead)
    )
    return RolloutsStatus(
        environment=session.environment,
        revision=state.revision,
        rollouts=found,
        controller=read_controller(session.state_dir, session.environment, now),
        at=now,
    )


def full_row(
    session: Session,
    state: State,
    settings: Environment,
    rollout: Rollout,
    metrics: MetricStore,
    evidence: Evidence,
    verdicts: Iterable[Verdict],
    now: datetime,
) -> RolloutRow:
    ours = judged.of_unit(verdicts, rollout.lead)
    table, since = lines.lines_of(ours, settings, metrics, rollout, now, session.zone)
    if rollout.phase is Phase.ROLLED_BACK:
        ours, table, since = _as_judged(session, state, settings, rollout, metrics) or (ours, table, since)
    row = rows.rollout_row(
        state,
        settings,
        rollout,
        now,
        verdicts=ours,
        exposed=evidence.exposed.get(rollout.lead, Exposure()) if rollout.phase.live else None,
    )
    return replace(row, lines=table, spark_since=since, nearest=nearest_limit(ours, settings))


def _as_judged(
    session: Session, state: State, settings: Environment, rollout: Rollout, metrics: MetricStore
) -> tuple[tuple[Verdict, ...], tuple[TriggerLine, ...], datetime] | None:
    """What was taken back keeps the table of that moment, from its earlier anchor.

    A trigger's event has the verdicts. For a person's they are judged again, without the bucket that was open then: it
    still fills with what the others do.
    """
    record = state.rollbacks.get(rollout.rollback_id or "")
    before = record.rollouts_before.get(rollout.lead) if record is not None else None
    if record is None or before is None:
        return None
    ours = _recorded(session, rollout, record)
    if not ours:
        at = max(datetime.fromtimestamp(record.at.timestamp() // BUCKET_S * BUCKET_S, UTC), before.anchor)
        flags_then, rollouts_then = {**state.flags, **record.flags_before}, {**state.rollouts, rollout.lead: before}
        then = replace(state, flags=flags_then, rollouts=rollouts_then)
        verdicts = judge(guarded(then, settings, at), gather(metrics, then, settings, at), settings, then, at)
        ours = judged.of_unit(verdicts, rollout.lead)
    table, since = lines.lines_of(ours, settings, metrics, before, record.at, session.zone)
    return ours, table, since


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


def overview(session: Session) -> Overview:
    """One frame of the live view: the same for whoever acts and whoever looks on."""
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    definitions = session.definitions(state)
    evidence, verdicts = judged.observe(session, state, settings, now)
    metrics = session.metrics(read_only=True)
    controller = read_controller(session.state_dir, session.environment, now)
    shown = sorted(
        (rollout for rollout in state.rollouts.values() if _worth_showing(rollout, settings, now)),
        key=lambda rollout: (_PHASE_ORDER.index(rollout.phase), -rollout.entered_at.timestamp()),
    )
    said, offers = headline(state, verdicts, controller is not None and controller.alive, settings, now, session.zone)
    return Overview(
        environment=session.environment,
        revision=state.revision,
        at=now,
        controller=controller,
        headline=said,
        rollouts=tuple(full_row(session, state, settings, r, metrics, evidence, verdicts, now) for r in shown),
        flags=rows.flag_rows(state, settings, definitions, now),
        checks=tuple(evidence.checks[name] for name in settings.checks if name in evidence.checks),
        sources=tuple(evidence.sources.values()),
        events=newest(session, EVENTS_SHOWN),
        next=offers,
    )


def _worth_showing(rollout: Rollout, settings: Environment, now: datetime) -> bool:
    """What moves or waits; what was taken back an hour ago at most; what is still guarded."""
    age = now - rollout.entered_at
    if rollout.phase is Phase.ROLLED_BACK:
        return age <= SHOWN_AFTER_TAKE_BACK
    return rollout.phase is not Phase.COMPLETED or age <= settings.guard_for


def monitoring(session: Session) -> MonitoringStatus:
    """The figures of the last window beside their limits."""
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    evidence, verdicts = judged.observe(session, state, settings, now)
    metrics = session.metrics(read_only=True)
    window = max((t.window for t in settings.triggers.values()), default=timedelta(minutes=5))
    everyone: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.population is Population.ALL:
            everyone.setdefault(verdict.trigger, verdict)
    figures = [_figure(settings, metrics, name, everyone.get(name), now) for name in settings.triggers]
    judged_names = {trigger.when.name for trigger in settings.triggers.values()}
    figures += [
        line
        for name in _VITALS
        if name not in judged_names and (line := _unjudged(metrics, name, window, now)) is not None
    ]
    return MonitoringStatus(
        environment=session.environment,
        revision=state.revision,
        at=now,
        window=window,
        metrics=tuple(figures),
        endpoints=metrics.endpoints(now - window, now),
        sources=tuple(evidence.sources.values()),
        checks=tuple(evidence.checks[name] for name in settings.checks if name in evidence.checks),
        passing=sum(1 for verdict in everyone.values() if verdict.verdict is Result.PASS),
        judged=len(settings.triggers),
        controller=read_controller(session.state_dir, session.environment, now),
    )


def _figure(
    settings: Environment, metrics: MetricStore, name: str, verdict: Verdict | None, now: datetime
) -> MetricLine:
    trigger = settings.triggers[name]
    since = now - MONITORING_SPAN
    return MetricLine(
        metric=metric_words(trigger.when),
        now=value_words(verdict) if verdict is not None and verdict.value is not None else None,
        limit=limit_words(trigger.when),
        samples=verdict.samples if verdict is not None else 0,
        verdict=verdict.verdict if verdict is not None else None,
        spark=lines.spark(trigger, metrics, None, since, now, MONITORING_POINTS),
        value=verdict.value if verdict is not None else None,
    )


def _unjudged(metrics: MetricStore, name: str, window: timedelta, now: datetime) -> MetricLine | None:
    """A vital that no trigger judges, at p75, where there are samples."""
    reading = metrics.number(name, now - window, now)
    value = reading.histogram.percentile(0.75)
    if value is None:
        return None
    from deployguard.story.numbers import metric_value

    return MetricLine(
        metric=f"p75({name})", now=metric_value(name, value), limit=None, samples=reading.count, value=value
    )


def check_now(session: Session) -> ChecksRound:
    """One round of every check; written nowhere, judges nothing."""
    return ChecksRound(environment=session.environment, at=session.clock(), checks=probed(session, session.settings))


def probed(session: Session, settings: Environment) -> tuple[CheckRound, ...]:
    """What each check finds now."""
    return probe_all(settings.checks.values(), settings.base_url, session.clock, mask=session.masker.mask)


def forget_source(session: Session, name: str) -> Forgotten:
    """A source that fed samples once is not waited for any more. Raises `usage` for one that never did."""
    metrics = session.metrics()
    known = tuple(metrics.source_states(session.settings, session.clock()))
    if name not in known:
        retry = f"deployguard monitoring forget {{}} --env {session.environment}"
        none = "a source that gave samples; none did"
        raise unknown("source", name, known, "argument SOURCE", none=none, retry=retry)
    metrics.forget(name)
    return Forgotten(environment=session.environment, source=name, configured=name in session.settings.sources)


def import_samples(session: Session, data: Iterable[bytes]) -> Imported:
    from deployguard.telemetry.exposer import exposer_of
    from deployguard.telemetry.importer import import_lines

    settings, state, now = session.settings, session.store.read(), session.clock()
    found = import_lines(data, session.metrics(), exposer_of(state, settings, now), now)
    return Imported(
        environment=session.environment,
        accepted=found.accepted,
        refused=found.refused,
        dropped_future=found.dropped_future,
        dropped_old=found.dropped_old,
        requests=found.requests,
        vitals=found.vitals,
        probes=found.probes,
        with_user=found.with_user,
        problem=found.problem.found if found.problem else None,
    )
