"""YAML -> tree with marks, from the parser's events: scalars by the 1.2 core schema, nothing constructed, no recursion.

PyYAML reads YAML 1.1, where `NO` is false and `012` is ten; so its resolver is not used. Only what JSON can say is
taken: text keys, no tags but the core's, each key once, aliases that end and do not multiply.
"""

import json
import re
from typing import Any

import yaml

from deployguard.config.marks import Builder, Marks, Span
from deployguard.errors import Code

MOST_VALUES = 100_000
"""Values after aliases are followed."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEX_OR_OCTAL = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: value
    for word, value in (("true", True), ("false", False))
    for spelling in (word, word.capitalize(), word.upper())
}
_CORE = "tag:yaml.org,2002:"
_COLLECTIONS = ("map", "seq")
_PLAIN = ("int", "float", "bool", "null")


class _Reader(Builder):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.total = 0
        self.documents = 0

    def feed(self, event: Any) -> None:
        span = (event.start_mark.index, event.end_mark.index)
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.stop(Code.SYNTAX, "a second document", "one document a file", span)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent() | yaml.AliasEvent() if self.wants_key:
                self.stop(Code.WRONG_TYPE, "a key that is no text", "a text", span)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_tag(event, _COLLECTIONS, span)
                self.start({} if isinstance(event, yaml.MappingStartEvent) else [], span, event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self.end()
                if done.anchor:
                    self.anchors[done.anchor] = (done.tree, done.size)
            case yaml.ScalarEvent() if self.wants_key:
                self.key(event.value, span)
            case yaml.ScalarEvent():
                self._scalar(event, span)
            case yaml.AliasEvent():
                self._alias(event.anchor, span)
            case _:
                pass

    def _scalar(self, event: Any, span: Span) -> None:
        self._refuse_tag(event, ("str", *_PLAIN), span)
        value = self._read(event, span)
        self.total += 1
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self.value(value, span)

    def _alias(self, anchor: Any, span: Span) -> None:
        name = json.dumps(f"*{anchor}", ensure_ascii=False)
        value, size = self.anchors.get(anchor, (None, 0))
        self.total += size
        if any(holder.anchor == anchor for holder in self.open):
            self.stop(Code.CYCLE, f"{name} inside what it names", "an alias that ends", span)
        elif not size:
            self.stop(Code.SYNTAX, f"{name}, which nothing is named", "a known anchor", span)
        elif self.total > MOST_VALUES:
            found = f"aliases that make more than {MOST_VALUES:,} values"
            self.stop(Code.OUT_OF_RANGE, found, "a smaller file", span)
        else:
            self.value(value, span, size)

    def _refuse_tag(self, event: Any, names: tuple[str, ...], span: Span) -> None:
        if event.tag not in (None, "!", *(_CORE + name for name in names)):
            self.wrong(Code.WRONG_TYPE, f"the tag {event.tag[:60]}", "a value without a tag", span)

    def _read(self, event: Any, span: Span) -> Any:
        text: str = event.value
        if not event.implicit[0] and (event.tag or "").removeprefix(_CORE) not in _PLAIN:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            self.wrong(Code.OUT_OF_RANGE, f"{text}, which is no number", "a number", span)
            return None
        if _HEX_OR_OCTAL.fullmatch(text):
            return int(text, 0)
        return self.number(text, span) if _NUMBER.fullmatch(text) else text


def yaml_marks(text: str) -> Marks:
    """Read YAML with marks. `issues` says what is wrong with the text itself."""
    reader = _Reader(text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.feed(event)
            if reader.stopped:
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = min(mark.index, len(text)) if mark else 0
        found = "a tab" if text[at : at + 1] == "\t" else error.problem or "what YAML cannot read"
        reader.stop(Code.SYNTAX, found, "YAML, indented with spaces", (at, at + 1), path=())
    except yaml.reader.ReaderError as error:
        at = max(0, text.find(chr(error.character))) if isinstance(error.character, int) else 0
        reader.stop(Code.SYNTAX, "a control character", "text", (at, at + 1), path=())
    return reader.marks
