"""Being the controller: taking its lock, ticking, leaving. Whoever finds the lock taken stands by."""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.controller import Controller, Ticked
from deployguard.errors import DeployguardError
from deployguard.operations import aftermath, judged, reports
from deployguard.operations.told import told
from deployguard.operations.values.watching import Round
from deployguard.session import Session
from deployguard.store.damage import unwritable
from deployguard.store.locks import ONCE, ControllerInfo, ControllerLock, read_controller
from deployguard.store.owner import system_user

DEFAULT_INTERVAL = timedelta(seconds=10)
CRON_INTERVAL = timedelta(minutes=1)  # of `watch --once`, before it has run twice: cron's finest
LONGEST_CRON = timedelta(days=1)  # a round by hand a week later must not count as watching for three
FORGET_EVERY = timedelta(hours=1)


def watcher_name() -> str:
    return f"{system_user()}@{os.uname().nodename}"


class Watch:
    """One process's turn at the controller's lock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = ControllerLock(session.state_dir, session.environment)
        self._controller: Controller | None = None
        self._interval = DEFAULT_INTERVAL
        self._via = ""
        self._forgot_at: datetime | None = None

    @property
    def acting(self) -> bool:
        return self._controller is not None

    def take(self, via: str, interval: timedelta, *, quiet: bool = False) -> bool:
        """Become the controller; False where another one lives. A cron round (`quiet`) is no start worth an event."""
        if self._controller is not None:
            return True
        self._via, self._interval = via, interval
        if not self._acquire():
            return False
        controller = Controller(self._session, watcher_name())
        try:
            if not quiet:
                previous = self._lock.previous
                kind = "controller.takenOver" if previous is not None and not previous.left else "controller.started"
                data = {
                    "holder": f"{watcher_name()}, pid {os.getpid()}",
                    "fence": self._lock.fence,
                    "previous": previous.name if previous else None,
                    "via": via,
                }
                controller.record(kind, data)
        except BaseException:  # a state that cannot be written: nobody acts, so nobody holds the lock
            controller.abandon()
            self._release()
            raise
        self._controller = controller
        return True

    def _acquire(self) -> bool:
        session = self._session
        try:
            return self._lock.acquire(watcher_name(), self._via, at=session.clock(), interval=self._interval)
        except OSError as error:
            raise unwritable(session.store.layout, error) from error

    def _release(self) -> None:
        with suppress(OSError):  # that it left cannot be written: then the next one takes over
            self._lock.release()

    def tick(self, *, full: bool = False) -> Round:
        """One round. Standing by, it answers the verdicts as they are and changes nothing."""
        # A lock whose file was deleted or replaced keeps nobody out: only who can have it again may act.
        if self._controller is not None and not self._lock.mine and not self._acquire():
            self._let_go()
        if self._controller is None:
            return looked_on(self._session)
        ticked = self._controller.tick(full=full)
        problem = ticked.trouble
        try:
            self._lock.tick(self._session.clock(), self._interval)
        except OSError as error:
            problem = problem or unwritable(self._session.store.layout, error).problem
        trouble = list(aftermath.keep_reports(self._session, ticked.state, ticked.events))
        if problem is not None:
            trouble.insert(0, f"{problem.message}: {problem.found}")
        self._forget_reports(ticked)
        found = _round(self._session, ticked)
        return replace(found, next_at=self._next_at(ticked), trouble="; ".join(trouble) or None)

    def _next_at(self, ticked: Ticked) -> datetime | None:
        """When the next decision may fall; a check that is to be asked more often than we tick is asked in time."""
        quick = ticked.probe_every
        if quick is None or quick >= self._interval:
            return ticked.decision.next_at
        due = ticked.now + quick
        return due if ticked.decision.next_at is None else min(due, ticked.decision.next_at)

    def leave(self, why: str, *, quiet: bool = False) -> None:
        """Give the lock back. Leaving is an event: from now on nothing watches. Raises what the store raises."""
        if self._controller is None:
            return
        try:
            if not quiet:
                self._controller.record("controller.stopped", {"holder": watcher_name(), "by": why})
        finally:
            self._let_go()

    def _let_go(self) -> None:
        controller, self._controller = self._controller, None
        try:
            if controller is not None:
                controller.close()
        finally:
            self._release()

    def _forget_reports(self, ticked: Ticked) -> None:
        if self._forgot_at is not None and abs(ticked.now - self._forgot_at) < FORGET_EVERY:
            return
        self._forgot_at = ticked.now
        settings = self._session.settings_if_any(ticked.state)
        if settings is not None:
            reports.forget_old(self._session, settings.retention.reports)


def once(session: Session, interval: timedelta | None) -> Round:
    """`watch --once`: one full round, for cron. Where another controller lives it judges nothing of its own."""
    previous = read_controller(session.state_dir, session.environment, session.clock())
    watch = Watch(session)
    if not watch.take(ONCE, interval or _since_last(previous, session.clock()), quiet=True):
        return looked_on(session)
    try:
        return watch.tick(full=True)
    finally:
        with suppress(DeployguardError):  # what could not be settled waits for the next round
            watch.leave("the round is over", quiet=True)


def _since_last(previous: ControllerInfo | None, now: datetime) -> timedelta:
    """How often cron comes, as far as the last two runs tell. A clock that was set back tells nothing."""
    if previous is None or previous.via != ONCE or previous.last_tick_at >= now:
        return CRON_INTERVAL
    return min(max(now - previous.last_tick_at, DEFAULT_INTERVAL), LONGEST_CRON)


def looked_on(session: Session) -> Round:
    """The verdicts as they stand, for one that does not act."""
    look = judged.Look(session)
    return Round(
        environment=session.environment,
        revision=look.state.revision,
        verdicts=look.verdicts,
        acted=False,
        controller=look.controller,
        at=look.now,
    )


def _round(session: Session, ticked: Ticked) -> Round:
    before, after = ticked.before.flags, ticked.state.flags
    return Round(
        environment=session.environment,
        revision=ticked.state.revision,
        verdicts=ticked.decision.verdicts,
        actions=ticked.decision.actions,
        controller=read_controller(session.state_dir, session.environment, ticked.now),
        turned_off=tuple(
            sorted(key for key, flag in after.items() if not flag.enabled and key in before and before[key].enabled)
        ),
        events=told(ticked.events),
        at=ticked.now,
    )
