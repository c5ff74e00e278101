"""YAML -> tree with marks, from the parser's events: scalars by the 1.2 core schema, nothing constructed, no recursion.

PyYAML reads YAML 1.1, where `NO` is false and `012` is ten; so its resolver is not used. Only what JSON can say is
taken: text keys, no tags but the core's, each key once, aliases that end and do not multiply.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from deployguard.config.environ import DEEPEST
from deployguard.config.issue import Issue, Path
from deployguard.config.marks import Marks, read_number
from deployguard.errors import Code

MOST_VALUES = 100_000
"""Values after aliases are followed."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL, _HEX = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: value
    for word, value in (("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_CORE = "tag:yaml.org,2002:"


@dataclass(slots=True)
class _Open:
    """A collection whose end was not read yet."""

    tree: Any
    path: Path
    anchor: str | None
    key: str | None = None
    size: int = 1


class _Builder:
    def __init__(self, text: str) -> None:
        self.marks = Marks(text)
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.total = 0
        self.stopped = False
        self.documents = 0

    def issue(self, code: Code, path: Path, found: str, wanted: str, event: Any, *, stop: bool = False) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        width = max(1, end - start)
        self.marks.issues.append(Issue(code=code, path=path, found=found, wanted=wanted, at=start, width=width))
        self.stopped = self.stopped or stop

    def feed(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.issue(Code.SYNTAX, (), "a second document", "one document a file", event, stop=True)
            case yaml.MappingStartEvent():
                self._start({}, event)
            case yaml.SequenceStartEvent():
                self._start([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case _:
                pass

    def _is_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].tree, dict) and self.open[-1].key is None

    def _path(self) -> Path:
        if not self.open:
            return ()
        top = self.open[-1]
        return (*top.path, len(top.tree) if isinstance(top.tree, list) else top.key or "")

    def _start(self, tree: Any, event: Any) -> None:
        if self._is_key():
            self.issue(Code.WRONG_TYPE, self._path()[:-1], "a key that is no text", "a text", event, stop=True)
            return
        path = self._path()
        if len(path) > DEEPEST:
            found = f"values nested deeper than {DEEPEST} levels"
            self.issue(Code.OUT_OF_RANGE, path[:8], found, "a flatter file", event, stop=True)
            return
        self._tag(event, path, ("map", "seq"))
        self.marks.values.setdefault(path, (event.start_mark.index, event.start_mark.index + 1))
        self.open.append(_Open(tree, path, event.anchor))

    def _end(self) -> None:
        done = self.open.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.tree, done.size)
        self._put(done.tree, done.size)

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

    def _scalar(self, event: Any) -> None:
        if self._is_key():
            self._key(event)
            return
        path = self._path()
        self.marks.values.setdefault(path, (event.start_mark.index, event.end_mark.index))
        self._tag(event, path, ("str", "int", "float", "bool", "null"))
        value = self._value(event, path)
        self.total += 1
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._put(value, 1)

    def _key(self, event: Any) -> None:
        top = self.open[-1]
        top.key = event.value
        here = (*top.path, event.value)
        if event.value in top.tree:
            found = f"{json.dumps(event.value, ensure_ascii=False)} for the second time"
            self.issue(Code.DUPLICATE_KEY, here, found, "each key once", event)
        else:
            self.marks.keys[here] = (event.start_mark.index, event.end_mark.index)

    def _alias(self, event: Any) -> None:
        name = json.dumps(f"*{event.anchor}", ensure_ascii=False)
        if any(holder.anchor == event.anchor for holder in self.open):
            found, wanted = f"{name} inside what it names", "an alias that ends"
            self.issue(Code.CYCLE, self._path(), found, wanted, event, stop=True)
        elif event.anchor not in self.anchors:
            self.issue(Code.SYNTAX, self._path(), f"{name}, which nothing is named", "a known anchor", event, stop=True)
        elif self._is_key():
            self.issue(Code.WRONG_TYPE, self._path()[:-1], "a key that is no text", "a text", event, stop=True)
        else:
            value, size = self.anchors[event.anchor]
            self.total += size
            self.marks.values.setdefault(self._path(), (event.start_mark.index, event.end_mark.index))
            if self.total > MOST_VALUES:
                found = f"aliases that make more than {MOST_VALUES:,} values"
                self.issue(Code.OUT_OF_RANGE, self._path(), found, "a smaller file", event, stop=True)
            else:
                self._put(value, size)

    def _tag(self, event: Any, path: Path, names: tuple[str, ...]) -> None:
        tag = event.tag
        if tag is None or tag == "!" or tag in {_CORE + name for name in names}:
            return
        self.issue(Code.WRONG_TYPE, path, f"the tag {tag[:60]}", "a value without a tag", event)

    def _value(self, event: Any, path: Path) -> Any:
        text: str = event.value
        kind = (event.tag or "").removeprefix(_CORE)
        if kind in ("str", "!") or not (event.implicit[0] or kind in ("int", "float", "bool", "null")):
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            self.issue(Code.OUT_OF_RANGE, path, f"{text}, which is no number", "a number", event)
            return None
        if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
            return int(text, 0) if len(text) <= 100 else text
        if _INT.fullmatch(text) or _FLOAT.fullmatch(text):
            number = read_number(text)
            if number is None:
                self.issue(Code.OUT_OF_RANGE, path, "a number that is too large", "a smaller number", event)
            return number
        return text


def yaml_marks(text: str) -> Marks:
    """Read YAML with marks. `issues` says what is wrong with the text itself."""
    builder = _Builder(text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.feed(event)
            if builder.stopped:
                builder.marks.tree = None
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = min(mark.index, len(text)) if mark else 0
        found = error.problem or "what YAML cannot read"
        if text[at : at + 1] == "\t":
            found = "a tab"
        builder.marks.issues.append(
            Issue(code=Code.SYNTAX, found=found, wanted="YAML, indented with spaces", at=at, width=1)
        )
        builder.marks.tree = None
    except yaml.reader.ReaderError as error:
        at = text.find(chr(error.character)) if isinstance(error.character, int) else 0
        builder.marks.issues.append(
            Issue(code=Code.SYNTAX, found="a control character", wanted="text", at=max(0, at), width=1)
        )
        builder.marks.tree = None
    return builder.marks
