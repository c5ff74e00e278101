"""One command of a release: run, streamed, kept in a file, recorded in the state."""

from collections.abc import Callable
from datetime import timedelta

from deployguard.config.values import Command
from deployguard.effects.commands import Finished, child_environment, run_command
from deployguard.operations import reports
from deployguard.operations.protocol import DeployWatch
from deployguard.rollout.release import record_command
from deployguard.session import Session
from deployguard.state import Actor, CommandRun, Release


def run_recorded(
    session: Session,
    release: Release,
    command: Command,
    kind: str,
    *,
    actor: Actor,
    watch: DeployWatch | None,
    should_stop: Callable[[], str | None],
) -> Finished:
    """Run `command` to its end and record how it went. `kind` is `deploy` or `rollback`."""
    text = session.masker.mask(command.text)
    number = len(session.store.read().releases[release.id].commands) + 1
    output = reports.output_of(session, release, number)
    if watch is not None:
        watch.command_started(text, kind)
    begun = session.clock()

    def record(finished: Finished) -> None:
        run = CommandRun(
            text=text,
            kind=kind,
            started_at=begun,
            duration_ms=finished.duration_ms,
            exit_code=finished.exit_code,
            signal=finished.signal,
            error=finished.error,
            last_line=finished.last_line,
            output=str(output) if finished.kept_error is None and output.exists() else None,
        )
        session.change(lambda state, now: record_command(state, release.id, run, actor, now), actor)

    try:
        finished = run_command(
            command,
            env=child_environment(session.environ, session.environment, release.version),
            cwd=session.root,
            on_line=watch.line if watch is not None else _unheard,
            should_stop=should_stop,
            output=output,
            masker=session.masker,
        )
    except KeyboardInterrupt:
        took = max(session.clock() - begun, timedelta(0))
        record(Finished(None, "SIGTERM", "interrupted", round(took.total_seconds() * 1000)))
        raise
    record(finished)
    if watch is not None:
        took = timedelta(milliseconds=finished.duration_ms)
        watch.command_finished(text, kind, how(finished), finished.ok, took)
    return finished


def never() -> None:
    """Nothing ends a rollback command but its own timeout."""


def how(finished: Finished) -> str:
    """`exit 1`, `signal SIGKILL`, or why it could not run or was ended."""
    return finished.error or (f"signal {finished.signal}" if finished.signal else f"exit {finished.exit_code}")


def really_ran(run: CommandRun) -> bool:
    """It began: there may be something to roll back. A program that was not found did nothing."""
    return run.exit_code is not None or run.signal is not None


def _unheard(_line: str) -> None:
    """Nobody looks on; the file keeps it."""
