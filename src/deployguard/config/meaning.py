"""Whether a metric, an operator and a value fit together in `when`, `expect` and `rules`, and the value's unit."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployguard.config.condition import Op, SemVer, Unit, Value
from deployguard.config.issues import WrongError, or_nearest
from deployguard.config.metrics import CHECK_METRICS, COUNTING, EXPECTED, FUNCTIONS, METRICS, PLAIN, VALUES, VITALS
from deployguard.config.units import UNITS_MS, spell_number
from deployguard.errors import Code

_ORDER = (Op.GT, Op.GE, Op.LT, Op.LE)
_COMPARISONS = (*_ORDER, Op.EQ, Op.NE)
_TEXT_WANTED = "a text in single quotes"


class Use(StrEnum):
    """Where a condition stands: what may be asked there differs."""

    WHEN = "when"
    EXPECT = "expect"
    RULE = "rule"


@dataclass(slots=True)
class Parts:
    """A condition's words, before they are judged, and where each stands in its text."""

    name: str = ""
    function: str | None = None
    argument: str | None = None
    op: Op = Op.EQ
    value: Value = 0.0
    unit: str = ""
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def wrong(self, code: Code, part: str, found: str, wanted: str) -> WrongError:
        """The error for a word that may not stand here."""
        start, end = self.spans[part]
        return WrongError(code, found, wanted, offset=start, width=max(1, end - start))

    def wrong_value(self, found: str, wanted: str) -> WrongError:
        return self.wrong(Code.WRONG_TYPE, "value", found, wanted)


def clip(text: str) -> str:
    """A text short enough for an error's line."""
    return text if len(text) <= 80 else text[:79] + "…"


def judge(parts: Parts, use: Use | None, numbers: Mapping[str, Unit], checks: Collection[str] | None) -> Unit:
    """Whether this metric, operator and value fit together here; answers the value's unit. Raises WrongError."""
    match use:
        case None:
            _judge_types(parts)
            expected = Unit.PERCENT if parts.unit == "%" else Unit.MILLISECONDS if parts.unit in UNITS_MS else None
        case Use.WHEN:
            expected = _judge_when(parts, numbers, checks)
        case Use.EXPECT:
            _refuse_argument(parts)
            expected = _unit_of_answer(parts)
            _judge_answer(parts)
            _judge_types(parts)
        case Use.RULE:
            _refuse_argument(parts)
            if parts.function is not None:
                raise parts.wrong(
                    Code.WRONG_TYPE, "function", f'"{clip(parts.function)}"', "an attribute without a function"
                )
            expected = None
            _judge_types(parts)
    return _judge_unit(parts, expected)


def _judge_when(parts: Parts, numbers: Mapping[str, Unit], checks: Collection[str] | None) -> Unit:
    unit = _unit_of_metric(parts, numbers)
    argument, wanted = parts.argument, "a comparison with a number: == != > >= < <="
    if argument is not None and parts.name in CHECK_METRICS:
        if checks is not None and argument not in checks:
            known = or_nearest("a health check of this file", argument, tuple(checks))
            found = f"'{clip(argument)}', which is no health check"
            raise parts.wrong(Code.UNKNOWN_KEY, "argument", found, known)
    elif argument is not None and not argument.startswith("/"):
        slash = "an endpoint, which begins with a slash: '/checkout'"
        raise parts.wrong(Code.WRONG_TYPE, "argument", f"'{clip(argument)}'", slash)
    if parts.op not in _COMPARISONS:
        raise parts.wrong(Code.WRONG_TYPE, "op", f'"{parts.op}"', wanted)
    if not isinstance(parts.value, float):
        raise parts.wrong_value("a value that is no number", wanted)
    return unit


def _unit_of_metric(parts: Parts, numbers: Mapping[str, Unit]) -> Unit:
    """The unit of a trigger's metric. Refuses unknown names and wrong or missing functions."""
    name, function = parts.name, parts.function
    if function is not None and function not in FUNCTIONS:
        wanted = or_nearest(f"one of {', '.join(FUNCTIONS)}", function, FUNCTIONS)
        raise parts.wrong(Code.UNKNOWN_METRIC, "function", f'"{clip(function)}", which is no function', wanted)
    if name in PLAIN:
        if function is not None:
            found = f'"{function}({name})"'
            raise parts.wrong(Code.WRONG_TYPE, "function", found, f'"{name}", which takes no function')
        return PLAIN[name]
    unit = VALUES.get(name, numbers.get(name))
    if unit is None:
        wanted = "a metric that a source has" if name in EXPECTED or name.startswith("json.") else "a metric"
        wanted = or_nearest(wanted, name, (*METRICS, *numbers))
        raise parts.wrong(Code.UNKNOWN_METRIC, "name", f'"{clip(name)}", which is no metric', wanted)
    if function is None:
        example = f'a function of it, such as "{"p75" if name in VITALS else "avg"}({name})"'
        raise parts.wrong(Code.WRONG_TYPE, "name", f'"{name}", which is many values', example)
    return Unit.NONE if function in COUNTING else unit


