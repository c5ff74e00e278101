"""`deploy` and `report`: what is agreed to, and how it went."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.codec import Duration, Percentage
from deployguard.guard.values import CheckRound
from deployguard.operations.values.rollouts import RolloutPlan, RolloutRow
from deployguard.operations.values.status import ControllerInfo, FlagRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCommand:
    text: str
    timeout: Duration
    found: bool = True
    program: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something that this config cannot see, and the line that connects it."""

    what: str  # `web vitals`
    trigger: str | None = None
    consequence: str = ""  # `so poor-web-vitals never fires`
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What is agreed to: shown before anything runs. `problems` are what preflight found wrong."""

    environment: str
    base_url: str
    version: str | None
    at: datetime
    confirm: str
    commands: tuple[PlannedCommand, ...] = ()
    rollback: tuple[PlannedCommand, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    stable: Duration
    starts: tuple[RolloutPlan, ...] = ()
    stays: tuple[RolloutRow, ...] = ()  # live rollouts whose figures start again
    off: tuple[FlagRow, ...] = ()  # taken back, stay off
    unseen: tuple[Unseen, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    rollout: str
    percentage: Percentage
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """`deploy`: how it ended. `outcome`: succeeded, failed, aborted."""

    release_id: str
    environment: str
    version: str | None
    outcome: str
    rollouts: tuple[RolloutRow, ...] = ()
    next: tuple[NextStep, ...] = ()
    watched_by: ControllerInfo | None = None
    report: str | None = None
    took: Duration
    at: datetime
    off: tuple[FlagRow, ...] = ()
    stays: tuple[RolloutRow, ...] = ()
    triggers: int = 0  # how many can act


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    release_id: str
    version: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    by: str
    rollouts: tuple[str, ...] = ()
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    environment: str
    reports: tuple[ReportRow, ...] = ()
