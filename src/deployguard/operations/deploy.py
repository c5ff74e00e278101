"""`deploy`: the commands, then health checks until stable, then the rollouts, then the report.

The release lives in the state, so that everyone sees where it stands; its lease is a file that this process writes
each second. An emergency asks a running deploy to stop by marking the release `aborting`: the deploy reads that each
second and before each step, ends its process group and runs the rollback commands itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from deployguard.config.build import command_to_json
from deployguard.config.values import Command, Environment
from deployguard.effects.commands import Finished, child_environment, run_command
from deployguard.errors import Code, DeployguardError, Offer, Problem
from deployguard.guard.units import guarded
from deployguard.operations import judged, plan, reports, rows
from deployguard.operations.protocol import DeployAsk, DeployWatch
from deployguard.operations.values import ChecksRound, Deployed, NextStep, RolloutRow
from deployguard.rollout import release as releases
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.riders import plan_for
from deployguard.session import Session
from deployguard.state import Actor, Change, CommandRun, Phase, ReleasePhase, State, then
from deployguard.store.locks import DeployLock, read_controller
from deployguard.telemetry.probes import probe_all

BEAT_S = 1.0
ROUND_S = 5.0  # between two rounds of checks while waiting for `stable`, at most


class _StoppedError(Exception):
    """The deploy ends early; carries how."""

    def __init__(self, phase: ReleasePhase, problem: Problem) -> None:
        super().__init__(problem.message)
        self.phase = phase
        self.problem = problem


def deploy(session: Session, ask: DeployAsk, watch: DeployWatch) -> Deployed:
    """Run one release to its end. Raises `command-failed`, `not-stable`, `taken-back` after cleaning up."""
    return _Deploy(session, ask, watch).run()


@dataclass
class _Deploy:
    session: Session
    ask: DeployAsk
    watch: DeployWatch
    release_id: str = ""
    doing: str = "starting"

    def run(self) -> Deployed:
        session = self.session
        self.actor: Actor = session.actor(self.ask.by)
        self.settings: Environment = session.settings
        self.env = child_environment(session.environ, session.environment, self.ask.version)
        self.started: datetime = session.clock()
        self.lock = DeployLock(session.state_dir, session.environment)
        if not self.lock.acquire():
            plan.refuse_second_deploy(session, session.store.read(), self.lock.read(), session.clock())
        self._stop_asked: str | None = None
        self._over = threading.Event()
        self._begin()
        beat = threading.Thread(target=self._beat, name="deployguard-lease", daemon=True)
        beat.start()
        try:
            self._commands()
            self._settle()
            return self._start_rollouts()
        except _StoppedError as stop:
            return self._give_up(stop)
        except KeyboardInterrupt:
            interrupted = Problem(Code.COMMAND_FAILED, "the deploy was interrupted", found="interrupted by its caller")
            self._give_up(_StoppedError(ReleasePhase.FAILED, interrupted), raising=False)
            raise
        finally:
            self._over.set()
            beat.join()
            self.lock.release()

    # the lease

    def _beat(self) -> None:
        """Each second: a sign of life, and a look whether an emergency asked us to stop."""
        while not self._over.is_set():
            self.lock.beat(self.release_id, self.session.clock(), self.doing)
            try:
                release = self.session.store.read().releases.get(self.release_id)
            except DeployguardError:  # damaged or locked: the next beat looks again
                release = None
            if release is not None and release.phase is ReleasePhase.ABORTING:
                self._stop_asked = "emergency"
            self._over.wait(BEAT_S)

    def _should_stop(self) -> str | None:
        return self._stop_asked

    def _check_stop(self) -> None:
        release = self.session.store.read().releases.get(self.release_id)
        if release is not None and release.phase is ReleasePhase.ABORTING:
            self._stop_asked = "emergency"
        if self._stop_asked:
            raise _StoppedError(ReleasePhase.ABORTED, self._aborted())

    # the parts

    def _begin(self) -> None:
        def decide(state: State, now: datetime) -> Change:
            change = Change(state=state)
            left_behind = state.running_release()
            if left_behind is not None:  # its process is gone: the lock was free
                change = releases.close_left_behind(state, left_behind.id, self.actor, now)
            return then(
                change,
                releases.begin_release(
                    change.state,
                    version=self.ask.version,
                    host=self.lock.host,
                    pid=self.lock.pid,
                    rollback=tuple(command_to_json(command) for command in self.settings.rollback),
                    actor=self.actor,
                    reason=self.ask.reason,
                    now=now,
                ),
            )

        try:
            _, after, _, _ = self.session.change(decide, self.actor)
        except DeployguardError:
            self.lock.release()
            raise
        running = after.running_release()
        self.release_id = running.id if running else ""

    def _commands(self) -> None:
        count = len(self.settings.deploy)
        for number, command in enumerate(self.settings.deploy, 1):
            self._check_stop()
            finished = self._run(command, "deploy")
            if self._stop_asked:
                raise _StoppedError(ReleasePhase.ABORTED, self._aborted())
            if finished.exit_code != 0:
                raise _StoppedError(ReleasePhase.FAILED, self._command_failed(number, count, command, finished))
        self._change(self._commands_done)

    def _commands_done(self, state: State, now: datetime) -> Change:
        """The users of every guarded unit got new code: figures start again, holds go on."""
        change = releases.commands_done(state, self.release_id, self.actor, now)
        for unit in guarded(change.state, self.settings, now):
            move = Move(kind=MoveKind.DEPLOYED, flag=unit.key, actor=self.actor, release=self.release_id)
            change = then(change, apply(change.state, move, now))
        return change

    def _run(self, command: Command, kind: str) -> Finished:
        text = self.session.masker.mask(command.text)
        self.doing = text
        self.watch.command_started(text, kind)
        begun = self.session.clock()
        number = len(self._release().commands) + 1
        output = reports.folder(self.session) / f"{self.release_id}-{number}.log"
        finished = run_command(
            command,
            env=self.env,
            cwd=self.session.root,
            on_line=self.watch.line,
            should_stop=self._should_stop if kind == "deploy" else _never,
            output=output,
            masker=self.session.masker,
        )
        run = CommandRun(
            text=text,
            kind=kind,
            started_at=begun,
            duration_ms=finished.duration_ms,
            exit_code=finished.exit_code,
            signal=finished.signal,
            error=finished.error,
            last_line=finished.last_line,
            output=str(output),
        )
        self._change(lambda state, now: releases.record_command(state, self.release_id, run, self.actor, now))
        took = timedelta(milliseconds=finished.duration_ms)
        self.watch.command_finished(text, kind, _how(finished), finished.exit_code == 0, took)
        return finished

    def _settle(self) -> None:
        """Rounds of checks until they have passed for `stable`, without a failure in between."""
        checks = tuple(self.settings.checks.values())
        if not checks or not self.settings.stable:
            return
        self.doing = "health checks"
        began = self.session.clock()
        give_up = began + max(5 * self.settings.stable, timedelta(seconds=10))
        every = min((self.settings.stable / 3).total_seconds(), ROUND_S)
        rounds: list[ChecksRound] = []
        good_since: datetime | None = None
        while True:
            self._check_stop()
            at = self.session.clock()
            found = ChecksRound(
                environment=self.session.environment,
                at=at,
                checks=probe_all(checks, self.settings.base_url, self.session.clock, mask=self.session.masker.mask),
            )
            rounds.append(found)
            good_since = None if found.failing else good_since or at
            now = self.session.clock()
            if good_since is not None and now - good_since >= self.settings.stable:
                self.watch.checked(tuple(rounds), True, now - began)
                return
            if now >= give_up:
                self.watch.checked(tuple(rounds), False, now - began)
                raise _StoppedError(ReleasePhase.FAILED, self._not_stable(found))
            self._over.wait(every)

    def _start_rollouts(self) -> Deployed:
        self.doing = "starting rollouts"
        self._check_stop()
        begun: list[str] = []

        def decide(state: State, now: datetime) -> Change:
            begun.clear()
            definitions = self.session.definitions(state)
            retried = plan.flags_to_retry(self.session, state, definitions, self.ask)
            change = Change(state=state)
            for start in plan.starts(self.settings, definitions, state, retried, now):
                move = Move(
                    kind=MoveKind.RETRY if start.retried else MoveKind.START,
                    flag=start.rollout,
                    actor=self.actor,
                    reason=self.ask.reason,
                    plan=plan_for(self.settings.strategy, definitions, start.riders),
                    release=self.release_id,
                )
                change = then(change, apply(change.state, move, now))
                begun.append(start.rollout)
            return then(
                change,
                releases.finish_release(
                    change.state,
                    self.release_id,
                    ReleasePhase.SUCCEEDED,
                    rollouts=tuple(begun),
                    report=str(reports.path_of(self.session, self.release_id, self.started)),
                    actor=self.actor,
                    now=now,
                ),
            )

        after = self._change(decide)
        for lead in begun:
            now = self.session.clock()
            self.watch.rollout_started(rows.rollout_row(after, self.settings, after.rollouts[lead], now))
        return self._deployed(after, ReleasePhase.SUCCEEDED, tuple(begun))

    def _give_up(self, stop: _StoppedError, *, raising: bool = True) -> Deployed:
        """Run the rollback commands, put flags back, close the release, then raise what went wrong."""
        self._stop_asked = None
        release = self._release()
        ran_something = any(run.kind == "deploy" for run in release.commands)
        back = [self._run(command, "rollback") for command in self.settings.rollback] if ran_something else []

        def decide(state: State, now: datetime) -> Change:
            return releases.finish_release(
                state,
                self.release_id,
                stop.phase,
                error=stop.problem.message,
                report=str(reports.path_of(self.session, self.release_id, self.started)),
                restore=stop.phase is ReleasePhase.FAILED,
                actor=self.actor,
                now=now,
            )

        after = self._change(decide)
        answer = self._deployed(after, stop.phase, ())
        failed_back = next((run for run in back if run.exit_code != 0), None)
        if raising:
            raise DeployguardError(self._after(stop, failed_back, answer))
        return answer

    # words and values

    def _after(self, stop: _StoppedError, failed_back: Finished | None, answer: Deployed) -> Problem:
        env, before = self.session.environment, answer.previous_version
        running = f"{env} runs {before} again" if before else "what ran before runs again"
        if not self.settings.rollback:
            running = f"{env} has what the commands left: no rollback command is configured"
        if failed_back is not None:
            running = f"a rollback command failed too ({failed_back.error or failed_back.exit_code}): look at {env} now"
        exit_code = stop.problem.exit_code
        return replace(
            stop.problem,
            now=f"{running}; flags are as they were (exit {exit_code})",
            next=(Offer(f"deployguard report show {self.release_id} --env {env}", "every line of output"),),
        )

    def _command_failed(self, number: int, count: int, command: Command, finished: Finished) -> Problem:
        text = self.session.masker.mask(command.text)
        how = _how(finished)
        last = f': "{finished.last_line}"' if finished.last_line else ""
        version = self.ask.version or "the new version"
        return Problem(
            Code.COMMAND_FAILED,
            f"{version} is not on {self.session.environment}",
            where=f"command {number} of {count}: {text} (environments.{self.settings.name}.deploy[{number - 1}])",
            found=f"{how} after {finished.duration_ms / 1000:.1f}s{last}",
            wanted="exit 0",
        )

    def _not_stable(self, found: ChecksRound) -> Problem:
        bad = "; ".join(f"{check.check}: {plan.fact_of(check)}" for check in found.checks if not check.ok)
        version = self.ask.version or "the new version"
        return Problem(
            Code.NOT_STABLE,
            f"{version} is not stable on {self.session.environment}",
            where="health checks after the commands",
            found=bad or "checks pass, but not for long enough without a failure",
            wanted=f"every check passes for {int(self.settings.stable.total_seconds())}s without a failure",
        )

    def _aborted(self) -> Problem:
        return Problem(
            Code.TAKEN_BACK,
            f"the deploy of {self.session.environment} was ended by an emergency rollback",
            where=f"release {self.release_id}, at {self.doing}",
            found="rollback emergency, asked while it ran",
        )

    def _release(self) -> releases.Release:
        return self.session.store.read().releases[self.release_id]

    def _change(self, decide: Callable[[State, datetime], Change]) -> State:
        _, after, _, _ = self.session.change(decide, self.actor)
        return after

    def _deployed(self, after: State, phase: ReleasePhase, begun: tuple[str, ...]) -> Deployed:
        session, now = self.session, self.session.clock()
        definitions = session.definitions(after)
        live = tuple(r for r in after.rollouts.values() if r.phase.live)
        started = tuple(rows.rollout_row(after, self.settings, r, now) for r in live if r.lead in begun)
        done = [r for r in after.releases.values() if r.phase is ReleasePhase.SUCCEEDED and r.id != self.release_id]
        info = rows.watcher(read_controller(session.state_dir, session.environment, now))
        return Deployed(
            release_id=self.release_id,
            environment=session.environment,
            version=self.ask.version,
            outcome=phase.value,
            rollouts=started,
            next=_next_steps(started),
            watched_by=info if info and info.alive else None,
            report=str(reports.write(session, self.release_id)),
            took=now - self.started,
            at=now,
            stays=tuple(rows.rollout_row(after, self.settings, r, now) for r in live if r.lead not in begun),
            off=tuple(
                rows.flag_row(after, self.settings, definitions, r.lead, now)
                for r in after.rollouts.values()
                if r.phase is Phase.ROLLED_BACK
            ),
            triggers=judged.acting_triggers(self.settings),
            previous_version=done[-1].version if done else None,
        )


def _never() -> None:
    """Nothing ends a rollback command but its own timeout."""


def _how(finished: Finished) -> str:
    """`exit 1`, `signal SIGKILL`, or why it could not run or was ended."""
    return finished.error or (f"signal {finished.signal}" if finished.signal else f"exit {finished.exit_code}")


def _next_steps(started: tuple[RolloutRow, ...]) -> tuple[NextStep, ...]:
    return tuple(
        NextStep(rollout=row.rollout, percentage=row.next_percentage, at=row.next_step_at)
        for row in started
        if row.next_percentage is not None and row.next_step_at is not None
    )
