"""Words of the line to values: percentages, durations, attributes. Each error names the option and what was found."""

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Annotated, Any, TextIO

import typer

from deployguard.codec import foreign
from deployguard.config.units import parse_duration, parse_percentage
from deployguard.errors import Code, fail, usage


def says(name: str, metavar: str, does: str, **more: Any) -> Any:
    """An option that says what it does, not its default; where it takes a list it may be given several times."""
    return typer.Option(name, metavar=metavar, help=does, show_default=False, **more)


By = Annotated[str | None, says("--by", "NAME", "Who asks, beside the real actor.")]
Reason = Annotated[str | None, says("--reason", "TEXT", "Why; kept in the audit log.")]
Force = Annotated[bool, typer.Option("--force", help="Do it unjudged.")]
FlagName = Annotated[str, typer.Argument(metavar="FLAG", show_default=False)]
AnyFlag = Annotated[str | None, typer.Argument(metavar="[FLAG]", show_default=False)]


def standard_input(where: str) -> TextIO:
    """Standard input, where it is open. Raises `usage`."""
    if sys.stdin is None or sys.stdin.closed:
        raise usage("standard input is closed", where, '"-"', "a file, or something on standard input")
    return sys.stdin


@contextmanager
def opened(file: str, where: str, of: str, wanted: str, now: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, or of standard input where it is `-`. Raises `usage`; errors while it is read, too."""
    if file == "-":
        yield standard_input(where).buffer
        return
    try:
        with Path(file).open("rb") as found:
            yield found
    except OSError as error:
        raise fail(
            Code.USAGE,
            f"the file of {of} cannot be read",
            where=where,
            found=f"{file}: {error.strerror}",
            wanted=f"{wanted}, or - for standard input",
            now=now,
        ) from error


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
        found = foreign(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and math.isfinite(found) else text
