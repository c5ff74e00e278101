"""What people and rules decided, as frozen values: one document an environment, and the events that made it.

The state is the fold of its events: each event carries in `set` the new value of every entry that it changed, under
`section.key` (`flags.new_checkout`, `rollouts.new_checkout`, `told.check.api`; null removes; `config` stands alone).
`changes` makes that map and `fold` applies it; the outbox, the revision and the head of the log are not folded.

A `Recorder` is how a pure function turns a state into the next one: each `record` takes the state as it is after one
event, and the event gets the difference. So no change can be without its event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from deployguard.codec import CAMEL, JSON, Duration, Hundredths, Spelling, to_json
from deployguard.config.values import OnInconclusive, Severity

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

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    __pydantic_config__: ClassVar[Spelling] = CAMEL
    percentage: Hundredths
    hold: Duration | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A lead flag and its riders on the way through the steps of a strategy, copied at the start."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a trigger concerns and an action changes: a rollout with all its riders, or one flag set by hand.

    `key` is the lead's key, or the flag's. Derived from the state, never stored.
    """

    key: str
    flags: tuple[str, ...]
    phase: Phase | None
    percentage: Hundredths
    enabled: bool
    entered_at: datetime
    anchor: datetime
    acted_at: datetime | None

    @property
    def on(self) -> bool:
        return self.enabled and self.percentage > 0


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

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    text: str  # masked
    kind: str = "deploy"  # or `rollback`
    started_at: datetime
    duration_ms: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None  # why it could not run or was ended: not found, timed out, interrupted
    last_line: str | None = None
    output: str | None = None  # the file, beside the report, with every line


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One `deploy` run. `rollback` holds its commands as the config had them: a broken config stops no way back."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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
    flags_before: dict[str, FlagState] = field(default_factory=dict)
    rollouts_before: dict[str, Rollout] = field(default_factory=dict)
    error: str | None = None
    report: str | None = None


class EffectKind(StrEnum):
    NOTIFY = "notify"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that leaves, written with the decision and carried out after it. `id` lets a receiver drop a repeat.

    A notice names its channel, never the address, and the event that it tells. A command is the config's, unexpanded.
    """

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    hash: str
    document: JSON
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The last event's number and hash, and the time of the commit that wrote it."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    seq: int = 0
    hash: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One environment's whole document, `state.json`."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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
        running = (ReleasePhase.RUNNING, ReleasePhase.ABORTING)
        return next((r for r in reversed(list(self.releases.values())) if r.phase in running), None)

    def next_id(self, prefix: str) -> str:
        """The next `r-31` or `rb-12`: ids count up in an environment."""
        records: Mapping[str, object] = self.rollbacks if prefix == "rb" else self.releases
        return f"{prefix}-{max((int(key.rpartition('-')[2]) for key in records), default=0) + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the audit log: what happened, sealed with a number, an id and the hash of the line before."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    seq: int
    id: str
    type: str
    severity: Severity
    time: datetime
    environment: str
    revision: int
    actor: Actor
    reason: str | None = None
    cause: str | None = None
    data: JSON = field(default_factory=dict)
    set: JSON = field(default_factory=dict)
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before the store seals it. `cause` is the id of an earlier event, or the index of one in this commit."""

    type: str
    actor: Actor
    data: JSON = field(default_factory=dict)
    set: JSON = field(default_factory=dict)
    reason: str | None = None
    cause: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a pure function answers: the whole new state, the events that led there, what is to leave."""

    state: State
    events: tuple[Draft, ...] = ()
    effects: tuple[Effect, ...] = ()


_WARNING = frozenset(
    {
        "trigger.failed",
        "guardrail.failed",
        "guardrail.mismatch",
        "rollout.paused",
        "rollout.reduced",
        "release.failed",
        "check.failed",
        "source.lost",
        "config.rejected",
        "effect.failed",
    }
)
_CRITICAL = frozenset({"rollback.executed", "rollout.rolledBack"})


def severity(type: str, data: Mapping[str, Any]) -> Severity:  # noqa: A002  # the event's word
    """SURFACES section 3: critical for what is taken back, warning for what needs a person or makes us blind."""
    if type == "rollback.executed":
        taken_back = data.get("kind") not in (RollbackKind.REDUCE, RollbackKind.DISABLE)
        return Severity.CRITICAL if taken_back else Severity.WARNING
    if type in _CRITICAL:
        return Severity.CRITICAL
    if type in _WARNING or (type == "rollout.waiting" and data.get("waitsFor") == "person"):
        return Severity.WARNING
    return Severity.INFO


def changes(before: State, after: State) -> JSON:
    """The entries that differ, as an event's `set`."""
    out: JSON = {}
    for section in SECTIONS:
        old, new = getattr(before, section), getattr(after, section)
        if old is new:
            continue
        for key in old.keys() - new.keys():
            out[f"{section}.{key}"] = None
        for key, value in new.items():
            if key not in old or old[key] != value:
                out[f"{section}.{key}"] = to_json(value)
    if before.config != after.config:
        out["config"] = to_json(after.config)
    return out


