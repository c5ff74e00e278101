"""The writer's lock of an environment's state, with its holder's name for whoever waits."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from deployguard.codec import dumps
from deployguard.errors import Code, DeployguardError, fail
from deployguard.store.layout import FILE_MODE, Layout
from deployguard.store.owner import Owner, read_record, write_record

if TYPE_CHECKING:
    from filelock import BaseFileLock

POLL_S = 0.002
SAYS_AFTER_S = 1.0


class StateLock:
    """Held for one commit. A wait longer than a second is told, with the holder's name."""

    def __init__(
        self, layout: Layout, owner: Owner | None = None, on_wait: Callable[[str], None] | None = None
    ) -> None:
        self._layout = layout
        self._owner = owner
        self._on_wait = on_wait

    @contextlib.contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold it. Raises `state-locked` after `wait_s` seconds, OSError where the folder takes no lock."""
        lock = self.take(wait_s)
        try:
            yield
        finally:
            lock.release()

    def take(self, wait_s: float) -> "BaseFileLock":
        """The same for a caller that releases it."""
        from filelock import Timeout  # only a command that writes pays for the import

        lock = self._lock
        try:
            lock.acquire(timeout=min(SAYS_AFTER_S, wait_s))
        except Timeout:
            self._say()
            try:
                lock.acquire(timeout=max(wait_s - SAYS_AFTER_S, 0))
            except Timeout as error:
                raise self._refused(wait_s) from error
        self._sign()
        return lock

    @cached_property
    def _lock(self) -> "BaseFileLock":
        """Made once, for that takes a while; each thread holds its own."""
        from filelock import FileLock

        return FileLock(
            self._layout.state_lock,
            mode=FILE_MODE,
            thread_local=True,
            poll_interval=POLL_S,
            fallback_to_soft=False,
            preserve_lock_file=True,
        )

    def holder(self, now: datetime) -> str:
        """Who holds it and for how long, in words."""
        owner = read_record(Owner, self._layout.state_owner)
        if owner is None:
            return "held by a process that left no name"
        held = f" for {_seconds(now - owner.since)}" if owner.since is not None else ""
        return f"held{held} by {owner.shown}"

    def _say(self) -> None:
        if self._on_wait is not None:
            self._on_wait(self.holder(datetime.now(UTC)))

    def _sign(self) -> None:
        if self._owner is None:  # asked only by who writes
            self._owner = Owner.here()
        record = dumps(replace(self._owner, since=datetime.now(UTC)))
        # For people only: a full disk must not keep the lock from its holder.
        with contextlib.suppress(OSError):
            fd = os.open(self._layout.state_owner, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                write_record(fd, record)
            finally:
                os.close(fd)

    def _refused(self, wait_s: float) -> DeployguardError:
        return fail(
            Code.STATE_LOCKED,
            f"the state of {self._layout.environment} is locked",
            where=str(self._layout.home),
            found=self.holder(datetime.now(UTC)),
            wanted=f"the lock within {wait_s:g}s",
            now="nothing was changed; reading works, an emergency waits 30s",
        )


def _seconds(duration: timedelta) -> str:
    return f"{max(0, round(duration.total_seconds()))}s"
