"""An nginx `log_format` as one regular expression over bytes, and what reads lines by it.

Theory of operation. Every variable ends where the text behind it begins for the first time, and what was matched is
never tried again (possessive and atomic groups), so a line costs time in proportion to its length, whatever is in it.
Times, paths and statuses repeat from line to line, so what they mean is looked up, not worked out again.
Between quotes a backslash takes the next character with it: nginx writes `"` as `\\x22`, others as `\\"`.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from deployguard.config.metrics import NGINX_SECONDS
from deployguard.config.values import Source
from deployguard.telemetry.cache import Remembered
from deployguard.telemetry.lines import (
    ROLES,
    Field,
    FormatError,
    NotALineError,
    Parse,
    Parsed,
    factor,
    field,
    json_parser,
    measured,
    numbers_in,
    numbers_of,
    status_of,
    time_of,
)

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_TIMES = r"[0-9.\-]++(?:(?:, | : )[0-9.\-]++)*+"
_PATTERNS = {
    "time_local": r"[^ ]*+ [+-][0-9]{4}",
    "time_iso8601": r"[0-9T:+\-Z.]++",
    "msec": r"[0-9.]++",
    "status": r"[0-9]++|-",
    "request_time": r"[0-9.]++|-",
    "upstream_response_time": _TIMES,
    "upstream_header_time": _TIMES,
    "upstream_connect_time": _TIMES,
}
_QUOTES = "\"'"
_WITHOUT_SPACES = re.compile(
    "remote_addr|remote_port|bytes_sent|body_bytes_sent|connection|connection_requests|request_id|request_length"
    "|request_method|request_uri|uri|document_uri|scheme|host|http_host|server_name|server_port|server_protocol|pipe"
    "|hostname|ssl_protocol|ssl_cipher|gzip_ratio"
)
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "time": ("msec", "time_iso8601", "time_local"),
    "path": ("request_uri", "request", "uri", "document_uri"),
    "status": ("status",),
    "duration": ("request_time", "upstream_response_time"),
    "user": ("cookie_dg_id",),
    "country": ("http_cf_ipcountry", "geoip2_data_country_code", "geoip_country_code"),
    "region": ("geoip2_data_region_code", "geoip_region"),
}
"""Which variable has what, the best first; a source's `fields` say otherwise."""


def layout(text: str, roles: Mapping[str, str | None]) -> tuple[re.Pattern[bytes], tuple[int, ...], dict[str, str]]:
    """Compile a format: its pattern, the group of each role in their order, and the variable that a role is read from.
    The group of a role that the format does not have is always empty.

    `roles` names what is wanted and, where the config says so, in which variable it stands. Raises FormatError where
    the time or the status is missing, or where the config names a variable that is not there.
    """
    tail = r"(?: .*+)?" if text == "combined" else ""
    parts = _split(COMBINED if text == "combined" else text)
    present = {name for name, _ in parts if name}
    chosen = {role: _chosen(role, wanted, present) for role, wanted in roles.items()}
    for role, example in (("time", "$time_local"), ("status", "$status")):
        if chosen.get(role) is None:
            raise FormatError(f"the format has no {role}: add {example} to the log_format and here")
    numbers: dict[str, int] = {}
    body = ""
    for index, (name, literal) in enumerate(parts):
        if name:
            captured = name in chosen.values() and name not in numbers
            value = _value(name, parts[index - 1][1], literal, last=index == len(parts) - 1)
            if captured and not value:
                raise FormatError(f"nothing stands between ${name} and what follows, so its end cannot be found")
            if captured:
                numbers[name] = len(numbers) + 1
            body += f"(?>{value.replace('(?:', '(', 1) if captured else value})"
        body += re.escape(literal)
    empty = len(numbers) + 1
    order = tuple(numbers[name] if name is not None else empty for name in chosen.values())
    pattern = re.compile((body + tail + "()").encode(), re.DOTALL)
    return pattern, order, {role: name for role, name in chosen.items() if name is not None}


