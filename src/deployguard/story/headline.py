"""What is going on, in one glance: are users hurt, by what, what was done, and whose turn it is.

    harm   a trigger fails now                    blind  nothing watches, or what holds a rollout cannot be seen
    back   something was taken back or lowered    ok     no harm seen; what comes next, and when
           within the last hour

The first that holds, in the order harm, blind for want of a watcher, back, blind, ok. `turn` is the last sentence of
`watch`; the offers stand below it. "No harm seen" says what was looked at; where nothing was, it is "cannot tell".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from deployguard.config.units import format_percentage
from deployguard.config.values import Environment
from deployguard.errors import Offer
from deployguard.guard.values import Cause, Population, Result, Verdict
from deployguard.plain import clean
from deployguard.rollout.plan import hold_ends, next_step
from deployguard.state import PausedBy, Phase, Rollout, State
from deployguard.story.numbers import about, counted, duration_words, left_words
from deployguard.story.scene import Scene, names_of, verb
from deployguard.story.verdicts import cause_words, rule_words

STAYS = timedelta(hours=1)
"""How long a take-back is the headline."""

_GOES_ON = {
    Cause.SOURCE_DOWN: "it writes again",
    Cause.WATCHER_OFFLINE: "this machine is online again",
    Cause.NOT_CONNECTED: "what {trigger} needs is connected",
    Cause.NO_TRAFFIC: "requests come again",
    Cause.NO_EXPOSURE: "samples of its users come: the id in the log must be the one that is bucketed",
    Cause.STALE: "samples come again",
}
"""Why a rollout is blind, and when it goes on by itself."""


class Glance(StrEnum):
    OK = "ok"
    BACK = "back"
    HARM = "harm"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Headline:
    """Whole sentences. `cause` and `done` are None where there is nothing to tell."""

    state: Glance
    users: str
    cause: str | None
    done: str | None
    turn: str


class Said(NamedTuple):
    """The headline and the commands that stand below it, the careful one first."""

    headline: Headline
    offers: tuple[Offer, ...] = ()


def headline(
    state: State,
    verdicts: Sequence[Verdict],
    alive: bool,  # noqa: FBT001  # whether a controller ticks
    environment: Environment,
    now: datetime,
    zone: tzinfo | None = None,
) -> Said:
    """The headline of this moment. Times are the reader's in `zone`; None: UTC stamps."""
    scene = Scene(state, tuple(verdicts), alive, environment, now, zone)
    for look in (_harm, _unwatched, _taken_back, _blind):
        said = look(scene)
        if said is not None:
            return said
    return _calm(scene)


def _harm(scene: Scene) -> Said | None:
    failing = [
        one
        for one in scene.verdicts
        if one.verdict is Result.FAIL and not one.shadow and one.population is not Population.OTHERS
    ]
    if not failing:
        return None
    verdict = min(failing, key=lambda one: one.population is Population.ALL)  # on a unit's own users first
    unit, trigger = clean(verdict.unit or ""), clean(verdict.trigger)
    equally = verdict.population is Population.ALL or any(
        one.verdict is Result.FAIL and one.population is Population.OTHERS and one.trigger == verdict.trigger
        for one in scene.verdicts
        if one.unit == verdict.unit
    )
    if not unit:
        cause = "No rollout is guarded, so no feature of one is to blame."
    else:
        cause = f"Not {unit} alone: users without it are equally hurt." if equally else f"{unit}, by {trigger}."
    offers: tuple[Offer, ...] = (Offer(f"deployguard monitoring status --env {scene.env}"),)
    if not scene.alive:
        turn = f"Nothing is watching {scene.env}: nothing is taken back by itself."
        offers = (_take_back(scene, unit), *_watch(scene))
    elif unit:
        turn = f"{trigger} fails for {unit}; its step is held. Look, or take it back."
        offers = (Offer(f"deployguard rollout status {unit} --env {scene.env}"), _take_back(scene, unit))
    else:
        turn = f"{trigger} fails for everyone, and no rollout is guarded: look at {scene.env} itself."
    users, done = f"Users are hurt now: {rule_words(verdict)}.", _done(scene) or "Nothing was changed."
    return Said(Headline(Glance.HARM, users, cause, done, turn), offers)


def _take_back(scene: Scene, unit: str) -> Offer:
    if not unit:
        return Offer(f"deployguard rollback emergency --env {scene.env}", "every flag off")
    return Offer(f"deployguard rollback manual {unit} --env {scene.env}", "takes it back now")


