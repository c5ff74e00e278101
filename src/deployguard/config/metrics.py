"""Which names a condition may use, and what they are measured in.

`errorRate`, `availability` and `consecutiveFailures` are whole by themselves; times, vitals and a source's numbers are
many values, so a trigger says with a function which one it means.
"""

from collections.abc import Collection, Mapping

from deployguard.config.condition import Unit
from deployguard.errors import Code, nearest

VITALS = ("lcp", "inp", "cls", "fcp", "ttfb", "fid")
CHECK_METRICS = ("availability", "consecutiveFailures")
REQUEST_METRICS = ("errorRate", "responseTime")
PLAIN: Mapping[str, Unit] = {
    "errorRate": Unit.PERCENT,
    "availability": Unit.PERCENT,
    "consecutiveFailures": Unit.NONE,
}
"""Metrics that take no function."""
VALUES: Mapping[str, Unit] = {
    "responseTime": Unit.MILLISECONDS,
    "lcp": Unit.MILLISECONDS,
    "inp": Unit.MILLISECONDS,
    "cls": Unit.NONE,
    "fcp": Unit.MILLISECONDS,
    "ttfb": Unit.MILLISECONDS,
    "fid": Unit.MILLISECONDS,
}
"""Metrics that need a function in `when`."""
METRICS = (*PLAIN, *VALUES)
FUNCTIONS = ("avg", "p50", "p75", "p90", "p95", "p99", "max", "rate", "count")
GUARDED = ("errorRate", "responseTime", "lcp", "inp", "cls", "fcp", "ttfb", "fid")
"""What a guardrail may compare; the first four are its default."""
COUNTING = ("rate", "count")  # a second; a window. Their numbers have no unit
EXPECTED = ("status", "body", "json", "responseTime")
"""What an answer of a probe has: `json` is followed by the path of a field."""
FIELDS = ("time", "path", "method", "status", "duration", "user", "country", "region")
"""What a source's `fields` names of a request; any other name there is a metric of the source's own."""


def field_unit(spelling: str) -> Unit | None:
    """The unit of a source's field: `"took_ms ms"` is a time, `"cart_total"` a plain number; None: neither."""
    name, _, unit = spelling.strip().partition(" ")
    if not name:
        return None
    known = {"": Unit.NONE, "%": Unit.PERCENT} | dict.fromkeys(("ms", "s", "m", "h", "d"), Unit.MILLISECONDS)
    return known.get(unit.strip())


def default_min_samples(name: str, function: str | None) -> int:
    """100 for rates and averages, 50 for vitals, none for checks; a count is complete with any number of samples."""
    if name in CHECK_METRICS or function in COUNTING:
        return 0
    return 50 if name in VITALS else 100


def default_min_users(name: str) -> int:
    return 20 if name in VITALS else 0


class RefusedError(Exception):
    """A word that a condition may not use; `grammar` adds where it stands."""

    def __init__(self, code: Code, part: str, found: str, wanted: str) -> None:
        super().__init__(found)
        self.code, self.part, self.found, self.wanted = code, part, found, wanted


def unit_in_trigger(name: str, function: str | None, numbers: Mapping[str, Unit]) -> Unit:
    """The unit of a trigger's metric. Raises RefusedError for unknown names and wrong or missing functions."""
    if function is not None and function not in FUNCTIONS:
        raise RefusedError(
            Code.UNKNOWN_METRIC,
            "function",
            f'"{function}", which is no function',
            or_nearest(f"one of {', '.join(FUNCTIONS)}", function, FUNCTIONS),
        )
    if name in PLAIN:
        if function is not None:
            raise RefusedError(
                Code.WRONG_TYPE, "function", f'"{function}({name})"', f'"{name}", which takes no function'
            )
        return PLAIN[name]
    unit = VALUES.get(name, numbers.get(name))
    if unit is None:
        known = (*METRICS, *numbers)
        wanted = "a metric that a source has" if name in EXPECTED or name.startswith("json.") else "a metric"
        raise RefusedError(
            Code.UNKNOWN_METRIC, "name", f'"{name}", which is no metric', or_nearest(wanted, name, known)
        )
    if function is None:
        example = "p75" if name in VITALS else "avg"
        raise RefusedError(
            Code.WRONG_TYPE, "name", f'"{name}", which is many values', f'a function of it, such as "{example}({name})"'
        )
    return Unit.NONE if function in COUNTING else unit


def unit_in_expectation(name: str, function: str | None) -> Unit | None:
    """The unit of what a check expects; None where any value may stand (`json.status`). Raises RefusedError."""
    if function is not None:
        raise RefusedError(Code.WRONG_TYPE, "function", f'"{function}({name})"', f'"{name}": an answer is one value')
    if name == "responseTime":
        return Unit.MILLISECONDS
    if name == "json" or name.startswith("json."):
        return None
    if name in ("status", "body"):
        return Unit.NONE
    wanted = 'what an answer has: "status", "body", "json.NAME" or "responseTime"'
    raise RefusedError(
        Code.UNKNOWN_METRIC, "name", f'"{name}", which no answer has', or_nearest(wanted, name, EXPECTED)
    )


_FEW = 1_000  # among more names, looking for the nearest takes longer than a person waits


def or_nearest(wanted: str, name: str, known: Collection[str]) -> str:
    """`wanted`, with the known name that is most like `name` where one is close."""
    close = nearest(name, frozenset(known)) if len(known) <= _FEW and len(name) <= _FEW else None
    return wanted if close is None else f'{wanted}; nearest: "{close}"'