def _split(text: str) -> list[tuple[str, str]]:
    """Variables, each with the text behind it; the text before the first has an empty name."""
    pieces = _VARIABLE.split(text)
    names = (braced or bare for braced, bare in zip(pieces[1::3], pieces[2::3], strict=True))
    return list(zip(["", *names], pieces[::3], strict=True))


def _chosen(role: str, wanted: str | None, present: set[str]) -> str | None:
    if wanted is not None:
        if wanted not in present:
            raise FormatError(f"fields.{role} names ${wanted}, which is not in the format")
        return wanted
    return next((name for name in DEFAULTS.get(role, ()) if name in present), None)


def _value(name: str, before: str, behind: str, *, last: bool) -> str:
    """The pattern of a value in a group of its own. Empty where two variables touch: the second takes both."""
    if name in _PATTERNS:
        return f"(?:{_PATTERNS[name]})"
    if not behind:
        return "(?:.*+)" if last else ""
    quote = behind[0]
    if quote in _QUOTES and before.endswith(quote):
        return rf"(?:[^{quote}\\]*+(?:\\.[^{quote}\\]*+)*+)"
    if len(behind) == 1 or _WITHOUT_SPACES.fullmatch(name):
        return f"(?:[^{re.escape(quote)}]*+)"
    return f"(?:.*?)(?={re.escape(behind)})"


_NONE = (b"", b"-")
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


def text_parser(spelling: str, fields: Mapping[str, Field]) -> Callable[[bytes], Parsed]:
    roles: dict[str, str | None] = dict.fromkeys(ROLES)
    own = numbers_in(fields)
    roles.update({role: name for role, (name, _) in fields.items() if role in ROLES or role in own})
    pattern, order, variables = layout(spelling, roles)
    match, variable = pattern.fullmatch, variables.get
    times: Remembered[bytes, float] = Remembered(lambda raw: time_of(raw.decode("utf-8", "surrogateescape"), None))
    paths = Remembered(_request if variable("path") == "request" else _text)
    statuses: Remembered[bytes, int | None] = Remembered(lambda raw: status_of(_text(raw)))
    durations = Remembered(_seconds(variable("duration"), fields.get("duration")))
    words = Remembered(_text)
    units = tuple((role, factor(spelt)) for role, spelt in own.items())

    def parse(line: bytes, /) -> Parsed:
        matched = match(line)
        if matched is None:
            raise NotALineError("a line that does not fit the format")
        time, path, status, duration, user, country, region, *numbers = matched.group(*order)
        return (
            times[time],
            paths[path.partition(b"?")[0]],
            statuses[status],
            durations[duration],
            None if user in _NONE else _text(user),
            words[country],
            words[region],
            numbers_of(units, map(_text, numbers)) if numbers else (),
        )

    return parse


def _text(raw: bytes) -> str | None:
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


def _request(raw: bytes) -> str | None:
    """`GET /lofts/42 HTTP/1.1`, its query cut off; anything else that a client sent has no path."""
    parts = raw.split(b" ")
    return _text(parts[1]) if len(parts) in (2, 3) else None


def _seconds(variable: str | None, field: Field | None) -> Callable[[bytes], float | None]:
    """Milliseconds. An upstream's time may be several, one a server that was asked: all of them were waited for."""
    if field is not None and not field[1] and variable not in NGINX_SECONDS:
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


def parser_of(source: Source) -> Parse:
    """What reads this source's lines. Raises FormatError where they could not tell a request."""
    return _parser(source.format, tuple(source.fields.items()))


@lru_cache(maxsize=32)
def _parser(spelling: str, fields: tuple[tuple[str, str], ...]) -> Parse:
    wanted = {name: field(name, text) for name, text in fields}
    return json_parser(wanted) if spelling == "json" else text_parser(spelling, wanted)
