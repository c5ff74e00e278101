"""Verdicts: each trigger for each guarded unit, on up to three populations.

Theory of operation. A verdict is `pass`, `fail` or `inconclusive` with the first cause that holds. Harm that the
samples at hand prove is a fail, whatever else cannot be seen; a pass needs all that it rests on: enough samples, enough
users, and sources that are up. What is read from health checks is not judged while a deploy restarts what they ask, nor
while this machine is offline: a failing round would then say nothing about the application.

`consecutiveFailures` counts failed probe rounds in a row, check by check, since the anchor. One success resets; retries
inside a round count once; the telemetry keeps the rounds, so a restart forgets nothing. The rule fails where any check
that it means fails it, and passes once each has had a round and none does.

A trigger passes for a unit where `all` passes and, where `exposed` exists, that passes too; `others` is for blame.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from deployguard.config.metrics import VITALS
from deployguard.config.values import Environment, HealthCheck, Mode, Trigger
from deployguard.flags.definitions import definitions
from deployguard.guard import sight
from deployguard.guard.finding import Asked, Finding, Found, View
from deployguard.guard.measure import Measured, compare, limit_of
from deployguard.guard.questions import SPLIT, day_one, question, rounds_asked, since_of
from deployguard.guard.sight import PROBE, Metric, Reads, metric_of
from deployguard.guard.units import compared
from deployguard.guard.values import (
    Cause,
    Evidence,
    Population,
    Question,
    Reading,
    Result,
    Rounds,
    SourceState,
    Verdict,
    Window,
)
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
    if metric.of_checks and not sight.checks_of(view.environment, trigger.when):
        named = trigger.when.argument
        detail = "no health check is configured" if named is None else f"no check {named}"
        yield everyone, Finding(Result.INCONCLUSIVE, Cause.NOT_CONNECTED, detail=detail, source="probes")
        return
    if metric.reads is Reads.ROUNDS:
        yield everyone, _of_rounds(view, everyone)
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
                asked = replace(everyone, flag=flag, population=population)
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


# health checks


def _of_rounds(view: View, asked: Asked) -> Finding:
    """Failed rounds in a row of each check that the rule means, the worst one's shown."""
    questions = rounds_asked(asked.trigger, asked.unit, view.environment, asked.since)
    found = {query.check: view.evidence.rounds.get(query, Rounds()) for query in questions}
    worst = max(found, key=lambda name: found[name].consecutive)
    measured = Measured(
        value=float(found[worst].consecutive),
        samples=sum(rounds.total for rounds in found.values()),
        met=compare(asked.trigger.when, Fraction(found[worst].consecutive)),
    )
    window = Window(from_=min(questions[0].since, view.now), to=view.now)
    if view.blind_to_checks is not None:
        result, cause, names = Result.INCONCLUSIVE, view.blind_to_checks, []
    elif measured.met and found[worst].total > 0:
        result, cause, names = Result.FAIL, None, [worst]
    else:
        result, cause, names = _unseen_rounds(view, asked, found)
    return Finding(result, cause, measured, 1, None, window, "probes", ", ".join(names) or None)


def _unseen_rounds(view: View, asked: Asked, found: Mapping[str, Rounds]) -> tuple[Result, Cause | None, list[str]]:
    """A pass, or the checks that are in its way: those that are late, else those that were never asked."""

    def late(check: HealthCheck) -> bool:
        # A check that is asked more rarely than the window is long has two of its own intervals.
        last = found[check.name].newest or asked.since
        return view.now - last > max(asked.trigger.window, 2 * (check.every + check.timeout))

    checks = sight.checks_of(view.environment, asked.trigger.when)
    if names := [check.name for check in checks if late(check)]:
        return Result.INCONCLUSIVE, Cause.STALE, names
    if names := [name for name, rounds in found.items() if rounds.total == 0]:
        return Result.INCONCLUSIVE, Cause.TOO_FEW, names
    return Result.PASS, None, []


def _of_checks(view: View, asked: Asked, probes: Question, source: str = "probes") -> Finding:
    reading = view.reading(probes)
    found = Found.of(asked, reading, probes.at_least, source)
    detail = f"from {reading.count} health checks; no request source configured" if source == "checks" else None
    if view.blind_to_checks is not None:
        return found.inconclusive(view.blind_to_checks, view.now, detail)
    proven = found.proven(view.now)
    if proven is not None:
        return found.finding(proven, detail=detail)
    started = asked.since <= view.now - asked.trigger.window
    return found.inconclusive(Cause.STALE if reading.count == 0 and started else Cause.TOO_FEW, view.now, detail)


# samples


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


def _of_samples(view: View, asked: Asked, metric: Metric, sources: tuple[SourceState, ...]) -> Finding:
    trigger = asked.trigger
    query = question(trigger, metric, asked.since, asked.flag, asked.population, trigger.when.argument)
    found = Found.of(asked, view.reading(query), query.at_least, _word(metric))
    proven = found.proven(view.now)
    if proven is Result.FAIL:
        return found.finding(proven)
    why = sight.down(sources, view.environment, view.evidence, trigger.window, view.now)
    quiet = _quiet(view, asked, metric, sources, found.reading)
    if view.evidence.offline and (why or quiet):
        return found.inconclusive(Cause.WATCHER_OFFLINE, view.now)
    if why is not None:
        return found.inconclusive(Cause.SOURCE_DOWN, view.now, why)
    if proven is not None:
        return found.finding(proven)
    return found.inconclusive(quiet or Cause.TOO_FEW, view.now)


def _quiet(
    view: View, asked: Asked, metric: Metric, sources: tuple[SourceState, ...], reading: Reading
) -> Cause | None:
    """Why there is nothing to read, where there is nothing: no traffic, or traffic that nobody of this side is in."""
    if reading.count > 0:
        return None
    trigger = asked.trigger
    opened = view.now - trigger.window
    everyone = view.reading(question(trigger, metric, asked.since, endpoint=trigger.when.argument))
    if everyone.count == 0:
        seen = max((source.newest for source in sources if source.newest is not None), default=None)
        # Just after an anchor there may be traffic that is no evidence: then samples are few, not missing.
        if asked.since > opened and (trigger.when.argument is not None or (seen is not None and seen >= opened)):
            return Cause.TOO_FEW
        return Cause.NO_TRAFFIC if metric.reads is Reads.REQUESTS else Cause.STALE
    # Until everyone's samples would do, it is too early to say that nobody was split.
    split = asked.population is not Population.ALL and everyone.count >= max(1, trigger.min_samples)
    return Cause.NO_EXPOSURE if split else Cause.TOO_FEW


def _word(metric: Metric) -> str:
    if metric.reads is Reads.REQUESTS:
        return "requests"
    return "vitals" if metric.feed in VITALS else "samples"
