"""The document: what people and rules decided about one environment, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deployguard.codec import JSON, Duration, Hundredths
from deployguard.config.values import OnInconclusive

SCHEMA_VERSION = 1
KEPT_RECORDS = 50  # releases and rollbacks in the state; older ones live in the audit log
SECTIONS = ("flags", "rollouts", "rollbacks", "releases", "told")


class Phase(StrEnum):
    PROGRESSING = "progressing"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"

    @property
    def live(self) -> bool:
        return self is not Phase.ROLLED_BACK


class PausedBy(StrEnum):
    """Who stopped a paused rollout; `gate` answers by it."""

    PERSON = "person"
    TRIGGER = "trigger"
    REQUIREMENT = "requirement"
    INCONCLUSIVE = "inconclusive"


class Via(StrEnum):
    CLI = "cli"
    API = "api"
    DASHBOARD = "dashboard"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it: the real name (system user, CI job, token), and beside it what was claimed by `--by`."""

    name: str
    via: Via
    token: str | None = None
    claimed: str | None = None

    @property
    def shown(self) -> str:
        return self.claimed or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """What was decided about one flag. Its definition comes from the config in force."""

    enabled: bool = False
    percentage: Hundredths = 0
    seed: str = ""
    rollout: str | None = None  # the lead's key; None where it is set by hand
    targeting: JSON | None = None  # an override of the config's targeting, in the config's spelling
    updated_at: datetime | None = None  # when enabled, percentage or seed changed: entered, for a flag set by hand
    updated_by: str | None = None
    reason: str | None = None
    anchor: datetime | None = None  # for a flag set by hand; a rollout's flags use the rollout's
    acted_at: datetime | None = None  # likewise
    targeted_at: datetime | None = None  # when the override of targeting was set or dropped last
    targeted_by: str | None = None
    rollback_id: str | None = None  # the rollback that turned it off or lowered it last
    orphaned: JSON | None = None  # the last definition of a flag that left the config while it was above 0 %

    @property
    def on(self) -> bool:
        """On for somebody by its bucket."""
        return self.enabled and self.percentage > 0

    @property
    def core(self) -> tuple[object, ...]:
        """Everything that decides who gets the flag: what a rollback's record compares and restores."""
        return (self.enabled, self.percentage, self.seed, self.rollout, self.targeting)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    percentage: Hundredths
    hold: Duration | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A lead flag and its riders on the way through the steps of a strategy, copied at the start."""

    lead: str
    riders: tuple[str, ...] = ()
    strategy: str
    steps: tuple[StepState, ...]
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    max_wait: Duration
    holdout: Hundredths = 0
    phase: Phase
    started_at: datetime
    entered_at: datetime
    anchor: datetime
    acted_at: datetime | None = None  # a trigger's last action
    paused_by: PausedBy | None = None
    trigger: str | None = None  # the trigger that paused, reduced or took it back last
    reason: str | None = None  # in words
    changed_at: datetime | None = None  # when its phase or percentage changed last, and who did it
    changed_by: str | None = None
    release: str | None = None
    rollback_id: str | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        return (self.lead, *self.riders)


class RollbackKind(StrEnum):
    EMERGENCY = "emergency"
    FLAG = "flag"
    REDUCE = "reduce"
    DISABLE = "disable"
    GUARDRAIL = "guardrail"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A record that `undo` can restore: the units as they were, and as the rollback left them."""

    id: str
    kind: RollbackKind
    at: datetime
    by: str
    trigger: str | None = None
    reason: str | None = None
    flags_before: dict[str, FlagState]
    flags_after: dict[str, FlagState]
    rollouts_before: dict[str, Rollout | None] = field(default_factory=dict)
    rollouts_after: dict[str, Rollout | None] = field(default_factory=dict)
    undoes: str | None = None
    undone_by: str | None = None
    left_on: tuple[str, ...] = ()
    release: str | None = None


class ReleasePhase(StrEnum):
    RUNNING = "running"
    ABORTING = "aborting"  # an emergency asked the deploy to stop
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun:
    """One command of a release as it went. `exit_code` is None while it runs or where a signal ended it."""

    text: str  # masked
    kind: str = "deploy"  # or `rollback`
    started_at: datetime
    duration_ms: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None  # why it could not run or was ended: not found, timed out, interrupted
    last_line: str | None = None
    output: str | None = None  # the file, beside the report, with every line

    @property
    def running(self) -> bool:
        return self.exit_code is None and self.signal is None and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One `deploy` run. `rollback` holds its commands as the config had them: a broken config stops no way back."""

    id: str
    version: str | None
    by: str
    phase: ReleasePhase
    started_at: datetime
    finished_at: datetime | None = None
    host: str = ""
    pid: int = 0
    commands: tuple[CommandRun, ...] = ()
    rollback: tuple[JSON, ...] = ()
    rollouts: tuple[str, ...] = ()
    deploying: bool = False  # its commands or checks run: checks are shown, not judged
    error: str | None = None
    report: str | None = None

    @property
    def runs(self) -> bool:
        """Not at its end: its deploy runs, or died without ending it."""
        return self.phase in (ReleasePhase.RUNNING, ReleasePhase.ABORTING)


class EffectKind(StrEnum):
    NOTIFY = "notify"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that leaves, written with the decision and carried out after it. `id` lets a receiver drop a repeat.

    A notice names its channel, never the address, and the event that it tells. A command is the config's, unexpanded.
    """

    id: str
    kind: EffectKind
    created_at: datetime
    channel: str | None = None
    seq: int | None = None  # of the event it tells
    related: tuple[int, ...] = ()  # numbers of the commit's other events
    command: JSON | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigInForce:
    """The config that decisions use: `document` with `${...}` unexpanded, and its hash."""

    hash: str
    document: JSON
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The last event's number and hash, and the time of the commit that wrote it."""

    seq: int = 0
    hash: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One environment's whole document, `state.json`."""

    schema_version: int = SCHEMA_VERSION
    environment: str
    revision: int = 0
    flags: dict[str, FlagState] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    rollbacks: dict[str, Rollback] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    config: ConfigInForce | None = None
    told: dict[str, str] = field(default_factory=dict)
    outbox: tuple[Effect, ...] = ()
    head: LogHead = LogHead()

    def flag(self, key: str) -> FlagState:
        """The flag's state; a flag that nobody touched is off under its own key."""
        return self.flags.get(key) or FlagState(seed=key)

    def running_release(self) -> Release | None:
        return next((release for release in reversed(list(self.releases.values())) if release.runs), None)

    def next_id(self, prefix: str) -> str:
        """The next `r-31` or `rb-12`: ids count up in an environment."""
        records: Mapping[str, object] = self.rollbacks if prefix == "rb" else self.releases
        return f"{prefix}-{max((int(key.rpartition('-')[2]) for key in records), default=0) + 1}"
