"""Kinds of single values. Numbers with a unit are text; a bare number is an error that shows both spellings."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NoReturn

from deployguard.config.issues import WrongError, or_nearest, quote
from deployguard.config.kinds import Known, Scalar
from deployguard.config.units import format_duration, format_percentage, parse_duration, parse_percentage
from deployguard.errors import Code

VARIABLE = r"\$\{"
"""A value with a variable in it: an editor cannot judge it."""
ENVIRONMENT = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"
ENVIRONMENT_RULE = "a name of letters, digits, dashes and underscores, 64 at most: it names a folder"

_BARE = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_DURATION = re.compile(r"[+-]?\d+(?:\.\d+)?\s*(?:ms|[smhdwy])", re.ASCII)
_PERCENTAGE = re.compile(r"[+-]?\d+(?:\.\d+)?\s*%", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = r"(?:[^\s/?#@:\x00-\x1f\x7f]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_URL = rf"(?i:https?)://(?:[^\s/?#@\x00-\x1f\x7f]*@)?{_HOST}(?:[/?][^\s#\x00-\x1f\x7f]*)?"


def _type(value: object, wanted: str) -> NoReturn:
    raise WrongError(Code.WRONG_TYPE, quote(value), wanted)


def _text(value: object, wanted: str) -> str:
    if not isinstance(value, str):
        _type(value, wanted)
    return value


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bare(value: object) -> str | None:
    """The spelling of a number without a unit, quoted or not."""
    if is_number(value):
        return str(value)
    if isinstance(value, str) and _BARE.fullmatch(value.strip()):
        return value.strip()
    return None


def duration(*, zero: bool = False) -> Scalar:
    """A duration such as `24h`, above zero unless `zero`."""
    wanted = 'a duration such as "30s", "5m" or "24h"'

    def read(value: object, _known: Known) -> timedelta:
        bare = _bare(value)
        if bare is not None:
            number = bare.lstrip("+-")
            units = f'a duration: "{number}s" is {number} seconds, "{number}ms" is {number} milliseconds'
            raise WrongError(Code.UNIT_MISSING, f"{bare}, a number without a unit", units)
        parsed = parse_duration(_text(value, wanted))
        if parsed is None:
            _refuse(value, _DURATION, wanted, "a duration from 0 to 100y, six decimals at most")
        if not parsed and not zero:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), "a duration above 0")
        return parsed

    pattern = rf"^\s*\d{{1,12}}(\.\d{{1,6}})?\s*(ms|s|m|h|d|w|y)\s*$|{VARIABLE}"
    return Scalar(read, {"type": "string", "pattern": pattern}, format_duration)


def percentage(low: int = 0, high: int = 10_000) -> Scalar:
    """A percentage such as `5%` as whole hundredths, from `low` to `high`."""

    def read(value: object, _known: Known) -> int:
        bare = _bare(value)
        if bare is not None:
            number = float(bare)
            share = f', "{number * 100:g}%" if {bare} is a share' if 0 < number <= 1 else ""
            raise WrongError(Code.UNIT_MISSING, f"{bare}, a number without a unit", f'a percentage: "{bare}%"{share}')
        parsed = parse_percentage(_text(value, 'a percentage such as "5%"'))
        if parsed is None or not low <= parsed <= high:
            limits = f"a percentage from {low / 100:g}% to {high / 100:g}%, two decimals at most"
            _refuse(value, _PERCENTAGE, 'a percentage such as "5%"', limits)
        return parsed

    pattern = rf"^\s*\d{{1,3}}(\.\d{{1,2}})?\s*%\s*$|{VARIABLE}"
    return Scalar(read, {"type": "string", "pattern": pattern}, format_percentage)


def _refuse(value: object, shape: re.Pattern[str], wanted: str, limits: str) -> NoReturn:
    """Text that is too much of the right thing is out of range, any other of the wrong type."""
    if shape.fullmatch(str(value).strip()):
        raise WrongError(Code.OUT_OF_RANGE, quote(value), limits)
    _type(value, wanted)


def number(low: float, high: float, *, whole: bool = False) -> Scalar:
    """A number without a unit, from `low` to `high`; `whole`: of things."""
    wanted = f"a {'whole ' if whole else ''}number from {low:,} to {high:,}"

    def read(value: object, _known: Known) -> float:
        if not isinstance(value, int if whole else int | float) or isinstance(value, bool):
            _type(value, wanted)
        if not low <= value <= high:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), wanted)
        return value if whole else float(value)

    return Scalar(read, {"type": "integer" if whole else "number", "minimum": low, "maximum": high})


def one_of(*values: str, make: Callable[[str], Any] = str) -> Scalar:
    """One word of a few."""
    listed = ", ".join(f'"{value}"' for value in values)
    wanted = listed if len(values) == 1 else f"one of {listed}"

    def read(value: object, _known: Known) -> Any:
        text = _text(value, wanted)
        if text not in values:
            raise WrongError(Code.WRONG_TYPE, quote(value), or_nearest(wanted, text, values))
        return make(text)

    return Scalar(read, {"enum": list(values)}, str)


def text(wanted: str = "text", *, empty: bool = False, lines: bool = False, longest: int = 4_000) -> Scalar:
    """Text of one line (`lines`: of several)."""

    def read(value: object, _known: Known) -> str:
        out = _text(value, wanted)
        if not empty and not out.strip():
            raise WrongError(Code.WRONG_TYPE, quote(value) + ", which is empty", wanted)
        if len(out) > longest:
            raise WrongError(Code.OUT_OF_RANGE, f"{len(out):,} characters", f"{wanted}, {longest:,} characters at most")
        if not lines and _CONTROL.search(out):
            raise WrongError(Code.WRONG_TYPE, quote(value) + ", with a control character", f"{wanted} on one line")
        return str(out)

    return Scalar(read, {"type": "string"} if empty else {"type": "string", "minLength": 1})


def pattern(regex: str, wanted: str, schema: str | None = None) -> Scalar:
    """Text of one pattern; `schema` is a plainer one for editors."""
    compiled = re.compile(regex)

    def read(value: object, _known: Known) -> str:
        if compiled.fullmatch(_text(value, wanted)) is None:
            _type(value, wanted)
        return str(value)

    return Scalar(read, {"type": "string", "pattern": f"{schema or f'^(?:{regex})$'}|{VARIABLE}"})


def url(*, path: bool = False) -> Scalar:
    """An http(s) address; with `path` also a path below the environment's `baseUrl`."""
    wanted = 'an address such as "https://www.example.com"'
    if not path:
        return pattern(_URL, wanted, "^[hH][tT][tT][pP][sS]?://")
    below = r"/[^\s#\x00-\x1f\x7f]*"
    return pattern(f"{_URL}|{below}", f'{wanted}, or a path such as "/api/health"', "^/|^[hH][tT][tT][pP][sS]?://")


