"""Being the controller: taking its lock, ticking, leaving. Whoever finds the lock taken stands by."""

from datetime import datetime, timedelta

from deployguard.controller import Controller, Ticked
from deployguard.operations import judged, reports, rows
from deployguard.operations.told import told
from deployguard.operations.values import Round
from deployguard.session import Session, watcher_name
from deployguard.state import Event, ReleasePhase, State
from deployguard.store.locks import ControllerLock, read_controller

DEFAULT_INTERVAL = timedelta(seconds=10)
CRON_INTERVAL = timedelta(minutes=5)  # of `watch --once`, before it has run twice


class Watch:
    """One process's turn at the controller's lock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = ControllerLock(session.state_dir, session.environment)
        self._controller: Controller | None = None
        self._interval = DEFAULT_INTERVAL

    @property
    def acting(self) -> bool:
        return self._controller is not None

    def take(self, via: str, interval: timedelta, *, quiet: bool = False) -> bool:
        """Become the controller; False where another one lives. A cron round (`quiet`) is no start worth an event."""
        if self._controller is not None:
            return True
        session = self._session
        previous = read_controller(session.state_dir, session.environment, session.clock())
        if not self._lock.acquire(name=watcher_name(), via=via):
            return False
        self._interval = interval
        self._controller = Controller(session, watcher_name())
        self._lock.tick(session.clock(), interval)
        if not quiet:
            left_behind = previous is not None and not previous.left
            kind = "controller.takenOver" if left_behind else "controller.started"
            holder = f"{watcher_name()}, pid {self._lock.pid}"
            self._controller.record(
                kind, {"holder": holder, "previous": previous.name if previous else None, "via": via}
            )
        return True

    def tick(self, *, full: bool = False) -> Round:
        """One round. Standing by, it answers the verdicts as they are and changes nothing."""
        if self._controller is None:
            return looked_on(self._session)
        ticked = self._controller.tick(full=full)
        self._lock.tick(self._session.clock(), self._interval)
        _keep_reports(self._session, ticked.state, ticked.events)
        return _round(self._session, ticked)

    def leave(self, why: str, *, quiet: bool = False) -> None:
        """Give the lock back. Leaving is an event: from now on nothing watches."""
        if self._controller is None:
            return
        if not quiet:
            self._controller.record("controller.stopped", {"holder": watcher_name(), "by": why})
        self._controller.close()
        self._controller = None
        self._lock.release()


def once(session: Session, interval: timedelta | None) -> Round:
    """`watch --once`: one full round, for cron. Where another controller lives it judges nothing of its own."""
    previous = read_controller(session.state_dir, session.environment, session.clock())
    watch = Watch(session)
    if not watch.take(
        "watch --once", interval or _since_last(previous.last_tick_at if previous else None, session), quiet=True
    ):
        return looked_on(session)
    try:
        return watch.tick(full=True)
    finally:
        watch.leave("the round is over", quiet=True)


def _since_last(last: datetime | None, session: Session) -> timedelta:
    if last is None:
        return CRON_INTERVAL
    return max(session.clock() - last, timedelta(seconds=1))


def looked_on(session: Session) -> Round:
    """The verdicts as they stand, for one that does not act."""
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    _, verdicts = judged.observe(session, state, settings, now)
    return Round(
        environment=session.environment,
        revision=state.revision,
        verdicts=verdicts,
        acted=False,
        controller=rows.watcher(read_controller(session.state_dir, session.environment, now)),
        at=now,
    )


def _round(session: Session, ticked: Ticked) -> Round:
    off = {
        event.data.get("rollout") or event.data.get("flagId")
        for event in ticked.events
        if event.type == "rollout.rolledBack"
    }
    off |= {
        flag["flagId"]
        for event in ticked.events
        if event.type == "rollback.executed"
        for flag in event.data.get("flags", ())
        if not flag["to"]["enabled"]
    }
    return Round(
        environment=session.environment,
        revision=ticked.state.revision,
        verdicts=ticked.decision.verdicts,
        actions=ticked.decision.actions,
        controller=rows.watcher(read_controller(session.state_dir, session.environment, ticked.now)),
        turned_off=tuple(sorted(str(key) for key in off if key)),
        events=told(ticked.events),
        next_at=ticked.decision.next_at,
        at=ticked.now,
    )


def _keep_reports(session: Session, state: State, events: tuple[Event, ...]) -> None:
    """A report on disk is written again when one of its rollouts moved."""
    moved = {event.data.get("rollout") for event in events if event.type.startswith("rollout.")}
    releases = {state.rollouts[lead].release for lead in moved if lead in state.rollouts}
    for release_id in releases - {None}:
        release = state.releases.get(str(release_id))
        if release is not None and release.phase is not ReleasePhase.RUNNING:
            reports.write(session, release.id)
