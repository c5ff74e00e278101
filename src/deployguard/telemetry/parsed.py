"""What one line of a log says, and how its words are read; shared by the formats.

A line that is no request raises NotALineError. Its reason never quotes the line: addresses and ids stand in it.
"""

import math
from collections.abc import Mapping

from deployguard.config.units import UNITS_MS, parse_duration
from deployguard.telemetry.logformat import FormatError

ROLES = ("time", "path", "status", "duration", "user", "country", "region")
MOST_MS = 3_600_000.0  # an hour
MOST_STATUS = 999

_NO_NUMBERS = (*ROLES, "method")

Number = tuple[str, float]
Parsed = tuple[float, str | None, int | None, float | None, str | None, str | None, str | None, tuple[Number, ...]]
"""Time in seconds since 1970, path or address, status, duration in milliseconds, user, country, region, numbers."""

Field = tuple[str, str]
"""A name (dotted, or a variable's) and a unit, which may be empty."""


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
