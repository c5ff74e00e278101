"""Who may act: one controller and one deploy an environment.

Both are locks of the operating system, as the state's is: a process that is killed lets go at once, and a lock's file
that is left behind blocks nobody. What stands in it (who, where, since when) is for people and for whoever stands by.
"""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from deployguard.codec import CAMEL, Duration, Spelling, dumps
from deployguard.store.layout import FILE_MODE, Layout
from deployguard.store.os_lock import is_taken, take
from deployguard.store.owner import Owner, read_record, write_record

LEASE_LASTS = timedelta(seconds=60)
READERS_LOOK_S = 0.03  # whoever looks whether a lock is taken holds it for a moment
FIRST_INTERVAL = timedelta(seconds=10)  # until the first tick says another
ONCE = "watch --once"
"""The `via` of a controller that comes and goes: between two rounds it holds no lock and watches all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerInfo:
    """What the controller's lock tells: who, and when it ticked last.

    `held`: a process holds the lock now. `alive`: it also ticked within three of its intervals, or comes by cron and
    did. `left`: it let go by itself; a process that was killed did not.
    """

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    name: str
    host: str
    pid: int
    via: str
    since: datetime
    last_tick_at: datetime
    interval: Duration
    fence: int = 1  # counts up with each holder
    left: bool = False
    held: bool = False
    alive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A deploy's sign of life. `held`: a process of this machine holds the lock now."""

    __pydantic_config__: ClassVar[Spelling] = CAMEL
    release_id: str  # empty until the release is begun
    name: str
    host: str
    pid: int
    since: datetime
    at: datetime
    doing: str = ""
    held: bool = False

    def stale(self, now: datetime) -> bool:
        """No sign of life for a minute. A lock that is free is no proof: what the process started may still run."""
        return now - self.at > LEASE_LASTS


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
        if self._fd is None:
            layout.make()
            self._fd = take(self._path, wait_s=READERS_LOOK_S)
        return self._fd is not None

    def write(self, record: bytes) -> None:
        if self._fd is not None:
            write_record(self._fd, record)

    def drop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)  # closing lets go
            self._fd = None

    def taken(self) -> bool:
        """Some process holds it now. Creates nothing."""
        return self.mine or is_taken(self._path)


class ControllerLock:
    """One controller acts, others stand by. The file says who, and when it ticked last."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = _ProcessLock(self._layout.controller_lock)
        self._info: ControllerInfo | None = None
        self.previous: ControllerInfo | None = None
        """Who had it before this one acquired it."""

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def fence(self) -> int:
        """Counts up with each holder; 0 without the lock."""
        return self._info.fence if self._info else 0

    def acquire(self, name: str, via: str, *, at: datetime | None = None) -> bool:
        """Take the lock without waiting; taking it counts as a tick. False: another has it. Raises OSError."""
        if self._lock.mine:
            return True
        if not self._lock.take(self._layout):
            return False
        self.previous = read_record(ControllerInfo, self._layout.controller_lock)
        here, now = Owner.here(name), at or datetime.now(UTC)
        self._info = ControllerInfo(
            name=here.name,
            host=here.host,
            pid=here.pid,
            via=via[:100],
            since=now,
            last_tick_at=now,
            interval=FIRST_INTERVAL,
            fence=self.previous.fence + 1 if self.previous else 1,
        )
        self._lock.write(dumps(self._info))
        return True

    def tick(self, at: datetime, interval: timedelta) -> None:
        """Write that a tick was made at `at` and the next is due after `interval`. Does nothing without the lock."""
        if self._info is None:
            return
        self._info = replace(self._info, last_tick_at=at, interval=interval)
        self._lock.write(dumps(self._info))

    def read(self, now: datetime | None = None) -> ControllerInfo | None:
        """Who holds it, or held it last; None where nobody ever did. Takes nothing, creates nothing."""
        info = read_record(ControllerInfo, self._layout.controller_lock)
        if info is None:
            return None
        held = self._lock.taken()
        recent = (now or datetime.now(UTC)) - info.last_tick_at <= 3 * info.interval
        return replace(info, held=held, alive=recent and (held or info.via == ONCE))

    def release(self) -> None:
        """Let go. The last tick stays written, so that `status` says since when nobody watches."""
        if self._info is not None:
            self._lock.write(dumps(replace(self._info, left=True)))
        self._lock.drop()
        self._info = None


def read_controller(folder: Path, environment: str, now: datetime) -> ControllerInfo | None:
    """The environment's controller as its lock tells it at `now`; None where there never was one."""
    return ControllerLock(folder, environment).read(now)


class DeployLock:
    """One deploy of an environment at a time, with a lease that its holder renews each second."""

    def __init__(self, folder: Path, environment: str, owner: Owner | None = None) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = _ProcessLock(self._layout.deploy_lock)
        self._owner = owner or Owner.here()
        self._since: datetime | None = None

    @property
    def host(self) -> str:
        return self._owner.host

    @property
    def pid(self) -> int:
        return self._owner.pid

    def acquire(self, release_id: str = "", *, at: datetime | None = None, doing: str = "") -> bool:
        """Take the lock without waiting and sign it. False: another deploy runs. Raises OSError."""
        if not self._lock.take(self._layout):
            return False
        self._since = at or datetime.now(UTC)
        self.beat(release_id, self._since, doing)
        return True

    def beat(self, release_id: str, at: datetime, doing: str) -> None:
        """A sign of life and what is done now. Does nothing without the lock."""
        if self._since is None:
            return
        lease = Lease(
            release_id=release_id,
            name=self._owner.name,
            host=self._owner.host,
            pid=self._owner.pid,
            since=self._since,
            at=at,
            doing=doing[:200],
        )
        fd = os.open(self._layout.deploy_lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            write_record(fd, dumps(lease))
        finally:
            os.close(fd)

    def read(self) -> Lease | None:
        """The running deploy, or one that died; None after a release and where there never was one."""
        lease = read_record(Lease, self._layout.deploy_lease)
        return None if lease is None else replace(lease, held=self._lock.taken())

    def release(self) -> None:
        """Take the lease away and let go."""
        if self._since is not None:
            self._layout.deploy_lease.unlink(missing_ok=True)
            self._since = None
        self._lock.drop()


def read_lease(folder: Path, environment: str) -> Lease | None:
    """The lease of the environment's running or dead deploy; None where there is none."""
    return DeployLock(folder, environment).read()
