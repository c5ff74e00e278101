"""Who may act: one controller and one deploy an environment.

Both are a process's locks (`owner`). What stands in their files (who, where, since when) is for people and for whoever
stands by. The state's own lock is `filelock`'s.
"""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployguard.codec import Duration, dumps
from deployguard.state import CommandRun, Release
from deployguard.store.layout import FILE_MODE, Layout
from deployguard.store.owner import Owner, ProcessLock, read_record, write_record

LEASE_LASTS = timedelta(seconds=60)
DIED = "its deploy was killed while it ran"
FIRST_INTERVAL = timedelta(seconds=10)  # until the first tick says another
ONCE = "watch --once"
"""The `via` of a controller that comes and goes: between two rounds it holds no lock and watches all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerInfo:
    """What the controller's lock tells: who, and when it ticked last.

    `held`: a process holds the lock now. `alive`: it, or one that comes by cron, ticked within three of its intervals
    (a tick that lies further ahead than that was made before the clock was set back). `left`: it let go by itself; a
    process that was killed did not.
    """

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
class Started:
    """The command that a deploy runs: whoever finds the deploy dead has to end it and write it down.

    `pid` is its process group's number, too; `mark` tells it from a later process of that number.
    """

    text: str  # masked
    kind: str  # deploy or rollback
    at: datetime
    pid: int | None = None  # until it has started
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A deploy's sign of life. `held`: a process of this machine holds the lock now.

    `over`: the deploy ended with everything rolled back, and only could not write that into the state.
    """

    release_id: str  # empty until the release is begun
    name: str
    host: str
    pid: int
    since: datetime
    at: datetime
    doing: str = ""
    command: Started | None = None
    over: bool = False
    held: bool = False

    def stale(self, now: datetime) -> bool:
        """No sign of life for a minute. A lock that is free is no proof: what the process started may still run."""
        return now - self.at > LEASE_LASTS

    def left(self, release: Release) -> CommandRun | None:
        """The command that the deploy of `release` runs, or in whose middle it died; None where it is between two."""
        command = self.command
        if command is None or self.release_id != release.id:
            return None
        if any(run.started_at == command.at for run in release.commands):  # written down, and then it died
            return None
        died = None if self.held else DIED
        return CommandRun(text=command.text, kind=command.kind, started_at=command.at, error=died)


class ControllerLock:
    """One controller acts, others stand by. The file says who, and when it ticked last."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = ProcessLock(self._layout.controller_lock)
        self._info: ControllerInfo | None = None
        self.previous: ControllerInfo | None = None
        """Who had it before this one acquired it."""

    @property
    def mine(self) -> bool:
        """This process may act: it holds the lock, and nobody has deleted or replaced its file."""
        return self._lock.mine

    @property
    def fence(self) -> int:
        """Counts up with each holder; 0 without the lock."""
        return self._info.fence if self._info else 0

    def acquire(self, name: str, via: str, *, at: datetime | None = None, interval: timedelta = FIRST_INTERVAL) -> bool:
        """Take the lock without waiting; taking it counts as a tick. False: another has it. Raises OSError.

        A round that never succeeds must not count as watching for long, however rarely the holder means to tick.
        """
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
            interval=min(interval, FIRST_INTERVAL),
            fence=max(self.fence, self.previous.fence if self.previous else 0) + 1,
        )
        try:
            self._lock.write(dumps(self._info))
        except OSError:  # nobody could see who acts
            self._lock.drop()
            raise
        return True

    def tick(self, at: datetime, interval: timedelta) -> None:
        """Write that a tick was made at `at` and the next is due after `interval`. Does nothing without the lock.

        Raises OSError.
        """
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
        recent = abs((now or datetime.now(UTC)) - info.last_tick_at) <= 3 * info.interval
        return replace(info, held=held, alive=recent and (held or info.via == ONCE))

    def release(self) -> None:
        """Let go. The last tick stays written, so that `status` says since when nobody watches. Raises OSError."""
        info, self._info = self._info, None
        try:
            if info is not None:
                self._lock.write(dumps(replace(info, left=True)))
        finally:
            self._lock.drop()


def read_controller(folder: Path, environment: str, now: datetime) -> ControllerInfo | None:
    """The environment's controller as its lock tells it at `now`; None where there never was one."""
    return ControllerLock(folder, environment).read(now)


class DeployLock:
    """One deploy of an environment at a time, with a lease that its holder renews each second."""

    def __init__(self, folder: Path, environment: str, owner: Owner | None = None) -> None:
        self._layout = Layout(Path(folder), environment)
        self._lock = ProcessLock(self._layout.deploy_lock)
        self._owner = owner or Owner.here()
        self._since: datetime | None = None

    @property
    def host(self) -> str:
        return self._owner.host

    @property
    def pid(self) -> int:
        return self._owner.pid

    def acquire(
        self, release_id: str = "", *, at: datetime | None = None, doing: str = "", command: Started | None = None
    ) -> bool:
        """Take the lock without waiting and sign it. False: another deploy runs. Raises OSError.

        `command` is what a dead deploy left running, until it is seen to.
        """
        if not self._lock.take(self._layout):
            return False
        self._since = at or datetime.now(UTC)
        self.beat(release_id, self._since, doing, command)
        return True

    def beat(
        self, release_id: str, at: datetime, doing: str, command: Started | None = None, *, over: bool = False
    ) -> None:
        """A sign of life and what is done now. Does nothing without the lock. Raises OSError."""
        if self._since is None:
            return
        self._lock.take(self._layout)  # again, where its file was deleted: before another deploy finds the place free
        lease = Lease(
            release_id=release_id,
            name=self._owner.name,
            host=self._owner.host,
            pid=self._owner.pid,
            since=self._since,
            at=at,
            doing=doing[:200],
            command=None if command is None else replace(command, text=command.text[:200]),
            over=over,
        )
        self._write(lease)

    def _write(self, lease: Lease) -> None:
        fd = os.open(self._layout.deploy_lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            write_record(fd, dumps(lease))
        finally:
            os.close(fd)

    def read(self) -> Lease | None:
        """The running deploy, or one that died; None after a release and where there never was one."""
        lease = read_record(Lease, self._layout.deploy_lease)
        return None if lease is None else replace(lease, held=self._lock.taken())

    def release(self, leaving: Lease | None = None) -> None:
        """Let go, and take the lease away, or leave one to whoever comes next."""
        if self._since is not None and leaving is None:
            self._layout.deploy_lease.unlink(missing_ok=True)
        elif self._since is not None and leaving is not None:
            self._write(leaving)
        self._since = None
        self._lock.drop()


def read_lease(folder: Path, environment: str) -> Lease | None:
    """The lease of the environment's running or dead deploy; None where there is none."""
    return DeployLock(folder, environment).read()
