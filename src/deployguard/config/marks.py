"""Where each value stands in a file's text: offsets by path, and the place that an error shows.

`json_marks` is a second, slower reading of JSON that is done only when there is an error to point at. It also says in
words what is wrong where the text is no JSON, and goes on after what it can go on after (a key given twice, NaN), so
that all errors are told at once.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from deployguard.config.environ import DEEPEST
from deployguard.config.issue import Issue, Path, dotted
from deployguard.errors import Code, Place

Span = tuple[int, int]


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
        spans = (self.keys, self.values) if issue.on_key else (self.values, self.keys)
        span = spans[0].get(issue.path) or (None if issue.on_key else spans[1].get(issue.path))
        if span is None:  # a key that is missing: its parent's place
            path = issue.path[:-1]
            while path and path not in self.keys and path not in self.values:
                path = path[:-1]
            start, end = self.keys.get(path) or self.values.get(path) or (0, 1)
            return start, end
        if issue.offset is not None and not issue.on_key:
            return self._inside(span, issue.offset, issue.width or 1)
        return span

    def _inside(self, span: Span, offset: int, width: int) -> Span:
        """A part of a text: each escape of the file is one character of the value."""
        start, end = span
        if self.text[start : start + 1] not in ('"', "'"):
            return start + offset, min(start + offset + width, end)
        at, starts = start + 1, []
        quote = self.text[start]
        while at < end - 1:
            starts.append(at)
            if quote == '"' and self.text[at] == "\\":
                at += _escape_width(self.text, at)
            elif quote == "'" and self.text.startswith("''", at):
                at += 2
            else:
                at += 1
        starts.append(at)
        first = starts[min(offset, len(starts) - 1)]
        return first, max(first + 1, starts[min(offset + width, len(starts) - 1)])


def _plain(line: str) -> str:
    """The line with every character in its column, and none that a terminal would obey."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in line)


def _escape_width(text: str, at: int) -> int:
    if text[at + 1 : at + 2] != "u":
        return 2
    pair = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}").match(text, at)
    return 12 if pair else 6


class _StopError(Exception):
    """The text cannot be read any further."""


_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_WORD = re.compile(r"[^\s,:\[\]{}\"]+|.", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"')
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class _Reader:
    def __init__(self, text: str) -> None:
        self.marks = Marks(text)
        self.text = text
        self.at = 0

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def peek(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def stop(self, wanted: str, path: Path, found: str | None = None) -> NoReturn:
        self.skip()
        match = _WORD.match(self.text, self.at)
        width = len(match[0]) if match else 1
        at = self.at
        if match is None:
            at = len(self.text.rstrip())
            found = found or "the end of the file, in the middle of a value"
        elif self.text.startswith(("//", "/*", "#"), at):
            found, wanted = "a comment", f"{wanted}; JSON has no comments, a .yaml file has"
        elif match[0].startswith("'"):
            found, wanted = "a single quote", f'{wanted}; texts stand in double quotes: "..."'
        shown = found or json.dumps(match[0][:60] if match else "", ensure_ascii=False)
        self.issue(Code.SYNTAX, path, shown, wanted, at, width)
        raise _StopError

    def issue(self, code: Code, path: Path, found: str, wanted: str, at: int, width: int) -> None:
        self.marks.issues.append(Issue(code=code, path=path, found=found, wanted=wanted, at=at, width=width))

    def value(self, path: Path) -> Any:
        first = self.peek()
        start = self.at
        if len(path) > DEEPEST:
            found, wanted = f"values nested deeper than {DEEPEST} levels", "a flatter file"
            self.issue(Code.OUT_OF_RANGE, path[:8], found, wanted, start, 1)
            raise _StopError
        if first == "{":
            self.marks.values[path] = (start, start + 1)
            return self.object(path)
        if first == "[":
            self.marks.values[path] = (start, start + 1)
            return self.list(path)
        value = self.string(path) if first == '"' else self.word(path)
        self.marks.values[path] = (start, self.at)
        return value

    def string(self, path: Path) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            bad = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*').match(self.text, self.at)
            self.at = bad.end() if bad else self.at
            if self.at >= len(self.text):
                self.stop('a closing quote: "', path)
            found = "a backslash that begins no escape" if self.text[self.at] == "\\" else "a line break or control"
            self.issue(Code.SYNTAX, path, found, 'text on one line; \\n, \\t, \\\\ and \\" in it', self.at, 1)
            raise _StopError
        self.at = match.end()
        text: str = json.loads(match[0])
        return text

    def word(self, path: Path) -> Any:
        number = _NUMBER.match(self.text, self.at)
        word = _WORD.match(self.text, self.at)
        if word is None:
            self.stop("a value", path)
        if word[0] in ("true", "false", "null") or word[0] in _NOT_FINITE:
            self.at = word.end()
            if word[0] in _NOT_FINITE:
                self.issue(
                    Code.OUT_OF_RANGE, path, f"{word[0]}, which is no number", "a number", word.start(), len(word[0])
                )
            return {"true": True, "false": False}.get(word[0])
        if number is None or number.end() != word.end():
            self.stop('a value: "text", a number, true, false, an object or a list', path)
        self.at = number.end()
        value = read_number(number[0])
        if value is None:
            self.issue(Code.OUT_OF_RANGE, path, "a number that is too large", "a smaller number", number.start(), 8)
        return value

    def list(self, path: Path) -> list[Any]:
        self.at += 1
        out: list[Any] = []
        if self.peek() == "]":
            self.at += 1
            return out
        while True:
            out.append(self.value((*path, len(out))))
            self.comma(path, "]")
            if self.text[self.at - 1] == "]":
                return out

    def object(self, path: Path) -> dict[str, Any]:
        self.at += 1
        out: dict[str, Any] = {}
        if self.peek() == "}":
            self.at += 1
            return out
        while True:
            if self.peek() != '"':
                self.stop('a key in double quotes: "name"', path)
            start = self.at
            key = self.string(path)
            here = (*path, key)
            span = (start, self.at)
            if self.peek() != ":":
                self.stop('":" after the key', here)
            self.at += 1
            if key in out:
                found = f"{json.dumps(key, ensure_ascii=False)} for the second time"
                self.issue(Code.DUPLICATE_KEY, here, found, "each key once", start, span[1] - start)
                self.value(here)
            else:
                self.marks.keys[here] = span
                out[key] = self.value(here)
            self.comma(path, "}")
            if self.text[self.at - 1] == "}":
                return out

    def comma(self, path: Path, close: str) -> None:
        char = self.peek()
        if char not in (",", close) or not char:
            self.stop(f'"," or "{close}"', path)
        self.at += 1
        if char == "," and self.peek() == close:
            self.stop(f'another value, or no comma before "{close}"', path, f'"{close}" after a comma')


def read_number(text: str) -> int | float | None:
    """A number of JSON; None where it is too large to be one."""
    try:
        value = float(text) if any(char in text for char in ".eE") else int(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def json_marks(text: str) -> Marks:
    """Read JSON with marks. `issues` says what is wrong with the text itself; `tree` is None where it stopped."""
    reader = _Reader(text)
    try:
        reader.marks.tree = reader.value(())
        reader.skip()
        if reader.at < len(text):
            reader.marks.tree = None
            reader.stop("the end of the file", ())
    except _StopError:
        pass
    return reader.marks
