"""The one small grammar of `when`, `expect` and `rules`: `METRIC OP VALUE`.

    METRIC = NAME | NAME('/endpoint or check') | fn(NAME) | fn(NAME, '/endpoint');  NAME may have dots
    VALUE  = number with a unit | 'text' | true | false | ['a', 'b'] | semver('1.2.3')
    OP     = == != > >= < <= in contains startsWith endsWith

No and, or, brackets: a list of conditions means and; another trigger means or. A condition is parsed once, at load.
A quote or a backslash inside a text has a backslash before it.
"""

import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from deployguard.config.condition import Condition, Op, SemVer, Unit, version_key
from deployguard.config.issues import WrongError
from deployguard.config.meaning import Parts, Use, clip, judge
from deployguard.errors import Code

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_WORD = re.compile(r"[^\s,()\[\]']+|.", re.DOTALL)
_OP = re.compile(r"==|!=|>=|<=|>|<|(?:in|contains|startsWith|endsWith)(?![A-Za-z0-9_])")
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_NUMBER = re.compile(r"([+-]?\d{1,15}(?:\.\d{1,9})?)(?:\s*(%|[A-Za-z]+))?(?![A-Za-z0-9_.%])", re.ASCII)
_ESCAPE = re.compile(r"\\(['\\])")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.parts = Parts(spans={"value": (0, len(text))})

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def take(self, pattern: re.Pattern[str], part: str = "") -> re.Match[str] | None:
        """What stands next, if it has the pattern; its span is kept under `part`."""
        self.skip()
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            if part:
                self.parts.spans[part] = match.span()
        return match

    def char(self, wanted: str) -> bool:
        self.skip()
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def expect(self, char: str, wanted: str) -> None:
        if not self.char(char):
            self.stop(wanted)

    def stop(self, wanted: str) -> NoReturn:
        """Refuse what stands next."""
        self.skip()
        match = _WORD.match(self.text, self.at)
        if match is None:
            found = "nothing" if not self.text.strip() else f'the end after "{clip(self.text.strip())}"'
            raise WrongError(Code.SYNTAX, found, wanted, offset=len(self.text.rstrip()), width=1)
        raise WrongError(Code.SYNTAX, f'"{clip(match[0])}"', wanted, offset=self.at, width=len(match[0]))

    def quoted(self, part: str, wanted: str) -> str:
        match = self.take(_TEXT, part)
        if match is None:
            self.stop(wanted)
        return _ESCAPE.sub(r"\1", match[1])


def parse_condition(
    text: str,
    use: Use | None = None,
    *,
    numbers: Mapping[str, Unit] | None = None,
    checks: Collection[str] | None = None,
) -> Condition:
    """Read one condition.

    `use` is where it stands, with the rules of that place; None is the bare grammar. `numbers` are the metrics that
    sources add, with their units; `checks` the names of health checks (None: any).
    Raises WrongError, which knows the offset of the wrong word.
    """
    reader = _Reader(text)
    parts = _read(reader)
    unit = judge(parts, use, numbers or {}, checks)
    return Condition(parts.name, parts.op, parts.value, parts.function, parts.argument, unit, text)


def _read(reader: _Reader) -> Parts:
    parts = reader.parts
    name = reader.take(_NAME, "name")
    if name is None:
        reader.stop('a condition such as "errorRate > 10%"')
    parts.name = name[0]
    if reader.char("("):
        _read_brackets(reader, parts)
    op = reader.take(_OP, "op")
    if op is None:
        reader.stop(f"one of {' '.join(Op)}")
    parts.op = Op(op[0])
    _read_value(reader, parts)
    reader.skip()
    if reader.at < len(reader.text):
        reader.stop("the end: one comparison a condition; a list of conditions means and")
    return parts


def _read_brackets(reader: _Reader, parts: Parts) -> None:
    inner = reader.take(_NAME)
    if inner is not None:
        parts.function, parts.name = parts.name, inner[0]
        parts.spans["function"], parts.spans["name"] = parts.spans["name"], inner.span()
        if reader.char(","):
            parts.argument = reader.quoted("argument", "an endpoint in single quotes: '/checkout'")
    else:
        parts.argument = reader.quoted("argument", "a metric, or an endpoint in single quotes: '/checkout'")
    reader.expect(")", '")"')


def _read_value(reader: _Reader, parts: Parts) -> None:
    reader.skip()
    start = reader.at
    if reader.text.startswith("'", start):
        parts.value = reader.quoted("value", "a text that ends with a single quote")
    elif reader.char("["):
        parts.value = _read_list(reader)
    elif (word := reader.take(re.compile(r"true\b|false\b"))) is not None:
        parts.value = word[0] == "true"
    elif reader.take(re.compile(r"semver\s*\(")) is not None:
        version = reader.quoted("version", "a version in single quotes: semver('2.4.0')")
        key = version_key(version)
        if key is None:
            raise parts.wrong(Code.WRONG_TYPE, "version", f"'{clip(version)}'", "a version such as '2.4.0'")
        parts.value = SemVer(version, key)
        reader.expect(")", '")"')
    elif (number := reader.take(_NUMBER)) is not None:
        parts.value, parts.unit = float(number[1]), number[2] or ""
    else:
        reader.stop("a number with its unit, 'text', true, false, ['a', 'b'] or semver('1.2.3')")
    parts.spans["value"] = (start, reader.at)


def _read_list(reader: _Reader) -> tuple[str | float, ...]:
    items: list[str | float] = []
    while True:
        reader.skip()
        if reader.text.startswith("'", reader.at):
            items.append(reader.quoted("", "a text that ends with a single quote"))
        elif (number := reader.take(_NUMBER)) is not None and number[2] is None:
            items.append(float(number[1]))
        else:
            reader.stop("a list such as ['a', 'b']")
        if reader.char("]"):
            return tuple(items)
        reader.expect(",", '"," or "]"')
