"""Which time decisions use, and what happens when the clock was set back.

They use the wall clock. Where it is behind the last commit by up to five minutes they use that commit's time: clocks
are corrected by seconds. Where it is further behind the clock was set: every anchor and entry time later than now
becomes now, so that nothing waits for the old time to come again, and cooldowns end; a fail that was told later than
now was told now, so that one that returns is news. What it costs is the evidence so far.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.config.units import format_duration
from deployguard.state import Actor, Change, Edit, FlagState, Rollout, State, told

TOLERANCE = timedelta(minutes=5)


def steady(last: datetime | None, wall: datetime) -> datetime:
    """The time to decide and to commit by: the wall clock, or the last commit's where that is a little later."""
    return last if last is not None and timedelta(0) < last - wall <= TOLERANCE else wall


def settle(state: State, wall: datetime, actor: Actor) -> tuple[datetime, Change]:
    """The time to decide by, and the change to make first: `clock.jumped` where the clock was set back."""
    last = state.head.time
    now = steady(last, wall)
    if last is None or now >= last:
        return now, Change(state=state)
    edit = Edit(state)
    edit.put("flags", {key: _flag(flag, now) for key, flag in state.flags.items()})
    edit.put("rollouts", {key: _rollout(rollout, now) for key, rollout in state.rollouts.items()})
    edit.put("told", {key: _told(entry, now) for key, entry in state.told.items()})
    by = timedelta(seconds=round((last - now).total_seconds()))
    data = {"by": format_duration(by), "from": time_text(last), "to": time_text(now)}
    return now, told(state, actor, "clock.jumped", data, edit)


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


def _told(entry: str, now: datetime) -> str:
    """An entry of `told`: a word, and for a fail when it was told (`tell`)."""
    word, _, at = entry.partition(" ")
    return f"{word} {time_text(now)}" if at and datetime.fromisoformat(at) > now else entry


def time_text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
