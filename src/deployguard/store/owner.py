"""Who holds a lock, and the lock that a process keeps for as long as it lives: flock(2) on an open file.

A process that is killed lets go at once, and a file that is left behind blocks nobody. A file that is deleted or
replaced under its holder guards nothing any more: the holder has to look (`mine`). What is written in it or beside it
is for people and for whoever stands by; it never decides.
"""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from deployguard.store.layout import FILE_MODE, Layout, read_bytes
from deployguard.trusted import trusted

T = TypeVar("T")

READERS_LOOK_S = 0.03  # whoever looks whether a lock is taken holds it for a moment
POLL_S = 0.001
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


class ProcessLock:
    """A lock that a process keeps for as long as it lives. Its file is made by `take` and never removed by us."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def mine(self) -> bool:
        """It is held, and what is held is still the file that others would take."""
        return self._fd is not None and _is_named(self._fd, self._path)

    def take(self, layout: Layout) -> bool:
        """Without waiting; False where another process, or another holder in this one, has it. Raises OSError."""
        if self.mine:
            return True
        self.drop()
        layout.make()
        deadline = time.monotonic() + READERS_LOOK_S
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            # Between opening and locking the file may have been replaced: then it is not the one that counts.
            if _locked(fd, fcntl.LOCK_EX) and _is_named(fd, self._path):
                self._fd = fd
                return True
            os.close(fd)
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)

    def write(self, record: bytes) -> None:
        if self._fd is not None:
            write_record(self._fd, record)

    def drop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)  # closing lets go
            self._fd = None

    def taken(self) -> bool:
        """Some process holds it now: looked at with a shared lock for a moment. Creates nothing."""
        if self.mine:
            return True
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _locked(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(fd: int, path: Path) -> bool:
    """Whether the open file is the one that has this name."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
