"""Figures as people read them (terminal/README.md, Numbers).

Durations are cut, never rounded up: what is "in 14h 11m" has not begun before. A value beside its limit gets as many
digits as it needs to stand on its own side of it. Names of days and months are ours, so that no locale changes them.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from deployguard.config.condition import Unit
from deployguard.config.metrics import PLAIN, VALUES
from deployguard.config.units import format_percentage

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MS = timedelta(milliseconds=1)
_MOST_DIGITS = 9
_HUGE = 1e15
NONE = "none"
"""No data."""


# durations


def duration_words(length: timedelta) -> str:
    """The two largest units: `412ms`, `22.8s`, `2m 10s`, `14h 11m`, hours up to 72h, then `6d 23h`; at least `0s`."""
    milliseconds = max(0, length // _MS)
    if milliseconds < 1_000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    if milliseconds < 60_000:
        tenths = milliseconds // 100
        return f"{tenths // 10}s" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}s"
    seconds = milliseconds // 1_000
    if seconds < 3_600:
        return _two(seconds // 60, "m", seconds % 60, "s")
    if seconds <= 72 * 3_600:
        return _two(seconds // 3_600, "h", seconds % 3_600 // 60, "m")
    hours = seconds // 3_600
    return f"{hours // 24}d {hours % 24}h" if hours % 24 else f"{hours // 24}d"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit} {small:02}{small_unit}" if small else f"{large}{unit}"


def age_words(length: timedelta) -> str:
    """How long ago: as `duration_words`, in whole seconds (`2s`)."""
    return duration_words(timedelta(seconds=max(0, length // timedelta(seconds=1))))


def left_words(length: timedelta) -> str:
    """How long a guard still lasts: whole hours where it is more than one, `17h`, as minutes do not matter."""
    hour = timedelta(hours=1)
    return duration_words(length // hour * hour if length > hour else length)


def hold_words(hold: timedelta) -> str:
    """A hold or a sum of holds as the config writes it: `168h`, `90m`, `45s`; hours however many."""
    seconds = hold / timedelta(seconds=1)
    if seconds >= 3_600 and seconds % 3_600 == 0:
        return f"{seconds / 3_600:.0f}h"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:.0f}m"
    if seconds >= 1 and seconds % 1 == 0:
        return f"{seconds:.0f}s"
    return duration_words(hold)


# times


def time_of_day(at: datetime, now: datetime, zone: tzinfo, *, date: bool = False, exact: bool = False) -> str:
    """`14:31:50` where it is today in `zone`, else `Wed 25 Nov 04:44`, with the year where that is another.

    `date`: the long form also today; `exact`: with its seconds.
    """
    there, here = at.astimezone(zone), now.astimezone(zone)
    if there.date() == here.date() and not date:
        return f"{there:%H:%M:%S}"
    year = "" if there.year == here.year else f" {there.year}"
    return f"{day_words(there)}{year} {there:{'%H:%M:%S' if exact else '%H:%M'}}"


def in_seconds(length: timedelta | None) -> bool:
    """Whether a hold, or a sum of holds, is counted in seconds, so that dates to the minute would hide its steps."""
    return length is not None and length % timedelta(minutes=1) != timedelta(0)


def day_words(at: datetime) -> str:
    """`Wed 25 Nov`, of a time that is in the reader's zone already."""
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]}"


def utc_stamp(at: datetime) -> str:
    """For logs, CI, JSON and markdown: `2026-11-24T13:31:50Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(at: datetime, now: datetime, zone: tzinfo | None) -> str:
    """A time of day in the reader's zone, or a UTC stamp where no reader is known."""
    return utc_stamp(at) if zone is None else time_of_day(at, now, zone)


def about(at: datetime, now: datetime, zone: tzinfo | None) -> str:
    """An estimate's time, to the minute: `03:21`, dated where it is not today; in UTC with a Z."""
    there = at.astimezone(zone or UTC)
    mark = "Z" if zone is None else ""
    if there.date() == now.astimezone(zone or UTC).date():
        return f"{there:%H:%M}{mark}"
    return f"{time_of_day(at, now, zone or UTC, date=True)}{mark}"


