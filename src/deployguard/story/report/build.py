"""A report from the audit log: one walk over the events since the release started, and how it stands now."""

from collections.abc import Sequence
from datetime import datetime

from deployguard.guard.values import Exposure
from deployguard.plain import clean
from deployguard.rollout.plan import step_of
from deployguard.state import Event, Phase, Release, ReleasePhase, Rollout, State
from deployguard.story.numbers import counted
from deployguard.story.report.values import Outcome, Report, ReportRollout
from deployguard.story.report.walk import Track, Walk

_WORST_FIRST = (
    (Phase.ROLLED_BACK, Outcome.TAKEN_BACK),
    (Phase.PAUSED, Outcome.PAUSED),
    (Phase.PROGRESSING, Outcome.PROGRESSING),
    (Phase.COMPLETED, Outcome.COMPLETED),
)
_ENDED = {
    ReleasePhase.RUNNING: Outcome.RUNNING,
    ReleasePhase.ABORTING: Outcome.RUNNING,
    ReleasePhase.FAILED: Outcome.FAILED,
    ReleasePhase.ABORTED: Outcome.ABORTED,
}


def build_report(release: Release, events: Sequence[Event], state: State, now: datetime) -> Report:
    """The release's report as of `now`. `events` are those since it started, in order; `state` is the newest."""
    walk = Walk(release, state)
    for event in events:
        walk.take(event)
    rollouts = tuple(_standing(track, state) for track in walk.tracks.values())
    outcome, summary = _outcome(release, rollouts)
    return Report(
        environment=state.environment,
        release=release.id,
        version=release.version,
        by=clean(release.by),
        actor=walk.actor,
        reason=clean(walk.reason) if walk.reason else None,
        started_at=release.started_at,
        finished_at=release.finished_at,
        made_at=now,
        outcome=outcome,
        summary=summary,
        error=clean(release.error, 2_000) if release.error else None,
        commands=release.commands,
        checks=tuple(walk.checks),
        rollouts=rollouts,
        steps=tuple(walk.steps),
        acted=tuple(walk.acted),
        rollbacks=tuple(walk.rollbacks),
        exposed=Exposure(
            users=max((one.exposed.users for one in rollouts), default=0),
            requests=sum(one.exposed.requests for one in rollouts),
        ),
        audit_seq=state.head.seq,
        audit_head=state.head.hash,
        config_hash=state.config.hash if state.config else None,
    )


def _standing(track: Track, state: State) -> ReportRollout:
    """The rollout as the state has it, while it is the one that was started; else as the walk left it."""
    now: Rollout | None = state.rollouts.get(track.lead)
    same = track.mine and now is not None and now.started_at == track.started_at
    phase, percentage, trigger, rollback_id = track.phase, track.percentage, track.trigger, track.rollback_id
    step = None
    if same and now is not None:
        flag = state.flag(track.lead)
        phase, percentage = now.phase, flag.percentage if flag.enabled else 0
        trigger, rollback_id = now.trigger, now.rollback_id or rollback_id
        step = step_of(now, percentage) if phase.live else None
    return ReportRollout(
        rollout=track.lead,
        riders=track.riders,
        strategy=track.strategy,
        phase=phase,
        percentage=percentage,
        step=step,
        steps=track.steps,
        trigger=trigger,
        rollback_id=rollback_id,
        exposed=Exposure(users=track.users, requests=track.requests),
    )


def _outcome(release: Release, rollouts: Sequence[ReportRollout]) -> tuple[Outcome, str]:
    ended = _ENDED.get(release.phase)
    found = [(outcome, sum(1 for one in rollouts if one.phase is phase)) for phase, outcome in _WORST_FIRST]
    counts = [(outcome, count) for outcome, count in found if count]
    words = [
        f"{counted(count, 'rollout') if number == 0 else count} {outcome}"
        for number, (outcome, count) in enumerate(counts)
    ]
    if ended is not None:
        said = "told to stop" if release.phase is ReleasePhase.ABORTING else str(ended)
        return ended, ", ".join([said, *words])
    if not counts:
        return Outcome.DEPLOYED, "deployed, no rollout started"
    return counts[0][0], ", ".join(words)
