"""`watch` and `monitoring`: what is seen and judged, for whoever looks on."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from deployguard.config.values import Environment
from deployguard.errors import unknown
from deployguard.guard.values import CheckRound, Population, Result, Verdict
from deployguard.operations import rows
from deployguard.operations.judged import Look
from deployguard.operations.rollouts import full_row, spark
from deployguard.operations.told import newest
from deployguard.operations.values.watching import (
    ChecksRound,
    Forgotten,
    Imported,
    MetricLine,
    MonitoringStatus,
    Overview,
)
from deployguard.session import Session
from deployguard.state import Phase, Rollout
from deployguard.story.headline import headline
from deployguard.story.numbers import metric_value
from deployguard.story.verdicts import limit_words, metric_words, value_words
from deployguard.telemetry.exposer import exposer_of
from deployguard.telemetry.importer import import_lines
from deployguard.telemetry.probes import probe_all

EVENTS_SHOWN = 8
MONITORING_SPAN = timedelta(hours=2)
MONITORING_POINTS = 24
SHOWN_AFTER_TAKE_BACK = timedelta(hours=1)
_VITALS = ("lcp", "inp", "cls", "fcp", "ttfb")
_PHASE_ORDER = (Phase.ROLLED_BACK, Phase.PROGRESSING, Phase.PAUSED, Phase.COMPLETED)


def overview(session: Session) -> Overview:
    """One frame of the live view: the same for whoever acts and whoever looks on."""
    look = Look(session)
    state, settings, now = look.state, look.settings, look.now
    shown = sorted(
        (rollout for rollout in state.rollouts.values() if _worth_showing(rollout, settings, now)),
        key=lambda rollout: (_PHASE_ORDER.index(rollout.phase), -rollout.entered_at.timestamp()),
    )
    alive = look.controller is not None and look.controller.alive
    said, offers = headline(state, look.verdicts, alive, settings, now, session.zone)
    return Overview(
        environment=session.environment,
        revision=state.revision,
        at=now,
        controller=look.controller,
        headline=said,
        rollouts=tuple(full_row(look, rollout) for rollout in shown),
        flags=rows.flag_rows(state, settings, session.definitions(state), now),
        checks=_checks(look),
        sources=tuple(look.evidence.sources.values()),
        events=newest(session, EVENTS_SHOWN),
        next=offers,
    )


def _worth_showing(rollout: Rollout, settings: Environment, now: datetime) -> bool:
    """What moves or waits; what was taken back an hour ago at most; what is still guarded."""
    age = now - rollout.entered_at
    if rollout.phase is Phase.ROLLED_BACK:
        return age <= SHOWN_AFTER_TAKE_BACK
    return rollout.phase is not Phase.COMPLETED or age <= settings.guard_for


def _checks(look: Look) -> tuple[CheckRound, ...]:
    """The last round of each, in the order of the config."""
    rounds = look.evidence.checks
    return tuple(rounds[name] for name in look.settings.checks if name in rounds)


def monitoring(session: Session) -> MonitoringStatus:
    """The figures of the last window beside their limits."""
    look = Look(session)
    triggers, now = look.settings.triggers, look.now
    window = max((trigger.window for trigger in triggers.values()), default=timedelta(minutes=5))
    everyone: dict[str, Verdict] = {}
    for verdict in look.verdicts:
        if verdict.population is Population.ALL:
            everyone.setdefault(verdict.trigger, verdict)
    judged_names = {trigger.when.name for trigger in triggers.values()}
    unjudged = (_unjudged(look, name, window) for name in _VITALS if name not in judged_names)
    return MonitoringStatus(
        environment=session.environment,
        revision=look.state.revision,
        at=now,
        window=window,
        metrics=(
            *(_figure(look, name, everyone.get(name)) for name in triggers),
            *(line for line in unjudged if line is not None),
        ),
        endpoints=look.metrics.endpoints(now - window, now),
        sources=tuple(look.evidence.sources.values()),
        checks=_checks(look),
        passing=sum(1 for verdict in everyone.values() if verdict.verdict is Result.PASS),
        judged=len(triggers),
        controller=look.controller,
    )


def _figure(look: Look, name: str, verdict: Verdict | None) -> MetricLine:
    trigger = look.settings.triggers[name]
    return MetricLine(
        metric=metric_words(trigger.when),
        now=value_words(verdict) if verdict is not None and verdict.value is not None else None,
        limit=limit_words(trigger.when),
        samples=verdict.samples if verdict is not None else 0,
        verdict=verdict.verdict if verdict is not None else None,
        spark=spark(trigger, look.metrics, None, look.now - MONITORING_SPAN, look.now, MONITORING_POINTS),
        value=verdict.value if verdict is not None else None,
    )


def _unjudged(look: Look, name: str, window: timedelta) -> MetricLine | None:
    """A vital that no trigger judges, at p75, where there are samples."""
    reading = look.metrics.number(name, look.now - window, look.now)
    value = reading.histogram.percentile(0.75)
    if value is None:
        return None
    now = metric_value(name, value)
    return MetricLine(metric=f"p75({name})", now=now, limit=None, samples=reading.count, value=value)


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
    settings, state, now = session.settings, session.store.read(), session.clock()
    found = import_lines(data, session.metrics(), exposer_of(state, settings, now), now)
    problem = found.problem.found if found.problem else None
    return Imported(environment=session.environment, **(asdict(found) | {"problem": problem}))
