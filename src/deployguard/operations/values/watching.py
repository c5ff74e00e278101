"""`watch`, `gate`, `monitoring`: what is seen and judged."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.codec import Duration, Percentage
from deployguard.errors import Offer
from deployguard.guard.values import Acted, CheckRound, SourceState, Verdict
from deployguard.operations.values.rollouts import RolloutRow, Told
from deployguard.operations.values.status import ControllerInfo, FlagRow
from deployguard.story.headline import Headline
from deployguard.telemetry.reading import EndpointFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One frame of `watch`: everything that is going on."""

    environment: str
    revision: int
    at: datetime
    controller: ControllerInfo | None = None
    headline: Headline
    rollouts: tuple[RolloutRow, ...] = ()  # what was taken back first, then progressing, paused, guarded
    flags: tuple[FlagRow, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    sources: tuple[SourceState, ...] = ()
    events: tuple[Told, ...] = ()  # newest first
    next: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """`watch --once`, and one tick of `watch`."""

    environment: str
    revision: int
    verdicts: tuple[Verdict, ...] = ()
    actions: tuple[Acted, ...] = ()
    acted: bool = True  # False: another controller lives; these are its verdicts
    controller: ControllerInfo | None = None
    turned_off: tuple[str, ...] = ()  # units turned off in this round
    events: tuple[Told, ...] = ()
    next_at: datetime | None = None
    at: datetime
    trouble: str | None = None  # what could not be written, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    rollout: str
    percentage: Percentage
    phase: str
    step: int | None
    steps: int
    result: str  # passed, failed, taken-back, waiting, person
    passing: int = 0
    judged: int = 0
    text: str = ""  # `paused by slow-response`
    detail: str | None = None  # the rule with its value; what it waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`gate`. `result`: passed, failed, taken-back, timed-out, waits-for-person, no-controller, no-rollout."""

    result: str
    environment: str
    rollouts: tuple[GateRow, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    exit_code: int = 0
    took: Duration
    at: datetime
    notes: tuple[str, ...] = ()  # what cannot be seen
    warnings: tuple[str, ...] = ()  # what is wrong beside the rollouts: the last release, a check
    controller: ControllerInfo | None = None
    next: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    metric: str
    now: str | None
    limit: str | None
    samples: int
    verdict: str | None = None  # pass, fail, inconclusive; None where no trigger judges it
    spark: tuple[float | None, ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStatus:
    environment: str
    revision: int
    at: datetime
    window: Duration
    metrics: tuple[MetricLine, ...] = ()
    endpoints: tuple[EndpointFigures, ...] = ()
    sources: tuple[SourceState, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    passing: int = 0
    judged: int = 0
    controller: ControllerInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksRound:
    """`monitoring check`: one round of every check; judges nothing."""

    environment: str
    at: datetime
    checks: tuple[CheckRound, ...] = ()

    @property
    def failing(self) -> int:
        return sum(1 for check in self.checks if not check.ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """`monitoring forget`. A configured source is back at the next tick."""

    environment: str
    source: str
    configured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """`monitoring import`."""

    environment: str
    accepted: int
    refused: int = 0
    dropped_future: int = 0
    dropped_old: int = 0
    requests: int = 0
    vitals: int = 0
    probes: int = 0
    with_user: int = 0
    problem: str | None = None  # up to ten lines that are no samples, with number and reason
