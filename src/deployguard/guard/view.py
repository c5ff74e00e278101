"""What `judge` looks at and what it finds, before it is a verdict."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.config.values import Environment, Trigger
from deployguard.guard.measure import Measured
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
    result: Result
    cause: Cause | None = None
    measured: Measured = NOTHING
    needed: int = 0
    ready_at: datetime | None = None
    window: Window | None = None
    source: str = "requests"
    detail: str | None = None
