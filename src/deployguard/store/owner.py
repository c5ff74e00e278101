"""Who holds a lock: what is written beside or in it, for people and for whoever stands by. It never decides."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from deployguard.store.layout import read_bytes
from deployguard.trusted import trusted

T = TypeVar("T")

RECORD_BYTES = 2048
"""What is written in a lock's file always has this length, so that a reader never meets half of it."""


def system_user() -> str:
    """Whose process this is."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who holds a lock, and what for."""

    name: str
    host: str
    pid: int
    doing: str = ""
    since: datetime | None = None

    @classmethod
    def here(cls, name: str | None = None, *, doing: str = "") -> "Owner":
        """This process. `name` defaults to the system's user."""
        return cls(name=(name or system_user())[:100], host=os.uname().nodename, pid=os.getpid(), doing=doing[:200])

    @property
    def shown(self) -> str:
        """`maria on build-1, pid 4190 (state backup)`."""
        return f"{self.name} on {self.host}, pid {self.pid}" + (f" ({self.doing})" if self.doing else "")


def write_record(fd: int, record: bytes) -> None:
    os.pwrite(fd, record[: RECORD_BYTES - 1].ljust(RECORD_BYTES - 1) + b"\n", 0)


def read_record(cls: type[T], path: Path) -> T | None:
    """What a holder wrote; None where there is nothing, or nothing legible: it is for people."""
    try:
        raw = read_bytes(path)
        return trusted(cls, json.loads(raw)) if raw else None
    except (OSError, ValueError, RecursionError):
        return None
