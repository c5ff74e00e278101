"""A release while it runs: its commands one by one, its sign of life, its ear, and how it is closed.

The deploy has one of these, and so has whoever cleans up after a deploy that died. Each second it renews the lease and
looks whether an emergency asks it to stop.

What a command did is recorded as soon as it ended. What cannot be recorded (a full disk, a locked state) is tried again
with each commit that follows, and keeps no rollback command from running. Where even the end cannot be written down,
the lease stays and says that all is over: its room on the disk is its own since the deploy began.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from deployguard.config.values import Command
from deployguard.effects.commands import Finished, child_environment, run_command
from deployguard.effects.groups import mark_of
from deployguard.errors import DeployguardError, Problem
from deployguard.operations import aftermath, reports
from deployguard.operations.protocol import DeployWatch
from deployguard.rollout.release import finish_release, record_command
from deployguard.session import Session
from deployguard.state import Actor, Change, CommandRun, Event, Release, ReleasePhase, State, then
from deployguard.store.locks import DeployLock, Started
from deployguard.story.telling.releases import ended_words

BEAT_S = 1.0
MILLISECOND = timedelta(milliseconds=1)

Events = tuple[Event, ...]


class Running:
    """Holds the deploy's lock, which its caller has acquired, for as long as the block lasts."""

    def __init__(
        self, session: Session, lock: DeployLock, release: Release, actor: Actor, watch: DeployWatch | None = None
    ) -> None:
        self.doing = "starting"
        self.began = False  # a deploy command did begin: there may be something to roll back
        self.stop = threading.Event()  # set by an emergency
        self.unrecorded: list[CommandRun] = []
        self.trouble: Problem | None = None  # why the last record could not be written
        self._session, self._lock, self._actor, self._watch = session, lock, actor, watch
        self._release = release
        self._number = len(release.commands)
        self._report = reports.path_of(session, release)
        self._command: Started | None = None
        self._closed = True  # an error that nobody foresaw takes the lease away, too
        self._beating = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beats, name="deployguard-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if not self._closed:
            self._beat()
        with suppress(OSError):
            self._lock.release(None if self._closed else self._lock.read())

    # its sign of life

    def does(self, what: str, command: Started | None = None) -> None:
        """Say at once what is done from now on: whoever finds the lease of a dead deploy has to know."""
        self.doing, self._command = what, command
        self._beat()

    def asked_to_stop(self) -> bool:
        """Look now, not only each second. Raises what the store raises."""
        release = self._session.store.read().releases.get(self._release.id)
        if release is not None and release.phase is ReleasePhase.ABORTING:
            self.stop.set()
        return self.stop.is_set()

    def _beat(self) -> None:
        # One at a time: a beat that began before `does` must not write what was done before over it.
        with self._beating, suppress(OSError):
            now = self._session.clock()
            self._lock.beat(self._release.id, now, self.doing, self._command, over=not self._closed)

    def _beats(self) -> None:
        """Neither a full disk nor a state that cannot be read ends it: the next beat tries again."""
        while not self._over.is_set():
            self._beat()
            with suppress(DeployguardError):
                self.asked_to_stop()
            self._over.wait(BEAT_S)

    # its commands

    def run(
        self, command: Command, kind: str = "rollback", should_stop: Callable[[], str | None] = lambda: None
    ) -> Finished:
        """Run `command` to its end and record how it went; never raises for the record. `kind`: deploy or rollback."""
        session, watch, text = self._session, self._watch, self._session.masker.mask(command.text)
        self._number += 1
        output = reports.output_of(self._report, self._number)
        begun = session.clock()
        # Before it starts: who is killed in the very moment has begun it, for all that anybody can tell.
        self.does(text, Started(text=text, kind=kind, at=begun))
        if watch is not None:
            watch.command_started(text, kind)

        def started(pid: int) -> None:
            self.began = self.began or kind == "deploy"
            self.does(text, Started(text=text, kind=kind, at=begun, pid=pid, mark=mark_of(pid)))

        try:
            finished = run_command(
                command,
                env=child_environment(session.environ, session.environment, self._release.version),
                cwd=session.root,
                on_line=watch.line if watch is not None else _unheard,
                should_stop=should_stop,
                output=output,
                masker=session.masker,
                on_start=started,
            )
        except KeyboardInterrupt:
            took = max(session.clock() - begun, timedelta(0))
            self.record(_as_run(text, kind, begun, Finished(None, "SIGTERM", "interrupted", took // MILLISECOND)))
            raise
        self.record(_as_run(text, kind, begun, finished, output))
        if watch is not None:
            watch.command_finished(text, kind, how(finished), finished.ok, finished.duration_ms * MILLISECOND)
        return finished

    def roll_back(self, commands: Iterable[Command], went: list[Finished]) -> None:
        """Run each rollback command, whatever becomes of the one before; `went` has those that ended, even where a
        second Ctrl-C breaks it off."""
        for command in commands:
            went.append(self.run(command))  # noqa: PERF401  # what ran before an interrupt counts

    def record(self, run: CommandRun | None) -> None:
        """Write down how a command went, now or with a later commit."""
        self._command = None
        self.unrecorded += [run] if run is not None else []
        self._commit(self._recorded)

    def _recorded(self, state: State, _now: datetime) -> Change:
        change = Change(state=state)
        for run in self.unrecorded:
            if run not in change.state.releases[self._release.id].commands:
                change = then(change, record_command(change.state, self._release.id, run, self._actor))
        return change

    def _commit(self, decide: Callable[[State, datetime], Change], **options: bool) -> tuple[State, Events] | None:
        try:
            _, after, events, _ = self._session.change(decide, self._actor, **options)
        except DeployguardError as error:
            self.trouble = error.problem
            return None
        self.unrecorded.clear()
        self.trouble = None
        return after, events

    # its end

    def close(self, error: str) -> State | None:
        """Its end, in one commit with what was not recorded yet; then its report and notices.

        Failed, or aborted where an emergency asked it to stop. None where the state cannot be written: see `trouble`.
        """

        def decide(state: State, now: datetime) -> Change:
            change = self._recorded(state, now)
            aborting = change.state.releases[self._release.id].phase is ReleasePhase.ABORTING
            end = ReleasePhase.ABORTED if aborting else ReleasePhase.FAILED
            finished = finish_release(
                change.state, self._release.id, end, error=error, report=self.report, actor=self._actor, now=now
            )
            return then(change, finished)

        done = self._commit(decide, configure=False)
        self._closed = done is not None
        if done is None:
            return None
        self.follow(*done)
        return done[0]

    @property
    def report(self) -> str:
        return str(self._report)

    def follow(self, after: State, events: Events) -> bool:
        """What follows its end: report and notices. Whether the report could be written; else that is said."""
        trouble = reports.try_to_write(self._session, self._release.id)
        if trouble is not None and self._watch is not None:
            self._watch.said(trouble)
        settings = self._session.settings_if_any(after)
        if settings is not None:
            reports.forget_old(self._session, settings.retention.reports)
        aftermath.follow(
            self._session, after, events, always_send=after.releases[self._release.id].phase is ReleasePhase.ABORTED
        )
        return trouble is None


def _as_run(text: str, kind: str, begun: datetime, finished: Finished, output: Path | None = None) -> CommandRun:
    return CommandRun(
        text=text,
        kind=kind,
        started_at=begun,
        duration_ms=finished.duration_ms,
        exit_code=finished.exit_code,
        signal=finished.signal,
        error=finished.error,
        last_line=finished.last_line,
        output=str(output) if output is not None and finished.kept_error is None and output.exists() else None,
    )


def how(finished: Finished) -> str:
    """`exit 1`, `signal SIGKILL`, or why it could not run or was ended."""
    return ended_words(finished.error, finished.signal, finished.exit_code)


def _unheard(_line: str) -> None:
    """Nobody looks on; the file keeps it."""
