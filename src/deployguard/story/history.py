"""A flag's past: what changed for its users, who did it, why. Made from the audit log's events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from deployguard.codec import Percentage
from deployguard.plain import clean
from deployguard.state import Event, Via
from deployguard.story.telling.facts import Facts
from deployguard.story.telling.units import passed_words, step_words


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One change of one flag. `from_` and `to` are hundredths of users that the bucket lets in, 0 where it is off."""

    at: datetime
    flag_id: str
    from_: Percentage | None = None
    to: Percentage | None = None
    by: str = ""
    why: str = ""
    seq: int = 0


def flag_history(events: Iterable[Event], key: str | None = None) -> tuple[HistoryRow, ...]:
    """The rows of one flag, in the order of `events`; without a key those of every flag, riders told by their lead."""
    return tuple(row for event in events for row in _rows(event, key))


def _rows(event: Event, key: str | None) -> Iterator[HistoryRow]:
    facts = Facts(event, None, event.data)
    if event.type.startswith("flag."):
        yield from _one(facts, key, facts.text("flagId"), _place(facts.inside("from")), _place(facts.inside("to")))
    elif event.type == "rollback.undone":
        for flag in facts.each("flags"):
            yield from _one(facts, key, flag.text("flagId"), _place(flag.inside("from")), _place(flag.inside("to")))
    elif event.type == "rollout.started":
        yield from _unit(facts, key, facts.hundredths("from") or 0, facts.hundredths("percentage"))
    elif event.type.startswith("rollout.") and event.type != "rollout.waiting":
        yield from _unit(facts, key, facts.hundredths("from"), facts.hundredths("to"))


def _unit(facts: Facts, key: str | None, before: int | None, after: int | None) -> Iterator[HistoryRow]:
    lead = facts.text("rollout")
    members = (lead, *facts.names("riders"))
    yield from _one(facts, key, key if key in members and key is not None else lead, before, after)


def _one(facts: Facts, key: str | None, flag: str, before: int | None, after: int | None) -> Iterator[HistoryRow]:
    if key is not None and flag != key:
        return
    event = facts.event
    by = "controller" if event.actor.via is Via.CONTROLLER else facts.who
    yield HistoryRow(at=event.time, flag_id=flag, from_=before, to=after, by=by, why=_why(facts), seq=event.seq)


def _place(flag: Facts) -> int | None:
    return flag.hundredths("percentage") if flag.truth("enabled") else 0 if flag.data else None


def _why(facts: Facts) -> str:
    """A trigger's name, what the step rests on, or what a person did and said."""
    trigger = facts.maybe("trigger")
    if trigger and not facts.by_people:
        return trigger
    said = _word(facts)
    reason = clean(facts.event.reason) if facts.event.reason and facts.by_people else ""
    return f'{said} ("{reason}")' if reason else said


def _word(facts: Facts) -> str:
    release = facts.maybe("release")
    match facts.event.type:
        case "rollout.started":
            again = " again" if facts.truth("retry") else ""
            return f"rollout started{again}{f' by {release}' if release else ''}"
        case "rollout.advanced" | "rollout.completed" if not facts.by_people:
            held = facts.length("heldFor")
            parts = (step_words(facts, "toStep"), f"{held} held" if held else "", passed_words(facts) or "")
            return ", ".join(part for part in parts if part) or "the step was over"
        case "rollout.advanced" | "rollout.completed":
            return "promoted, unjudged" if facts.truth("forced") else "promoted"
        case "rollout.rolledBack":
            return "emergency" if facts.maybe("kind") == "emergency" else "taken back"
        case "rollout.paused" if facts.maybe("pausedBy") == "requirement":
            return "paused: a flag that it requires was taken back"
        case "rollback.undone":
            return f"undo of {facts.text('undoes')}"
        case "flag.updated":
            return _hand(facts)
        case other:
            return clean(other.partition(".")[2])


def _hand(facts: Facts) -> str:
    move = facts.maybe("move")
    if move == "target":
        return "targeting changed"
    word = {"set": "set", "enable": "enabled", "disable": "disabled", "rollback": "taken back"}.get(move or "", move)
    return f"{word or 'set'}, unjudged" if facts.truth("forced") else word or "set"
