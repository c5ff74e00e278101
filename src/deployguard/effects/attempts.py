"""How often each effect was tried: remembered here, and kept in the metric store for the next process.

The metric store may be gone or broken: then only this process remembers, and after a restart a notice is tried at once
instead of at its time. Nothing is lost by that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from deployguard.effects.backoff import Attempts
from deployguard.errors import DeployguardError
from deployguard.state import Effect


def _broken() -> tuple[type[Exception], ...]:
    import sqlite3

    return (sqlite3.Error, OSError, DeployguardError)


class Tried(Protocol):
    """One recorded try."""

    @property
    def at(self) -> datetime: ...
    @property
    def error(self) -> str | None: ...
    @property
    def next_at(self) -> datetime | None: ...


class Deliveries(Protocol):
    """The deliveries table: `telemetry.metrics.MetricStore`."""

    def attempts(self, effect_id: str) -> Sequence[Tried]:
        """The tries of one effect, oldest first."""
        ...

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
            self._known[effect_id] = self._read(effect_id)
        return self._known[effect_id]

    def record(self, effect: Effect, after: Attempts, error: str | None) -> None:
        """Remember a try. `error` is None where it came through."""
        self._known[effect.id] = after
        if self._table is None or after.last_at is None:
            return
        try:
            self._table.record_attempt(
                effect.id, target=target(effect), at=after.last_at, error=error, next_at=after.next_at
            )
        except _broken():
            return

    def keep_only(self, effect_ids: set[str]) -> None:
        """Forget what waits no longer."""
        for gone in self._known.keys() - effect_ids:
            del self._known[gone]

    def _read(self, effect_id: str) -> Attempts:
        if self._table is None:
            return Attempts()
        try:
            tried = self._table.attempts(effect_id)
        except _broken():
            return Attempts()
        return Attempts(len(tried), tried[-1].at, tried[-1].next_at) if tried else Attempts()


def target(effect: Effect) -> str:
    """Whom the effect is for, by name: the channel, or the trigger whose command it is."""
    return effect.channel or effect.trigger or "command"
