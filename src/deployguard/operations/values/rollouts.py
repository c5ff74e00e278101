"""`rollout`: units on their way, and what a move did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deployguard.codec import Duration, Percentage
from deployguard.guard.values import Exposure, Verdict
from deployguard.operations.values.status import ControllerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event in words: the sentence that every surface shows."""

    seq: int
    type: str
    severity: str
    time: datetime
    sentence: str
    short: str = ""
    repeats: bool = False  # another event of its commit says the same: for the log, not for people


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    percentage: Percentage
    hold: Duration | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerLine:
    """One row of a rollout's table: a trigger with both populations, its limit and its spark line."""

    trigger: str
    verdict: str  # the worst of its populations: fail, inconclusive, pass
    metric: str  # `errorRate`, `avg(responseTime)`
    limit: str  # `> 10%`
    exposed: str | None = None  # formatted value of its users
    everyone: str | None = None
    others: str | None = None
    samples: int = 0
    needed: int = 0
    cause: str | None = None  # in words, where inconclusive
    early: str | None = None  # why it fails on fewer samples than it wants
    holds: bool = True
    shadow: bool = False
    spark: tuple[float | None, ...] = ()  # share of the limit, 1.0 is the limit; None is a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    rollout: str
    riders: tuple[str, ...] = ()
    phase: str
    step: int | None = None
    steps: tuple[StepRow, ...] = ()
    percentage: Percentage = 0
    entered_at: datetime
    next_step_at: datetime | None = None
    waits_for: str | None = None
    exposed: Exposure | None = None
    verdicts: tuple[Verdict, ...] = ()
    # beyond the contract
    strategy: str = ""
    held: float | None = None  # share of the hold that has passed, 0 to 1
    held_for: Duration | None = None
    next_percentage: Percentage | None = None
    waits_text: str | None = None  # `31 of 50 samples, ready about 03:21`
    anchor: datetime | None = None
    restarted: str | None = None  # why its figures began anew in the midst of its step
    paused_by: str | None = None
    trigger: str | None = None
    reason: str | None = None
    rollback_id: str | None = None
    taken_back_from: Percentage | None = None
    taken_back_step: int | None = None
    lasted: Duration | None = None  # how long the step lasted before it was taken back
    guarded_until: datetime | None = None
    lines: tuple[TriggerLine, ...] = ()
    spark_since: datetime | None = None
    nearest: str | None = None  # `poor-web-vitals 2.44s of 4s`
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsStatus:
    environment: str
    revision: int
    rollouts: tuple[RolloutRow, ...] = ()
    controller: ControllerInfo | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    step: int
    percentage: Percentage
    hold: Duration | None = None
    name: str | None = None
    from_: datetime
    seen_by: int | None = None  # users during the step; None where no traffic is known


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """`rollout plan`, and what a deploy starts."""

    environment: str
    rollout: str
    riders: tuple[str, ...] = ()
    strategy: str
    steps: tuple[PlannedStep, ...] = ()
    users_per_day: int | None = None
    measured_users_per_day: int | None = None
    requests_per_second: float | None = None  # where the users were told from these
    requires: Mapping[str, Percentage] = field(default_factory=dict)
    ends_at: datetime | None = None
    total: Duration | None = None
    refused: str | None = None  # why it could not start now
    retried: bool = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlans:
    environment: str
    plans: tuple[RolloutPlan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagPosition:
    enabled: bool
    percentage: Percentage


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChange:
    """One flag before and after."""

    flag_id: str
    from_: FlagPosition
    to: FlagPosition
    state: str | None = None  # in words: `completed`, `paused`, `completed with its lead`


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move did. `changed` is False where there was nothing to do: no new revision."""

    environment: str
    revision: int
    move: str
    flag_id: str
    changed: bool
    flags: tuple[FlagChange, ...] = ()
    rollback_id: str | None = None
    events: tuple[Told, ...] = ()
    by: str = ""
    warning: str | None = None  # e.g. how many users it really reaches
    reach: Percentage | None = None
    rollout: RolloutRow | None = None
    at: datetime
