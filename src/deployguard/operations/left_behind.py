"""A deploy that died in the middle, cleaned up by an emergency: its rollback commands run, its release is closed.

Only where nobody else could be doing the same: the deploy's lock must be free, which the system sees to when a process
dies, and its last sign of life a minute old, since what it had started may still run.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from deployguard.config.build import command_from_json
from deployguard.operations import aftermath, reports
from deployguard.operations.lease import Heartbeat
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.running import how, never, run_recorded
from deployguard.rollout.release import finish_release
from deployguard.session import Session
from deployguard.state import Actor, Change, Release, ReleasePhase, State
from deployguard.store.locks import LEASE_LASTS, DeployLock, Lease
from deployguard.story.numbers import duration_words


@dataclass(frozen=True, slots=True)
class Left:
    """What became of it. `ended`: the release is closed; else its deploy is to end itself."""

    ended: bool = False
    notes: tuple[str, ...] = ()


def clean_up(session: Session, release: Release, actor: Actor, watch: DeployWatch | None) -> Left:
    """Run the rollback commands of `release` in place of its deploy, where that is dead. Never raises for a command."""
    lock, now = DeployLock(session.state_dir, session.environment), session.clock()
    lease = lock.read()
    if lease is not None and not lease.stale(now):
        return Left() if lease.held else Left(notes=(_too_fresh(session, release, lease),))
    if not lock.acquire(release.id, at=now, doing=f"rollback commands of {release.id}"):
        return Left(notes=(_hangs(release, lease),))
    try:
        current = session.store.read().releases.get(release.id)
        if current is None or current.phase not in (ReleasePhase.RUNNING, ReleasePhase.ABORTING):
            return Left()  # its deploy has ended itself in the meantime
        notes = _run(session, release, lock, actor, watch, began=lease is None or lease.doing not in ("", "starting"))
    finally:
        with suppress(OSError):
            lock.release()
    return Left(ended=True, notes=notes)


def _run(
    session: Session, release: Release, lock: DeployLock, actor: Actor, watch: DeployWatch | None, *, began: bool
) -> tuple[str, ...]:
    notes = [f"the deploy {release.id} had died without a word (pid {release.pid} on {release.host})"]
    with Heartbeat(session, lock, release.id) as heart:
        for data in release.rollback if began else ():
            command = command_from_json(data, session.environ)
            text = session.masker.mask(command.text)
            heart.does(text)
            finished = run_recorded(session, release, command, "rollback", actor=actor, watch=watch, should_stop=never)
            notes.append(f"its rollback command was run: {text}, {how(finished)}")

    def close(state: State, at: datetime) -> Change:
        return finish_release(
            state,
            release.id,
            ReleasePhase.ABORTED,
            error="its process ended before it could stop",
            report=str(reports.path_of(session, release)),
            actor=actor,
            now=at,
        )

    _, after, events, _ = session.change(close, actor, configure=False)
    reports.try_to_write(session, release.id)
    aftermath.follow(session, after, events, always_send=True)
    if not release.rollback:
        notes.append("it has no rollback command: look at what its commands left")
    elif not began:
        notes.append("none of its commands had run, so none was rolled back")
    return tuple(notes)


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
