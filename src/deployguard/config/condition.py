"""One condition as a frozen value, `METRIC OP VALUE`, and what it says of a value that was found."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_PART = r"(0|[1-9]\d{0,39})"
_VERSION = re.compile(
    rf"[vV]?{_PART}(?:\.{_PART})?(?:\.{_PART}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?",
    re.ASCII,
)

_Key = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]


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


def version_key(text: str) -> _Key | None:
    """The sort key (semver.org 2.0) of `2.4.0-rc.1`; `v2.4` is 2.4.0, as flagd reads it. Build metadata is ignored.

    None where it is no version.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch = (int(match[part] or 0) for part in (1, 2, 3))
    if match[4] is None:
        return (major, minor, patch, 1, ())  # a release stands above its pre-releases
    labels = []
    for label in match[4].split("."):
        if not label.isdecimal():
            labels.append((1, 0, label))
        elif (label != "0" and label.startswith("0")) or len(label) > 40:
            return None
        else:
            labels.append((0, int(label), ""))
    return (major, minor, patch, 0, tuple(labels))


def version_of(actual: object) -> _Key | None:
    """The key of what a context carries: text, or a number such as 2 or 1.2 from a client that sends no text."""
    if isinstance(actual, str):
        return version_key(actual)
    if isinstance(actual, int | float) and not isinstance(actual, bool):
        return version_key(str(actual))
    return None
