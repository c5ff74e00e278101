"""Verdicts: each trigger for each guarded unit, on up to three populations.

Theory of operation. A verdict is `pass`, `fail` or `inconclusive` with the first cause that holds. Harm that the
samples at hand prove is a fail, whatever else cannot be seen; a pass needs all that it rests on: enough samples, enough
users, and sources that are up. What is read from health checks is not judged while a deploy restarts what they ask, nor
while this machine is offline: a failing round would then say nothing about the application.

A trigger passes for a unit where `all` passes and, where `exposed` exists, that passes too; `others` is for blame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deployguard.config.metrics import COUNTING, VITALS
from deployguard.config.values import Environment, Mode, Trigger
from deployguard.flags.definitions import definitions
from deployguard.guard import sight
from deployguard.guard.measure import Measured, limit_of, measure
from deployguard.guard.questions import SPLIT, day_one, question, since_of
from deployguard.guard.rounds import judge_rounds, no_check
from deployguard.guard.sight import PROBE, Metric, Reads, metric_of
from deployguard.guard.units import compared
from deployguard.guard.values import (
    Cause,
    Evidence,
    Population,
    Question,
    Reading,
    Result,
    SourceState,
    Verdict,
    Window,
)
from deployguard.guard.view import Asked, Finding, View
from deployguard.state import State, Unit


def judge(
    units: Sequence[Unit], evidence: Evidence, environment: Environment, state: State, now: datetime
) -> tuple[Verdict, ...]:
    """Every verdict of this moment. Without units each trigger is judged once for everyone, and only alerts."""
    release = state.running_release()
    view = View(evidence, environment, now, deploying=release is not None and release.deploying)
    defined = definitions(environment.flags, state)
    subjects = {unit.key: compared(unit, state, defined) for unit in units}
    watched: Sequence[Unit | None] = units or (None,)
    return tuple(
        _verdict(asked, finding, now)
        for trigger in environment.triggers.values()
        for unit in watched
        for asked, finding in _judged(view, trigger, unit, subjects.get(unit.key, ()) if unit else (), state)
    )


def _judged(
    view: View, trigger: Trigger, unit: Unit | None, flags: tuple[str, ...], state: State
) -> Iterator[tuple[Asked, Finding]]:
    since = since_of(unit, trigger, state, view.environment, view.now)
    metric = metric_of(trigger.when)
    everyone = Asked(trigger, unit, since)
    if metric.reads is Reads.ROUNDS:
        yield everyone, judge_rounds(view, everyone)
        return
    if metric.reads is Reads.PROBES:
        yield everyone, _of_checks(view, everyone, question(trigger, PROBE, since, endpoint=trigger.when.argument))
        return
    sources = sight.feeding(view.environment, view.evidence, metric.feed)
    if not sources:
        yield everyone, _unconnected(view, everyone, metric)
        return
    yield everyone, _of_samples(view, everyone, metric, sources)
    if sight.users_known(view.environment, sources):
        for flag in flags:
            for population in SPLIT:
                asked = Asked(trigger, unit, since, flag, population)
                yield asked, _of_samples(view, asked, metric, sources)


def _verdict(asked: Asked, finding: Finding, now: datetime) -> Verdict:
    trigger, unit = asked.trigger, asked.unit
    shadow = trigger.mode is Mode.SHADOW
    blind = finding.cause is Cause.NOT_CONNECTED and not trigger.required
    return Verdict(
        trigger=trigger.name,
        rollout=unit.key if unit is not None and unit.phase is not None else None,
        flag_id=asked.flag,
        population=asked.population,
        verdict=finding.result,
        cause=finding.cause,
        rule=trigger.when.text,
        value=finding.measured.value,
        threshold=float(limit_of(trigger.when)),
        samples=finding.measured.samples,
        needed=finding.needed,
        bad=finding.measured.bad,
        ready_at=finding.ready_at,
        window=finding.window or Window(from_=min(max(asked.since, now - trigger.window), now), to=now),
        source=finding.source,
        detail=finding.detail,
        unit=unit.key if unit is not None else None,
        shadow=shadow,
        holds=not shadow and not blind and asked.population is not Population.OTHERS,
    )


def _unconnected(view: View, asked: Asked, metric: Metric) -> Finding:
    """No source feeds the metric. Requests have a stand-in, the health checks; nothing stands in for other samples."""
    if metric.reads is Reads.REQUESTS:
        probes = day_one(asked.trigger, asked.since, view.environment)
        if probes is not None:
            return _of_checks(view, asked, probes, source="checks")
        detail = "no request source configured, and no health check in its place"
    else:
        detail = f"no source gives {metric.feed}"
    return Finding(Result.INCONCLUSIVE, Cause.NOT_CONNECTED, detail=detail, source=_word(metric))


def _of_checks(view: View, asked: Asked, probes: Question, source: str = "probes") -> Finding:
    trigger = asked.trigger
    if source == "probes" and not sight.checks_of(view.environment, trigger.when):
        return no_check(trigger.when)
    reading = view.reading(probes)
    found = _Found(asked, reading, measure(trigger.when, reading, probes.at_least, trigger.window), probes.at_least)
    detail = f"from {reading.count} health checks; no request source configured" if source == "checks" else None
    if view.blind_to_checks is not None:
        return found.inconclusive(view.blind_to_checks, view.now, detail, source)
    proven = found.proven(view.now)
    if proven is not None:
        return found.as_(proven, detail, source)
    return found.inconclusive(_quiet_checks(view, asked, reading), view.now, detail, source)


def _quiet_checks(view: View, asked: Asked, reading: Reading) -> Cause:
    started = asked.since <= view.now - asked.trigger.window
    return Cause.STALE if reading.count == 0 and started else Cause.TOO_FEW


def _of_samples(view: View, asked: Asked, metric: Metric, sources: tuple[SourceState, ...]) -> Finding:
    trigger = asked.trigger
    query = question(trigger, metric, asked.since, asked.flag, asked.population, trigger.when.argument)
    reading = view.reading(query)
    found = _Found(asked, reading, measure(trigger.when, reading, query.at_least, trigger.window), query.at_least)
    proven = found.proven(view.now)
    if proven is Result.FAIL:
        return found.as_(proven, None, _word(metric))
    why = sight.down(sources, view.environment, view.evidence, trigger.window, view.now)
    quiet = _quiet(view, asked, metric, sources, reading)
    if view.evidence.offline and (why or quiet):
        return found.inconclusive(Cause.WATCHER_OFFLINE, view.now, None, _word(metric))
    if why is not None:
        return found.inconclusive(Cause.SOURCE_DOWN, view.now, why, _word(metric))
    if proven is not None:
        return found.as_(proven, None, _word(metric))
    return found.inconclusive(quiet or Cause.TOO_FEW, view.now, None, _word(metric))


def _quiet(
    view: View, asked: Asked, metric: Metric, sources: tuple[SourceState, ...], reading: Reading
) -> Cause | None:
    """Why there is nothing to read, where there is nothing: no traffic, or traffic that nobody of this side is in."""
    if reading.count > 0:
        return None
    trigger = asked.trigger
    opened = view.now - trigger.window
    silence = Cause.NO_TRAFFIC if metric.reads is Reads.REQUESTS else Cause.STALE
    everyone = view.reading(question(trigger, metric, asked.since, endpoint=trigger.when.argument))
    if everyone.count == 0:
        seen = sight.newest(sources)
        # Just after an anchor there may be traffic that is no evidence: then samples are few, not missing.
        moving = asked.since > opened and (trigger.when.argument is not None or (seen is not None and seen >= opened))
        return Cause.TOO_FEW if moving else silence
    # Until everyone's samples would do, it is too early to say that nobody was split.
    split = asked.population is not Population.ALL and everyone.count >= max(1, trigger.min_samples)
    return Cause.NO_EXPOSURE if split else Cause.TOO_FEW


def _word(metric: Metric) -> str:
    if metric.reads is Reads.REQUESTS:
        return "requests"
    return "vitals" if metric.feed in VITALS else "samples"


@dataclass(frozen=True, slots=True)
class _Found:
    """A reading with its measure: what it proves, and what it still needs."""

    asked: Asked
    reading: Reading
    measured: Measured
    needed: int

    def proven(self, now: datetime) -> Result | None:
        """A pass or a fail; None where the samples are too few for either."""
        trigger = self.asked.trigger
        if self._users_missing:
            return None
        if trigger.when.function in COUNTING:
            # A count is of a whole window: before one has passed it can only be too high already.
            full = self.measured.samples > 0 and self.asked.since <= now - trigger.window
        else:
            full = self.measured.samples >= max(1, self.needed)
        if full:
            return Result.FAIL if self.measured.met else Result.PASS
        return Result.FAIL if self.measured.certain else None

    @property
    def _users_missing(self) -> bool:
        # Where no sample carries an id users cannot be counted, and everyone is judged by samples alone.
        return 0 < self.reading.users < self.asked.trigger.min_users

    def as_(self, result: Result, detail: str | None, source: str) -> Finding:
        return Finding(result, None, self.measured, self.needed, None, self._window, source, detail)

    def inconclusive(self, cause: Cause, now: datetime, detail: str | None, source: str) -> Finding:
        ready = self._ready(now) if cause is Cause.TOO_FEW else None
        if cause is Cause.TOO_FEW and self._users_missing and self.measured.samples >= self.needed:
            detail = f"{self.reading.users} of {self.asked.trigger.min_users} users"
        return Finding(Result.INCONCLUSIVE, cause, self.measured, self.needed, ready, self._window, source, detail)

    def _ready(self, now: datetime) -> datetime | None:
        """About when enough samples will be there, by the rate of late."""
        trigger = self.asked.trigger
        if trigger.when.function in COUNTING:
            return self.asked.since + trigger.window
        missing = self.needed - self.measured.samples
        if self.reading.rate_per_s <= 0 or missing <= 0:
            return None
        return max(now, self.asked.since) + timedelta(seconds=missing / self.reading.rate_per_s)

    @property
    def _window(self) -> Window | None:
        if self.reading.count == 0:
            return None
        return Window(from_=self.reading.start, to=self.reading.end)
