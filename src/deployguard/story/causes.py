"""Why a verdict waits for data, why a rollout waits, and the line that connects what cannot be seen."""

from datetime import datetime, tzinfo

from deployguard.config.metrics import CHECK_METRICS, REQUEST_METRICS, VITALS
from deployguard.config.values import Environment
from deployguard.guard.values import Cause, Verdict
from deployguard.story.numbers import about, count_words, duration_words
from deployguard.story.plain import plain
from deployguard.story.rule_parts import parts


def cause_words(verdict: Verdict, zone: tzinfo | None = None, now: datetime | None = None) -> str:
    """An inconclusive verdict's cause: `31 of 50 samples, ready about 03:21`. Empty for one that has none."""
    detail = plain(verdict.detail) if verdict.detail else ""
    match verdict.cause:
        case Cause.TOO_FEW:
            return _too_few(verdict, detail, zone, now)
        case Cause.NO_TRAFFIC:
            return f"no request for {_window(verdict)}"
        case Cause.NO_EXPOSURE:
            return "traffic, but nobody was split: wrong user id, or the code does not ask"
        case Cause.SOURCE_DOWN:
            return detail or "a source is down"
        case Cause.STALE:
            return f"no new sample for {_window(verdict)}" + (f": {detail}" if detail else "")
        case Cause.DEPLOYING:
            return "a deploy is running"
        case Cause.WATCHER_OFFLINE:
            return "this machine is offline"
        case Cause.NOT_CONNECTED:
            return f"cannot see {metric_name_words(verdict)}" + (f": {detail}" if detail else "")
        case None:
            return ""


def _too_few(verdict: Verdict, detail: str, zone: tzinfo | None, now: datetime | None) -> str:
    if verdict.source == "probes" and verdict.rule.startswith("consecutiveFailures"):
        said = f"no round of {detail} yet" if detail else "no round of a check yet"
    elif detail:
        said = detail
    elif verdict.needed > verdict.samples:
        said = f"{count_words(verdict.samples)} of {count_words(verdict.needed)} samples"
    else:
        said = "less than a whole window"
    if verdict.ready_at is None:
        return said
    seen = now or (verdict.window.to if verdict.window else verdict.ready_at)
    return f"{said}, ready about {about(verdict.ready_at, seen, zone)}"


def _window(verdict: Verdict) -> str:
    return duration_words(verdict.window.to - verdict.window.from_) if verdict.window else "a whole window"


def metric_words(name: str) -> str:
    """What a metric is read from, for people: `lcp` needs web vitals."""
    if name in VITALS:
        return "web vitals"
    if name in REQUEST_METRICS:
        return "requests"
    return "health checks" if name in CHECK_METRICS else plain(name)


def metric_name_words(verdict: Verdict) -> str:
    """The same of a verdict's rule."""
    found = parts(verdict.rule)
    if found is None:
        return plain(verdict.rule)
    name = found.metric.rpartition("(")[2].partition(",")[0].rstrip(")")
    return metric_words(found.metric.partition("(")[0] if name.startswith("'") else name)


def connecting_line(name: str, environment: Environment) -> str:
    """The one line that connects a metric's samples."""
    if name in VITALS:
        return f"deployguard monitoring import FILE --env {environment.name}  # lines of type vital"
    if name in REQUEST_METRICS:
        return '"sources": { "nginx": { "type": "accessLog", "path": "/var/log/nginx/access.log" } } in the config'
    if name in CHECK_METRICS:
        return '"healthChecks": { "homepage": { "url": "/" } } in the config'
    return f'"{plain(name)}" among the "fields" of a source in the config'
