"""A rule's text taken apart: what it measures, how it compares, and with what."""

import re
from dataclasses import dataclass
from functools import lru_cache

from deployguard.config.condition import Unit
from deployguard.story.plain import plain

_RULE = re.compile(r"((?:[^'<>=!]|'(?:[^'\\]|\\.)*')*?)\s*(==|!=|>=|<=|>|<)\s*(.+)", re.DOTALL)
_TIME = re.compile(r"[\d.]+\s*(?:ms|s|m|h|d|w|y)")


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
def parts(rule: str) -> Parts | None:
    """None where the text is no comparison."""
    match = _RULE.fullmatch(plain(rule))
    return Parts(match[1], match[2], match[3].strip()) if match else None
