"""One tick: observe, judge, choose, apply, commit, effects. Decides nothing itself: `decide` does.

The tick reads the wall clock once. What it observes is written to the metric store before anything is decided, so a
controller that dies anywhere goes on from the same samples. A commit that another process overtook is decided again
from the new state. Probes run in a thread of their own, so that a check that hangs does not keep an error trigger
waiting; a `full` round waits for them.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Thread

from deployguard.config.values import Environment, HealthCheck
from deployguard.effects.courier import Courier
from deployguard.errors import Code, DeployguardError, Place, Problem
from deployguard.guard.clock import TOLERANCE, settle
from deployguard.guard.decide import Decision, decide
from deployguard.guard.values import CheckRound, Evidence
from deployguard.outbox import enqueue
from deployguard.rollout.release import close_left_behind
from deployguard.session import Session
from deployguard.state import Actor, Change, Edit, Event, State, Via, then, told
from deployguard.store.locks import LEASE_LASTS, read_lease
from deployguard.telemetry.exposer import exposer_of
from deployguard.telemetry.follow import read_new
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.probes import due, probe_all, probe_connectivity

ROLL_UP_EVERY = timedelta(minutes=10)
PROBE_GRACE_S = 1.0  # how long an ordinary tick waits for the probes that it began
DELIVERY_S = 20.0  # for a round of its own
DELIVERY_GRACE_S = 1.0  # a slow receiver goes on in a thread of its own
COMMIT_TRIES = 8


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick saw and did. `before` is the state that it was decided from."""

    before: State
    state: State
    decision: Decision
    events: tuple[Event, ...]
    now: datetime
    probe_every: timedelta | None = None  # the shortest `every` of a check
    trouble: Problem | None = None  # why something of it could not be written


