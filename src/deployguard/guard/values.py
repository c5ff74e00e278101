"""What the guard reads and says, as frozen values.

`questions` asks, the telemetry answers with `Evidence`, `judge` turns that into `Verdict`s. Times are in
milliseconds, shares in percent (0 to 100), as in the rule that a verdict shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from deployguard.codec import Percentage
from deployguard.guard.histogram import Histogram

BUCKET = timedelta(seconds=10)
"""The width of the finest bucket of samples."""


class Population(StrEnum):
    ALL = "all"
    EXPOSED = "exposed"
    OTHERS = "others"


class Result(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Cause(StrEnum):
    """Why a verdict is inconclusive: the first that holds."""

    NOT_CONNECTED = "not_connected"
    WATCHER_OFFLINE = "watcher_offline"
    SOURCE_DOWN = "source_down"
    DEPLOYING = "deploying"
    NO_TRAFFIC = "no_traffic"
    NO_EXPOSURE = "no_exposure"
    STALE = "stale"
    TOO_FEW = "too_few"


class SampleKind(StrEnum):
    """Which samples a metric is read from; for a number `Question.metric` says which: `lcp`."""

    REQUEST = "request"
    PROBE = "probe"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Question:
    """Which samples a verdict needs.

    The reading covers [max(since, now - window), now], open bucket included. Where that holds at least one but fewer
    than `at_least` samples it grows backwards, bucket by bucket, never past `since`, until it has them.
    """

    kind: SampleKind
    metric: str  # `request`, `probe`, or the number's name: `lcp`
    since: datetime
    window: timedelta
    at_least: int = 0
    endpoint: str | None = None  # as the rule spells it; for probes the check's name
    flag: str | None = None  # None: everyone
    population: Population = Population.ALL


@dataclass(frozen=True, slots=True)
class Reading:
    """The samples of a question, summed. `bad` counts failures (status 500 and above or no answer; failed probes)."""

    start: datetime
    end: datetime
    count: int = 0
    bad: int = 0
    total: float = 0.0  # sum of the values: milliseconds, or the number's own unit
    largest: float = 0.0
    histogram: Histogram = field(default_factory=Histogram)
    users: int = 0  # distinct, where ids are known
    newest: datetime | None = None
    rate_per_s: float = 0.0  # samples a second over the last minute with samples: for `ready about`


@dataclass(frozen=True, slots=True)
class RoundsQuestion:
    """The probe rounds of one check since an anchor."""

    check: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Rounds:
    total: int = 0
    consecutive: int = 0  # failed rounds at the end
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    samples: tuple[Question, ...] = ()
    rounds: tuple[RoundsQuestion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRound:
    """The last round of one check."""

    check: str
    ok: bool
    at: datetime
    latency_ms: int = 0
    status: int | None = None
    why: str | None = None  # dns, refused, tls, timeout, status, body
    detail: str | None = None  # the fact that mends it, then the first 2 KB of the answer
    consecutive: int = 0
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How one source of samples does. `kinds` are the metrics that it feeds: `request`, `lcp`."""

    name: str
    kinds: tuple[str, ...] = ()
    connected: bool = False
    error: str | None = None
    newest: datetime | None = None
    silent_since: datetime | None = None  # a log without a new line since
    with_user: int = 0  # samples of the last window that carried an id
    samples: int = 0  # samples of the last window
    per_second: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How many met a unit since its step began."""

    users: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was observed and that one decision needs."""

    readings: Mapping[Question, Reading] = field(default_factory=dict)
    rounds: Mapping[RoundsQuestion, Rounds] = field(default_factory=dict)
    checks: Mapping[str, CheckRound] = field(default_factory=dict)
    sources: Mapping[str, SourceState] = field(default_factory=dict)
    exposed: Mapping[str, Exposure] = field(default_factory=dict)  # by unit key
    offline: bool = False  # the `connectivity` target fails too


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    from_: datetime
    to: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One trigger judged for one unit (or one of its flags) on one population. The JSON is SURFACES section 1's."""

    trigger: str
    rollout: str | None = None  # the lead's key; None for a flag set by hand, and where no unit is guarded
    flag_id: str | None = None  # the flag compared; None where everyone is meant
    population: Population
    verdict: Result
    cause: Cause | None = None
    rule: str
    value: float | None = None
    threshold: float | None = None
    samples: int = 0
    needed: int = 0
    bad: int | None = None
    ready_at: datetime | None = None
    window: Window | None = None
    source: str = "requests"  # requests, checks (day one), probes, vitals
    detail: str | None = None  # e.g. which check, which source and its error
    unit: str | None = None  # the unit's key; None where no unit is guarded
    shadow: bool = False
    holds: bool = True  # False: shown, but does not hold a step (shadow, or not connected and not required)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """One action of the tick, or one that a cooldown kept back."""

    action: str
    trigger: str | None = None
    rollout: str | None = None
    flag_id: str | None = None
    from_: Percentage | None = None
    to: Percentage | None = None
    reason: str | None = None
    suppressed_by: str | None = None
