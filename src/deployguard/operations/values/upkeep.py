"""`init`, `config`, `doctor`, `state`, `alerts`: the tool itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deployguard.store.damage import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    environment: str
    at: datetime
    findings: tuple[Finding, ...] = ()

    @property
    def to_mend(self) -> int:
        return sum(1 for finding in self.findings if finding.level == "mend")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSummary:
    """`config validate` of a good file."""

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

    wrote: tuple[tuple[str, str], ...] = ()  # file, what it holds
    changed: tuple[tuple[str, str], ...] = ()
    environments: tuple[tuple[str, str, str], ...] = ()  # name, address, strategy in words
    package_json: bool = False  # one stands beside it and was not changed
    npm_scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    environment: str
    file: str
    revision: int
    events: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTest:
    environment: str
    results: tuple[tuple[str, bool, str], ...] = ()  # channel, delivered, in words
