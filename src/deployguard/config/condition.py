"""One condition as a frozen value: `METRIC OP VALUE`. `grammar` reads and writes them."""

from dataclasses import dataclass
from enum import StrEnum


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
