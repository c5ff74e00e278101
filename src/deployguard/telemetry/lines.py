"""What one line of a log says, and how its words are read; lines of JSON objects.

The config's `fields` name what stands where: dotted names, with a unit where one is needed. A line that is no request
raises NotALineError. Its reason never quotes the line: addresses and ids stand in it.
"""

import calendar
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from deployguard.config.units import UNITS_MS, parse_duration
from deployguard.telemetry.cache import Remembered

ROLES = ("time", "path", "status", "duration", "user", "country", "region")
MOST_MS = 3_600_000.0  # an hour
MOST_STATUS = 999

_NO_NUMBERS = (*ROLES, "method")
LONGEST = 65_536  # bytes of a line; longer ones are not looked at

Number = tuple[str, float]
Parsed = tuple[float, str | None, int | None, float | None, str | None, str | None, str | None, tuple[Number, ...]]
"""Time in seconds since 1970, path or address, status, duration in milliseconds, user, country, region, numbers."""

Field = tuple[str, str]
"""A name (dotted, or a variable's) and a unit, which may be empty."""

Parse = Callable[[bytes], Parsed]
"""One line as one request with its numbers. Raises NotALineError."""


class FormatError(Exception):
    """A format or its fields that no request can be read from; says why."""


class NotALineError(Exception):
    """Why a line is no request, in a few words that do not quote it."""


def field(role: str, text: str) -> Field:
    name, _, unit = text.strip().partition(" ")
    unit = unit.strip()
    if not name or (unit and unit not in UNITS_MS and unit != "%"):
        raise FormatError(f'fields.{role} is "{text}"; wanted a name and a unit, such as "took_ms ms"')
    return name.removeprefix("$"), unit


def numbers_in(fields: Mapping[str, Field]) -> dict[str, Field]:
    """The fields that are metrics of the source's own."""
    return {role: spelt for role, spelt in fields.items() if role not in _NO_NUMBERS}


def factor(spelt: Field) -> float:
    return float(UNITS_MS.get(spelt[1], 1))


def finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def status_of(value: object) -> int | None:
    """A status as a number, as text, or none. Raises NotALineError for anything else."""
    if value is None or value in ("", "-"):
        return None
    found = finite(value)
    if found is None or not found.is_integer() or not 0 <= found <= MOST_STATUS:
        raise NotALineError("a status that is none")
    return int(found)


def measured(duration_ms: float) -> float | None:
    """None for what no request lasts: over an hour is a socket kept open or a broken line, and would drown an average.

    The request itself still counts.
    """
    return duration_ms if 0 <= duration_ms <= MOST_MS else None


def milliseconds(value: object, scale: float) -> float | None:
    """A duration in milliseconds; text with a unit of its own (`12ms`) counts as it says. Raises NotALineError."""
    if type(value) is float and 0 <= value < math.inf:
        return measured(value * scale)
    if value is None or value in ("", "-"):
        return None
    found = finite(value)
    if found is not None:
        return measured(found * scale)
    spelt = parse_duration(value) if isinstance(value, str) else None
    if spelt is None:
        raise NotALineError("a duration that is none")
    return measured(spelt.total_seconds() * 1000)


_DECODER = json.JSONDecoder()


def json_parser(fields: Mapping[str, Field]) -> Callable[[bytes], Parsed]:
    if "duration" in fields and not fields["duration"][1]:
        name = fields["duration"][0]
        raise FormatError(f'fields.duration "{name}" has no unit: "{name} ms" or "{name} s"')
    places = {role: fields.get(role, (role, "")) for role in ROLES} | {
        "duration": fields.get("duration", ("durationMs", "ms"))
    }
    scale = 1000 / factor(places["time"]) if places["time"][1] else None
    unit_ms = factor(places["duration"])
    own = numbers_in(fields)
    units = tuple((role, factor(spelt)) for role, spelt in own.items())
    names = [name for name, _ in (*(places[role] for role in ROLES), *own.values())]
    nested = any("." in name for name in names)
    times: Remembered[str, float] = Remembered(lambda text: time_of(text, scale))
    paths = Remembered(_path)

    def parse(line: bytes, /) -> Parsed:
        tree = tree_of(line)
        values = [_at(tree, name) for name in names] if nested else map(tree.get, names)
        time, path, status, duration, user, country, region, *numbers = values
        return (
            times[time] if type(time) is str else time_of(time, scale),
            paths[path] if type(path) is str else None,
            status if type(status) is int and 0 <= status <= MOST_STATUS else status_of(status),
            milliseconds(duration, unit_ms),
            word_of(user),
            word_of(country),
            word_of(region),
            numbers_of(units, numbers) if numbers else (),
        )

    return parse


def tree_of(line: bytes) -> dict[str, object]:
    try:
        text = line.decode().strip()
        tree, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise NotALineError("a line that is no JSON") from None
    if end != len(text):
        raise NotALineError("a line that is no JSON")
    if not isinstance(tree, dict):
        raise NotALineError("a line that is no JSON object")
    return tree


def _at(tree: dict[str, object], name: str) -> object:
    """A dotted name: the key as it is written, else a path into objects."""
    if name in tree:
        return tree[name]
    found: object = tree
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def numbers_of(units: Iterable[tuple[str, float]], values: Iterable[object]) -> tuple[Number, ...]:
    found = ((role, finite(value), unit) for (role, unit), value in zip(units, values, strict=True))
    return tuple((role, value * unit) for role, value, unit in found if value is not None)


def time_of(value: object, scale: float | None) -> float:
    try:
        return read_time(value, scale)
    except (ValueError, IndexError, OverflowError):
        raise NotALineError("a time that is none" if value is not None else "no time") from None


def word_of(value: object) -> str | None:
    if type(value) is int:
        value = str(value)
    return value if isinstance(value, str) and value not in ("", "-") else None


def _path(value: str) -> str:
    return value.partition("?")[0]


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
    """A time in any of these spellings, or in ISO 8601, where one without a zone is UTC. Raises ValueError."""
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
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