def _watch(scene: Scene) -> tuple[Offer, ...]:
    return (Offer(f"deployguard watch --env {scene.env}", "live view, acts while it runs"),)


def _unwatched(scene: Scene) -> Said | None:
    if scene.alive:
        return None
    turn = f"Nothing is watching {scene.env}: no step is taken and nothing is taken back."
    users = "Cannot tell: what was judged is as old as the last tick."
    words = Headline(Glance.BLIND, users, "No controller ticks.", _done(scene), turn)
    return Said(words, _watch(scene))


def _recent(scene: Scene) -> tuple[Rollout, ...]:
    """Taken back, or lowered by a trigger, within the last hour; the newest first."""
    return tuple(
        rollout
        for rollout in scene.rollouts(Phase.ROLLED_BACK, Phase.PAUSED)
        if (rollout.phase is Phase.ROLLED_BACK or rollout.paused_by is PausedBy.TRIGGER)
        and scene.now - rollout.entered_at <= STAYS
    )


def _done(scene: Scene) -> str | None:
    return " ".join(_done_to(scene, rollout) for rollout in _recent(scene)[:3]) or None


def _done_to(scene: Scene, rollout: Rollout) -> str:
    record, at = scene.record(rollout), scene.when(rollout.entered_at)
    before = record.flags_before.get(rollout.lead) if record else None
    came = f" from {format_percentage(before.percentage)}" if before else ""
    back = f", rollback {rollout.rollback_id}" if record else ""
    if rollout.phase is Phase.ROLLED_BACK:
        return f"{clean(rollout.lead)} was taken back{came} {at}{back}."
    return f"{clean(rollout.lead)} was paused at {scene.share(rollout)}{came and f', lowered{came},'} {at}{back}."


def _taken_back(scene: Scene) -> Said | None:
    recent = _recent(scene)
    if not recent:
        return None
    first = recent[0]
    lead = clean(first.lead)
    words = Headline(Glance.BACK, scene.seen(), _why(scene, first), _done(scene), _turn_after(scene, recent))
    if first.phase is Phase.PAUSED:
        return Said(words, (Offer(f"deployguard rollout status {lead} --env {scene.env}"),))
    record = scene.record(first)
    if record is None or record.undone_by is not None:
        return Said(words, ways_back(scene.env, lead, None, by_trigger=first.trigger is not None))
    before, earlier = record.flags_before.get(first.lead), record.rollouts_before.get(first.lead)
    paused = ", paused" if earlier and earlier.phase in (Phase.PROGRESSING, Phase.PAUSED) else ""
    to = f"{format_percentage(before.percentage)}{paused}" if before else None
    return Said(words, ways_back(scene.env, lead, record.id, by_trigger=first.trigger is not None, to=to))


def ways_back(
    env: str, lead: str, rollback: str | None, *, by_trigger: bool, to: str | None = None
) -> tuple[Offer, ...]:
    """What may follow a take-back. After a trigger's the fault is mended first; after a person's nothing is broken."""
    undo = f"deployguard rollback undo {rollback} --env {env}"
    if by_trigger:
        again = Offer(f"deployguard deploy {env} --retry {lead}", "when it is mended")
        return (again, Offer(undo, f"it was no fault: {to}" if to else "it was no fault")) if rollback else (again,)
    again = Offer(f"deployguard deploy {env} --retry {lead}", "starts it again")
    return (Offer(undo, f"brings it back: {to}" if to else "brings it back"), again) if rollback else (again,)


def _why(scene: Scene, rollout: Rollout) -> str:
    if rollout.trigger is not None:
        trigger = scene.environment.triggers.get(rollout.trigger)
        rule = f": {clean(trigger.when.text)}" if trigger else ""
        return f"{clean(rollout.trigger)} failed{rule}."
    by = f"By {clean(rollout.changed_by)}" if rollout.changed_by else "By a person"
    return f'{by} ("{clean(rollout.reason)}").' if rollout.reason else f"{by}."


