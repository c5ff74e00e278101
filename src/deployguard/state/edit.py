"""From one state to the next: an `Edit` is what changes, a `Recorder` tells it as events.

Theory of operation. There is one way to write a change: an edit over a state. Its `set` is what the event carries, its
`state` what comes next; `fold` (in `events`) applies a `set` to JSON again, when a state is rebuilt from the log. What
a commit costs goes by what it changes, not by how many flags there are: an edit holds the entries that are set, and
they become a state once. Two whole states are compared (`changes`) only by the store, which so finds what no
event told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from deployguard.codec import JSON, to_json
from deployguard.state.events import Change, Draft, shifted
from deployguard.state.values import (
    KEPT_RECORDS,
    SECTIONS,
    Actor,
    ConfigInForce,
    FlagState,
    Release,
    Rollback,
    Rollout,
    State,
)


class Edit:
    """Entries set over `below`, which is read where none is. None removes an entry."""

    __slots__ = ("below", "config", "entries")

    def __init__(self, below: State) -> None:
        self.below = below
        self.config = below.config
        self.entries: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}

    def flag(self, key: str) -> FlagState:
        """The flag's state; one that nobody touched, or that is removed, is off under its own key."""
        flags = self.entries["flags"]
        return (flags[key] or FlagState(seed=key)) if key in flags else self.below.flag(key)

    def rollout(self, lead: str | None) -> Rollout | None:
        rollouts = self.entries["rollouts"]
        found: Rollout | None = rollouts[lead] if lead in rollouts else self.below.rollouts.get(lead or "")
        return found

    def put(self, section: str, entries: Mapping[str, object]) -> "Edit":
        """Set entries of a section. What stands below already is no change."""
        below: Mapping[str, object] = getattr(self.below, section)
        held = self.entries[section]
        for key, value in entries.items():
            if below.get(key) == value:
                held.pop(key, None)
            else:
                held[key] = value
        return self

    def put_flags(self, flags: Mapping[str, FlagState]) -> "Edit":
        return self.put("flags", flags)

    def put_rollout(self, rollout: Rollout) -> "Edit":
        return self.put("rollouts", {rollout.lead: rollout})

    def drop_rollout(self, lead: str) -> "Edit":
        return self.put("rollouts", {lead: None})

    def put_record(self, record: Rollback | Release) -> "Edit":
        """A rollback's or a release's record, added or replaced; beyond those that are kept the oldest leaves."""
        section = "rollbacks" if isinstance(record, Rollback) else "releases"
        held = {**getattr(self.below, section), **self.entries[section], record.id: record}
        kept = [key for key, value in held.items() if value is not None]
        return self.put(section, {record.id: record, **dict.fromkeys(kept[:-KEPT_RECORDS])})

    def put_config(self, config: ConfigInForce | None) -> "Edit":
        self.config = config
        return self

    def add(self, other: "Edit") -> "Edit":
        """Set what `other` sets, too."""
        if other.config is not other.below.config:
            self.config = other.config
        for section, entries in other.entries.items():
            self.put(section, entries)
        return self

    @property
    def flags(self) -> Iterator[tuple[str, FlagState, FlagState]]:
        """Each flag that changes: its key, as it was, as it is."""
        return ((key, self.below.flag(key), self.flag(key)) for key in self.entries["flags"])

    @property
    def empty(self) -> bool:
        return self.config == self.below.config and not any(self.entries.values())

    @property
    def state(self) -> State:
        """The whole state with the entries set."""
        changed: dict[str, Any] = {} if self.config == self.below.config else {"config": self.config}
        for section, entries in self.entries.items():
            if entries:
                whole = {**getattr(self.below, section), **entries}
                for key in [key for key, value in entries.items() if value is None]:
                    del whole[key]
                changed[section] = whole
        return replace(self.below, **changed) if changed else self.below

    @property
    def set(self) -> JSON:
        """What an event that tells this edit carries."""
        config = {} if self.config == self.below.config else {"config": to_json(self.config)}
        return config | {
            f"{section}.{key}": None if value is None else to_json(value)
            for section, entries in self.entries.items()
            for key, value in entries.items()
        }


def changes(before: State, after: State) -> JSON:
    """The entries in which two states differ, as an event's `set`."""
    edit = Edit(before).put_config(after.config)
    for section in SECTIONS:
        old, new = getattr(before, section), getattr(after, section)
        if old is not new:
            edit.put(section, dict.fromkeys(old.keys() - new.keys()))
            edit.put(section, {key: value for key, value in new.items() if value is not old.get(key)})
    return edit.set


class Recorder:
    """Collects events while a pure function walks from one state to the next; no change can be without its event."""

    def __init__(self, state: State, actor: Actor, reason: str | None = None) -> None:
        self.events: list[Draft] = []
        self._walked = Edit(state)  # since a whole state was asked for last
        self._actor = actor
        self._reason = reason

    @property
    def state(self) -> State:
        """The state as the last event left it."""
        if not self._walked.empty:
            self._walked = Edit(self._walked.state)
        return self._walked.below

    def record(
        self,
        type: str,  # noqa: A002  # the event's word
        data: JSON,
        after: Edit | None = None,
        *,
        cause: str | int | None = None,
    ) -> int:
        """Add one event that leads to `after` (None: nothing changed but the event is told). Answers its index.

        An edit is made from the state before, or from an earlier one of which it touches nothing that changed since.
        """
        set_: JSON = {}
        if after is not None:
            set_ = after.set
            self._walked.add(after)
        self.events.append(Draft(type=type, actor=self._actor, data=data, set=set_, reason=self._reason, cause=cause))
        return len(self.events) - 1

    def take(self, change: Change, cause: int | None = None) -> None:
        """Take over a change made from this recorder's state; what no event of its own led to has `cause`."""
        for draft in shifted(change.events, len(self.events)):
            self.events.append(replace(draft, cause=cause) if draft.cause is None else draft)
        self._walked = Edit(change.state)

    def change(self) -> Change:
        return Change(state=self.state, events=tuple(self.events))


def told(
    state: State,
    actor: Actor,
    type: str,  # noqa: A002  # the event's word
    data: JSON,
    after: Edit | None = None,
    *,
    reason: str | None = None,
) -> Change:
    """A change of one event."""
    recorder = Recorder(state, actor, reason)
    recorder.record(type, data, after)
    return recorder.change()
