"""What happened: an event of the audit log, and how grave it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from deployguard.codec import JSON
from deployguard.config.values import Severity
from deployguard.state.values import Actor, Effect, RollbackKind, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the audit log: what happened, sealed with a number, an id and the hash of the line before."""

    seq: int
    id: str
    type: str
    severity: Severity
    time: datetime
    environment: str
    revision: int
    actor: Actor
    reason: str | None = None
    cause: str | None = None
    data: JSON = field(default_factory=dict)
    set: JSON = field(default_factory=dict)
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before the store seals it. `cause` is the id of an earlier event, or the index of one in this commit."""

    type: str
    actor: Actor
    data: JSON = field(default_factory=dict)
    set: JSON = field(default_factory=dict)
    reason: str | None = None
    cause: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a pure function answers: the whole new state, the events that led there, what is to leave."""

    state: State
    events: tuple[Draft, ...] = ()
    effects: tuple[Effect, ...] = ()


_WARNING = frozenset(
    {
        "trigger.failed",
        "guardrail.failed",
        "guardrail.mismatch",
        "rollout.paused",
        "rollout.reduced",
        "release.failed",
        "check.failed",
        "source.lost",
        "config.rejected",
        "effect.failed",
    }
)


def severity(type: str, data: Mapping[str, Any]) -> Severity:  # noqa: A002  # the event's word
    """SURFACES section 3: critical for what is taken back, warning for what needs a person or makes us blind."""
    if type == "rollback.executed":
        taken_back = data.get("kind") not in (RollbackKind.REDUCE, RollbackKind.DISABLE)
        return Severity.CRITICAL if taken_back else Severity.WARNING
    if type == "rollout.rolledBack":
        return Severity.CRITICAL
    if type in _WARNING or (type == "rollout.waiting" and data.get("waitsFor") == "person"):
        return Severity.WARNING
    return Severity.INFO


def fold(tree: JSON, set_: Mapping[str, Any]) -> JSON:
    """One event's `set` applied to a state's JSON tree (sections as objects); answers a new tree."""
    out = dict(tree)
    for path, value in set_.items():
        section, _, key = path.partition(".")
        if not key:
            out[section] = value
            continue
        entries = dict(out.get(section) or {})
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
        out[section] = entries
    return out


def then(first: Change, second: Change) -> Change:
    """Two changes as one, the second made from the first's state."""
    events = first.events + shifted(second.events, len(first.events))
    return Change(state=second.state, events=events, effects=first.effects + second.effects)


def shifted(events: tuple[Draft, ...], by: int) -> tuple[Draft, ...]:
    """Events that stand behind `by` others in one commit: causes inside it keep pointing right."""
    if by == 0:
        return events
    return tuple(replace(draft, cause=draft.cause + by) if isinstance(draft.cause, int) else draft for draft in events)
