"""The writer's lock of an environment's state, with its name for whoever waits."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from deployguard.codec import dumps
from deployguard.errors import Code, fail
from deployguard.store.layout import FILE_MODE, Layout
from deployguard.store.owner import Owner, read_record, write_record

if TYPE_CHECKING:
    from filelock import FileLock

SAYS_AFTER_S = 1.0
"""A wait longer than this is told, with the holder's name."""

POLL_S = 0.005


class StateLock:
    """The writer's lock of an environment's state, held for one commit."""

    def __init__(
        self, layout: Layout, owner: Owner | None = None, on_wait: Callable[[str], None] | None = None
    ) -> None:
        self._layout = layout
        self._owner = owner or Owner.here()
        self._on_wait = on_wait

    @cached_property
    def _lock(self) -> "FileLock":
        from filelock import FileLock

        # A soft lock, the library's answer where flock is missing, would stay behind after a kill.
        return FileLock(self._layout.state_lock, mode=FILE_MODE, fallback_to_soft=False)

    @contextlib.contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold it. Raises `state-locked` after `wait_s` seconds, OSError where the folder takes no lock."""
        from filelock import Timeout

        lock = self._lock
        started = time.monotonic()
        try:
            try:
                lock.acquire(timeout=min(SAYS_AFTER_S, wait_s), poll_interval=POLL_S)
            except Timeout:
                if wait_s <= SAYS_AFTER_S:
                    raise
                if self._on_wait is not None:
                    self._on_wait(self.holder(datetime.now(UTC)))
                lock.acquire(timeout=wait_s - (time.monotonic() - started), poll_interval=POLL_S)
        except Timeout:
            raise self._refused(wait_s) from None
        try:
            self._sign()
            yield
        finally:
            lock.release()

    def holder(self, now: datetime) -> str:
        """Who holds it and for how long, in words."""
        owner = read_record(Owner, self._layout.state_owner)
        if owner is None:
            return "held by a process that left no name"
        held = f" for {_seconds(now - owner.since)}" if owner.since is not None else ""
        return f"held{held} by {owner.shown}"

    def _sign(self) -> None:
        owner = replace(self._owner, since=datetime.now(UTC))
        # For people only: a full disk must not keep the lock from its holder.
        with contextlib.suppress(OSError):
            fd = os.open(self._layout.state_owner, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                write_record(fd, dumps(owner))
            finally:
                os.close(fd)

    def _refused(self, wait_s: float) -> Exception:
        return fail(
            Code.STATE_LOCKED,
            f"the state of {self._layout.environment} is locked",
            where=str(self._layout.home),
            found=self.holder(datetime.now(UTC)),
            wanted=f"the lock within {wait_s:g}s",
            now="nothing was changed (exit 5); reading works, an emergency waits 30s",
        )


def _seconds(duration: timedelta) -> str:
    return f"{max(0, round(duration.total_seconds()))}s"
