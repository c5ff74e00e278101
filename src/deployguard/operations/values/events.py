"""What the audit log tells, in words; and who watches."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from deployguard.codec import CAMEL, Duration, Percentage, Spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """The controller as others see it. `alive`: it ticked within three of its intervals."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    name: str  # user@host
    host: str
    pid: int
    via: str  # `watch`, `watch --once`, `serve --watch`
    last_tick_at: datetime
    interval: Duration
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event in words: the sentence that every surface shows."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    seq: int
    type: str
    severity: str
    time: datetime
    sentence: str
    short: str = ""
    repeats: bool = False  # another event of its commit says the same: for the log, not for people


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One change of one flag, in words."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    at: datetime
    flag_id: str
    from_: Percentage | None = None
    to: Percentage | None = None
    by: str = ""
    why: str = ""
    seq: int = 0
