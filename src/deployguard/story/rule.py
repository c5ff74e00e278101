"""A rule with the value found in its place, and the samples that it rests on: `errorRate (14.2%) > 10%`.

A verdict is taken as a value or as the JSON that an event carries. A rule and its value belong on one line: renderers
glue the text that `rule_with_value` answers.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import tzinfo
from functools import cache

from deployguard.codec import from_json
from deployguard.config.condition import Condition, Unit
from deployguard.config.grammar import format_condition
from deployguard.guard.values import Population, Result, Verdict
from deployguard.story.causes import cause_words
from deployguard.story.numbers import count_words, counted, value_with_unit
from deployguard.story.plain import plain
from deployguard.story.rule_parts import parts

_OF = {Population.ALL: "of everyone", Population.EXPOSED: "of its users", Population.OTHERS: "of the others"}
_MOST = 10**15  # samples; beyond it a figure is no figure
_SAMPLES = {"requests": "request", "vitals": "page view", "checks": "health check", "probes": "probe round"}


def metric_words(condition: Condition) -> str:
    """The left side of a rule: `errorRate`, `avg(responseTime)`, `errorRate('/checkout/*')`."""
    argument = f"'{condition.argument}'" if condition.argument is not None else None
    if condition.function is not None:
        inner = condition.name if argument is None else f"{condition.name}, {argument}"
        return plain(f"{condition.function}({inner})")
    return plain(condition.name if argument is None else f"{condition.name}({argument})")


def limit_words(condition: Condition) -> str:
    """The right side: `> 10%`, `> 5s`, `>= 2`."""
    found = parts(condition.text or format_condition(condition))
    return f"{found.op} {found.limit}" if found else plain(f"{condition.op} {condition.value}")


def value_words(verdict: Verdict) -> str:
    """The value in the rule's unit, with the digits that its limit asks for; `none` without samples."""
    found = parts(verdict.rule)
    return value_with_unit(verdict.value, found.unit if found else Unit.NONE, verdict.threshold)


def rule_with_value(verdict: Verdict) -> str:
    """`errorRate (14.2%) > 10%`: the text that is never parted."""
    found = parts(verdict.rule)
    if found is None or verdict.value is None:
        return plain(verdict.rule)
    return f"{found.metric} ({value_words(verdict)}) {found.op} {found.limit}"


def samples_words(verdict: Verdict) -> str:
    """What the value rests on: `among 1,204 requests of its users`."""
    if verdict.source == "checks":
        return f"({plain(verdict.detail or 'from ' + counted(verdict.samples, 'health check'))})"
    if verdict.rule.startswith("consecutiveFailures"):
        return f"of check {plain(verdict.detail)}" if verdict.detail else ""
    one = _SAMPLES.get(verdict.source, "sample")
    whose = "" if verdict.source == "probes" else f" {_OF[verdict.population]}"
    return f"among {counted(verdict.samples, one)}{whose}"


def rule_words(verdict: Verdict) -> str:
    """The rule with its value and its samples: `errorRate (14.2%) > 10% among 1,204 requests of its users`."""
    return f"{rule_with_value(verdict)} {samples_words(verdict)}".rstrip()


def verdict_line(verdict: Verdict, zone: tzinfo | None = None) -> str:
    """A verdict on one line: the rule with its value, and why it waits for data where it does."""
    cause = cause_words(verdict, zone)
    waits = f"waits for data, {cause}" if cause else "waits for data"
    if verdict.verdict is not Result.INCONCLUSIVE:
        return rule_words(verdict)
    return f"{rule_with_value(verdict)}: {waits}"


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
