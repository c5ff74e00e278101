"""Who may act: one controller and one deploy an environment.

Both are locks of the operating system, as the state's is: a process that is killed lets go at once, and a lock's file
that is left behind blocks nobody. What stands in it (who, where, since when) is for people and for whoever stands by.
"""

import fcntl
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from deployguard.codec import CAMEL, Duration, dumps
from deployguard.state import Via
from deployguard.store.layout import FILE_MODE, Layout
from deployguard.store.owner import Owner, read_record, write_record

__all__ = ["ControllerInfo", "ControllerLock", "DeployLock", "Lease", "Owner"]

LEASE_LASTS = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerInfo:
    """What the controller's lock tells: who, and when it ticked last. `alive`: a process holds the lock now."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    name: str
    host: str
    pid: int
    via: Via = Via.CONTROLLER
    since: datetime | None = None
    last_tick_at: datetime | None = None
    interval: Duration | None = None
    fence: int = 0  # counts up with each holder
    alive: bool = False

    def watches(self, now: datetime) -> bool:
        """It ticked within three intervals (of `watch --once`, its cron's): somebody watches."""
        if self.last_tick_at is None:
            return self.alive
        return now - self.last_tick_at <= 3 * (self.interval or timedelta(seconds=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A deploy's sign of life. `held`: a process of this machine holds the lock now."""

    __pydantic_config__: ClassVar[ConfigDict] = CAMEL
    release_id: str
    name: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    doing: str = ""
    held: bool = False

    def stale(self, now: datetime) -> bool:
        """No sign of life for a minute: its commands have ended with it, or it will find itself closed."""
        return now - self.beat_at > LEASE_LASTS


class _ProcessLock:
    """A lock that a process keeps for as long as it lives. Its file is made by `take` and never removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def mine(self) -> bool:
        return self._fd is not None

    def take(self, layout: Layout) -> bool:
        """Without waiting; False where another process, or another holder in this one, has it."""
        if self._fd is not None:
            return True
        layout.make()
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        for _ in range(3):  # a reader who looks whether it is taken holds it for a moment
            if _try_lock(fd, fcntl.LOCK_EX):
                self._fd = fd
                return True
            time.sleep(0.01)
        os.close(fd)
        return False

    def write(self, record: bytes) -> None:
        if self._fd is not None:
            write_record(self._fd, record)

    def drop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)  # closing lets go
            self._fd = None

    def taken(self) -> bool:
        """Some process holds it now. Creates nothing."""
        if self._fd is not None:
            return True
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _try_lock(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)


class ControllerLock:
    """One controller acts, others stand by. The file says who, and when it ticked last."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = _ProcessLock(self._layout.controller_lock)
        self._info: ControllerInfo | None = None
        self.previous: ControllerInfo | None = None
        """Who had it before this one acquired it."""

    @property
    def fence(self) -> int:
        """Counts up with each holder; 0 before `acquire`."""
        return self._info.fence if self._info else 0

    def acquire(self, owner: Owner, *, at: datetime | None = None) -> bool:
        """Take the lock without waiting. False: another controller lives. Raises OSError."""
        if self._lock.mine:
            return True
        if not self._lock.take(self._layout):
            return False
        self.previous = read_record(ControllerInfo, self._layout.controller_lock)
        before = self.previous
        self._info = ControllerInfo(
            name=owner.name,
            host=owner.host,
            pid=owner.pid,
            via=owner.via,
            since=at or datetime.now(UTC),
            # Until the first tick the last one stands: `watch --once` measures its interval by it.
            last_tick_at=before.last_tick_at if before else None,
            interval=before.interval if before else None,
            fence=before.fence + 1 if before else 1,
        )
        self._lock.write(dumps(self._info))
        return True

    def tick(self, at: datetime, interval: timedelta) -> None:
        """Write that a tick was made at `at` and the next is due after `interval`. Does nothing without the lock."""
        if self._info is None:
            return
        self._info = replace(self._info, last_tick_at=at, interval=interval)
        self._lock.write(dumps(self._info))

    def read(self) -> ControllerInfo | None:
        """Who holds it, or held it last; None where nobody ever did. Takes nothing, creates nothing."""
        info = read_record(ControllerInfo, self._layout.controller_lock)
        return None if info is None else replace(info, alive=self._lock.taken())

    def release(self) -> None:
        """Let go. The last tick stays written, so that `status` says since when nobody watches."""
        self._lock.drop()
        self._info = None


class DeployLock:
    """One deploy of an environment at a time, with a lease that its holder renews each second."""

    def __init__(self, folder: Path, environment: str, owner: Owner | None = None) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = _ProcessLock(self._layout.deploy_lock)
        self._owner = owner
        self._lease: Lease | None = None

    def acquire(self, release_id: str, *, at: datetime | None = None, doing: str = "") -> bool:
        """Take the lock without waiting and sign it. False: another deploy runs. Raises OSError."""
        if not self._lock.take(self._layout):
            return False
        owner, at = self._owner or Owner.here(), at or datetime.now(UTC)
        self._lease = Lease(
            release_id=release_id,
            name=owner.name,
            host=owner.host,
            pid=owner.pid,
            started_at=at,
            beat_at=at,
            doing=doing,
        )
        self._write()
        return True

    def beat(self, at: datetime, doing: str) -> None:
        """A sign of life and what is done now. Does nothing without the lock."""
        if self._lease is not None:
            self._lease = replace(self._lease, beat_at=at, doing=doing)
            self._write()

    def read(self) -> Lease | None:
        """The running deploy, or one that died; None after a release and where there never was one."""
        lease = read_record(Lease, self._layout.deploy_lease)
        return None if lease is None else replace(lease, held=self._lock.taken())

    def release(self) -> None:
        """Let go and take the lease away."""
        if self._lease is not None:
            self._layout.deploy_lease.unlink(missing_ok=True)
            self._lease = None
        self._lock.drop()

    def _write(self) -> None:
        if self._lease is None:
            return
        fd = os.open(self._layout.deploy_lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            write_record(fd, dumps(self._lease))
        finally:
            os.close(fd)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