def _unit_of_answer(parts: Parts) -> Unit | None:
    """The unit of what a check expects; None where any value may stand (`json.status`)."""
    name = parts.name
    if parts.function is not None:
        found = f'"{clip(f"{parts.function}({name})")}"'
        raise parts.wrong(Code.WRONG_TYPE, "function", found, f'"{clip(name)}": an answer is one value')
    if name == "responseTime":
        return Unit.MILLISECONDS
    if name == "json" or name.startswith("json."):
        return None
    if name in EXPECTED:
        return Unit.NONE
    wanted = or_nearest('what an answer has: "status", "body", "json.NAME" or "responseTime"', name, EXPECTED)
    raise parts.wrong(Code.UNKNOWN_METRIC, "name", f'"{clip(name)}", which no answer has', wanted)


def _refuse_argument(parts: Parts) -> None:
    if parts.argument is not None:
        raise parts.wrong(Code.WRONG_TYPE, "argument", f"'{clip(parts.argument)}'", "no argument here")


def _judge_answer(parts: Parts) -> None:
    """`status` and `responseTime` are numbers, `body` is text."""
    items = parts.value if isinstance(parts.value, tuple) else (parts.value,)
    if parts.name == "body" and not all(isinstance(item, str) for item in items):
        raise parts.wrong_value("a value that is no text", _TEXT_WANTED)
    if parts.name in ("status", "responseTime"):
        if not all(isinstance(item, float) for item in items):
            raise parts.wrong_value("a value that is no number", "a number")
        if parts.op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
            raise parts.wrong(Code.WRONG_TYPE, "op", f'"{parts.op}"', "a comparison: == != > >= < <= or in")
    if parts.name == "status" and not all(isinstance(item, float) and 100 <= item <= 599 for item in items):
        raise parts.wrong(Code.OUT_OF_RANGE, "value", "a number that is no status", "a status from 100 to 599")


def _judge_types(parts: Parts) -> None:
    value, op = parts.value, parts.op
    listed = isinstance(value, tuple)
    if (op is Op.IN) is not listed:
        wanted = "a list such as ['a', 'b']" if op is Op.IN else '"in" before a list'
        raise parts.wrong_value("a list" if listed else "a value that is no list", wanted)
    if op in _ORDER and not isinstance(value, float | SemVer):
        raise parts.wrong_value("a value that has no order", "a number or semver('1.2.3')")
    if op in (Op.STARTS_WITH, Op.ENDS_WITH) and not isinstance(value, str):
        raise parts.wrong_value("a value that is no text", _TEXT_WANTED)
    if op is Op.CONTAINS and not isinstance(value, str | float):
        raise parts.wrong_value("a value that is no text", f"{_TEXT_WANTED}, or a number")


def _judge_unit(parts: Parts, expected: Unit | None) -> Unit:
    """The value's unit; a time is turned into milliseconds."""
    if not isinstance(parts.value, float):
        if expected is Unit.MILLISECONDS and isinstance(parts.value, tuple):
            raise parts.wrong_value("a list", "one time, such as 2s")
        return Unit.NONE
    number, unit = parts.value, parts.unit
    bare = spell_number(number)
    found, low, high = f'"{bare}{unit}"', 0.0, 100.0
    if expected is Unit.PERCENT:
        share = f', "{spell_number(number * 100)}%" if {bare} is a share' if not unit and 0 < number <= 1 else ""
        units: tuple[str, ...] = ("%",)
        wanted, limits = f'a percentage: "{bare}%"{share}', "a percentage from 0% to 100%"
    elif expected is Unit.MILLISECONDS:
        both = f'a duration: "{bare}s" is {bare} seconds, "{bare}ms" is {bare} milliseconds'
        units, wanted = tuple(UNITS_MS), "a duration such as 500ms, 5s or 1m" if unit else both
        limits, high = "a duration of 0 or more", float("inf")
    elif unit:
        raise parts.wrong_value(found, f"a number without a unit: {bare}")
    else:
        return Unit.NONE
    if not unit:
        raise parts.wrong(Code.UNIT_MISSING, "value", f"{bare}, a number without a unit", wanted)
    if unit not in units:
        raise parts.wrong_value(found, wanted)
    if not low <= number <= high:
        raise parts.wrong(Code.OUT_OF_RANGE, "value", found, limits)
    if expected is Unit.MILLISECONDS:
        parts.value = number * UNITS_MS[unit]
    return expected
