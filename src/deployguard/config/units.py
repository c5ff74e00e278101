"""Durations and percentages: how they are written, and how they are held.

A duration is text with a unit, `90s`, `24h`; it is held as a `timedelta`. A percentage of users is written `5%` or
`12.34%` and held as whole hundredths (`1234`), because as floats 573 of 9,999 percentages go wrong.
"""

import re
from datetime import timedelta

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
FULL = 10_000  # 100 % in hundredths

_DURATION = re.compile(r"(\d{1,13}(?:\.\d{1,6})?)\s*(ms|s|m|h|d|w|y)", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?\s*%?", re.ASCII)


def parse_duration(text: str) -> timedelta | None:
    """`"24h"` as a timedelta of whole milliseconds; None where the text is no duration, or is longer than 100 years."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    milliseconds = round(float(match[1]) * UNITS_MS[match[2]])
    return timedelta(milliseconds=milliseconds) if milliseconds <= 100 * UNITS_MS["y"] else None


def format_duration(value: timedelta) -> str:
    """The shortest spelling that the config reads back as the same duration: `24h`, `90s`, `500ms`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    if milliseconds == 0:
        return "0s"
    # `d`, `w` and `y` only where a person would write them: holds are spelt in hours up to 72h.
    names = ("y", "d", "h", "m", "s", "ms") if milliseconds > 72 * UNITS_MS["h"] else ("h", "m", "s", "ms")
    for name in names:
        if milliseconds % UNITS_MS[name] == 0:
            return f"{milliseconds // UNITS_MS[name]}{name}"
    raise AssertionError(milliseconds)


def parse_percentage(text: str) -> int | None:
    """`"12.34%"`, `"25"` as hundredths 0 to 10,000; None where it is neither."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        return None
    hundredths = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    return hundredths if hundredths <= FULL else None


def percentage_number(hundredths: int) -> int | float:
    """Hundredths as the number that JSON carries: 3000 is 30, 750 is 7.5."""
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100


def format_percentage(hundredths: int) -> str:
    """`30%`, `7.5%`: as the config spells it."""
    return f"{percentage_number(hundredths)}%"


def spell_number(number: float) -> str:
    """A number as the config's grammar reads it back: no exponent, no needless zeros."""
    return str(int(number)) if number.is_integer() else f"{number:.9f}".rstrip("0")