def _turn_after(scene: Scene, recent: tuple[Rollout, ...]) -> str:
    paused = [clean(rollout.lead) for rollout in recent if rollout.phase is Phase.PAUSED]
    off = [clean(rollout.lead) for rollout in recent if rollout.phase is Phase.ROLLED_BACK]
    said = f"{names_of(off)} {verb(len(off), 'is', 'are')} off again" if off else ""
    if not paused:
        return f"{said}; nobody needs to act now."
    waits = f"{names_of(paused)} {verb(len(paused), 'waits', 'wait')} for a person"
    share = f", paused at {scene.share(recent[0])}" if len(recent) == 1 else ""
    return f"{said}; {waits}." if said else f"{waits}{share}."


def _blind(scene: Scene) -> Said | None:
    for rollout in scene.rollouts(Phase.PROGRESSING):
        holding = scene.holding(rollout.lead)
        unseen = next((one for one in holding if one.cause in _GOES_ON), None)
        if unseen is None or unseen.cause is None:
            continue
        lead, trigger = clean(rollout.lead), clean(unseen.trigger)
        words = cause_words(unseen, scene.zone, scene.now)
        again = _GOES_ON[unseen.cause].format(trigger=trigger)
        if unseen.cause is Cause.SOURCE_DOWN:
            again = f"{clean(unseen.detail or 'the source').partition(':')[0]} writes again"
        turn = f"{lead} holds at {scene.share(rollout)}: no data is never good news. It goes on by itself when {again}"
        few = next((one for one in holding if one.cause is Cause.TOO_FEW), None)
        if few is not None and few.ready_at is not None and few.ready_at > scene.now:
            turn += f"; {clean(few.trigger)} is ready about {about(few.ready_at, scene.now, scene.zone)}"
        users, cause = f"Cannot tell: {trigger} sees nothing of {lead}.", f"{words[:1].upper()}{words[1:]}."
        offer = Offer(f"deployguard doctor --env {scene.env}")
        return Said(Headline(Glance.BLIND, users, cause, _done(scene), f"{turn}."), (offer,))
    return None


def _calm(scene: Scene) -> Said:
    paused, moving = scene.rollouts(Phase.PAUSED), scene.rollouts(Phase.PROGRESSING)
    sentences, offers, cause = [], tuple[Offer, ...](), None
    if paused:
        first, reason = clean(paused[0].lead), clean(paused[0].reason or "")
        names = names_of([clean(rollout.lead) for rollout in paused])
        sentences.append(
            f"{counted(len(paused), 'rollout')} {verb(len(paused), 'waits', 'wait')} for a person: {names}."
        )
        offers = (Offer(f"deployguard rollout status {first} --env {scene.env}"),)
        cause = f"{first} is paused{f': {reason}' if reason else ''}."
    if moving or not paused:
        sentences.append(_then(scene, moving, well=not paused))
    return Said(Headline(Glance.OK, scene.seen(), cause, None, " ".join(sentences)), offers)


def _then(scene: Scene, moving: tuple[Rollout, ...], *, well: bool) -> str:
    """`All is well. Then trust_social_proof goes to 30% at 14:29:40, in 4m 30s.`"""
    opening = "All is well. " if well else ""
    if not moving:
        return f"{opening}{_guarded(scene)}".strip()
    due = {rollout.lead: hold_ends(rollout, scene.state.flag(rollout.lead).percentage) for rollout in moving}
    first = min(moving, key=lambda rollout: due[rollout.lead] or scene.now)
    at, lead = due[first.lead] or scene.now, clean(first.lead)
    to = next_step(first, scene.state.flag(first.lead).percentage)
    goes = f"goes to {format_percentage(to)}" if to is not None else "is complete"
    holding = scene.holding(first.lead)
    if holding and well:
        opening = "No harm seen so far. "
    if at > scene.now:
        return (
            f"{opening}{'Then ' if opening else ''}{lead} {goes} {scene.when(at)}, in {duration_words(at - scene.now)}."
        )
    if holding:
        words = cause_words(holding[0], scene.zone, scene.now)
        return f"{opening}{lead} waits for data at {scene.share(first)}: {clean(holding[0].trigger)}: {words}."
    return f"{opening}{lead} {goes} at the next tick."


def _guarded(scene: Scene) -> str:
    """What is still watched where nothing moves."""
    guard = scene.environment.guard_for
    for rollout in scene.rollouts(Phase.COMPLETED):
        left = rollout.entered_at + guard - scene.now
        if left > timedelta(0):
            return f"{clean(rollout.lead)} is completed and guarded {left_words(left)} more."
    return "Nothing is rolling out."
