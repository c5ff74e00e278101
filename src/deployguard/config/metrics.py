"""Which names a condition may use, and what they are measured in.

`errorRate`, `availability` and `consecutiveFailures` are whole by themselves; times, vitals and a source's numbers are
many values, so a trigger says with a function which one it means.
"""

from collections.abc import Mapping

from deployguard.config.condition import Unit

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
NGINX_SECONDS = ("request_time", "upstream_response_time")
FIELDS = ("time", "path", "method", "status", "duration", "user", "country", "region")
"""What a source's `fields` names of a request; any other name there is a metric of the source's own."""


def field_unit(spelling: str) -> Unit | None:
    """The unit of a source's field: `"took_ms ms"` is a time, `"cart_total"` a plain number; None: neither."""
    name, _, unit = spelling.strip().partition(" ")
    if not name:
        return None
    known = {"": Unit.NONE, "%": Unit.PERCENT} | dict.fromkeys(("ms", "s", "m", "h", "d"), Unit.MILLISECONDS)
    return known.get(unit.strip())


def lacks_unit(log_format: str, spelling: str) -> bool:
    """Whether a log's duration may be seconds or milliseconds for all that is said. nginx's own are known: seconds."""
    known = log_format != "json" and spelling.strip().removeprefix("$") in NGINX_SECONDS
    return field_unit(spelling) is Unit.NONE and not known


def default_min_samples(name: str, function: str | None) -> int:
    """100 for rates and averages, 50 for vitals, none for checks; a count is complete with any number of samples."""
    if name in CHECK_METRICS or function in COUNTING:
        return 0
    return 50 if name in VITALS else 100


def default_min_users(name: str) -> int:
    return 20 if name in VITALS else 0
