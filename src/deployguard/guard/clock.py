"""Which time decisions use, and what happens when the clock was set back.

They use the wall clock. Where it is behind the last commit by up to five minutes they use that commit's time: clocks
are corrected by seconds. Where it is further behind the clock was set: every anchor and entry time later than now
becomes now, so that nothing waits for the old time to come again, and cooldowns end. What it costs is the evidence so
far.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.config.units import format_duration
from deployguard.state import Actor, Change, FlagState, Recorder, Rollout, State

TOLERANCE = timedelta(minutes=5)


def settle(state: State, wall: datetime, actor: Actor) -> tuple[datetime, Change]:
    """The time to decide by, and the change to make first: `clock.jumped` where the clock was set back."""
    last = state.head.time
    if last is None or wall >= last:
        return wall, Change(state=state)
    back = last - wall
    if back <= TOLERANCE:
        return last, Change(state=state)
    after = replace(
        state,
        flags={key: _flag(flag, wall) for key, flag in state.flags.items()},
        rollouts={key: _rollout(rollout, wall) for key, rollout in state.rollouts.items()},
    )
    recorder = Recorder(state, actor)
    by = timedelta(seconds=round(back.total_seconds()))
    recorder.record("clock.jumped", {"by": format_duration(by), "from": _time(last), "to": _time(wall)}, after)
    return wall, recorder.change()


def _flag(flag: FlagState, now: datetime) -> FlagState:
    return replace(
        flag, updated_at=_not_after(flag.updated_at, now), anchor=_not_after(flag.anchor, now), acted_at=None
    )


def _rollout(rollout: Rollout, now: datetime) -> Rollout:
    return replace(
        rollout,
        started_at=min(rollout.started_at, now),
        entered_at=min(rollout.entered_at, now),
        anchor=min(rollout.anchor, now),
        acted_at=None,
    )


def _not_after(at: datetime | None, now: datetime) -> datetime | None:
    return None if at is None else min(at, now)


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
