"""A release, one `deploy` run, in the state: pure functions, each answers a `Change`.

    begin_release -> record_command ... -> commands_done -> (checks) -> finish_release: succeeded, failed, aborted
                              ask_to_stop: an emergency asks the deploy to end itself

The release keeps its rollback commands as the config had them. Rollouts start in the commit that ends it as succeeded,
so one that fails has changed no flag: they are as they were, and there is nothing to put back.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from deployguard.codec import JSON
from deployguard.state import Actor, Change, CommandRun, Edit, Release, ReleasePhase, State, then, told

_ENDED = {
    ReleasePhase.SUCCEEDED: "release.succeeded",
    ReleasePhase.FAILED: "release.failed",
    ReleasePhase.ABORTED: "release.aborted",
}


def begin_release(
    state: State,
    *,
    version: str | None,
    host: str,
    pid: int,
    rollback: tuple[JSON, ...],
    actor: Actor,
    reason: str | None,
    now: datetime,
) -> Change:
    """A new release that runs. The deploy's lock sees to it that there is no other."""
    release = Release(
        id=state.next_id("r"),
        version=version,
        by=actor.shown,
        phase=ReleasePhase.RUNNING,
        started_at=now,
        host=host,
        pid=pid,
        rollback=rollback,
        deploying=True,
    )
    return _told("release.started", state, release, actor, reason=reason)


def record_command(state: State, release_id: str, run: CommandRun, actor: Actor) -> Change:
    """One command of the release ran to its end, or could not run."""
    release = state.releases[release_id]
    return _told(
        "release.commandFinished",
        state,
        replace(release, commands=(*release.commands, run)),
        actor,
        command=run.text,
        kind=run.kind,
        exitCode=run.exit_code,
        durationMs=run.duration_ms,
        signal=run.signal,
        error=run.error,
        lastLine=run.last_line,
    )


def commands_done(state: State, release_id: str, actor: Actor) -> Change:
    """All its commands ran; checks count as evidence again. The moves `deployed` go beside it."""
    return _told("release.checking", state, replace(state.releases[release_id], deploying=False), actor)


def finish_release(
    state: State,
    release_id: str,
    phase: ReleasePhase,
    *,
    rollouts: tuple[str, ...] = (),
    error: str | None = None,
    report: str | None = None,
    actor: Actor,
    now: datetime,
) -> Change:
    """The release is over: succeeded with the rollouts that it started, failed or aborted."""
    after = replace(
        state.releases[release_id],
        phase=phase,
        finished_at=now,
        rollouts=rollouts,
        deploying=False,
        error=error,
        report=report,
    )
    return _told(
        _ENDED[phase], state, after, actor, reason=error, error=error, report=report, rollouts=list(after.rollouts)
    )


def close_left_behind(state: State, release_id: str, left: CommandRun | None, actor: Actor, now: datetime) -> Change:
    """A release whose process died: failed, or aborted where an emergency had asked it to stop.

    `left` is the command in whose middle it died.
    """
    release, change = state.releases[release_id], Change(state=state)
    if left is not None:
        change = record_command(state, release_id, left, actor)
    phase, error = ReleasePhase.FAILED, f"its process ended without a word (pid {release.pid} on {release.host})"
    if release.phase is ReleasePhase.ABORTING:
        phase, error = ReleasePhase.ABORTED, "its process ended before it could stop"
    return then(change, finish_release(change.state, release_id, phase, error=error, actor=actor, now=now))


def ask_to_stop(state: State, release_id: str, actor: Actor) -> Change:
    """An emergency asks the deploy to stop. It ends its commands itself; asked twice, nothing changes."""
    release = state.releases[release_id]
    if release.phase is not ReleasePhase.RUNNING:
        return Change(state=state)
    return _told("release.aborting", state, replace(release, phase=ReleasePhase.ABORTING), actor, by=actor.shown)


def _told(event: str, state: State, after: Release, actor: Actor, *, reason: str | None = None, **data: Any) -> Change:
    of = {"releaseId": after.id, "version": after.version, "by": after.by}
    return told(state, actor, event, of | data, Edit(state).put_record(after), reason=reason)