def zone_words(at: datetime, zone: tzinfo) -> str:
    """`UTC+1`, `UTC-3:30`, `UTC`: the zone's offset at that time."""
    offset = at.astimezone(zone).utcoffset() or timedelta(0)
    minutes = offset // timedelta(minutes=1)
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02}' if rest else ''}"


# counts and shares


def count_words(count: int) -> str:
    """Thousands apart: `1,204`."""
    return f"{count:,}"


def out_of_words(count: int, needed: int) -> str:
    """`41 of 50` while some are missing, for a trigger that fails before it has them all too; then the count alone."""
    return f"{count_words(count)} of {count_words(needed)}" if 0 < count < needed else count_words(count)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 trigger`, `1,204 requests`."""
    return f"{count_words(count)} {one if count == 1 else many or f'{one}s'}"


def bytes_words(size: int) -> str:
    """`2.1 MB`, `41 GB`: decimal units, one decimal below ten."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1_000
        units.pop(0)
    whole = units[0] == "B" or value >= 9.95
    return f"{value:.0f} {units[0]}" if whole else f"{value:.1f} {units[0]}"


def share_words(percentage: float) -> str:
    """A share of users as the config spells it, from a number 0 to 100: `30%`, `7.5%`, two decimals at most."""
    return format_percentage(round(percentage * 100)) if math.isfinite(percentage) else NONE


def column_of_percentages(shares: Iterable[int]) -> list[str]:
    """Shares of users, in hundredths, for one column: all with as many decimals as one of them needs."""
    hundredths = list(shares)
    digits = max((0 if one % 100 == 0 else 1 if one % 10 == 0 else 2 for one in hundredths), default=0)
    return [f"{one / 100:.{digits}f}%" for one in hundredths]


# measured values beside their limits


def percent(value: float, limit: float | None = None) -> str:
    """A rate in percent, one decimal: `14.2%`; `0%` is none at all. More digits where `limit` asks for them."""
    if value == 0:
        return "0%"
    return f"{_digits(value, 1, limit)}%"


def milliseconds_words(value: float, limit: float | None = None) -> str:
    """A response time or vital: `431ms`, `2.41s`. More digits where `limit` (in milliseconds) asks for them."""
    if value == 0:
        return "0ms"
    if round(abs(value)) < 1_000:
        return f"{_digits(value, 0, limit)}ms"
    return f"{_digits(value / 1_000, 2, None if limit is None else limit / 1_000)}s"


def latency_words(value: float | None) -> str:
    """A response time in milliseconds, without a limit beside it; `none` where nothing was measured."""
    return value_with_unit(value, Unit.MILLISECONDS)


def number_words(value: float, limit: float | None = None) -> str:
    """A number without a unit: whole ones with their thousands apart, else two decimals (`0.08`)."""
    if value == 0:
        return "0"
    return _digits(value, 0 if float(value).is_integer() else 2, limit)


def value_with_unit(value: float | None, unit: Unit, limit: float | None = None) -> str:
    """A measured value as its rule spells it; `none` where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if unit is Unit.PERCENT:
        return percent(value, limit)
    if unit is Unit.MILLISECONDS:
        return milliseconds_words(value, limit)
    return number_words(value, limit)


def metric_value(name: str, value: float | None, limit: float | None = None) -> str:
    """The same, its unit told by the metric's name: `2.36s` of `lcp`, `0.08` of `cls`."""
    return value_with_unit(value, PLAIN.get(name) or VALUES.get(name) or Unit.NONE, limit)


def _digits(value: float, least: int, limit: float | None) -> str:
    """With `least` decimals, or as many as keep the value from zero and on its side of `limit`."""
    if abs(value) >= _HUGE:
        return f"{value:.3g}"
    for digits in range(least, _MOST_DIGITS + 1):
        rounded = round(value, digits)
        if rounded != 0 and (limit is None or _side(rounded, limit) == _side(value, limit)):
            return f"{value:,.{digits}f}"
    return repr(value)


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
