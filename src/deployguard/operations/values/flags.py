"""`feature-flags`: flags as people see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deployguard.codec import JSON, Duration, Percentage
from deployguard.flags.stale import StaleFlag
from deployguard.flags.values import Rung
from deployguard.operations.values.status import FlagRow
from deployguard.story.history import HistoryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDetail:
    """`feature-flags show`."""

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
    environment: str
    flag_id: str | None
    history: tuple[HistoryRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`feature-flags evaluate`: one user's answer."""

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
class StaleFlags:
    environment: str
    older_than: Duration
    flags: tuple[StaleFlag, ...] = ()
