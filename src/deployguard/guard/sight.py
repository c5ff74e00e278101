"""What of a metric can be seen: which sources feed it, whether they are connected, and whether they are silent.

A source is connected from being configured, or from having given enough samples (the telemetry says so). With no
source of requests at all (day one) health probes count as requests. A log that stays silent while the checks pass is
down: the checks themselves should stand in it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from deployguard.config.condition import Condition
from deployguard.config.units import format_duration
from deployguard.config.values import Environment, HealthCheck, Source
from deployguard.guard.values import Evidence, SampleKind, SourceState

REQUESTS = "request"
_USER_COOKIE = "$cookie_dg_id"
_REQUEST_METRICS = ("errorRate", "responseTime")


class Reads(StrEnum):
    """What a metric is read from."""

    REQUESTS = "requests"
    NUMBERS = "numbers"
    PROBES = "probes"  # availability
    ROUNDS = "rounds"  # consecutiveFailures


@dataclass(frozen=True, slots=True)
class Metric:
    """`feed` is the word by which a source says that it feeds the metric: `request`, `lcp`."""

    reads: Reads
    kind: SampleKind
    feed: str

    @property
    def of_checks(self) -> bool:
        return self.reads in (Reads.PROBES, Reads.ROUNDS)


_REQUEST = Metric(Reads.REQUESTS, SampleKind.REQUEST, REQUESTS)
PROBE = Metric(Reads.PROBES, SampleKind.PROBE, "probe")
_ROUNDS = Metric(Reads.ROUNDS, SampleKind.PROBE, "probe")


def metric_of(condition: Condition) -> Metric:
    if condition.name in _REQUEST_METRICS:
        return _REQUEST
    if condition.name == "availability":
        return PROBE
    if condition.name == "consecutiveFailures":
        return _ROUNDS
    return Metric(Reads.NUMBERS, SampleKind.NUMBER, condition.name)


def configured(environment: Environment, feed: str) -> tuple[Source, ...]:
    """The config's sources that feed a metric in this environment: each log has requests, some have numbers too."""
    return tuple(
        source
        for source in environment.sources.values()
        if (not source.environments or environment.name in source.environments)
        and (feed == REQUESTS or feed in source.fields)
    )


def feeding(environment: Environment, evidence: Evidence, feed: str) -> tuple[SourceState, ...]:
    """The connected sources of a metric. A configured one counts even where nothing was observed of it yet."""
    seen = {name: state for name, state in evidence.sources.items() if state.connected and feed in state.kinds}
    for source in configured(environment, feed):
        fallback = SourceState(name=source.name, kinds=(feed,), connected=True)
        seen.setdefault(source.name, evidence.sources.get(source.name, fallback))
    return tuple(seen.values())


def users_known(environment: Environment, sources: tuple[SourceState, ...]) -> bool:
    """Whether samples of these sources carry users' ids: the config says where they stand, or some were seen.

    A log whose format has no id judges everyone only. One that should have ids and has none is `no_exposure`.
    """
    return any(state.with_user > 0 or _declares_user(environment.sources.get(state.name)) for state in sources)


def down(
    sources: tuple[SourceState, ...], environment: Environment, evidence: Evidence, window: timedelta, now: datetime
) -> str | None:
    """Why a source is down, in words, or None: it has an error, or it is silent for longer than `window`."""
    return next((why for source in sources if (why := lost(source, environment, evidence, window, now))), None)


def lost(
    source: SourceState, environment: Environment, evidence: Evidence, window: timedelta, now: datetime
) -> str | None:
    """Why this source is down, or None."""
    if source.error is not None:
        return f"{source.name}: {source.error}"
    silent = source.silent_since is not None and now - source.silent_since > window
    if silent and checks_pass(environment, evidence):
        return f"{source.name}: silent for longer than {format_duration(window)} while checks pass"
    return None


def checks_pass(environment: Environment, evidence: Evidence) -> bool:
    rounds = [evidence.checks[name] for name in environment.checks if name in evidence.checks]
    return bool(rounds) and all(found.ok for found in rounds)


def checks_of(environment: Environment, condition: Condition) -> tuple[HealthCheck, ...]:
    """The checks that a condition means: the one it names, or all."""
    if condition.argument is None:
        return tuple(environment.checks.values())
    named = environment.checks.get(condition.argument)
    return () if named is None else (named,)


def check_at(environment: Environment, endpoint: str) -> HealthCheck | None:
    """The check whose address is this path: on day one it stands for that endpoint's requests."""
    return next((check for check in environment.checks.values() if check.url == endpoint), None)


def _declares_user(source: Source | None) -> bool:
    return source is not None and (_USER_COOKIE in source.format or "user" in source.fields)
