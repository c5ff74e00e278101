"""A verdict in words: the rule with the value found in its place, what it rests on, and why it waits for data.

`errorRate (14.2%) > 10% among 1,204 requests of its users`. A verdict is taken as a value or as the JSON that an event
carries. A rule and its value belong on one line: renderers glue the text that `rule_with_value` answers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, tzinfo
from functools import cache, lru_cache

from deployguard.codec import from_json
from deployguard.config.condition import Condition, Unit
from deployguard.config.metrics import CHECK_METRICS, REQUEST_METRICS, VITALS
from deployguard.config.values import Environment
from deployguard.guard.values import Cause, Population, Result, Verdict
from deployguard.plain import clean
from deployguard.story.numbers import about, count_words, counted, duration_words, value_with_unit

_RULE = re.compile(r"((?:[^'<>=!]|'(?:[^'\\]|\\.)*')*?)\s*(==|!=|>=|<=|>|<)\s*(.+)", re.DOTALL)
_TIME = re.compile(r"[\d.]+\s*(?:ms|s|m|h|d|w|y)")
WHOSE = {Population.ALL: "everyone", Population.EXPOSED: "its users", Population.OTHERS: "the others"}
"""A population for people."""

_SAMPLES = {"requests": "request", "vitals": "page view", "checks": "health check", "probes": "probe round"}
_MOST = 10**15  # samples; beyond it a figure is no figure
_WORST_FIRST = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that several amount to: the first that fails, else the first that waits. Raises where there is none."""
    return min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict.verdict))


# the rule


@dataclass(frozen=True, slots=True)
class Parts:
    """A rule's text, taken apart: `errorRate`, `>`, `10%`."""

    metric: str
    op: str
    limit: str

    @property
    def unit(self) -> Unit:
        if self.limit.endswith("%"):
            return Unit.PERCENT
        return Unit.MILLISECONDS if _TIME.fullmatch(self.limit) else Unit.NONE


@lru_cache(maxsize=256)
def rule_parts(rule: str) -> Parts | None:
    """None where the text is no comparison."""
    match = _RULE.fullmatch(clean(rule))
    return Parts(match[1], match[2], match[3].strip()) if match else None


def metric_words(condition: Condition) -> str:
    """The left side of a rule: `errorRate`, `avg(responseTime)`, `errorRate('/checkout/*')`."""
    argument = f"'{condition.argument}'" if condition.argument is not None else None
    if condition.function is not None:
        inner = condition.name if argument is None else f"{condition.name}, {argument}"
        return clean(f"{condition.function}({inner})")
    return clean(condition.name if argument is None else f"{condition.name}({argument})")


def limit_words(condition: Condition) -> str:
    """The right side: `> 10%`, `> 5s`, `>= 2`."""
    found = rule_parts(condition.text)
    return f"{found.op} {found.limit}" if found else clean(f"{condition.op} {condition.value}")


def value_words(verdict: Verdict) -> str:
    """The value in the rule's unit, with the digits that its limit asks for; `none` without samples."""
    found = rule_parts(verdict.rule)
    return value_with_unit(verdict.value, found.unit if found else Unit.NONE, verdict.threshold)


def rule_with_value(verdict: Verdict) -> str:
    """`errorRate (14.2%) > 10%`: the text that is never parted."""
    found = rule_parts(verdict.rule)
    if found is None or verdict.value is None:
        return clean(verdict.rule)
    return f"{found.metric} ({value_words(verdict)}) {found.op} {found.limit}"


def samples_words(verdict: Verdict) -> str:
    """What the value rests on: `among 1,204 requests of its users`."""
    if verdict.source == "checks":
        return f"({clean(verdict.detail or 'from ' + counted(verdict.samples, 'health check'))})"
    if verdict.rule.startswith("consecutiveFailures"):
        return f"of check {clean(verdict.detail)}" if verdict.detail else ""
    whose = "" if verdict.source == "probes" else f" of {WHOSE[verdict.population]}"
    return f"among {counted(verdict.samples, _SAMPLES.get(verdict.source, 'sample'))}{whose}"


def rule_words(verdict: Verdict) -> str:
    """The rule with its value and its samples."""
    return f"{rule_with_value(verdict)} {samples_words(verdict)}".rstrip()


