"""How often each effect was tried, and when it is tried again: after 5 s, 30 s, 2 m, 10 m, then every hour, until 24
hours after the decision.

Remembered here and kept in the metric store for the next process. That may be gone or broken: then only this process
remembers, and after a restart a notice is tried at once instead of at its time. Nothing is lost by that.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from deployguard.errors import DeployguardError
from deployguard.state import Effect

DELAYS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
GIVE_UP = timedelta(hours=24)
_CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a delivery was tried, and when it is due again."""

    count: int = 0
    last_at: datetime | None = None
    next_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Also where the clock was set back since: a time that is far ahead means nothing any more."""
        if self.next_at is None or self.last_at is None:
            return True
        return now >= self.next_at or self.last_at > now + _CLOCK_SLACK


def after_failure(
    effect_id: str, attempts: Attempts, created_at: datetime, now: datetime, asked: timedelta | None = None
) -> Attempts | None:
    """The attempts with one more failure at `now`; None when it is time to give up.

    `asked` is what the receiver asked to wait; a longer pause of ours stands. The last try is at the 24th hour.
    """
    end = created_at + GIVE_UP
    if now >= end:
        return None
    count = attempts.count + 1
    pause = max(delay(effect_id, count), asked or timedelta(0))
    return Attempts(count, now, min(now + pause, end))


def delay(effect_id: str, failures: int) -> timedelta:
    """The pause after so many failures, spread by up to a fifth either way.

    The spread comes from the effect's id, so that it is the same after a restart and another for each effect.
    """
    digest = hashlib.sha256(f"{effect_id}/{failures}".encode()).digest()
    spread = 0.8 + 0.4 * int.from_bytes(digest[:4]) / 2**32
    return DELAYS[min(failures, len(DELAYS)) - 1] * spread


class Deliveries(Protocol):
    """The deliveries table: `telemetry.metrics.MetricStore`."""

    def attempts(self, effect_id: str) -> tuple[int, datetime | None, datetime | None]: ...

    def record_attempt(
        self, effect_id: str, *, target: str, at: datetime, error: str | None, next_at: datetime | None
    ) -> None: ...


class Memory:
    """The tries of every effect that waits."""

    def __init__(self, table: Deliveries | None) -> None:
        self._table = table
        self._known: dict[str, Attempts] = {}

    def of(self, effect_id: str) -> Attempts:
        if effect_id not in self._known:
            self._known[effect_id] = Attempts()
            if self._table is not None:
                with suppress(DeployguardError):
                    self._known[effect_id] = Attempts(*self._table.attempts(effect_id))
        return self._known[effect_id]

    def record(self, effect: Effect, after: Attempts, at: datetime, error: str | None) -> None:
        """Remember a try. `error` is None where it came through."""
        self._known[effect.id] = after
        if self._table is not None:
            with suppress(DeployguardError):
                self._table.record_attempt(effect.id, target=target(effect), at=at, error=error, next_at=after.next_at)

    def keep_only(self, effect_ids: set[str]) -> None:
        """Forget what waits no longer."""
        for gone in self._known.keys() - effect_ids:
            del self._known[gone]


def target(effect: Effect) -> str:
    """Whom the effect is for, by name: the channel, or the trigger whose command it is."""
    return effect.channel or effect.trigger or "command"
