"""An event read without trust: every field as the words that a sentence needs, harmless and bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from deployguard.config.units import parse_duration
from deployguard.guard.values import Verdict
from deployguard.plain import clean
from deployguard.state import Event, Via
from deployguard.story.numbers import duration_words, moment, share_words
from deployguard.story.verdicts import evidence_words, verdict_of

UNKNOWN = "?"
"""What a sentence shows where an event lacks a name or a number."""

_MOST = 1e15
_LONGEST_MS = 100 * 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Explanation:
    """An event in words, without a last full stop.

    `sentence` is whole and ends with the way back where there is one; `short` is for a list of events; `undo` is the
    command alone.
    """

    sentence: str
    short: str
    undo: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`data` is the event's, or an object inside it."""

    event: Event
    zone: tzinfo | None
    data: Mapping[str, Any]

    def maybe(self, key: str, most: int = 200) -> str | None:
        """A text or number as harmless text; None where it is absent, empty or of another kind."""
        value = self.data.get(key)
        if isinstance(value, str) or self.number(key) is not None:
            return clean(value, most) or None
        return None

    def text(self, key: str) -> str:
        return self.maybe(key) or UNKNOWN

    def number(self, key: str) -> float | None:
        value = self.data.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Nothing that we count or measure is larger; what is, and what is not a number, is no figure.
        return value if abs(value) < _MOST else None

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        return None if value is None else round(value)

    def hundredths(self, key: str) -> int | None:
        """A share of users, given in percent."""
        value = self.number(key)
        return None if value is None or not 0 <= value <= 100 else round(value * 100)

    def truth(self, key: str) -> bool:
        return self.data.get(key) is True

    def names(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key)
        if not isinstance(value, list | tuple):
            return ()
        return tuple(clean(item) for item in value if isinstance(item, str) and clean(item))

    def inside(self, key: str) -> "Facts":
        value = self.data.get(key)
        return Facts(self.event, self.zone, value if isinstance(value, Mapping) else {})

    def each(self, key: str) -> "tuple[Facts, ...]":
        value = self.data.get(key)
        items = value if isinstance(value, list | tuple) else ()
        return tuple(Facts(self.event, self.zone, item) for item in items if isinstance(item, Mapping))

    def percent(self, key: str) -> str:
        """A share of users: `30%`."""
        value = self.number(key)
        return UNKNOWN if value is None else share_words(value)

    def length(self, key: str) -> str | None:
        """A duration in milliseconds, or as the config spells one, in words."""
        value = self.data.get(key)
        if isinstance(value, str):
            found = parse_duration(value)
            return None if found is None else duration_words(found)
        number = self.number(key)
        if number is None or abs(number) > _LONGEST_MS:
            return None
        return duration_words(timedelta(milliseconds=number))

    def moment(self, key: str) -> str | None:
        """A time as the reader has it: of the day, or a UTC stamp."""
        value = self.data.get(key)
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None
        if at is None or not 1970 < at.year < 9999:
            return None
        return moment(at if at.tzinfo else at.replace(tzinfo=UTC), self.event.time, self.zone)

    def verdict(self, key: str = "verdict") -> Verdict | None:
        return verdict_of(self.data.get(key))

    def verdicts(self) -> tuple[Verdict, ...]:
        found = self.data.get("verdicts")
        return tuple(
            one for one in map(verdict_of, found if isinstance(found, list | tuple) else ()) if one is not None
        )

    def evidence(self) -> str | None:
        """The rule with its value, its samples and the contrast; None where no verdict led here."""
        verdict = self.verdict()
        return None if verdict is None else evidence_words(verdict, self.verdict("others"))

    @property
    def env(self) -> str:
        return clean(self.event.environment)

    @property
    def who(self) -> str:
        """The name as it was claimed, else the real one."""
        return clean(self.event.actor.shown) or UNKNOWN

    @property
    def by_people(self) -> bool:
        return self.event.actor.via is not Via.CONTROLLER

    @property
    def by(self) -> str:
        """` by maria ("checkout is down")`; empty for what the controller did by itself."""
        return f" by {self.who}{self.because}" if self.by_people else ""

    @property
    def because(self) -> str:
        """` ("checkout is down")`: what a person said."""
        reason = clean(self.event.reason) if self.event.reason and self.by_people else ""
        return f' ("{reason}")' if reason else ""

    @property
    def undo(self) -> str | None:
        """The command that restores what this event's rollback changed."""
        rollback = self.maybe("rollbackId")
        return None if rollback is None else f"deployguard rollback undo {rollback} --env {self.env}"


def told(sentence: str, short: str | None = None, undo: str | None = None) -> Explanation:
    """An explanation from its parts: the way back stands last in the sentence."""
    return Explanation(sentence if undo is None else f"{sentence}. Undo: {undo}", short or sentence, undo)


def clause(*parts: str | None) -> str:
    """Parts of a sentence, those that there are, with semicolons between."""
    return "; ".join(part for part in parts if part)
