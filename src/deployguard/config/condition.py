"""One condition as a frozen value, `METRIC OP VALUE`, and what it says of a value that was found."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from deployguard.config.semver import version_of


class Op(StrEnum):
    EQ = "=="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"


class Unit(StrEnum):
    """What a number in a condition is measured in. Times are held in milliseconds, percentages as 0 to 100."""

    NONE = ""
    PERCENT = "%"
    MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class SemVer:
    """A semantic version; ordered by the rules of semver.org 2.0, build metadata ignored."""

    text: str
    key: tuple[object, ...]


Value = float | str | bool | tuple[str | float, ...] | SemVer


@dataclass(frozen=True, slots=True)
class Condition:
    """`fn(name, 'argument') op value`. `text` is the condition as written; a verdict shows it with its value."""

    name: str
    op: Op
    value: Value
    function: str | None = None
    argument: str | None = None
    unit: Unit = Unit.NONE
    text: str = ""


_COMPARE: Final[dict[Op, Callable[[Any, Any], bool]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
}
_COMPARE_TEXT: Final[dict[Op, Callable[[str, str], bool]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.CONTAINS: operator.contains,
    Op.STARTS_WITH: str.startswith,
    Op.ENDS_WITH: str.endswith,
}


def matches(condition: Condition, actual: object) -> bool:
    """Whether `actual` (milliseconds and 0 to 100 where the condition has a unit) is what the condition says.

    A value of another type never matches, not even `!=`: nothing is known about it.
    """
    value, op = condition.value, condition.op
    if isinstance(value, SemVer):
        key = version_of(actual)
        return key is not None and op in _COMPARE and _COMPARE[op](key, value.key)
    if isinstance(value, tuple):
        plain = isinstance(actual, str | int | float) and not isinstance(actual, bool)
        return plain and actual in value
    if op is Op.CONTAINS and not isinstance(actual, str):
        return isinstance(actual, list | tuple | set | frozenset) and any(
            item == value and not isinstance(item, bool) for item in actual
        )
    if isinstance(value, bool):
        return isinstance(actual, bool) and (actual == value) is (op is Op.EQ)
    if isinstance(value, str):
        return isinstance(actual, str) and op in _COMPARE_TEXT and _COMPARE_TEXT[op](actual, value)
    if isinstance(actual, bool) or not isinstance(actual, int | float) or actual != actual:  # NaN
        return False
    return op in _COMPARE and _COMPARE[op](actual, value)
