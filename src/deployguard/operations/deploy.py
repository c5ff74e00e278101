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

from deployguard.config.parts import command_to_json
from deployguard.effects.commands import Finished
from deployguard.errors import Code, DeployguardError, Problem
from deployguard.guard.units import guarded
from deployguard.operations import deploy_words, left_behind, plan, rows
from deployguard.operations.protocol import DeployAsk, DeployWatch
from deployguard.operations.running import Running
from deployguard.operations.values.releases import Deployed
from deployguard.operations.values.watching import ChecksRound
from deployguard.rollout import release as releases
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.plan import plan_for
from deployguard.session import Session
from deployguard.state import Actor, Change, Event, Release, ReleasePhase, State, then
from deployguard.store.damage import unwritable
from deployguard.store.locks import DeployLock, Lease, read_lease
from deployguard.telemetry.probes import probe_all

ROUND_S = 5.0  # between two rounds of checks while waiting for `stable`, at most


def deploy(session: Session, ask: DeployAsk, watch: DeployWatch) -> Deployed:
    """Run one release to its end. Raises `deploy-running`, and after cleaning up `command-failed`, `not-stable`,
    `taken-back`."""
    now, state = session.clock(), session.store.read()
    lease = read_lease(session.state_dir, session.environment)
    plan.refuse_second_deploy(session, state, lease, now)
    retried = plan.flags_to_retry(session, state, session.definitions(state), ask)
    lock = DeployLock(session.state_dir, session.environment)
    try:
        if not lock.acquire(at=now, command=lease.command if lease else None):
            raise plan.deploy_running(session, session.store.read(), lock.read(), now)
    except OSError as error:
        raise unwritable(session.store.layout, error) from error
    actor = session.actor(ask.by)
    try:
        release = _begin(session, ask, actor, lock, lease)
        running = Running(session, lock, release, actor, watch)
    except BaseException:
        with suppress(OSError):
            lock.release(lease)
        raise
    with running:
        return _Deploy(session, ask, watch, actor, release, running, retried).run()


