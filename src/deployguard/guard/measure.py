"""A rule against samples: on exact counts, strictly, and what the missing samples could still change.

`10.0 %` does not fail `> 10%`: shares are compared as fractions of whole counts. A percentile is compared by how many
values lie beyond the limit. Bins are at most 2 % wide and stand for their middle, so a percentile is right to 1 %,
and exactly right where the limit is a bin's edge.

With fewer samples than a trigger needs, a share or percentile that fails even if every missing sample were good is
failed already; nothing passes.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from deployguard.config.condition import Condition, Op
from deployguard.guard.histogram import middle_of
from deployguard.guard.values import Reading

_COMPARE: Mapping[Op, Callable[[Fraction, Fraction], bool]] = {
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
}
_UP = (Op.GT, Op.GE)
_DOWN = (Op.LT, Op.LE)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the samples say. `met`: the rule holds for those there; `certain`: it does whatever the missing ones say."""

    value: float | None
    samples: int
    met: bool = False
    certain: bool = False
    bad: int | None = None


def limit_of(condition: Condition) -> Fraction:
    """The limit as it is written: 0.1 is a tenth, not the nearest float. Raises TypeError where it is no number."""
    if isinstance(condition.value, bool) or not isinstance(condition.value, int | float):
        raise TypeError(condition.text)
    return _decimal(condition.value)


def _decimal(value: float) -> Fraction:
    """A float as people write it, so that 123.4 is no more than 123.4."""
    return Fraction(repr(value))


def compare(condition: Condition, value: Fraction) -> bool:
    """Whether the rule holds for an exact value."""
    return _COMPARE[condition.op](value, limit_of(condition))


def measure(condition: Condition, reading: Reading, needed: int, window: timedelta) -> Measured:
    """The rule against a reading. `needed` is how many samples make a verdict."""
    if condition.name == "errorRate":
        return _share(condition, reading.bad, reading.count, needed, bad=reading.bad)
    if condition.name == "availability":
        return _share(condition, reading.count - reading.bad, reading.count, needed, bad=reading.bad)
    match condition.function:
        case "count":
            return _counted(condition, Fraction(reading.count), reading.count)
        case "rate":
            return _counted(condition, reading.count / Fraction(window / timedelta(seconds=1)), reading.count)
        case "max":
            return _largest(condition, reading)
        case "avg":
            return _average(condition, reading)
        case function:
            return _percentile(condition, int((function or "p50")[1:]), reading, needed)


def _share(condition: Condition, hits: int, count: int, needed: int, *, bad: int) -> Measured:
    """Percent of `count`. The samples that could save it are all of the kind that moves it away from the limit."""
    if count == 0:
        return Measured(None, 0, bad=0)
    value = Fraction(100 * hits, count)
    total = max(count, needed)
    saved = hits if condition.op in _UP else hits + total - count
    certain = condition.op in (*_UP, *_DOWN) and compare(condition, Fraction(100 * saved, total))
    return Measured(float(value), count, compare(condition, value), certain, bad)


def _percentile(condition: Condition, percent: int, reading: Reading, needed: int) -> Measured:
    """Nearest rank. Above: the value at the rank lies beyond the limit where fewer than `rank` values do not."""
    count = reading.histogram.count
    value = reading.histogram.percentile(percent / 100)
    if value is None:
        return Measured(None, 0)
    if condition.op not in (*_UP, *_DOWN):
        return Measured(value, count, compare(condition, Fraction(value)))
    # The largest value is known exactly: where it keeps the limit no bin's middle may say otherwise.
    within = condition.op in _UP and not compare(condition, _decimal(reading.largest))
    beyond = 0 if within else _beyond(condition, reading)
    value = min(value, reading.largest) if within else value

    def met(total: int) -> bool:
        rank = _rank(percent, total)
        return beyond > total - rank if condition.op in _UP else beyond >= rank

    return Measured(value, count, met(count), met(max(count, needed)))


def _rank(percent: int, total: int) -> int:
    return max(1, math.ceil(Fraction(percent * total, 100)))


def _beyond(condition: Condition, reading: Reading) -> int:
    return sum(n for index, n in reading.histogram.bins.items() if compare(condition, Fraction(middle_of(index))))


def _average(condition: Condition, reading: Reading) -> Measured:
    # Not every request has a duration: only those in the histogram are in the sum.
    count = reading.histogram.count
    if count == 0:
        return Measured(None, 0)
    return Measured(reading.total / count, count, compare(condition, Fraction(reading.total) / count))


def _largest(condition: Condition, reading: Reading) -> Measured:
    count = reading.histogram.count
    if count == 0:
        return Measured(None, 0)
    met = compare(condition, _decimal(reading.largest))
    return Measured(reading.largest, count, met, met and condition.op in _UP)


def _counted(condition: Condition, value: Fraction, count: int) -> Measured:
    met = compare(condition, value)
    return Measured(float(value), count, met, met and condition.op in _UP)