def _parsed(parse: Callable[[str], Any], wanted: str, schema: dict[str, Any], write: Callable[[Any], Any]) -> Scalar:
    """Text that `parse` takes, which raises ValueError for any other."""

    def read(value: object, _known: Known) -> Any:
        try:
            return parse(_text(value, wanted))
        except ValueError:
            _type(value, wanted)

    return Scalar(read, schema, write)


def _date(value: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):  # Python reads more spellings
        raise ValueError(value)
    return date.fromisoformat(value)


def _network(value: str) -> str:
    import ipaddress

    ipaddress.ip_network(value, strict=False)
    return str(value)


def _boolean(value: object, _known: Known) -> bool:
    if not isinstance(value, bool):
        _type(value, "true or false")
    return value


BOOLEAN = Scalar(_boolean, {"type": "boolean"})
ORIGIN = pattern(rf"(?i:https?)://{_HOST}", 'an origin such as "https://www.example.com": no path', "^https?://[^/]+$")
NETWORK = _parsed(_network, 'an address or a network such as "10.0.0.0/8"', {"type": "string", "minLength": 1}, str)
DATE = _parsed(
    _date,
    'a date such as "2027-03-31"',
    {"type": "string", "pattern": rf"^\d{{4}}-\d{{2}}-\d{{2}}$|{VARIABLE}"},
    date.isoformat,
)


def _reference(kind: str, code: Code, noun: str) -> Scalar:
    """The name of something that the file defines."""

    def read(value: object, known: Known) -> str:
        out = _text(value, f"{noun} of this file")
        names: frozenset[str] = getattr(known, kind)
        if out not in names:
            wanted = or_nearest(f"{noun} of this file", out, names)
            raise WrongError(code, f"{quote(value)}, which is no {noun.partition(' ')[2]}", wanted)
        return str(out)

    return Scalar(read, {"type": "string", "minLength": 1})


FLAG = _reference("flags", Code.UNKNOWN_FLAG, "a flag")
STRATEGY = _reference("strategies", Code.UNKNOWN_STRATEGY, "a strategy")
ENVIRONMENT_NAME = _reference("environments", Code.UNKNOWN_ENVIRONMENT, "an environment")
