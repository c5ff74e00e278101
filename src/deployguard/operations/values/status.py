"""`feature-flags status`: every flag, and who watches. Alone here, so that the first command starts in a blink."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.codec import Percentage
from deployguard.store.locks import ControllerInfo

__all__ = ["ControllerInfo", "FlagRow", "FlagsStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    """One flag as it stands, and what it waits for."""

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
    """`feature-flags status`."""

    environment: str
    revision: int
    controller: ControllerInfo | None = None
    flags: tuple[FlagRow, ...] = ()
    at: datetime
    warnings: tuple[str, ...] = ()  # orphaned flags, an unreadable config, ...