def fold(tree: JSON, set_: Mapping[str, Any]) -> JSON:
    """One event's `set` applied to a state's JSON tree (sections as objects); answers a new tree."""
    out = dict(tree)
    for path, value in set_.items():
        section, _, key = path.partition(".")
        if not key:
            out[section] = value
            continue
        entries = dict(out.get(section) or {})
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
        out[section] = entries
    return out


class Recorder:
    """Collects events while a pure function walks from one state to the next."""

    def __init__(self, state: State, actor: Actor, reason: str | None = None) -> None:
        self.state = state
        self.events: list[Draft] = []
        self._actor = actor
        self._reason = reason

    def record(
        self,
        type: str,  # noqa: A002  # the event's word
        data: JSON,
        state: State | None = None,
        *,
        cause: str | int | None = None,
    ) -> int:
        """Add one event that leads to `state` (None: nothing changed but the event is told). Answers its index."""
        after = self.state if state is None else state
        draft = Draft(
            type=type,
            actor=self._actor,
            data=data,
            set=changes(self.state, after),
            reason=self._reason,
            cause=cause,
        )
        self.events.append(draft)
        self.state = after
        return len(self.events) - 1

    def change(self) -> Change:
        return Change(state=self.state, events=tuple(self.events))


def with_flags(state: State, flags: Mapping[str, FlagState]) -> State:
    return replace(state, flags={**state.flags, **flags})


def with_rollout(state: State, rollout: Rollout) -> State:
    return replace(state, rollouts={**state.rollouts, rollout.lead: rollout})


def without_rollout(state: State, lead: str) -> State:
    return replace(state, rollouts={key: value for key, value in state.rollouts.items() if key != lead})


def with_rollback(state: State, record: Rollback) -> State:
    """Add or replace a record; the oldest leaves when there are more than are kept."""
    return replace(state, rollbacks=_newest({**state.rollbacks, record.id: record}))


def with_release(state: State, release: Release) -> State:
    return replace(state, releases=_newest({**state.releases, release.id: release}))


def _newest(records: dict[str, Any]) -> dict[str, Any]:
    return dict(list(records.items())[-KEPT_RECORDS:])


def units(state: State) -> tuple[Unit, ...]:
    """Every rollout, and every flag set by hand that somebody has touched."""
    out = [
        Unit(
            key=rollout.lead,
            flags=rollout.flags,
            phase=rollout.phase,
            percentage=state.flag(rollout.lead).percentage,
            enabled=state.flag(rollout.lead).enabled,
            entered_at=rollout.entered_at,
            anchor=rollout.anchor,
            acted_at=rollout.acted_at,
        )
        for rollout in state.rollouts.values()
    ]
    for key, flag in state.flags.items():
        if flag.rollout is None and flag.updated_at is not None:
            out.append(
                Unit(
                    key=key,
                    flags=(key,),
                    phase=None,
                    percentage=flag.percentage,
                    enabled=flag.enabled,
                    entered_at=flag.updated_at,
                    anchor=flag.anchor or flag.updated_at,
                    acted_at=flag.acted_at,
                )
            )
    return tuple(out)


def then(first: Change, second: Change) -> Change:
    """Two changes as one, the second made from the first's state; causes inside the commit keep pointing right."""
    shift = len(first.events)
    moved = tuple(
        replace(draft, cause=draft.cause + shift) if isinstance(draft.cause, int) else draft for draft in second.events
    )
    return Change(state=second.state, events=first.events + moved, effects=first.effects + second.effects)
