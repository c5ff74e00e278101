"""Where each value stands in a file's text: offsets by path, and the place that an error shows.

A text is read with marks only when there is an error to point at (a YAML text always). `Builder` makes the tree and
the marks from what a reader finds one after the other, so JSON and YAML have the same rules: each key once, a bound
on nesting, no recursion.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from deployguard.config.environ import DEEPEST
from deployguard.config.issues import Issue, Path, dotted
from deployguard.errors import Code, Place

Span = tuple[int, int]

_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u.{4}|\\.", re.DOTALL)


@dataclass(slots=True)
class Marks:
    """Offsets of keys and values in a text."""

    text: str
    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    tree: Any = None

    def place(self, issue: Issue, file: str) -> Place:
        start, end = self._span(issue)
        before = self.text.rfind("\n", 0, start) + 1
        line_end = self.text.find("\n", start)
        line_end = len(self.text) if line_end < 0 else line_end
        source = self.text[before:line_end].rstrip("\r")
        return Place(
            file,
            self.text.count("\n", 0, before) + 1,
            start - before + 1,
            dotted(issue.path) or None,
            _plain(source),
            max(1, min(end, before + len(source)) - start),
        )

    def _span(self, issue: Issue) -> Span:
        if issue.at is not None:
            return issue.at, issue.at + (issue.width or 1)
        first, second = (self.keys, {}) if issue.on_key else (self.values, self.keys)
        span = first.get(issue.path) or second.get(issue.path)
        if span is None:  # a key that is missing: its parent's place
            path = issue.path[:-1]
            while path and path not in self.keys and path not in self.values:
                path = path[:-1]
            return self.keys.get(path) or self.values.get(path) or (0, 1)
        if issue.offset is not None and not issue.on_key:
            return self._inside(span, issue.offset, issue.width or 1)
        return span

    def _inside(self, span: Span, offset: int, width: int) -> Span:
        """A part of a text: each escape of the file is one character of the value."""
        start, end = span
        quote = self.text[start : start + 1]
        if quote not in ('"', "'"):
            return start + offset, min(start + offset + width, end)
        at, starts = start + 1, []
        while at < end - 1:
            starts.append(at)
            escape = _ESCAPE.match(self.text, at) if quote == '"' else None
            at = escape.end() if escape else at + (2 if quote == "'" and self.text.startswith("''", at) else 1)
        starts.append(at)
        first = starts[min(offset, len(starts) - 1)]
        return first, max(first + 1, starts[min(offset + width, len(starts) - 1)])


def _plain(line: str) -> str:
    """The line with every character in its column, and none that a terminal would obey."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in line)


@dataclass(slots=True)
class _Open:
    """A collection whose end was not read yet. `size`: the values in it, aliases followed."""

    tree: Any
    path: Path
    anchor: str | None
    key: str | None = None
    size: int = 1


class Builder:
    """The tree and the marks of a text, from its parts in their order."""

    def __init__(self, text: str) -> None:
        self.marks = Marks(text)
        self.open: list[_Open] = []
        self.stopped = False  # the text makes no sense from here on

    @property
    def wants_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].tree, dict) and self.open[-1].key is None

    @property
    def path(self) -> Path:
        """The way to what comes next; to the object where that is a key."""
        if not self.open:
            return ()
        top = self.open[-1]
        last = len(top.tree) if isinstance(top.tree, list) else top.key
        return top.path if last is None else (*top.path, last)

    def wrong(self, code: Code, found: str, wanted: str, span: Span, *, path: Path | None = None) -> None:
        start, end = span
        self.marks.issues.append(
            Issue(
                code=code,
                path=self.path if path is None else path,
                found=found,
                wanted=wanted,
                at=start,
                width=max(1, end - start),
            )
        )

    def stop(self, code: Code, found: str, wanted: str, span: Span, *, path: Path | None = None) -> None:
        self.wrong(code, found, wanted, span, path=path)
        self.stopped, self.marks.tree = True, None

    def start(self, tree: Any, span: Span, anchor: str | None = None) -> None:
        """An object or a list begins."""
        path = self.path
        if len(path) > DEEPEST:
            found = f"values nested deeper than {DEEPEST} levels"
            self.stop(Code.OUT_OF_RANGE, found, "a flatter file", span, path=path[:8])
            return
        self.marks.values.setdefault(path, (span[0], span[0] + 1))
        self.open.append(_Open(tree, path, anchor))

    def end(self) -> _Open:
        done = self.open.pop()
        self._put(done.tree, done.size)
        return done

    def key(self, name: str, span: Span) -> None:
        top = self.open[-1]
        top.key = name
        if name in top.tree:
            found = f"{json.dumps(name, ensure_ascii=False)} for the second time"
            self.wrong(Code.DUPLICATE_KEY, found, "each key once", span)
        else:
            self.marks.keys.setdefault(self.path, span)

    def value(self, value: Any, span: Span, size: int = 1) -> None:
        self.marks.values.setdefault(self.path, span)
        self._put(value, size)

    def number(self, text: str, span: Span) -> int | float | None:
        """A number as written; too large a one is an issue."""
        try:
            value = float(text) if any(char in text for char in ".eE") else int(text)
        except ValueError:  # more digits than Python reads
            value = float("inf")
        if abs(value) < 1e300:
            return value
        self.wrong(Code.OUT_OF_RANGE, "a number that is too large", "a smaller number", span)
        return None

    def _put(self, value: Any, size: int) -> None:
        if not self.open:
            self.marks.tree = value
            return
        top = self.open[-1]
        top.size += size
        if isinstance(top.tree, list):
            top.tree.append(value)
        elif top.key is not None:
            top.tree.setdefault(top.key, value)
            top.key = None
