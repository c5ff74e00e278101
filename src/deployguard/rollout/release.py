"""A release, one `deploy` run, in the state: pure functions, each answers a `Change`.

    begin_release -> record_command ... -> commands_done -> (checks) -> finish_release: succeeded, failed, aborted
                              ask_to_stop: an emergency asks the deploy to end itself

The release keeps its rollback commands as the config had them, and the flags and rollouts as they were when it began.
When it fails, those that it started and that nobody changed since go back there.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from deployguard.codec import JSON
from deployguard.config.units import percentage_number
from deployguard.errors import Code, Offer, fail
from deployguard.rollout.consequences import others_anchored
from deployguard.rollout.refusals import NOTHING_CHANGED
from deployguard.rollout.steps import step_of
from deployguard.state import (
    Actor,
    Change,
    CommandRun,
    FlagState,
    Phase,
    Recorder,
    Release,
    ReleasePhase,
    Rollout,
    State,
    with_flags,
    with_release,
    with_rollout,
    without_rollout,
)

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
    """A new release that runs. Raises deploy-running where another one does."""
    running = state.running_release()
    if running is not None:
        raise _deploy_running(state, running)
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
        flags_before=dict(state.flags),
        rollouts_before=dict(state.rollouts),
    )
    recorder = Recorder(state, actor, reason)
    recorder.record("release.started", _data(release), with_release(state, release))
    return recorder.change()


def record_command(state: State, release_id: str, run: CommandRun, actor: Actor, now: datetime) -> Change:  # noqa: ARG001
    """One command of the release ran to its end, or could not run."""
    release = state.releases[release_id]
    data = _data(release) | {
        "command": run.text,
        "kind": run.kind,
        "exitCode": run.exit_code,
        "durationMs": run.duration_ms,
        "signal": run.signal,
        "error": run.error,
        "lastLine": run.last_line,
    }
    recorder = Recorder(state, actor)
    after = replace(release, commands=(*release.commands, run))
    recorder.record("release.commandFinished", data, with_release(state, after))
    return recorder.change()


def commands_done(state: State, release_id: str, actor: Actor, now: datetime) -> Change:  # noqa: ARG001
    """All its commands ran; checks count as evidence again. The moves `deployed` go beside it."""
    release = state.releases[release_id]
    recorder = Recorder(state, actor)
    recorder.record("release.checking", _data(release), with_release(state, replace(release, deploying=False)))
    return recorder.change()


def finish_release(
    state: State,
    release_id: str,
    phase: ReleasePhase,
    *,
    rollouts: tuple[str, ...] = (),
    error: str | None = None,
    report: str | None = None,
    restore: bool = False,
    actor: Actor,
    now: datetime,
) -> Change:
    """The release is over: succeeded, failed or aborted. `restore` puts back the flags that only it has changed."""
    release = state.releases[release_id]
    after = replace(
        release,
        phase=phase,
        finished_at=now,
        rollouts=rollouts or release.rollouts,
        deploying=False,
        error=error,
        report=report,
        flags_before={},  # they have done their service: a state should not carry fifty copies of itself
        rollouts_before={},
    )
    returning = _ours(state, release) if restore else ()
    data = _data(after) | {
        "error": error,
        "report": report,
        "rollouts": list(after.rollouts),
        "flags": [key for rollout in returning for key in rollout.flags],
    }
    recorder = Recorder(state, actor, error)
    index = recorder.record(_ENDED[phase], data, with_release(state, after))
    for rollout in returning:
        _put_back(recorder, release, rollout, now, index)
    return recorder.change()


def close_left_behind(state: State, release_id: str, actor: Actor, now: datetime) -> Change:
    """A release whose process died: failed, and its flags go back where nobody changed them since."""
    release = state.releases[release_id]
    if release.phase is ReleasePhase.ABORTING:
        return finish_release(
            state,
            release_id,
            ReleasePhase.ABORTED,
            error="its process ended before it could stop",
            actor=actor,
            now=now,
        )
    return finish_release(
        state,
        release_id,
        ReleasePhase.FAILED,
        error=f"its process ended without a word (pid {release.pid} on {release.host})",
        restore=True,
        actor=actor,
        now=now,
    )


def ask_to_stop(state: State, release_id: str, actor: Actor, now: datetime) -> Change:  # noqa: ARG001
    """An emergency asks the deploy to stop. It ends its commands itself; asked twice, nothing changes."""
    release = state.releases[release_id]
    if release.phase is not ReleasePhase.RUNNING:
        return Change(state=state)
    recorder = Recorder(state, actor)
    after = replace(release, phase=ReleasePhase.ABORTING)
    recorder.record("release.aborting", _data(after) | {"by": actor.shown}, with_release(state, after))
    return recorder.change()


def _data(release: Release) -> dict[str, Any]:
    return {"releaseId": release.id, "version": release.version, "by": release.by}


def _ours(state: State, release: Release) -> tuple[Rollout, ...]:
    """The rollouts that this release started and that nobody has touched since: as they began, in every flag."""
    return tuple(
        rollout
        for rollout in state.rollouts.values()
        if rollout.release == release.id
        and rollout.phase in {Phase.PROGRESSING, Phase.COMPLETED}
        and rollout.changed_at == rollout.started_at
        and all(_as_started(state.flag(key), rollout) for key in rollout.flags)
    )


def _as_started(flag: FlagState, rollout: Rollout) -> bool:
    return flag.updated_at == rollout.started_at and (flag.targeted_at or rollout.started_at) <= rollout.started_at


def _put_back(recorder: Recorder, release: Release, rollout: Rollout, now: datetime, cause: int) -> None:
    """One rollout and its flags as they were when the release began."""
    before = recorder.state
    state = without_rollout(before, rollout.lead)
    for key in rollout.flags:
        flag = release.flags_before.get(key, FlagState(seed=key))
        earlier = release.rollouts_before.get(flag.rollout or "")
        if earlier is not None and key == earlier.lead:
            state = with_rollout(state, replace(earlier, riders=()))
        state = _rejoined(state, key, flag)
    was, is_ = before.flag(rollout.lead).percentage, state.flag(rollout.lead).percentage
    data = {
        "rollout": rollout.lead,
        "riders": list(rollout.riders),
        "step": step_of(rollout, was),
        "steps": len(rollout.steps),
        "from": percentage_number(was),
        "to": percentage_number(is_),
        "trigger": None,
        "verdict": None,
        "others": None,
        "exposed": None,
        "rollbackId": None,
        "kind": "release",
        "release": release.id,
    }
    recorder.record("rollout.rolledBack", data, others_anchored(before, state, now), cause=cause)


def _rejoined(state: State, key: str, flag: FlagState) -> State:
    """`key` as it was, in its earlier rollout where that is still there and off."""
    rollout = state.rollouts.get(flag.rollout or "")
    if rollout is None or rollout.phase.live:
        return with_flags(state, {key: replace(flag, rollout=None)})
    if key not in rollout.flags:
        state = with_rollout(state, replace(rollout, riders=(*rollout.riders, key)))
    return with_flags(state, {key: flag})


def _deploy_running(state: State, running: Release) -> Exception:
    env = state.environment
    return fail(
        Code.DEPLOY_RUNNING,
        f"{env} is being deployed",
        where=f"{env}, release {running.id}",
        found=f"release {running.id} ({running.version or 'no version'}) by {running.by} on {running.host}, "
        f"pid {running.pid}",
        wanted=f"no running deploy of {env}",
        now=NOTHING_CHANGED,
        allowed=(
            Offer(f"deployguard report show {running.id} --env {env}", "what it does"),
            Offer(f"deployguard rollback emergency --env {env}", "ends it, all flags off"),
        ),
    )


__all__ = [
    "Release",
    "ask_to_stop",
    "begin_release",
    "close_left_behind",
    "commands_done",
    "finish_release",
    "record_command",
]
