"""`rollback`: what was taken back, and the way back."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.operations.values.rollouts import FlagChange
from deployguard.operations.values.status import FlagRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """`rollback emergency`."""

    rollback_id: str | None  # None where nothing was on
    environment: str
    revision: int
    flags: tuple[FlagChange, ...] = ()
    left_on: tuple[FlagRow, ...] = ()
    by: str = ""
    at: datetime
    version: str | None = None  # the code that stays
    aborting: str | None = None  # the release that was told to stop, and will
    dead: str | None = None  # the release whose deploy died, and that is not rolled back yet
    rollback_commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what else was found: a rebuilt state, an unreadable config


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """`rollback undo`."""

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
    environment: str
    rollbacks: tuple[RollbackRow, ...] = ()  # newest first
