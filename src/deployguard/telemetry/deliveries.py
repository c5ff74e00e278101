"""Tries to deliver effects, kept beside the samples: what is tried again when, and what went out."""

from sqlite3 import Connection

from deployguard.telemetry.instants import from_us, to_us
from deployguard.telemetry.samples import Attempt

_FIELDS = "effect, target, at, error, next_at"


def attempts(connection: Connection, effect_id: str) -> tuple[Attempt, ...]:
    """The tries of one effect, oldest first."""
    rows = connection.execute(f"SELECT {_FIELDS} FROM deliveries WHERE effect = ? ORDER BY id", (effect_id,))  # noqa: S608
    return tuple(_attempt(row) for row in rows)


def newest_attempts(connection: Connection, most: int) -> tuple[Attempt, ...]:
    """The last tries of all effects, newest first."""
    rows = connection.execute(f"SELECT {_FIELDS} FROM deliveries ORDER BY id DESC LIMIT ?", (most,))  # noqa: S608
    return tuple(_attempt(row) for row in rows)


def write_attempt(connection: Connection, attempt: Attempt) -> None:
    connection.execute(
        f"INSERT INTO deliveries ({_FIELDS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608  # a constant
        (
            attempt.effect_id,
            attempt.target,
            to_us(attempt.at),
            attempt.error,
            None if attempt.next_at is None else to_us(attempt.next_at),
        ),
    )


def _attempt(row: tuple[str, str, int, str | None, int | None]) -> Attempt:
    effect, target, at, error, next_at = row
    return Attempt(effect_id=effect, target=target, at=from_us(at), error=error, next_at=from_us(next_at))
