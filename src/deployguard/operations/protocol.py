"""Everything that can be asked of deployguard about one environment: values in, values out.

`Local` answers from files. A remote implementation answers over HTTP and must not need a change in a caller, so
nothing here hands out a file, a lock or a store. Each method raises `DeployguardError` for what it cannot do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deployguard.codec import JSON
    from deployguard.flags.evaluate import Context
    from deployguard.operations.values.flags import Answer, FlagDetail, FlagHistory, StaleFlags
    from deployguard.operations.values.releases import Deployed, DeployPlan, Reports
    from deployguard.operations.values.rollouts import Moved, RolloutPlans, RolloutRow, RolloutsStatus, Told
    from deployguard.operations.values.status import FlagsStatus
    from deployguard.operations.values.takeback import Emergency, RollbackHistory, Undone
    from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Findings
    from deployguard.operations.values.watching import (
        ChecksRound,
        Forgotten,
        Gate,
        Imported,
        MonitoringStatus,
        Overview,
        Round,
    )
    from deployguard.rollout.moves import MoveKind
    from deployguard.story.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A move as a person asks for it. `by` and `reason` are claims; percentages are hundredths.

    `targeting` holds what `feature-flags target` adds (or removes, with `remove`) in the config's spelling.
    """

    move: MoveKind
    flag: str
    percentage: int | None = None
    force: bool = False
    with_requirements: bool = False  # enable
    targeting: JSON = field(default_factory=dict)
    remove: bool = False
    reset: bool = False
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployAsk:
    version: str | None = None
    retry: tuple[str, ...] = ()  # flags that were taken back and are to start again; `all`
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployWatch:
    """Where a running deploy tells what it does: called from the thread that runs it."""

    command_started: Callable[[str, str], None]  # text, kind
    line: Callable[[str], None]
    command_finished: Callable[[str, str, str, bool, timedelta], None]  # text, kind, `exit 1`, ok, how long
    checked: Callable[[tuple[ChecksRound, ...], bool, timedelta], None]  # rounds, stable, how long
    rollout_started: Callable[[RolloutRow], None]
    said: Callable[[str], None]  # anything else, in a sentence


class Operations(Protocol):
    """One environment. Reading changes nothing and creates nothing."""

    @property
    def environment(self) -> str: ...

    # flags
    def flags_status(self) -> FlagsStatus: ...
    def flag(self, key: str) -> FlagDetail: ...
    def flag_history(self, key: str | None, limit: int) -> FlagHistory: ...
    def evaluate(self, key: str, contexts: Iterable[Context]) -> Iterable[Answer]: ...
    def stale(self, older_than: timedelta) -> StaleFlags: ...
    def export_flags(self) -> JSON: ...
    def import_flags(self, data: JSON, *, by: str | None, reason: str | None) -> tuple[Moved, ...]: ...
    def forget_flag(self, key: str, *, by: str | None, reason: str | None) -> Moved: ...

    # moves, rollouts, take-backs
    def move(self, ask: Ask) -> Moved: ...
    def rollouts(self, lead: str | None = None) -> RolloutsStatus: ...
    def plan(self, lead: str | None, users: int | None, rps: float | None) -> RolloutPlans: ...
    def emergency(self, *, by: str | None, reason: str | None, watch: DeployWatch | None = None) -> Emergency:
        """Every flag off. `watch` is told the rollback commands of a deploy that died, if they have to be run."""
        ...

    def undo(self, rollback_id: str | None, *, force: bool, by: str | None, reason: str | None) -> Undone: ...
    def rollbacks(self) -> RollbackHistory: ...

    # watching
    def overview(self) -> Overview: ...
    def told(self, after: int) -> tuple[Told, ...]:
        """The events behind number `after`, oldest first, in words."""
        ...

    def gate(self, lead: str | None, *, step: int | None, completed: bool) -> Gate:
        """Where the gate stands now; `wait_at_gate` asks until it is decided."""
        ...

    def monitoring(self) -> MonitoringStatus: ...
    def check_now(self) -> ChecksRound: ...
    def import_samples(self, lines: Iterable[bytes]) -> Imported: ...
    def forget_source(self, name: str) -> Forgotten: ...
    def watch_once(self, interval: timedelta | None) -> Round: ...
    def take_watch(self, via: str, interval: timedelta) -> bool:
        """Become the controller. False: another one is, and this one stands by."""
        ...

    def tick(self) -> Round: ...
    def leave_watch(self, why: str) -> None: ...

    # releases
    def plan_deploy(self, ask: DeployAsk) -> DeployPlan: ...
    def deploy(self, ask: DeployAsk, watch: DeployWatch) -> Deployed: ...
    def reports(self) -> Reports: ...
    def report(self, release_id: str | None) -> Report: ...

    # upkeep
    def doctor(self) -> Findings: ...
    def config_summary(self) -> ConfigSummary: ...
    def config_shown(self) -> JSON: ...
    def alerts_test(self, channel: str | None) -> AlertTest: ...
    def verify(self) -> Findings: ...
    def backup(self, file: str | None) -> Backup: ...
    def restore(self, file: str, *, by: str | None, reason: str | None) -> Backup: ...

    def now(self) -> datetime: ...
