"""Paths as endpoints: queries and fragments cut off, the config's patterns applied, anything odd told as `other`.

In a pattern `:name` (or a `*` that is not last) stands for one part of a path and a last `*` for everything below it:
`/lofts/:id` is `/lofts/42` but not `/lofts/42/photos`; `/checkout/*` is `/checkout/pay` but not `/checkout`. Whole
paths count before patterns, narrow patterns before those that end in `*`, earlier ones before later ones.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from deployguard.telemetry.cache import Remembered

OTHER = "other"
MOST_ENDPOINTS = 200
LONGEST = 200  # characters of a path that is kept; longer ones are `other`
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class Endpoints:
    """The endpoints that the config lists and its rules name. `listed` are kept whatever the bound.

    `of[path]` is the endpoint that a request's path or whole address counts for.
    """

    __slots__ = ("_exact", "_patterns", "listed", "of")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        wanted = tuple(dict.fromkeys(patterns))
        self.listed = frozenset(wanted)
        self._exact = {pattern for pattern in wanted if not _is_pattern(pattern)}
        rest = sorted((pattern for pattern in wanted if _is_pattern(pattern)), key=lambda text: text.endswith("*"))
        self._patterns = [(_compiled(pattern), pattern) for pattern in rest]
        self.of = Remembered(self._find)

    def _find(self, address: str | None) -> str:
        path = bare(address) if address else None
        if path is None:
            return OTHER
        if path in self._exact:
            return path
        found = next((pattern for fits, pattern in self._patterns if fits.fullmatch(path)), path)
        return found if len(found) <= LONGEST or found in self.listed else OTHER


def bare(address: str) -> str | None:
    """The path of an address without query and fragment; None where it is no path."""
    match = _SCHEME.match(address)
    path = address[match.end() :] if match else address
    path = path.partition("?")[0].partition("#")[0] or ("/" if match else "")
    return path if path.startswith("/") and path.isprintable() else None


def matches(wanted: str, endpoint: str) -> bool:
    """Whether a stored endpoint is what a rule means: the same text, or one that the rule's pattern covers."""
    if wanted == endpoint:
        return True
    wider = endpoint.endswith("*") and not wanted.endswith("*")
    return _is_pattern(wanted) and not wider and _compiled(wanted).fullmatch(endpoint) is not None


def _is_pattern(text: str) -> bool:
    return "*" in text or "/:" in text


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    below = pattern.endswith("/*")
    parts = pattern.removesuffix("*" if below else "").split("/")
    body = "/".join("[^/]+" if part == "*" or part.startswith(":") else re.escape(part) for part in parts)
    return re.compile(body + (".*" if below else ""))
