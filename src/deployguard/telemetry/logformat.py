"""An nginx `log_format` as one regular expression over bytes.

Theory of operation. Every variable ends where the text behind it begins for the first time, and what was matched is
never tried again (possessive and atomic groups), so a line costs time in proportion to its length, whatever is in it.
Between quotes a backslash takes the next character with it: nginx writes `"` as `\\x22`, others as `\\"`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

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
_WITHOUT_SPACES = frozenset(
    {
        "remote_addr",
        "remote_port",
        "bytes_sent",
        "body_bytes_sent",
        "connection",
        "connection_requests",
        "request_id",
        "request_length",
        "request_method",
        "request_uri",
        "uri",
        "document_uri",
        "scheme",
        "host",
        "http_host",
        "server_name",
        "server_port",
        "server_protocol",
        "pipe",
        "hostname",
        "ssl_protocol",
        "ssl_cipher",
        "gzip_ratio",
    }
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


class FormatError(Exception):
    """A format or its fields that no request can be read from; says why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a line has what. `pattern` has one group for each of `roles`, in their order; one that the format does
    not have is always empty. `variables` says which variable a role is read from."""

    pattern: re.Pattern[bytes]
    order: tuple[int, ...]
    variables: Mapping[str, str]


def layout(text: str, roles: Mapping[str, str | None]) -> Layout:
    """Compile a format. `roles` names what is wanted and, where the config says so, in which variable it stands.

    Raises FormatError where the time or the status is missing, or where the config names a variable that is not there.
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
    return Layout(pattern, order, {role: name for role, name in chosen.items() if name is not None})


def _split(text: str) -> list[tuple[str, str]]:
    """Variables, each with the text behind it; the text before the first has an empty name."""
    out = [("", text[: match.start()] if (match := _VARIABLE.search(text)) else text)]
    found = list(_VARIABLE.finditer(text))
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        out.append((match[1] or match[2], text[match.end() : end]))
    return out


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
    if len(behind) == 1 or name in _WITHOUT_SPACES:
        return f"(?:[^{re.escape(quote)}]*+)"
    return f"(?:.*?)(?={re.escape(behind)})"