def early_words(verdict: Verdict) -> str | None:
    """Why a verdict fails on fewer samples than its trigger wants: those that are missing could not save it."""
    if verdict.verdict is not Result.FAIL or not 0 < verdict.samples < verdict.needed:
        return None
    return f"fails before {count_words(verdict.needed)} samples, as the missing ones could not save it"


def evidence_words(verdict: Verdict, others: Verdict | None) -> str:
    """The whole reason: the rule, its samples, the contrast with the others, and how many requests failed."""
    said = [rule_words(verdict)]
    if others is not None and others.value is not None and verdict.population is not Population.OTHERS:
        said.append(f"{value_words(others)} among the others")
    if others is not None and others.verdict is Result.FAIL:
        said.append("users without it are equally hurt")
    elif verdict.bad and verdict.source == "requests" and verdict.rule.startswith("errorRate"):
        own = verdict.population is Population.EXPOSED
        failed = f"{count_words(verdict.bad)} of its requests" if own else counted(verdict.bad, "request")
        said.append(f"{failed} failed")
    return "; ".join(said)


@cache
def _known() -> frozenset[str]:
    words = (field.name.rstrip("_").split("_") for field in fields(Verdict))
    return frozenset(first + "".join(word.capitalize() for word in rest) for first, *rest in words)


def verdict_of(data: object) -> Verdict | None:
    """The verdict that an event carries; fields of a later version are passed over, and None is for what is none."""
    if isinstance(data, Verdict):
        return data
    if not isinstance(data, Mapping):
        return None
    from pydantic import ValidationError  # heavy, and needed by those alone who read verdicts

    try:
        found = from_json(Verdict, {key: value for key, value in data.items() if key in _known()})
    except (ValidationError, OverflowError):
        return None
    times = [found.ready_at, *((found.window.from_, found.window.to) if found.window else ())]
    sane = all(at is None or (at.tzinfo is not None and 1970 < at.year < 9999) for at in times)
    return found if sane and max(abs(found.samples), abs(found.needed), abs(found.bad or 0)) < _MOST else None


# why it waits for data


def cause_words(verdict: Verdict, zone: tzinfo | None = None, now: datetime | None = None) -> str:
    """An inconclusive verdict's cause: `31 of 50 samples, ready about 03:21`. Empty for one that has none."""
    detail = clean(verdict.detail) if verdict.detail else ""
    match verdict.cause:
        case Cause.TOO_FEW:
            return _too_few(verdict, detail, zone, now)
        case Cause.NO_TRAFFIC:
            return f"no request {_since(verdict)}"
        case Cause.NO_EXPOSURE:
            return "traffic, but nobody was split: wrong user id, or the code does not ask"
        case Cause.SOURCE_DOWN:
            return detail or "a source is down"
        case Cause.STALE:
            return f"no new sample {_since(verdict)}" + (f": {detail}" if detail else "")
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
    if verdict.ready_at <= seen:  # an estimate that has passed is none
        return said
    return f"{said}, ready about {about(verdict.ready_at, seen, zone)}"


def _since(verdict: Verdict) -> str:
    """How long nothing came: `for 5m`; `yet` where the window has only begun."""
    if verdict.window is None:
        return "for a whole window"
    length = verdict.window.to - verdict.window.from_
    return f"for {duration_words(length)}" if length >= timedelta(seconds=1) else "yet"


def fed_by(name: str) -> str:
    """What a metric is read from, for people: `lcp` needs web vitals."""
    if name in VITALS:
        return "web vitals"
    if name in REQUEST_METRICS:
        return "requests"
    return "health checks" if name in CHECK_METRICS else clean(name)


def metric_name_words(verdict: Verdict) -> str:
    """The same of a verdict's rule."""
    found = rule_parts(verdict.rule)
    if found is None:
        return clean(verdict.rule)
    name = found.metric.rpartition("(")[2].partition(",")[0].rstrip(")")
    return fed_by(found.metric.partition("(")[0] if name.startswith("'") else name)


def connecting_line(name: str, environment: Environment) -> str:
    """The one line that connects a metric's samples."""
    if name in VITALS:
        return f"deployguard monitoring import FILE --env {environment.name}"
    if name in REQUEST_METRICS:
        return '"sources": { "nginx": { "type": "accessLog", "path": "/var/log/nginx/access.log" } } in the config'
    if name in CHECK_METRICS:
        return '"healthChecks": { "homepage": { "url": "/" } } in the config'
    return f'"{clean(name)}" among the "fields" of a source in the config'
