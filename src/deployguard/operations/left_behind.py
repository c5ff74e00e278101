"""What a deploy that died in the middle has left: a command that may still run, rollback commands, an open release.

An emergency runs the rollback commands in the deploy's place; the next deploy only closes the release. Either of them
ends the command first, and only where nobody else could be doing the same: the deploy's lock must be free, which the
system sees to when a process dies, and its last sign of life a minute old.
"""

from contextlib import suppress
from dataclasses import dataclass

from deployguard.config.build import command_from_json
from deployguard.effects.commands import Finished
from deployguard.effects.groups import end_group
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.running import Running, how
from deployguard.session import Session
from deployguard.state import Actor, CommandRun, Release
from deployguard.store.locks import LEASE_LASTS, DeployLock, Lease
from deployguard.story.numbers import duration_words


@dataclass(frozen=True, slots=True)
class Left:
    """What became of it. `ended`: the release is closed; `dead`: it is not, and its deploy will not do it."""

    ended: bool = False
    dead: bool = False
    notes: tuple[str, ...] = ()


def end_command(lease: Lease | None) -> str | None:
    """End what a dead deploy has left running; answers who it is where it cannot be ended."""
    command = lease.command if lease is not None else None
    if command is None or command.pid is None or command.mark is None or end_group(command.pid, command.mark):
        return None
    return f"its command still runs and cannot be ended: {command.text} (pid {command.pid})"


def clean_up(session: Session, release: Release, actor: Actor, watch: DeployWatch | None) -> Left:
    """Run the rollback commands of `release` in place of its deploy, where that is dead. Never raises for a command."""
    lock, now = DeployLock(session.state_dir, session.environment), session.clock()
    lease = lock.read()
    if lease is not None and not lease.stale(now) and not lease.over:
        return Left() if lease.held else Left(dead=True, notes=(_too_fresh(session, release, lease),))
    command = lease.command if lease is not None else None
    if not lock.acquire(release.id, at=now, doing=f"rollback commands of {release.id}", command=command):
        return Left(dead=True, notes=(_hangs(release, lease),))
    left_running = end_command(lease)
    current = session.store.read().releases.get(release.id)
    if left_running is not None or current is None or not current.runs:
        with suppress(OSError):
            lock.release(lease if left_running else None)
        # Else its deploy has ended itself in the meantime.
        return (
            Left() if left_running is None else Left(dead=True, notes=(f"{left_running}; end it, then run this again",))
        )
    return _run(session, current, lock, lease, actor, watch)


def _run(
    session: Session, release: Release, lock: DeployLock, lease: Lease | None, actor: Actor, watch: DeployWatch | None
) -> Left:
    over = lease is not None and lease.over
    how_it_ended = "ended, and could not write that down" if over else "died without a word"
    notes = [f"the deploy {release.id} had {how_it_ended} (pid {release.pid} on {release.host})"]
    left = lease.left(release) if lease is not None else None
    began = lease is None or left is not None or any(_really_ran(run) for run in release.commands)
    went: list[Finished] = []
    with Running(session, lock, release, actor, watch) as running:
        running.record(left)
        commands = [command_from_json(data, session.environ) for data in release.rollback]
        if began and not over:
            running.roll_back(commands, went)
        closed = running.close("its process ended before it could stop")
        trouble = running.trouble
    texts = (session.masker.mask(command.text) for command in commands)
    notes += [f"its rollback command was run: {text}, {how(one)}" for text, one in zip(texts, went, strict=False)]
    if over:
        notes.append("what there was to roll back it had rolled back")
    elif not commands:
        notes.append("it has no rollback command: look at what its commands left")
    elif not began:
        notes.append("none of its commands had run, so none was rolled back")
    if closed is None and trouble is not None:
        notes.append(f"{release.id} could not be closed: {trouble.message}, {trouble.found or ''}")
    return Left(ended=closed is not None, dead=closed is None, notes=tuple(notes))


def _really_ran(run: CommandRun) -> bool:
    """There may be something to roll back. A program that was not found did nothing; how long one ran that its deploy
    did not survive is not known."""
    return run.kind == "deploy" and (run.exit_code is not None or run.signal is not None or run.duration_ms is None)


def _too_fresh(session: Session, release: Release, lease: Lease) -> str:
    ends = duration_words(lease.at + LEASE_LASTS - session.clock())
    return (
        f"the deploy {release.id} died a moment ago (pid {lease.pid} on {lease.host}), what it started may still run: "
        f"in {ends} deployguard rollback emergency --env {session.environment} runs its rollback commands"
    )


def _hangs(release: Release, lease: Lease | None) -> str:
    who = f"pid {lease.pid} on {lease.host}" if lease is not None else f"pid {release.pid} on {release.host}"
    return (
        f"the deploy {release.id} gives no sign of life and still holds its lock ({who}): end that process, then run "
        "this again to roll its commands back"
    )
