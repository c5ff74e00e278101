"""Readers of single values: each answers the value that the config means, or raises WrongError with what is wanted.

`check` calls them to find errors, `build` to read what was checked, and `schema` takes their JSON Schema: one fact,
one place. Numbers with a unit are text; a bare number is an error that shows both spellings.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NoReturn

from deployguard.config.condition import Unit
from deployguard.config.issue import WrongError, quote
from deployguard.config.metrics import or_nearest
from deployguard.config.units import parse_duration, parse_percentage
from deployguard.errors import Code

VARIABLE = r"\$\{"
"""A value with a variable in it: an editor cannot judge it."""
NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
NAME_RULE = "a name of letters, digits, dots, dashes and underscores, 128 at most"
ENVIRONMENT = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"
ENVIRONMENT_RULE = "a name of letters, digits, dashes and underscores, 64 at most: it names a folder"

_ASCII = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_DURATION = re.compile(r"[+-]?\d+(?:\.\d+)?\s*(?:ms|[smhdwy])", re.ASCII)
_PERCENTAGE = re.compile(r"[+-]?\d+(?:\.\d+)?\s*%", re.ASCII)
_URL = re.compile(r"https?://(?:[^\s/?#@]*@)?[^\s/?#@:]+(?::\d{1,5})?(?:[/?][^\s#]*)?", re.IGNORECASE)
_IPV6_URL = re.compile(r"https?://\[[0-9A-Fa-f:.]+\](?::\d{1,5})?(?:[/?][^\s#]*)?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(?:[^\s/?#@:]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a file defines, gathered before its values are read."""

    flags: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    strategies: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset()
    numbers: Mapping[str, Unit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of value: how it is read, and what an editor knows of it."""

    read: Callable[[Any, Known], Any]
    schema: Mapping[str, Any]


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
    if isinstance(value, str) and _ASCII.fullmatch(value.strip()):
        return value.strip()
    return None


def duration(*, zero: bool = False) -> Scalar:
    """A duration such as `24h`, above zero unless `zero`."""

    def read(value: object, _known: Known) -> timedelta:
        bare = _bare(value)
        if bare is not None:
            wanted = f'a duration: "{bare}s" is {bare} seconds, "{bare}ms" is {bare} milliseconds'
            raise WrongError(Code.UNIT_MISSING, f"{bare}, a number without a unit", wanted)
        text = _text(value, 'a duration such as "30s", "5m" or "24h"')
        parsed = parse_duration(text)
        if parsed is None:
            if _DURATION.fullmatch(text.strip()):
                raise WrongError(Code.OUT_OF_RANGE, quote(value), "a duration from 0 to 100y")
            _type(value, 'a duration such as "30s", "5m" or "24h"')
        if not parsed and not zero:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), "a duration above 0")
        return parsed

    pattern = rf"^\s*\d{{1,12}}(\.\d{{1,6}})?\s*(ms|s|m|h|d|w|y)\s*$|{VARIABLE}"
    return Scalar(read, {"type": "string", "pattern": pattern})


def percentage(low: int = 0, high: int = 10_000) -> Scalar:
    """A percentage such as `5%` as whole hundredths, from `low` to `high`."""
    wanted = f"a percentage from {low / 100:g}% to {high / 100:g}%, two decimals at most"

    def read(value: object, _known: Known) -> int:
        bare = _bare(value)
        if bare is not None:
            number = float(bare)
            share = f', "{number * 100:g}%" if {bare} is a share' if 0 < number <= 1 else ""
            raise WrongError(Code.UNIT_MISSING, f"{bare}, a number without a unit", f'a percentage: "{bare}%"{share}')
        text = _text(value, 'a percentage such as "5%"')
        parsed = parse_percentage(text)
        if parsed is None and not _PERCENTAGE.fullmatch(text.strip()):
            _type(value, 'a percentage such as "5%"')
        if parsed is None or not low <= parsed <= high:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), wanted)
        return parsed

    return Scalar(read, {"type": "string", "pattern": rf"^\s*\d{{1,3}}(\.\d{{1,2}})?\s*%\s*$|{VARIABLE}"})


def whole(low: int, high: int) -> Scalar:
    """A whole number of things."""

    def read(value: object, _known: Known) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            _type(value, f"a whole number from {low} to {high:,}")
        if not low <= value <= high:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), f"a whole number from {low} to {high:,}")
        return value

    return Scalar(read, {"type": "integer", "minimum": low, "maximum": high})


def number(low: float, high: float) -> Scalar:
    def read(value: object, _known: Known) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            _type(value, f"a number from {low:g} to {high:g}")
        if not low <= value <= high:
            raise WrongError(Code.OUT_OF_RANGE, quote(value), f"a number from {low:g} to {high:g}")
        return float(value)

    return Scalar(read, {"type": "number", "minimum": low, "maximum": high})


def one_of(*values: str) -> Scalar:
    """One word of a few."""
    listed = ", ".join(f'"{value}"' for value in values)
    wanted = listed if len(values) == 1 else f"one of {listed}"

    def read(value: object, _known: Known) -> str:
        text = _text(value, wanted)
        if text not in values:
            raise WrongError(Code.WRONG_TYPE, quote(value), or_nearest(wanted, text, values))
        return str(text)

    return Scalar(read, {"enum": list(values)})


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


def pattern(regex: str, wanted: str) -> Scalar:
    compiled = re.compile(regex, re.ASCII)

    def read(value: object, _known: Known) -> str:
        if compiled.fullmatch(_text(value, wanted)) is None:
            _type(value, wanted)
        return str(value)

    return Scalar(read, {"type": "string", "pattern": f"^(?:{regex})$|{VARIABLE}"})


def url(*, path: bool = False) -> Scalar:
    """An http(s) address; with `path` also a path below the environment's `baseUrl`."""
    wanted = 'an address such as "https://www.example.com"' + (', or a path such as "/api/health"' if path else "")

    def read(value: object, _known: Known) -> str:
        out = _text(value, wanted)
        below = path and out.startswith("/") and not re.search(r"[\s#]", out)
        if not below and (_CONTROL.search(out) or not (_URL.fullmatch(out) or _IPV6_URL.fullmatch(out))):
            _type(value, wanted)
        return str(out)

    return Scalar(
        read, {"type": "string", "pattern": ("^/|" if path else "") + rf"^[hH][tT][tT][pP][sS]?://|{VARIABLE}"}
    )


def _read_flag_value(value: object, _known: Known) -> bool:
    if not isinstance(value, bool):
        _type(value, "true or false")
    return value


def _read_origin(value: object, _known: Known) -> str:
    if _ORIGIN.fullmatch(_text(value, 'an origin such as "https://www.example.com"')) is None:
        _type(value, 'an origin such as "https://www.example.com": no path')
    return str(value)


def _read_network(value: object, _known: Known) -> str:
    import ipaddress

    wanted = 'an address or a network such as "10.0.0.0/8"'
    try:
        ipaddress.ip_network(_text(value, wanted), strict=False)
    except ValueError:
        _type(value, wanted)
    return str(value)


def _read_date(value: object, _known: Known) -> date:
    wanted = 'a date such as "2027-03-31"'
    out = _text(value, wanted)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", out, re.ASCII):
            return date.fromisoformat(out)
    except ValueError:
        pass
    _type(value, wanted)


BOOLEAN = Scalar(_read_flag_value, {"type": "boolean"})
ORIGIN = Scalar(_read_origin, {"type": "string", "pattern": rf"^https?://[^/]+$|{VARIABLE}"})
NETWORK = Scalar(_read_network, {"type": "string", "minLength": 1})
DATE = Scalar(_read_date, {"type": "string", "pattern": rf"^\d{{4}}-\d{{2}}-\d{{2}}$|{VARIABLE}"})


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
