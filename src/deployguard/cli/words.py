"""Words of the line to values: percentages, durations, attributes. Each error names the option and what was found."""

import json
import math
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, TextIO

import typer

from deployguard.config.units import parse_duration, parse_percentage
from deployguard.errors import Code, fail, usage

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who asks, beside the real actor.", show_default=False)
]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit log.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Do it unjudged.")]
FlagName = Annotated[str, typer.Argument(metavar="FLAG", show_default=False)]


def standard_input(where: str) -> TextIO:
    """Standard input, where it is open. Raises `usage`."""
    if sys.stdin is None or sys.stdin.closed:
        raise usage("standard input is closed", where, '"-"', "a file, or something on standard input")
    return sys.stdin


def percentage(text: str, where: str) -> int:
    """`25`, `25%`, `7.5` as hundredths."""
    found = parse_percentage(text)
    if found is None:
        raise fail(
            Code.OUT_OF_RANGE,
            "this is no percentage of users",
            where=where,
            found=f'"{text}"',
            wanted="a number from 0 to 100 with at most two decimals, such as 25 or 7.5%",
        )
    return found


def duration(text: str, where: str) -> timedelta:
    found = parse_duration(text)
    if found is None or found <= timedelta(0):
        both = (
            f': "{text}s" is {text} seconds, "{text}m" is {text} minutes' if text.isdigit() else ", such as 10s or 24h"
        )
        raise fail(
            Code.UNIT_MISSING if text.isdigit() else Code.OUT_OF_RANGE,
            "this is no duration",
            where=where,
            found=f'"{text}"',
            wanted=f"a duration with a unit{both}",
        )
    return found


def attributes(pairs: Iterable[str]) -> dict[str, object]:
    """`plan=pro` pairs; true, false and numbers become what they are."""
    out: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise usage(
                "an attribute needs a name and a value",
                "option --attribute",
                f'"{pair}"',
                "NAME=VALUE, such as plan=pro",
            )
        out[name] = _literal(value)
    return out


def _literal(text: str) -> object:
    """A number, true or false as what it is; everything else, NaN and infinities too, is text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and math.isfinite(found) else text
