"""What is to leave with a commit: one notice a channel for its most severe event, and the commands of triggers.

Effects stand in the state, written with the decision, until they are carried out; each has an id by which a receiver
drops a repeat. The outbox is bounded: beyond its size the oldest notices go, each told by an event; commands never do.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from deployguard.config.values import Channel, Environment, Severity
from deployguard.state import Actor, Change, Draft, Effect, EffectKind, State, Via, severity

LIMIT = 1_000

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_SELF = Actor(name="deployguard", via=Via.CONTROLLER)


def enqueue(base: State, change: Change, environment: Environment, now: datetime) -> Change:
    """`change`, made from `base`, with everything that it sends in its state's outbox and no effects beside it.

    A channel gets one notice a commit: `rollback.executed` where there is one, else the most severe event, and among
    equals the first that moved a flag or a rollout. A draft whose data has `notify: true` reaches channels whatever
    their `minSeverity`. Where the outbox is full, `effect.dropped` events are added behind the change's own.
    """
    notices = tuple(
        notice
        for channel in environment.channels.values()
        if not channel.environments or environment.name in channel.environments
        if (notice := _notice(base, change.events, channel, now)) is not None
    )
    if not notices and not change.effects:
        return change
    outbox, dropped = _bounded((*change.state.outbox, *change.effects, *notices))
    actor = change.events[-1].actor if change.events else _SELF
    events = (*change.events, *(_dropped(effect, actor) for effect in dropped))
    return Change(state=replace(change.state, outbox=outbox), events=events)


def _notice(base: State, drafts: Sequence[Draft], channel: Channel, now: datetime) -> Effect | None:
    """The channel's notice of this commit, or None where nothing in it is for the channel."""
    told = [number for number, draft in enumerate(drafts) if _is_for(draft, channel)]
    if not told:
        return None
    chosen = max(told, key=lambda number: (_weight(drafts[number]), -number))
    first = base.head.seq + 1
    return Effect(
        id=f"ef-{first + chosen}-{channel.name}",
        kind=EffectKind.NOTIFY,
        created_at=now,
        channel=channel.name,
        seq=first + chosen,
        related=tuple(first + number for number in range(len(drafts)) if number != chosen),
    )


def _is_for(draft: Draft, channel: Channel) -> bool:
    # A channel is not told, through itself, that it cannot be reached: that would never end.
    if draft.type.startswith("effect.") and draft.data.get("target") == channel.name:
        return False
    if draft.data.get("notify") is True:
        return True
    return _RANK[severity(draft.type, draft.data)] >= _RANK[channel.min_severity]


def _weight(draft: Draft) -> tuple[bool, int, bool]:
    moved = any(path.startswith(("flags.", "rollouts.")) for path in draft.set)
    return draft.type == "rollback.executed", _RANK[severity(draft.type, draft.data)], moved


def _bounded(outbox: tuple[Effect, ...]) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """What stays and which notices, oldest first, have to go."""
    too_many = len(outbox) - LIMIT
    if too_many <= 0:
        return outbox, ()
    dropped = [effect for effect in outbox if effect.kind is EffectKind.NOTIFY][:too_many]
    gone = {effect.id for effect in dropped}
    return tuple(effect for effect in outbox if effect.id not in gone), tuple(dropped)


def _dropped(effect: Effect, actor: Actor) -> Draft:
    data = {
        "effectId": effect.id,
        "kind": effect.kind.value,
        "target": effect.channel,
        "error": f"more than {LIMIT:,} effects waited",
    }
    return Draft(type="effect.dropped", actor=actor, data=data)