def _begin(session: Session, ask: DeployAsk, actor: Actor, lock: DeployLock, lease: Lease | None) -> Release:
    """Close what a dead deploy has left, then begin."""
    left_running = left_behind.end_command(lease)
    if left_running is not None:
        raise plan.deploy_running(session, session.store.read(), lease, session.clock(), left_running)

    def decide(state: State, now: datetime) -> Change:
        change = Change(state=state)
        dead = state.running_release()
        if dead is not None:  # its lock is free and its lease is old: its process is gone
            left = lease.left(dead) if lease is not None else None
            change = releases.close_left_behind(state, dead.id, left, actor, now)
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
    running: Running
    retried: tuple[str, ...]

    def run(self) -> Deployed:
        try:
            self._commands()
            self._settle()
            return self._ended(*self._start_rollouts())
        except DeployguardError as error:
            raise DeployguardError(self._give_up(self._as_failure(error.problem))) from error
        except KeyboardInterrupt:
            self._say(self._give_up(deploy_words.interrupted(self.session, self.running.doing)))
            raise

    # the parts

    def _check_stop(self, state: State | None = None) -> None:
        """Raise where an emergency has asked to stop, as `state` says, or as it is now."""
        release = state.releases[self.release.id] if state is not None else None
        if self.running.asked_to_stop() if release is None else release.phase is ReleasePhase.ABORTING:
            raise DeployguardError(deploy_words.aborted(self.session, self.release.id, self.running.doing))

    def _commands(self) -> None:
        commands = self.session.settings.deploy
        for number, command in enumerate(commands, 1):
            self._check_stop()
            finished = self.running.run(command, "deploy", self._why_stop)
            if self.running.stop.is_set():
                self._check_stop()
            if not finished.ok:
                raise DeployguardError(deploy_words.command_failed(self.session, self.release, number, finished))
            if self.running.trouble is not None:  # what cannot be written down cannot end well either
                raise DeployguardError(self.running.trouble)
        self._change(self._commands_done)

    def _commands_done(self, state: State, now: datetime) -> Change:
        """The users of every guarded unit got new code: figures start again, holds go on."""
        change = releases.commands_done(state, self.release.id, self.actor)
        for unit in guarded(change.state, self.session.settings, now):
            move = Move(kind=MoveKind.DEPLOYED, flag=unit.key, actor=self.actor, release=self.release.id)
            change = then(change, apply(change.state, move, now))
        return change

    def _why_stop(self) -> str | None:
        return "ended by an emergency" if self.running.stop.is_set() else None

    def _settle(self) -> None:
        """Rounds of checks until they have passed for `stable`, without a failure in between."""
        settings = self.session.settings
        checks, stable = tuple(settings.checks.values()), settings.stable
        if not checks or not stable:
            return
        self.running.does("health checks")
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
                raise DeployguardError(deploy_words.not_stable(self.session, self.release, found))
            self.running.stop.wait(every)

    def _start_rollouts(self) -> tuple[State, tuple[Event, ...], tuple[str, ...]]:
        self.running.does("starting rollouts")
        self._check_stop()
        begun: list[str] = []

        def decide(state: State, now: datetime) -> Change:
            begun.clear()
            self._check_stop(state)  # it may have come between the last look and this commit
            definitions = self.session.definitions(state)
            retried = plan.still_back(state, definitions, self.retried)
            change = Change(state=state)
            for start in plan.starts(self.session, state, retried, now):
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
            succeeded = releases.finish_release(
                change.state,
                self.release.id,
                ReleasePhase.SUCCEEDED,
                rollouts=tuple(begun),
                report=self.running.report,
                actor=self.actor,
                now=now,
            )
            return then(change, succeeded)

        after, events = self._change(decide)
        for lead in begun:
            now = self.session.clock()
            self.watch.rollout_started(rows.rollout_row(after, self.session.settings, after.rollouts[lead], now))
        return after, events, tuple(begun)

    def _as_failure(self, problem: Problem) -> Problem:
        """Ours as it is; else the state could not be read or written, in the middle."""
        if problem.code in (Code.COMMAND_FAILED, Code.NOT_STABLE, Code.TAKEN_BACK):
            return problem
        return deploy_words.state_failed(self.session, self.release, self.running.doing, problem)

    def _give_up(self, problem: Problem) -> Problem:
        """Run the rollback commands, close the release; answers what went wrong and what stands now.

        An emergency that comes meanwhile wants nothing more than what is done here. A second Ctrl-C ends the rollback
        command that runs, and the release is closed all the same.
        """
        try:
            ended = self.session.store.read().releases[self.release.id]
        except DeployguardError:  # what cannot be read cannot say that it has ended
            ended = self.release
        if not ended.runs:  # in the very moment
            self.running.follow(self.session.store.read(), ())
            return deploy_words.ended_already(self.session, problem, ended)
        back: list[Finished] = []
        again: KeyboardInterrupt | None = None
        if self.running.began:
            try:
                self.running.roll_back(self.session.settings.rollback, back)
            except KeyboardInterrupt as interrupt:
                again = interrupt
        after = self.running.close(problem.message)
        problem = deploy_words.what_stands(self.session, problem, back, self.running, after, self.release.id)
        if again is not None:
            self._say(problem)
            raise again
        return problem

    def _say(self, problem: Problem) -> None:
        """For whoever pressed Ctrl-C and gets no error."""
        self.watch.said(f"{problem.message}: {(problem.now or '').partition(' (exit')[0]}. Release {self.release.id}.")

    # values

    def _change(self, decide: Callable[[State, datetime], Change]) -> tuple[State, tuple[Event, ...]]:
        _, after, events, _ = self.session.change(decide, self.actor)
        return after, events

    def _ended(self, after: State, events: tuple[Event, ...], begun: tuple[str, ...]) -> Deployed:
        """The report and the notices, then the value that tells it."""
        written = self.running.follow(after, events)
        found = deploy_words.deployed(self.session, self.release, after, begun)
        return replace(found, report=self.running.report if written else None)
