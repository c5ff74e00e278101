"""What operations answer: each value is what `--output json` prints and what the views render (SURFACES section 1).

Percentages are hundredths inside and numbers 0 to 100 in JSON; times are UTC; holds are text as in the config.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict

from deployguard.codec import CAMEL, JSON, Duration, Percentage
from deployguard.guard.values import Acted, CheckRound, Exposure, SourceState, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """The controller as others see it. `alive`: it ticked within three of its intervals."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    name: str  # user@host
    host: str
    pid: int
    via: str  # `watch`, `watch --once`, `serve --watch`
    last_tick_at: datetime
    interval: Duration
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    flag_id: str
    description: str = ""
    enabled: bool = False
    percentage: Percentage = 0
    seed: str = ""
    phase: str | None = None
    rollout: str | None = None
    strategy: str | None = None
    step: int | None = None
    steps: int | None = None
    next_step_at: datetime | None = None
    waits_for: str | None = None
    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    orphaned: bool = False
    reason: str | None = None
    rollback_id: str | None = None
    guarded_until: datetime | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    # beyond the contract
    next_percentage: Percentage | None = None
    reach: Percentage = 0  # users really reached, requirements counted
    permanent: bool = False
    owner: str | None = None
    targeting_overridden: bool = False
    taken_back_at: datetime | None = None
    why: str | None = None  # the short cause that wide terminals show
    waits_text: str | None = None  # the same as the watch view says it


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsStatus:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    controller: Watcher | None = None
    flags: tuple[FlagRow, ...] = ()
    at: datetime
    warnings: tuple[str, ...] = ()  # orphaned flags, an unreadable config, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One change of one flag, in words."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    at: datetime
    flag_id: str
    from_: Percentage | None = None
    to: Percentage | None = None
    by: str = ""
    why: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDetail:
    """`feature-flags show`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    flag: FlagRow
    because: str | None = None  # the sentence with its numbers
    requirements: Mapping[str, Percentage] = field(default_factory=dict)  # what it requires, and where that stands
    targeting: JSON | None = None  # as in force
    targeting_from: str = "config"  # or `state`
    history: tuple[HistoryRow, ...] = ()
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagHistory:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    flag_id: str | None
    history: tuple[HistoryRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One question of the order of evaluation. `passed` is None where it was not asked."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    name: str
    passed: bool | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`feature-flags evaluate`: one user's answer."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    flag_id: str
    targeting_key: str | None
    value: bool
    variant: str
    reason: str
    bucket: int | None
    decided_by: str
    environment: str | None = None
    ladder: tuple[Rung, ...] = ()
    on_from: Percentage | None = None  # the percentage from which this user has it
    on_from_step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    flag_id: str
    why: str  # `at 100% for 41d`, `expired on 2026-03-31`, `no owner`
    percentage: Percentage
    since: datetime | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFlags:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    older_than: Duration
    flags: tuple[StaleRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChange:
    """One flag before and after."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    flag_id: str
    from_: "FlagPosition"
    to: "FlagPosition"
    state: str | None = None  # in words: `completed`, `paused`, `completed with its lead`


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagPosition:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    enabled: bool
    percentage: Percentage


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event in words: the sentence that every surface shows."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    seq: int
    type: str
    severity: str
    time: datetime
    sentence: str
    short: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move did. `changed` is False where there was nothing to do: no new revision."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
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
    rollout: "RolloutRow | None" = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """`rollback emergency`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    rollback_id: str | None  # None where nothing was on
    environment: str
    revision: int
    flags: tuple[FlagChange, ...] = ()
    left_on: tuple[FlagRow, ...] = ()
    by: str = ""
    at: datetime
    version: str | None = None  # the code that stays
    aborting: str | None = None  # the release that was told to stop
    rollback_commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what else was found: a rebuilt state, an unreadable config


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """`rollback undo`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    rollback_id: str
    undoes: str
    environment: str
    revision: int
    flags: tuple[FlagChange, ...] = ()
    left_alone: tuple[FlagChange, ...] = ()
    by: str = ""
    at: datetime
    waiting: tuple[str, ...] = ()  # rollouts that wait for a person now


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    rollback_id: str
    at: datetime
    kind: str
    change: str  # `5 off`, `30% → 0%`, `4 back`
    what: str
    by: str
    undoes: str | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackHistory:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    rollbacks: tuple[RollbackRow, ...] = ()  # newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    percentage: Percentage
    hold: Duration | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerLine:
    """One row of a rollout's table: a trigger with both populations, its limit and its spark line."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
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
    holds: bool = True
    shadow: bool = False
    spark: tuple[float | None, ...] = ()  # share of the limit, 1.0 is the limit; None is a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
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
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    rollouts: tuple[RolloutRow, ...] = ()
    controller: Watcher | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    step: int
    percentage: Percentage
    hold: Duration | None = None
    name: str | None = None
    from_: datetime
    seen_by: int | None = None  # users during the step; None where no traffic is known


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """`rollout plan`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    rollout: str
    riders: tuple[str, ...] = ()
    strategy: str
    steps: tuple[PlannedStep, ...] = ()
    users_per_day: int | None = None
    measured_users_per_day: int | None = None
    requires: Mapping[str, Percentage] = field(default_factory=dict)
    ends_at: datetime | None = None
    total: Duration | None = None
    refused: str | None = None  # why it could not start now
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlans:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    plans: tuple[RolloutPlan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What is going on, in one glance: `state` is ok, back (taken back), harm or blind."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    state: str
    users: str | None = None
    cause: str | None = None
    done: str | None = None
    turn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCommand:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    command: str
    does: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One frame of `watch`: everything that is going on."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    at: datetime
    controller: Watcher | None = None
    headline: Headline
    rollouts: tuple[RolloutRow, ...] = ()  # what was taken back first, then progressing, paused, guarded
    flags: tuple[FlagRow, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    sources: tuple[SourceState, ...] = ()
    events: tuple[Told, ...] = ()  # newest first
    next: tuple[NextCommand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """`watch --once`, and one tick of `watch`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    verdicts: tuple[Verdict, ...] = ()
    actions: tuple[Acted, ...] = ()
    acted: bool = True  # False: another controller lives; these are its verdicts
    controller: Watcher | None = None
    turned_off: tuple[str, ...] = ()  # units turned off in this round
    events: tuple[Told, ...] = ()
    next_at: datetime | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
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

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    result: str
    environment: str
    rollouts: tuple[GateRow, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    exit_code: int = 0
    took: Duration
    notes: tuple[str, ...] = ()  # what cannot be seen
    last_tick_at: datetime | None = None
    last_watcher: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    metric: str
    now: str | None
    limit: str | None
    samples: int
    verdict: str | None = None  # pass, fail, inconclusive; None where no trigger judges it
    spark: tuple[float | None, ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    endpoint: str
    requests: int
    errors: float  # percent
    average_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStatus:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    revision: int
    at: datetime
    window: Duration
    metrics: tuple[MetricLine, ...] = ()
    endpoints: tuple[EndpointLine, ...] = ()
    sources: tuple[SourceState, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    passing: int = 0
    judged: int = 0
    controller: Watcher | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksRound:
    """`monitoring check`: one round of every check; judges nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    at: datetime
    checks: tuple[CheckRound, ...] = ()

    @property
    def failing(self) -> int:
        return sum(1 for check in self.checks if not check.ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """`monitoring import`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    accepted: int
    refused: int = 0
    dropped_future: int = 0
    dropped_old: int = 0
    requests: int = 0
    vitals: int = 0
    probes: int = 0
    with_user: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCommand:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    text: str
    timeout: Duration
    found: bool = True
    program: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRollout:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    rollout: str
    riders: tuple[str, ...] = ()
    strategy: str
    percentages: tuple[Percentage, ...] = ()
    ends_at: datetime | None = None
    total: Duration | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something that this config cannot see, and the line that connects it."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    what: str  # `web vitals`
    trigger: str | None = None
    consequence: str = ""  # `so poor-web-vitals never fires`
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What is agreed to: shown before anything runs. `problems` are what preflight found wrong."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    base_url: str
    version: str | None
    at: datetime
    confirm: str
    commands: tuple[PlannedCommand, ...] = ()
    rollback: tuple[PlannedCommand, ...] = ()
    checks: tuple[CheckRound, ...] = ()
    stable: Duration
    starts: tuple[PlannedRollout, ...] = ()
    stays: tuple[RolloutRow, ...] = ()  # live rollouts whose figures start again
    off: tuple[FlagRow, ...] = ()  # taken back, stay off
    unseen: tuple[Unseen, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    controller: Watcher | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    rollout: str
    percentage: Percentage
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """`deploy`: how it ended. `outcome`: succeeded, failed, aborted."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    release_id: str
    environment: str
    version: str | None
    outcome: str
    rollouts: tuple[RolloutRow, ...] = ()
    next: tuple[NextStep, ...] = ()
    watched_by: Watcher | None = None
    report: str | None = None
    took: Duration
    off: tuple[FlagRow, ...] = ()
    stays: tuple[RolloutRow, ...] = ()
    triggers: int = 0  # how many can act
    previous_version: str | None = None
    events: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `doctor` or `state verify`. `level`: ok, mend, know."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    subject: str
    level: str
    found: str
    mend: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    at: datetime
    findings: tuple[Finding, ...] = ()

    @property
    def to_mend(self) -> int:
        return sum(1 for finding in self.findings if finding.level == "mend")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
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
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    reports: tuple[ReportRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSummary:
    """`config validate` of a good file."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    file: str
    valid: bool
    flags: int
    strategies: int
    triggers: int
    environment: str | None = None
    read_at: datetime | None = None  # when the controller of the environment applied it
    in_force: bool = False
    keep_their_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """`init`."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    wrote: tuple[tuple[str, str], ...] = ()  # file, what it holds
    changed: tuple[tuple[str, str], ...] = ()
    environments: tuple[tuple[str, str, str], ...] = ()  # name, address, strategy in words
    package_json: bool = False  # one stands beside it and was not changed
    npm_scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    file: str
    revision: int
    events: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTest:
    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    environment: str
    results: tuple[tuple[str, bool, str], ...] = ()  # channel, delivered, in words
