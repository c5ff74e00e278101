"""What `judge` looks at, what the samples of one question prove, and what is found, before it is a verdict."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deployguard.config.metrics import COUNTING
from deployguard.config.values import Environment, Trigger
from deployguard.guard.measure import Measured, measure
from deployguard.guard.values import Cause, Evidence, Population, Question, Reading, Result, Window
from deployguard.state import Unit

NOTHING = Measured(None, 0)
"""No sample."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that can be seen at one moment."""

    evidence: Evidence
    environment: Environment
    now: datetime
    deploying: bool

    def reading(self, question: Question) -> Reading:
        """The answer, or an empty one: what was not answered was not seen."""
        return self.evidence.readings.get(question) or Reading(start=self.now, end=self.now)

    @property
    def blind_to_checks(self) -> Cause | None:
        """Why failing checks would say nothing about the application now."""
        if self.evidence.offline:
            return Cause.WATCHER_OFFLINE
        return Cause.DEPLOYING if self.deploying else None


@dataclass(frozen=True, slots=True)
class Asked:
    """One trigger, asked for one unit (None: no unit is guarded) and one population of one of its flags."""

    trigger: Trigger
    unit: Unit | None
    since: datetime
    flag: str | None = None
    population: Population = Population.ALL


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes a verdict."""

    result: Result
    cause: Cause | None = None
    measured: Measured = NOTHING
    needed: int = 0
    ready_at: datetime | None = None
    window: Window | None = None
    source: str = "requests"
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A reading: what it proves, and what it still needs."""

    asked: Asked
    reading: Reading
    needed: int
    source: str
    measured: Measured

    @classmethod
    def of(cls, asked: Asked, reading: Reading, needed: int, source: str) -> "Found":
        trigger = asked.trigger
        return cls(asked, reading, needed, source, measure(trigger.when, reading, needed, trigger.window))

    def proven(self, now: datetime) -> Result | None:
        """A pass or a fail; None where the samples are too few for either."""
        trigger, measured = self.asked.trigger, self.measured
        if self._users_missing:
            return None
        if trigger.when.function in COUNTING:
            # A count is of a whole window: before one has passed it can only be too high already.
            full = measured.samples > 0 and self.asked.since <= now - trigger.window
        else:
            full = measured.samples >= max(1, self.needed)
        if full:
            return Result.FAIL if measured.met else Result.PASS
        return Result.FAIL if measured.certain else None

    @property
    def _users_missing(self) -> bool:
        # Where no sample carries an id users cannot be counted, and everyone is judged by samples alone.
        return 0 < self.reading.users < self.asked.trigger.min_users

    def finding(
        self, result: Result, cause: Cause | None = None, ready: datetime | None = None, detail: str | None = None
    ) -> Finding:
        read = self.reading
        window = Window(from_=read.start, to=read.end) if read.count else None
        return Finding(result, cause, self.measured, self.needed, ready, window, self.source, detail)

    def inconclusive(self, cause: Cause, now: datetime, detail: str | None = None) -> Finding:
        ready = None
        if cause is Cause.TOO_FEW:
            ready = self._ready(now)
            if self._users_missing and self.measured.samples >= self.needed:
                detail = f"{self.reading.users} of {self.asked.trigger.min_users} users"
        return self.finding(Result.INCONCLUSIVE, cause, ready, detail)

    def _ready(self, now: datetime) -> datetime | None:
        """About when enough samples will be there, by the rate of late."""
        trigger = self.asked.trigger
        if trigger.when.function in COUNTING:
            return self.asked.since + trigger.window
        missing = self.needed - self.measured.samples
        if self.reading.rate_per_s <= 0 or missing <= 0:
            return None
        return max(now, self.asked.since) + timedelta(seconds=missing / self.reading.rate_per_s)
