"""Holding an answer against what a check expects: `status == 200`, `json.status == 'ok'`, `responseTime < 2s`.

A failure is told as the rule with the value in place, `status (503) == 200`; the status comes first, since a body is
seldom right where the status is wrong.
"""

import html
import json
import re
from codecs import lookup
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployguard.codec import foreign
from deployguard.config.condition import Condition, Op, matches
from deployguard.net import Why
from deployguard.plain import plain_line, shortened

QUOTED = 60
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BELOW_400 = Condition(name="status", op=Op.LT, value=400.0, text="status < 400")


class _NoJSON:
    """What `json.x` finds in an answer that is no JSON."""


NO_JSON = _NoJSON()


@dataclass(frozen=True)
class Answer:
    """What came back. `leads_to` is a redirect's target, whether or not it was followed."""

    status: int
    body: bytes
    charset: str
    elapsed_ms: float
    leads_to: str | None = None

    @cached_property
    def text(self) -> str:
        try:
            lookup(self.charset)
        except LookupError:
            return self.body.decode("utf-8", "replace")
        return self.body.decode(self.charset, "replace")

    @cached_property
    def document(self) -> Any:
        try:
            return foreign(self.body)
        except ValueError:
            return NO_JSON

    def value(self, name: str) -> object:
        """What a condition's NAME means here; None where there is nothing of the kind."""
        match name:
            case "status":
                return self.status
            case "responseTime":
                return self.elapsed_ms
            case "body":
                return self.text
        document = self.document
        for key in name.split(".")[1:]:
            if isinstance(document, dict):
                document = document.get(key)
            elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
                document = document[int(key)]
            else:
                return NO_JSON if document is NO_JSON else None
        return document


def judged(expect: Iterable[Condition], answer: Answer) -> tuple[Why | None, str]:
    """Why the answer is not as expected (None: it is), and the fact: the failed rule, or those that hold."""
    conditions = tuple(expect) or (_BELOW_400,)
    failed = [c for c in conditions if not matches(c, answer.value(c.name))]
    if not failed:
        return None, ", ".join(shown(c, answer) for c in conditions if c.name != "status")
    first = next((c for c in failed if c.name == "status"), failed[0])
    why = {"status": Why.STATUS, "responseTime": Why.TIMEOUT}.get(first.name, Why.BODY)
    fact = shown(first, answer)
    if why is Why.STATUS and answer.leads_to:
        fact += f"; leads to {shortened(plain_line(answer.leads_to.partition('?')[0]), 100)}"
    elif why is Why.STATUS and (words := first_words(answer.text)):
        fact += f'; "{words}"'
    return why, fact


def shown(condition: Condition, answer: Answer) -> str:
    """The rule as written with the value found in place: `json.status ('degraded') == 'ok'`."""
    written = condition.text.strip()
    if not written.startswith(condition.name):
        return written
    value = answer.value(condition.name)
    found = _milliseconds(answer.elapsed_ms) if condition.name == "responseTime" else _spelt(value)
    return f"{condition.name} ({found}) {written[len(condition.name) :].strip()}"


def _spelt(value: object) -> str:
    match value:
        case None:
            return "none"
        case _NoJSON():
            return "no JSON"
        case str():
            return f"'{shortened(plain_line(value), QUOTED)}'"
        case bool() | int() | float():
            return json.dumps(value)
    return shortened(plain_line(json.dumps(value)), QUOTED)


def _milliseconds(value: float) -> str:
    """`412ms`, `2.41s`."""
    return f"{round(value)}ms" if value < 999.5 else f"{value / 1000:.2f}s"


def first_words(text: str) -> str:
    """What an error page says first: its title, or its first line."""
    title = _TITLE.search(text[:20_000])
    if title:
        return shortened(plain_line(html.unescape(title[1])), QUOTED)
    if text.lstrip().startswith("<"):
        return ""
    return next((shortened(line, QUOTED) for line in map(plain_line, text[:5_000].splitlines()) if line), "")
