"""Whether a metric, an operator and a value fit together in `when`, `expect` and `rules`, and the value's unit."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployguard.config.condition import Op, SemVer, Unit, Value
from deployguard.config.matching import spell_number
from deployguard.config.metrics import CHECK_METRICS, RefusedError, or_nearest, unit_in_expectation, unit_in_trigger
from deployguard.config.units import UNITS_MS
from deployguard.errors import Code

_ORDER = (Op.GT, Op.GE, Op.LT, Op.LE)
_EQUAL = (Op.EQ, Op.NE)


class Use(StrEnum):
    """Where a condition stands: what may be asked there differs."""

    WHEN = "when"
    EXPECT = "expect"
    RULE = "rule"


@dataclass(slots=True)
class Parts:
    """A condition's words, before they are judged."""

    name: str = ""
    function: str | None = None
    argument: str | None = None
    op: Op = Op.EQ
    value: Value = 0.0
    unit: str = ""


def clip(text: str) -> str:
    """A text short enough for an error's line."""
    return text if len(text) <= 80 else text[:79] + "…"


def judge(parts: Parts, use: Use | None, numbers: Mapping[str, Unit], checks: Collection[str] | None) -> Unit:
    """Whether this metric, operator and value fit together here; answers the value's unit. Raises RefusedError."""
    if use is None:
        _judge_types(parts)
        return _judge_unit(parts, _unit_as_written(parts.unit))
    if use is Use.WHEN:
        expected: Unit | None = unit_in_trigger(parts.name, parts.function, numbers)
        _judge_argument(parts, checks)
        if parts.op not in (*_ORDER, *_EQUAL) or not _is_number(parts.value):
            part = "value" if parts.op in (*_ORDER, *_EQUAL) else "op"
            found = f'"{parts.op}"' if part == "op" else "a value that is no number"
            raise RefusedError(Code.WRONG_TYPE, part, found, "a comparison with a number: == != > >= < <=")
    else:
        if parts.argument is not None:
            raise RefusedError(Code.WRONG_TYPE, "argument", f"'{clip(parts.argument)}'", "no argument here")
        if use is Use.EXPECT:
            expected = unit_in_expectation(parts.name, parts.function)
            _judge_answer(parts)
        elif parts.function is not None:
            raise RefusedError(
                Code.WRONG_TYPE, "function", f'"{clip(parts.function)}"', "an attribute without a function"
            )
        else:
            expected = None
        _judge_types(parts)
    return _judge_unit(parts, expected)


def _unit_as_written(unit: str) -> Unit | None:
    if unit == "%":
        return Unit.PERCENT
    return Unit.MILLISECONDS if unit in UNITS_MS else None


def _is_number(value: Value) -> bool:
    return isinstance(value, float)


def _judge_argument(parts: Parts, checks: Collection[str] | None) -> None:
    if parts.argument is None:
        return
    found = f"'{clip(parts.argument)}'"
    if parts.name in CHECK_METRICS:
        if checks is not None and parts.argument not in checks:
            wanted = or_nearest("a health check of this file", parts.argument, tuple(checks))
            raise RefusedError(Code.UNKNOWN_KEY, "argument", f"{found}, which is no health check", wanted)
    elif not parts.argument.startswith("/"):
        raise RefusedError(Code.WRONG_TYPE, "argument", found, "an endpoint, which begins with a slash: '/checkout'")


def _judge_answer(parts: Parts) -> None:
    """`status` and `responseTime` are numbers, `body` is text."""
    items = parts.value if isinstance(parts.value, tuple) else (parts.value,)
    if parts.name == "body" and not all(isinstance(item, str) for item in items):
        raise RefusedError(Code.WRONG_TYPE, "value", "a value that is no text", "a text in single quotes")
    if parts.name in ("status", "responseTime"):
        if not all(isinstance(item, float) for item in items):
            raise RefusedError(Code.WRONG_TYPE, "value", "a value that is no number", "a number")
        if parts.op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
            raise RefusedError(Code.WRONG_TYPE, "op", f'"{parts.op}"', "a comparison: == != > >= < <= or in")
    if parts.name == "status" and not all(isinstance(item, float) and 100 <= item <= 599 for item in items):
        raise RefusedError(Code.OUT_OF_RANGE, "value", "a number that is no status", "a status from 100 to 599")


def _judge_types(parts: Parts) -> None:
    value, op = parts.value, parts.op
    listed = isinstance(value, tuple)
    if (op is Op.IN) is not listed:
        wanted = "a list such as ['a', 'b']" if op is Op.IN else '"in" before a list'
        raise RefusedError(Code.WRONG_TYPE, "value", "a list" if listed else "a value that is no list", wanted)
    if op in _ORDER and not isinstance(value, float | SemVer):
        raise RefusedError(Code.WRONG_TYPE, "value", "a value that has no order", "a number or semver('1.2.3')")
    if op in (Op.STARTS_WITH, Op.ENDS_WITH) and not isinstance(value, str):
        raise RefusedError(Code.WRONG_TYPE, "value", "a value that is no text", "a text in single quotes")
    if op is Op.CONTAINS and not (isinstance(value, str) or _is_number(value)):
        raise RefusedError(Code.WRONG_TYPE, "value", "a value that is no text", "a text in single quotes, or a number")


def _judge_unit(parts: Parts, expected: Unit | None) -> Unit:
    if not isinstance(parts.value, float):
        if expected is Unit.MILLISECONDS and isinstance(parts.value, tuple):
            raise RefusedError(Code.WRONG_TYPE, "value", "a list", "one time, such as 2s")
        return Unit.NONE
    number, unit = parts.value, parts.unit
    spelt = spell_number(number)
    if expected is Unit.PERCENT:
        if not unit:
            share = f', "{spell_number(number * 100)}%" if {spelt} is a share' if 0 < number <= 1 else ""
            raise RefusedError(
                Code.UNIT_MISSING, "value", f"{spelt}, a number without a unit", f'a percentage: "{spelt}%"{share}'
            )
        if unit != "%":
            raise RefusedError(Code.WRONG_TYPE, "value", f'"{spelt}{unit}"', f'a percentage: "{spelt}%"')
        if not 0 <= number <= 100:
            raise RefusedError(Code.OUT_OF_RANGE, "value", f'"{spelt}%"', "a percentage from 0% to 100%")
        return Unit.PERCENT
    if expected is Unit.MILLISECONDS:
        if not unit:
            wanted = f'a duration: "{spelt}s" is {spelt} seconds, "{spelt}ms" is {spelt} milliseconds'
            raise RefusedError(Code.UNIT_MISSING, "value", f"{spelt}, a number without a unit", wanted)
        if unit not in UNITS_MS:
            raise RefusedError(Code.WRONG_TYPE, "value", f'"{spelt}{unit}"', "a duration such as 500ms, 5s or 1m")
        if number < 0:
            raise RefusedError(Code.OUT_OF_RANGE, "value", f'"{spelt}{unit}"', "a duration of 0 or more")
        parts.value = number * UNITS_MS[unit]
        return Unit.MILLISECONDS
    if unit:
        raise RefusedError(Code.WRONG_TYPE, "value", f'"{spelt}{unit}"', f"a number without a unit: {spelt}")
    return Unit.NONE
