"""Lines of an nginx `log_format`, read by one prepared expression over bytes.

Times, paths and statuses repeat from line to line, so what they mean is looked up, not worked out again.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from deployguard.telemetry.cache import Remembered
from deployguard.telemetry.logformat import FormatError, layout
from deployguard.telemetry.logtime import from_local, read_time
from deployguard.telemetry.parsed import (
    ROLES,
    Field,
    NotALineError,
    Number,
    Parsed,
    factor,
    finite,
    measured,
    numbers_in,
)

_NONE = (b"", b"-")
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


def text_parser(spelling: str, fields: Mapping[str, Field]) -> Callable[[bytes], Parsed]:
    roles: dict[str, str | None] = dict.fromkeys(ROLES)
    own = numbers_in(fields)
    roles.update({role: name for role, (name, _) in fields.items() if role in ROLES or role in own})
    found = layout(spelling, roles)
    variable = found.variables.get
    match, order = found.pattern.fullmatch, found.order
    time_of = Remembered(_local_bytes if variable("time") == "time_local" else _time_bytes)
    path_of = Remembered(_request_bytes if variable("path") == "request" else _text_bytes)
    status_of = Remembered(_status_bytes)
    duration_of = Remembered(_seconds_bytes(variable("duration"), fields.get("duration")))
    word_of = Remembered(_text_bytes)
    names = tuple((role, factor(spelt)) for role, spelt in own.items())

    def parse(line: bytes, /) -> Parsed:
        matched = match(line)
        if matched is None:
            raise NotALineError("a line that does not fit the format")
        time, path, status, duration, user, country, region, *numbers = matched.group(*order)
        return (
            time_of[time],
            path_of[path.partition(b"?")[0]],
            status_of[status],
            duration_of[duration],
            None if user in _NONE else _text_bytes(user),
            word_of[country],
            word_of[region],
            _numbers_bytes(names, numbers) if numbers else (),
        )

    return parse


def _local_bytes(raw: bytes) -> float:
    try:
        return from_local(raw.decode("ascii"))
    except (ValueError, IndexError, OverflowError):
        raise NotALineError("a time that is none") from None


def _time_bytes(raw: bytes) -> float:
    try:
        return read_time(raw.decode("ascii"))
    except (ValueError, IndexError, OverflowError):
        raise NotALineError("a time that is none") from None


def _text_bytes(raw: bytes) -> str | None:
    if raw in _NONE:
        return None
    # Bytes first: nginx writes each byte of `é` on its own, as `\xC3\xA9`.
    plain = _ESCAPED.sub(_unescaped, raw) if b"\\" in raw else raw
    return plain.decode("utf-8", "surrogateescape")


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes((int(match[1], 16),))
    if match[2]:
        return chr(int(match[2], 16)).encode("utf-8", "surrogatepass")
    return _ESCAPES.get(match[3], match[3])


def _request_bytes(raw: bytes) -> str | None:
    """`GET /lofts/42 HTTP/1.1`, its query cut off; anything else that a client sent has no path."""
    parts = raw.split(b" ")
    return _text_bytes(parts[1]) if len(parts) in (2, 3) else None


def _status_bytes(raw: bytes) -> int | None:
    if raw in _NONE:
        return None
    if len(raw) <= 3 and raw.isdigit():
        return int(raw)
    raise NotALineError("a status that is none")


def _seconds_bytes(variable: str | None, field: Field | None) -> Callable[[bytes], float | None]:
    """Milliseconds. An upstream's time may be several, one a server that was asked: all of them were waited for."""
    if field is not None and not field[1] and variable not in ("request_time", "upstream_response_time"):
        raise FormatError(f'fields.duration "{field[0]}" has no unit: "{field[0]} ms" or "{field[0]} s"')
    scale = factor(field) if field is not None and field[1] else 1000.0

    def read(raw: bytes) -> float | None:
        parts = [part for part in re.split(rb"[ ,:]+", raw) if part not in _NONE]
        try:
            values = [float(part) for part in parts]
        except ValueError:
            raise NotALineError("a duration that is none") from None
        return measured(sum(values) * scale) if values else None

    return read


def _numbers_bytes(names: Iterable[tuple[str, float]], raw: Iterable[bytes]) -> tuple[Number, ...]:
    out = []
    for (name, scale), text in zip(names, raw, strict=True):
        value = finite(text.decode("ascii", "replace"))
        if value is not None:
            out.append((name, value * scale))
    return tuple(out)
