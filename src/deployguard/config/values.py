"""What a config says, as frozen values: the last station of text -> marked tree -> checked tree -> values.

`Config` is the whole file; `Config.environment(name)` is what one environment's decisions need, its overrides applied.
Percentages are whole hundredths (5 % is 500), durations `timedelta`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from deployguard.config.condition import Condition


class OnInconclusive(StrEnum):
    HOLD = "hold"
    PAUSE = "pause"
    PROMOTE = "promote"


class Mode(StrEnum):
    ACT = "act"
    SHADOW = "shadow"


class OnCommonFault(StrEnum):
    ACT = "act"
    HOLD = "hold"


class Confirm(StrEnum):
    NO = "no"
    YES = "yes"
    NAME = "name"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ActionKind(StrEnum):
    """What a trigger can do. The first five change a unit, strongest first; the others always go out."""

    EMERGENCY_ROLLBACK = "emergencyRollback"
    ROLLBACK = "rollback"
    DISABLE = "disable"
    REDUCE = "reduce"
    PAUSE = "pause"
    RUN = "run"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeting:
    """Who is asked before the bucket. Empty means: not asked."""

    allow_users: frozenset[str] = frozenset()
    allow_groups: frozenset[str] = frozenset()
    deny_users: frozenset[str] = frozenset()
    deny_groups: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    rules: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    key: str
    description: str = ""
    owner: str | None = None
    expires: date | None = None
    tags: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    targeting: Targeting = Targeting()
    own_seed: bool = False
    private: bool = False
    permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a strategy: hundredths of users, and how long it is held; the last step has no hold."""

    percentage: int
    hold: timedelta | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    name: str
    steps: tuple[Step, ...]
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    max_wait: timedelta = timedelta(hours=24)
    holdout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    name: str
    url: str  # absolute, or a path under the environment's baseUrl
    expect: tuple[Condition, ...] = ()
    every: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=10)
    retries: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the user's. `argv` is run without a shell, unless `shell` holds a shell line."""

    argv: tuple[str, ...] = ()
    shell: str | None = None
    timeout: timedelta = timedelta(minutes=10)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    text: str = ""  # as the config spells it, for people
    # The whole object as the config spells it, `${...}` unexpanded: what the state may keep.
    spelt: Mapping[str, object] | None = field(default=None, compare=False, repr=False)

    @property
    def program(self) -> str:
        return self.argv[0] if self.argv else "sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    kind: ActionKind
    tag: str | None = None  # disable TAG
    share: int | None = None  # reduce by: hundredths taken away, 5000 is half
    command: Command | None = None  # run
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    name: str
    when: Condition
    then: tuple[Action, ...]
    window: timedelta = timedelta(minutes=5)
    min_samples: int = 100
    cooldown: timedelta = timedelta(minutes=5)
    warm_up: timedelta = timedelta(0)
    min_users: int = 0
    mode: Mode = Mode.ACT
    required: bool = False
    on_common_fault: OnCommonFault = OnCommonFault.ACT


class SourceType(StrEnum):
    ACCESS_LOG = "accessLog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    name: str
    type: SourceType
    path: str
    format: str = "combined"  # an nginx log_format string, `combined`, or `json`
    fields: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()  # empty: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where alerts go."""

    name: str
    type: str
    url: str
    secret: str | None = None
    environments: tuple[str, ...] = ()
    min_severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrails:
    """Checked and kept; not judged before the guard stands."""

    metrics: tuple[str, ...] = ()
    margin: float = 1.1
    alpha: int = 100  # false alarms over a whole rollout: hundredths of a percent
    then: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    url: str | None = None
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    country_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    metrics: timedelta = timedelta(days=30)
    reports: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment with everything that its decisions need, overrides applied, defaults filled in."""

    name: str
    base_url: str
    strategy: Strategy
    flags: Mapping[str, Flag]
    triggers: Mapping[str, Trigger]
    checks: Mapping[str, HealthCheck]
    strategies: Mapping[str, Strategy]
    sources: Mapping[str, Source] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    rollout: tuple[str, ...] = ()
    confirm: Confirm = Confirm.NO
    deploy: tuple[Command, ...] = ()
    rollback: tuple[Command, ...] = ()
    stable: timedelta = timedelta(minutes=1)
    endpoints: tuple[str, ...] = ()
    connectivity: str | None = None
    guard_for: timedelta = timedelta(hours=48)
    min_percentage: int = 100
    guardrails: Guardrails | None = None
    server: Server = Server()
    retention: Retention = Retention()
    reports: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. `document` is the checked tree as written, `${...}` unexpanded: what the state keeps."""

    environments: Mapping[str, Environment]
    document: Mapping[str, object]
    hash: str  # SHA-256 of the document's canonical JSON
    default_environment: str | None = None
    state: str = "./state"
    file: str | None = None

    def environment(self, name: str) -> Environment:
        """Raises KeyError for an unknown name; the operations turn that into `unknown-environment`."""
        return self.environments[name]
