"""Times as logs spell them, as seconds since 1970."""

import calendar
import math
from datetime import UTC, datetime

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_MOST_S = 4_102_444_800.0  # the year 2100: anything above is not in seconds


def from_local(text: str) -> float:
    """`24/Nov/2026:14:31:50 +0100`, nginx's and Apache's. Raises ValueError."""
    day, month, rest = text.split("/", 2)
    year, hour, minute, second = rest[:-6].split(":")
    offset = rest[-6:]
    if month not in _MONTHS or offset[0] != " " or offset[1] not in "+-" or not offset[2:].isdigit():
        raise ValueError(text)
    at = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    shift = int(offset[2:4]) * 3600 + int(offset[4:]) * 60
    return at.timestamp() - (shift if offset[1] == "+" else -shift)


def from_iso(text: str) -> float:
    """ISO 8601; a time without a zone is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def from_epoch(value: float, scale: float | None = None) -> float:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size unless `scale` (how many
    of them are a second) says it. Raises ValueError."""
    if not math.isfinite(value) or value < 0:
        raise ValueError(value)
    if scale is not None:
        return value / scale
    while value > _MOST_S:
        value /= 1000
    return value


def read_time(value: object, scale: float | None = None) -> float:
    """A time in any of these spellings. Raises ValueError."""
    if isinstance(value, bool) or value is None:
        raise ValueError(value)
    if isinstance(value, int | float):
        return from_epoch(float(value), scale)
    if not isinstance(value, str) or len(value) > 64:
        raise ValueError("time")
    text = value.strip()
    if text.replace(".", "", 1).isdigit() and text.isascii() and len(text) != 8:
        return from_epoch(float(text), scale)
    if "/" in text:
        return from_local(text)
    return from_iso(text)
