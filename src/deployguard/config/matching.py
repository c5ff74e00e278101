"""What a condition says of a value, and how it is spelt again."""

from deployguard.config.condition import Condition, Op, SemVer, Unit, Value
from deployguard.config.semver import version_of


def matches(condition: Condition, actual: object) -> bool:
    """Whether `actual` (milliseconds and 0 to 100 where the condition has a unit) is what the condition says.

    A value of another type never matches, not even `!=`: nothing is known about it.
    """
    value, op = condition.value, condition.op
    if isinstance(value, SemVer):
        key = version_of(actual)
        return key is not None and _compare(op, key, value.key)
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
        return isinstance(actual, str) and _compare_text(op, actual, value)
    if isinstance(actual, bool) or not isinstance(actual, int | float) or actual != actual:  # NaN
        return False
    return _compare(op, actual, value)


def _compare_text(op: Op, actual: str, value: str) -> bool:
    match op:
        case Op.EQ:
            return actual == value
        case Op.NE:
            return actual != value
        case Op.CONTAINS:
            return value in actual
        case Op.STARTS_WITH:
            return actual.startswith(value)
        case Op.ENDS_WITH:
            return actual.endswith(value)
        case _:
            return False


def _compare(op: Op, actual: object, value: object) -> bool:
    left: float
    right: float
    left, right = actual, value  # type: ignore[assignment]  # two numbers, or two keys of versions
    match op:
        case Op.EQ:
            return left == right
        case Op.NE:
            return left != right
        case Op.GT:
            return left > right
        case Op.GE:
            return left >= right
        case Op.LT:
            return left < right
        case Op.LE:
            return left <= right
        case _:
            return False


def spell_number(number: float) -> str:
    """A number as the grammar reads it back: no exponent, no needless zeros."""
    return str(int(number)) if number.is_integer() else f"{number:.9f}".rstrip("0")


def _spell_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _spell_value(value: Value, unit: Unit) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{spell_number(value)}{unit}"
        case str():
            return _spell_text(value)
        case SemVer():
            return f"semver({_spell_text(value.text)})"
        case _:
            return "[" + ", ".join(_spell_value(item, Unit.NONE) for item in value) + "]"


def format_condition(condition: Condition) -> str:
    """The condition in the grammar's plainest spelling; `parse_condition` reads it back as the same one."""
    argument = None if condition.argument is None else _spell_text(condition.argument)
    subject = condition.name
    if condition.function is not None:
        inside = ", ".join(part for part in (condition.name, argument) if part is not None)
        subject = f"{condition.function}({inside})"
    elif argument is not None:
        subject = f"{condition.name}({argument})"
    return f"{subject} {condition.op} {_spell_value(condition.value, condition.unit)}"
