"""`feature-flags`: flags as people see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from deployguard.codec import CAMEL, JSON, Duration, Percentage, Spelling
from deployguard.operations.values.events import HistoryRow, Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    __pydantic_config__: ClassVar[Spelling] = CAMEL
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
    __pydantic_config__: ClassVar[Spelling] = CAMEL
    environment: str
    revision: int
    controller: Watcher | None = None
    flags: tuple[FlagRow, ...] = ()
    at: datetime
    warnings: tuple[str, ...] = ()  # orphaned flags, an unreadable config, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDetail:
    """`feature-flags show`."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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
    __pydantic_config__: ClassVar[Spelling] = CAMEL
    environment: str
    flag_id: str | None
    history: tuple[HistoryRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One question of the order of evaluation. `passed` is None where it was not asked."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    name: str
    passed: bool | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`feature-flags evaluate`: one user's answer."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
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
    __pydantic_config__: ClassVar[Spelling] = CAMEL
    flag_id: str
    why: str  # `at 100% for 41d`, `expired on 2026-03-31`, `no owner`
    percentage: Percentage
    since: datetime | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFlags:
    __pydantic_config__: ClassVar[Spelling] = CAMEL
    environment: str
    older_than: Duration
    flags: tuple[StaleRow, ...] = ()
