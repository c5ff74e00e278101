"""`deploy`: the commands, then health checks until stable, then the rollouts, then the report.

The release lives in the state, so that everyone sees where it stands; its lease is a file that this process writes
each second. An emergency asks a running deploy to stop by marking the release `aborting`: the deploy reads that each
second and before each step, ends its process group and runs the rollback commands itself.

However it ends early (a command that fails, an emergency, Ctrl-C, a state that cannot be written), `_give_up` runs the
rollback commands and closes the release. A process that is killed leaves both to the next deploy or emergency.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from deployguard.config.build import command_to_json
from deployguard.config.values import Command
from deployguard.effects.commands import Finished
from deployguard.errors import DeployguardError, Problem
from deployguard.guard.units import guarded
from deployguard.operations import aftermath, deploy_words, plan, reports, rows
from deployguard.operations.lease import Heartbeat
from deployguard.operations.protocol import DeployAsk, DeployWatch
from deployguard.operations.running import never, really_ran, run_recorded
from deployguard.operations.values.releases import Deployed
from deployguard.operations.values.watching import ChecksRound
from deployguard.rollout import release as releases
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.riders import plan_for
from deployguard.session import Session
from deployguard.state import Actor, Change, Event, Release, ReleasePhase, State, then
from deployguard.store.damage import unwritable
from deployguard.store.locks import DeployLock, read_lease
from deployguard.telemetry.probes import probe_all

ROUND_S = 5.0  # between two rounds of checks while waiting for `stable`, at most


class _StoppedError(Exception):
    """The deploy ends early; carries how."""

    def __init__(self, phase: ReleasePhase, problem: Problem) -> None:
        super().__init__(problem.message)
        self.phase = phase
        self.problem = problem


def deploy(session: Session, ask: DeployAsk, watch: DeployWatch) -> Deployed:
    """Run one release to its end. Raises `deploy-running`, and after cleaning up `command-failed`, `not-stable`,
    `taken-back`."""
    now, state = session.clock(), session.store.read()
    plan.refuse_second_deploy(session, state, read_lease(session.state_dir, session.environment), now)
    retried = plan.flags_to_retry(session, state, session.definitions(state), ask)
    lock = DeployLock(session.state_dir, session.environment)
    try:
        if not lock.acquire(at=now):
            raise plan.deploy_running(session, session.store.read(), lock.read(), now)
    except OSError as error:
        raise unwritable(session.store.layout, error) from error
    try:
        actor = session.actor(ask.by)
        release = _begin(session, ask, actor, lock)
        with Heartbeat(session, lock, release.id) as heart:
            return _Deploy(session, ask, watch, actor, release, heart, retried).run()
    finally:
        with suppress(OSError):
            lock.release()


def _begin(session: Session, ask: DeployAsk, actor: Actor, lock: DeployLock) -> Release:
    def decide(state: State, now: datetime) -> Change:
        change = Change(state=state)
        left_behind = state.running_release()
        if left_behind is not None:  # its lock is free and its lease is old: its process is gone
            change = releases.close_left_behind(state, left_behind.id, actor, now)
        return then(
            change,
            releases.begin_release(
                change.state,
                version=ask.version,
                host=lock.host,
                pid=lock.pid,
                rollback=tuple(command_to_json(command) for command in session.settings.rollback),
                actor=actor,
                reason=ask.reason,
                now=now,
            ),
        )

    _, after, _, _ = session.change(decide, actor)
    running = after.running_release()
    if running is None:
        raise RuntimeError("a release was begun and does not run")
    return running


@dataclass
class _Deploy:
    session: Session
    ask: DeployAsk
    watch: DeployWatch
    actor: Actor
    release: Release  # as it began
    heart: Heartbeat
    retried: tuple[str, ...]
    in_command: bool = False  # one was begun and is not recorded yet

    def run(self) -> Deployed:
        try:
            self._commands()
            self._settle()
            after, events, begun = self._start_rollouts()
        except _StoppedError as stop:
            raise DeployguardError(self._give_up(stop)) from stop
        except DeployguardError as error:  # the state could not be read or written, in the middle
            problem = error.problem
            with suppress(DeployguardError):
                problem = self._give_up(_StoppedError(ReleasePhase.FAILED, problem))
            raise DeployguardError(problem) from error
        except KeyboardInterrupt:
            doing = self.heart.doing
            problem = self._give_up(_StoppedError(ReleasePhase.FAILED, deploy_words.interrupted(self.session, doing)))
            stands = (problem.now or "nothing was changed").partition(" (exit")[0]
            self.watch.said(f"{problem.message}: {stands}. Release {self.release.id}.")
            raise
        return self._ended(after, events, begun)

    # the parts

    def _check_stop(self) -> None:
        if self.heart.asked_to_stop():
            raise self._aborted()

    def _aborted(self) -> _StoppedError:
        return _StoppedError(
            ReleasePhase.ABORTED, deploy_words.aborted(self.session, self.release.id, self.heart.doing)
        )

    def _commands(self) -> None:
        commands = self.session.settings.deploy
        for number, command in enumerate(commands, 1):
            self._check_stop()
            finished = self._run(command, "deploy")
            if self.heart.stop.is_set():
                raise self._aborted()
            if not finished.ok:
                problem = deploy_words.command_failed(
                    self.session, self.ask.version, number, len(commands), command, finished
                )
                raise _StoppedError(ReleasePhase.FAILED, problem)
        self._change(self._commands_done)

    def _commands_done(self, state: State, now: datetime) -> Change:
        """The users of every guarded unit got new code: figures start again, holds go on."""
        change = releases.commands_done(state, self.release.id, self.actor, now)
        for unit in guarded(change.state, self.session.settings, now):
            move = Move(kind=MoveKind.DEPLOYED, flag=unit.key, actor=self.actor, release=self.release.id)
            change = then(change, apply(change.state, move, now))
        return change

    def _run(self, command: Command, kind: str) -> Finished:
        self.heart.does(self.session.masker.mask(command.text))
        self.in_command = self.in_command or kind == "deploy"
        finished = run_recorded(
            self.session,
            self.release,
            command,
            kind,
            actor=self.actor,
            watch=self.watch,
            should_stop=self._why_stop if kind == "deploy" else never,
        )
        self.in_command = False
        return finished

    def _why_stop(self) -> str | None:
        return "ended by an emergency" if self.heart.stop.is_set() else None

    def _settle(self) -> None:
        """Rounds of checks until they have passed for `stable`, without a failure in between."""
        settings = self.session.settings
        checks, stable = tuple(settings.checks.values()), settings.stable
        if not checks or not stable:
            return
        self.heart.does("health checks")
        began = self.session.clock()
        give_up = began + max(5 * stable, timedelta(seconds=10))
        every = min((stable / 3).total_seconds(), ROUND_S)
        rounds: list[ChecksRound] = []
        good_since: datetime | None = None
        while True:
            self._check_stop()
            at = self.session.clock()
            found = ChecksRound(
                environment=self.session.environment,
                at=at,
                checks=probe_all(checks, settings.base_url, self.session.clock, mask=self.session.masker.mask),
            )
            rounds.append(found)
            good_since = None if found.failing else good_since or at
            now = self.session.clock()
            if good_since is not None and now - good_since >= stable:
                self.watch.checked(tuple(rounds), True, now - began)
                return
            if now >= give_up:
                self.watch.checked(tuple(rounds), False, now - began)
                problem = deploy_words.not_stable(self.session, self.ask.version, found)
                raise _StoppedError(ReleasePhase.FAILED, problem)
            self.heart.stop.wait(every)

    def _start_rollouts(self) -> tuple[State, tuple[Event, ...], tuple[str, ...]]:
        self.heart.does("starting rollouts")
        self._check_stop()
        begun: list[str] = []

        def decide(state: State, now: datetime) -> Change:
            begun.clear()
            if state.releases[self.release.id].phase is ReleasePhase.ABORTING:
                raise self._aborted()  # it came between the last look and this commit
            definitions = self.session.definitions(state)
            retried = plan.still_back(state, definitions, self.retried)
            change = Change(state=state)
            for start in plan.starts(self.session.settings, definitions, state, retried, now):
                move = Move(
                    kind=MoveKind.RETRY if start.retried else MoveKind.START,
                    flag=start.rollout,
                    actor=self.actor,
                    reason=self.ask.reason,
                    plan=plan_for(self.session.settings.strategy, definitions, start.riders),
                    release=self.release.id,
                )
                change = then(change, apply(change.state, move, now))
                begun.append(start.rollout)
            return then(change, self._finished(change.state, now, ReleasePhase.SUCCEEDED, tuple(begun)))

        after, events = self._change(decide)
        for lead in begun:
            now = self.session.clock()
            self.watch.rollout_started(rows.rollout_row(after, self.session.settings, after.rollouts[lead], now))
        return after, events, tuple(begun)

    def _finished(
        self,
        state: State,
        now: datetime,
        phase: ReleasePhase,
        begun: tuple[str, ...] = (),
        error: str | None = None,
    ) -> Change:
        return releases.finish_release(
            state,
            self.release.id,
            phase,
            rollouts=begun,
            error=error,
            report=str(reports.path_of(self.session, self.release)),
            restore=phase is ReleasePhase.FAILED,
            actor=self.actor,
            now=now,
        )

    def _give_up(self, stop: _StoppedError) -> Problem:
        """Run the rollback commands, put flags back, close the release; answers what went wrong and what stands now.

        An emergency that comes meanwhile wants nothing more than what is done here. A second Ctrl-C ends the rollback
        command that runs, and the release is closed all the same.
        """
        back: list[Finished] = []
        release = self.session.store.read().releases[self.release.id]
        if release.phase not in (ReleasePhase.RUNNING, ReleasePhase.ABORTING):
            return stop.problem  # it ended in the very moment
        again: KeyboardInterrupt | None = None
        if self.in_command or any(run.kind == "deploy" and really_ran(run) for run in release.commands):
            try:
                for command in self.session.settings.rollback:
                    back.append(self._run(command, "rollback"))  # noqa: PERF401  # what ran before an interrupt counts
            except KeyboardInterrupt as interrupt:
                again = interrupt

        def decide(state: State, now: datetime) -> Change:
            aborting = state.releases[self.release.id].phase is ReleasePhase.ABORTING
            phase = ReleasePhase.ABORTED if aborting else stop.phase
            return self._finished(state, now, phase, error=stop.problem.message)

        after, events = self._change(decide)
        ended = self._ended(after, events, ())
        if again is not None:
            raise again
        aborted = after.releases[self.release.id].phase is ReleasePhase.ABORTED
        return deploy_words.what_stands(
            self.session,
            stop.problem,
            self.session.settings,
            back,
            ended.previous_version,
            self.release.id,
            aborted=aborted,
        )

    # values

    def _change(self, decide: Callable[[State, datetime], Change]) -> tuple[State, tuple[Event, ...]]:
        _, after, events, _ = self.session.change(decide, self.actor)
        return after, events

    def _ended(self, after: State, events: tuple[Event, ...], begun: tuple[str, ...]) -> Deployed:
        """The report and the notices, then the value that tells it."""
        trouble = reports.try_to_write(self.session, self.release.id)
        if trouble is not None:
            self.watch.said(trouble)
        reports.forget_old(self.session, self.session.settings.retention.reports)
        aftermath.follow(self.session, after, events)
        report = str(reports.path_of(self.session, self.release)) if trouble is None else None
        found = deploy_words.deployed(self.session, self.ask.version, self.release, after, begun)
        return replace(found, report=report)
