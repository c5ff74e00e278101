"""What reads the lines of a source, made once for each format and its fields."""

from collections.abc import Callable
from functools import lru_cache

from deployguard.config.values import Source
from deployguard.telemetry.jsonlines import json_parser
from deployguard.telemetry.parsed import Parsed, field
from deployguard.telemetry.textlines import text_parser

LONGEST = 65_536  # bytes of a line; longer ones are not looked at

Parse = Callable[[bytes], Parsed]
"""One line as one request with its numbers. Raises parsed.NotALineError."""


def parser_of(source: Source) -> Parse:
    """What reads this source's lines. Raises logformat.FormatError where they could not tell a request."""
    return _parser(source.format, tuple(source.fields.items()))


@lru_cache(maxsize=32)
def _parser(spelling: str, fields: tuple[tuple[str, str], ...]) -> Parse:
    wanted = {name: field(name, text) for name, text in fields}
    return json_parser(wanted) if spelling == "json" else text_parser(spelling, wanted)
