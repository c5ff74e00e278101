"""Instants as the metric store holds them: whole microseconds since 1970, which give the same datetime back."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


@overload
def from_us(us: int) -> datetime: ...
@overload
def from_us(us: None) -> None: ...
def from_us(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def from_s(seconds: float) -> datetime:
    """Seconds since 1970 as a datetime, to the microsecond."""
    return _EPOCH + timedelta(seconds=seconds)