class Controller:
    """The loop's body for one environment. Whoever calls `tick` holds the controller's lock."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._actor = Actor(name=name, via=Via.CONTROLLER)
        self._metrics: MetricStore = session.metrics()
        self._courier = Courier(
            session.store, self._metrics, masker=_Masks(session), environ=session.environ, cwd=session.root
        )
        self._probing: Future[None] | None = None
        self._mended = False  # the config was good at the last tick
        self._rolled_up: datetime | None = None
        self._ticked_at: datetime | None = None
        self._trouble: Problem | None = None  # what this tick could not write

    def tick(self, *, full: bool = False) -> Ticked:
        """One round. `full` probes every check and waits for it, as `watch --once` does.

        What cannot be written (a full disk, a folder that was closed) ends no round: the others of its parts go on,
        and `Ticked.trouble` says it.
        """
        session = self._session
        self._trouble = None
        session.refresh_config()
        state = session.store.read()
        settings = session.best_settings(state)
        self._try(partial(self._mind_the_clock, state))
        self._try(partial(self._close_dead_release, state))
        self._try(partial(self._probe, settings, full=full))
        exposer = exposer_of(state, settings, session.clock())
        for source in settings.sources.values():
            self._try(partial(read_new, source, self._metrics, exposer, session.clock(), root=session.root))
        ticked = self._decide_and_commit(settings)
        self._mended = session.config_problem is None
        wait_s = DELIVERY_S if full else DELIVERY_GRACE_S
        self._try(partial(self._courier.deliver, ticked.state, settings, session.clock(), wait_s=wait_s))
        self._try(partial(self._tidy, settings, ticked.now))
        every = min((check.every for check in settings.checks.values()), default=None)
        return replace(ticked, probe_every=every, trouble=self._trouble)

    def _try(self, part: Callable[[], object]) -> None:
        try:
            part()
        except DeployguardError as error:
            if error.problem.code not in (Code.STATE_LOCKED, Code.STATE_NEWER):
                raise
            self._trouble = self._trouble or error.problem

    def record(self, type: str, data: dict[str, object]) -> None:  # noqa: A002  # the event's word
        """An event of the controller's own: that it started, stopped or took over."""

        def tell(state: State, _now: datetime) -> Change:
            return told(state, self._actor, type, data)

        self._session.change(tell, self._actor)

    def close(self) -> None:
        """Settle what came back from receivers, and let go. Raises what the store raises; lets go all the same."""
        try:
            self._courier.close(self._session.clock())
        finally:
            self._metrics.close()

    def abandon(self) -> None:
        """Let go of a controller that never began."""
        self._metrics.close()

    # observe

    def _mind_the_clock(self, state: State) -> None:
        """Samples of a time that is to come again are dropped before they are read as news.

        Whoever commits first settles the state; so the clock is compared with our own last tick, too.
        """
        now = self._session.clock()
        newest = max(at for at in (state.head.time, self._ticked_at, now) if at is not None)
        if newest - now > TOLERANCE:
            self._metrics.forget_after(now)
            self._rolled_up = None
        self._ticked_at = now

    def _close_dead_release(self, state: State) -> None:
        """A deploy that was killed must not keep checks unjudged: a minute without a sign of life ends its release."""
        running, now = state.running_release(), self._session.clock()
        lease = read_lease(self._session.state_dir, self._session.environment)
        seen = lease.at if lease is not None else running.started_at if running is not None else now
        if running is None or now - seen <= LEASE_LASTS or (lease is not None and lease.held):
            return

        def close(current: State, at: datetime) -> Change:
            still = current.running_release()
            if still is None or still.id != running.id:
                return Change(state=current)
            left = lease.left(still) if lease is not None else None
            return close_left_behind(current, still.id, left, self._actor, at)

        self._session.change(close, self._actor)

    def _probe(self, settings: Environment, *, full: bool) -> None:
        self._end_probing(wait_s=0)
        if self._probing is None:
            checks = tuple(settings.checks.values())
            if not full:
                checks = due(checks, self._metrics.last_rounds(), self._session.clock())
            if checks:
                self._probing = _started(partial(self._probe_round, checks, settings))
        self._end_probing(wait_s=None if full else PROBE_GRACE_S)

    def _end_probing(self, *, wait_s: float | None) -> None:
        """Wait for the round under way. What went wrong in it is raised once; the next tick probes anew."""
        probing = self._probing
        if probing is None:
            return
        try:
            probing.exception(timeout=wait_s)
        except TimeoutError:  # it is still under way
            return
        self._probing = None
        probing.result()

    def _probe_round(self, checks: tuple[HealthCheck, ...], settings: Environment) -> None:
        rounds: tuple[CheckRound, ...] = probe_all(
            checks,
            settings.base_url,
            self._session.clock,
            last_rounds=self._metrics.last_rounds(),
            mask=self._session.masker.mask,
        )
        failing = any(not found.ok for found in rounds)
        offline = bool(failing and settings.connectivity and not probe_connectivity(settings.connectivity))
        self._metrics.add_rounds(rounds, self._session.clock(), offline=offline)

    # decide, commit

    def _decide_and_commit(self, settings: Environment) -> Ticked:
        session = self._session
        for attempt in range(1, COMMIT_TRIES + 1):
            before = session.store.read()
            now, settled = settle(before, session.clock(), self._actor)
            change = then(settled, self._config_change(settled.state, now))
            evidence = self._evidence(change.state, settings, now)
            decision = decide(change.state, evidence, settings, now, self._actor)
            change = enqueue(before, then(change, decision.change), settings, now)
            try:
                after, events = session.store.commit(before, change, now)
            except DeployguardError as error:
                if error.problem.code is Code.REVISION_CHANGED and attempt < COMMIT_TRIES:
                    continue
                if error.problem.code is not Code.STATE_LOCKED:
                    raise
                self._trouble = self._trouble or error.problem
                return Ticked(before, before, replace(decision, actions=()), (), now)
            return Ticked(before, after, decision, events, now)
        raise AssertionError(COMMIT_TRIES)

    def _evidence(self, state: State, settings: Environment, now: datetime) -> Evidence:
        try:
            return gather(self._metrics, state, settings, now)
        except DeployguardError as error:  # a file that cannot be opened to write can be read in most cases
            self._trouble = self._trouble or error.problem
            with self._session.metrics_at_a_glance() as metrics:
                return gather(metrics, state, settings, now)

    def _config_change(self, state: State, now: datetime) -> Change:
        """A changed config comes into force; one that cannot be read is said once and changes nothing."""
        problem = self._session.config_problem
        if problem is None:
            return self._session.apply_config(state, self._actor, now)
        digest = hashlib.sha256(repr(problem).encode()).hexdigest()
        # Once, across a restart too; but the same mistake made again after it was mended is told again.
        if state.told.get("config") == digest and not self._mended:
            return Change(state=state)
        data = {"hash": digest, "errors": _lines(problem)}
        return told(state, self._actor, "config.rejected", data, Edit(state).put("told", {"config": digest}))

    def _tidy(self, settings: Environment, now: datetime) -> None:
        if self._rolled_up is None or abs(now - self._rolled_up) >= ROLL_UP_EVERY:
            self._metrics.roll_up(now, settings.retention.metrics)
            self._rolled_up = now


class _Masks:
    """The session's masker as it is now: a config that is read again may name other secrets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def mask(self, text: str) -> str:
        return self._session.masker.mask(text)


def _started(work: Callable[[], None]) -> Future[None]:
    """`work` in a thread that nobody waits for at the end of the process: a check may hang for as long as it may."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # the tick that asks for the result gets it
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=run, name="deployguard-probes", daemon=True).start()
    return future


def _lines(problem: Problem) -> list[str]:
    """Each error as `file:line: message`, for the event."""
    out = []
    for error in problem.errors or (problem,):
        place = error.where
        spot = f"{Path(place.file).name}:{place.line}: " if isinstance(place, Place) and place.line else ""
        out.append(f"{spot}{error.message}")
    return out[:20]
