"""What a rollout waits for, so that none is stuck without saying why.

    trigger   a trigger of it fails
    source    a source is down, this machine is offline, or a required metric is not connected
    hold      the step's hold is not over
    samples   the hold is over and too little was seen yet
    person    it is paused, or it has waited for longer than `maxWait` past its hold

The first that holds; beyond `maxWait` it is a person, whatever the cause, which the text still names. It goes on by
itself when the cause is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from deployguard.guard.blame import Standing
from deployguard.guard.choose import cooldown_ends, promotes_at
from deployguard.guard.values import Cause, Result, Verdict
from deployguard.rollout.plan import hold_ends
from deployguard.state import PausedBy, Phase, Rollout, State, Unit


class WaitsFor(StrEnum):
    HOLD = "hold"
    SAMPLES = "samples"
    SOURCE = "source"
    TRIGGER = "trigger"
    PERSON = "person"


_BLIND = (Cause.NOT_CONNECTED, Cause.WATCHER_OFFLINE, Cause.SOURCE_DOWN)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`until` is when the cause may end by itself, as far as that is known. `text` says it in a few words."""

    waits_for: WaitsFor
    until: datetime | None = None
    text: str = ""


def waiting(state: State, standings: Sequence[Standing], now: datetime) -> dict[str, Waiting]:
    """For each rollout that progresses or is paused. `standings` must be of the units as `state` has them."""
    out: dict[str, Waiting] = {}
    for rollout in state.rollouts.values():
        if rollout.phase is Phase.PAUSED:
            out[rollout.lead] = Waiting(WaitsFor.PERSON, None, _paused(rollout))
        elif rollout.phase is Phase.PROGRESSING:
            own = [one for one in standings if one.unit is not None and one.unit.key == rollout.lead and one.holds]
            out[rollout.lead] = _progressing(rollout, state.flag(rollout.lead).percentage, own, now)
    return out


def gives_up_at(rollout: Rollout, due: datetime) -> datetime:
    """When it says that it waits for a person: `maxWait` past the hold."""
    return due + rollout.max_wait


def _progressing(rollout: Rollout, percentage: int, standings: Sequence[Standing], now: datetime) -> Waiting:
    due = hold_ends(rollout, percentage) or now
    cause = _cause(rollout, due, standings, now)
    if now <= gives_up_at(rollout, due):
        return cause
    return replace(cause, waits_for=WaitsFor.PERSON, text=f"waited longer than maxWait; {cause.text}")


def _cause(rollout: Rollout, due: datetime, standings: Sequence[Standing], now: datetime) -> Waiting:
    failing = [one for one in standings if one.result is Result.FAIL]
    if failing:
        ends = [end for one in failing if one.unit and (end := cooldown_ends(one.unit, one.trigger)) and end > now]
        text = ", ".join(f"{one.trigger.name} fails" for one in failing)
        return Waiting(WaitsFor.TRIGGER, min(ends, default=None), text)
    missing = [one for one in standings if one.result is Result.INCONCLUSIVE]
    blind = [one for one in missing if one.deciding.cause in _BLIND]
    if blind:
        return Waiting(WaitsFor.SOURCE, None, _missing(blind))
    if now < due:
        return Waiting(WaitsFor.HOLD, due, "the step's hold")
    if not standings and not missing:
        return Waiting(WaitsFor.SAMPLES, None, "figures start again")
    ready = [one.deciding.ready_at for one in missing if one.deciding.ready_at is not None]
    until = max(ready, default=None)
    return Waiting(WaitsFor.SAMPLES, promotes_at(rollout, due) or until, _missing(missing))


def _missing(standings: Sequence[Standing]) -> str:
    return "; ".join(f"{one.trigger.name}: {cause_text(one.deciding)}" for one in standings)


def cause_text(verdict: Verdict) -> str:
    """An inconclusive verdict's cause in a few words, without times of day: those are the reader's."""
    match verdict.cause:
        case Cause.TOO_FEW:
            return verdict.detail or f"{verdict.samples} of {verdict.needed} samples"
        case Cause.NOT_CONNECTED | Cause.SOURCE_DOWN:
            return verdict.detail or str(verdict.cause)
        case Cause.WATCHER_OFFLINE:
            return "this machine is offline"
        case Cause.DEPLOYING:
            return "a deploy is running"
        case Cause.NO_TRAFFIC:
            return "no request in its window"
        case Cause.NO_EXPOSURE:
            return "traffic, but nobody was split"
        case Cause.STALE:
            return "no new sample in its window"
        case None:
            return str(verdict.verdict)


def _paused(rollout: Rollout) -> str:
    match rollout.paused_by:
        case PausedBy.TRIGGER:
            return f"paused by {rollout.trigger or 'a trigger'}"
        case PausedBy.REQUIREMENT:
            return "paused: a flag that it requires was taken back"
        case PausedBy.INCONCLUSIVE:
            return "paused: too little data"
        case _:
            return "paused by a person"


def still_standing(
    standings: Sequence[Standing], before: Mapping[str, Unit], after: Mapping[str, Unit]
) -> list[Standing]:
    """The standings of units whose evidence this tick's moves left as it was."""
    return [
        one
        for one in standings
        if one.unit is not None and one.unit.key in after and before.get(one.unit.key) == after[one.unit.key]
    ]
