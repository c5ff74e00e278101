"""What the config takes from the environment's variables: `${NAME}` inside values, and names that need no config.

A variable `NAME` may be given as `NAME_FILE`, the path of a file with the value, as container platforms hand out
secrets. Values are never expanded twice, and never inside a shell line: there the shell does it, and a value with a
quote in it cannot become a command.
"""

import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from deployguard.config.issues import Issues, Path, TooManyError
from deployguard.errors import Code

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]{0,1000}))?\}")
_BROKEN = re.compile(r"\$\{[^}]{0,40}\}?")
_LARGEST_FILE = 65_536
_LONGEST = 10_000
"""Characters of a text with a variable in it."""
DEEPEST = 40
"""Levels of nesting; the shape of a config has eight."""

WEBHOOK = "webhook"
"""The channel that WEBHOOK_URL makes."""
_WITHOUT_EFFECT = re.compile(r"(SMTP_[A-Z]+?|SENTRY_DSN|VERCEL_ANALYTICS_ID)(_FILE)?")


class Expanded(str):
    """A value after expansion that remembers how the file spells it, so that no error shows what a variable holds."""

    __slots__ = ("raw", "values")
    raw: str
    values: tuple[str, ...]

    @staticmethod
    def of(text: str, raw: str, values: tuple[str, ...]) -> "Expanded":
        out = Expanded(text)
        out.raw, out.values = raw, values
        return out

    def words(self, split: Any) -> list[str]:
        """Split as the file spells it, then expanded: a variable's value never becomes two words."""
        marks = iter(range(0xE000, 0xE000 + len(self.values)))
        parts: list[str] = split(_VARIABLE.sub(lambda _: chr(next(marks)), self.raw))
        table = {0xE000 + index: value for index, value in enumerate(self.values)}
        return [part.translate(table) for part in parts]


def unexpanded(tree: Any) -> Any:
    """A copy of a value as the file spells it."""
    if isinstance(tree, dict):
        return {key: unexpanded(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [unexpanded(value) for value in tree]
    return tree.raw if isinstance(tree, Expanded) else tree


def lookup(environ: Mapping[str, str], name: str) -> str | None:
    """The variable, or what stands in the file that `NAME_FILE` names; None where there is neither."""
    if name in environ:
        return environ[name]
    file = environ.get(f"{name}_FILE")
    if not file:
        return None
    try:
        with File(file).open(encoding="utf-8") as stream:
            return stream.read(_LARGEST_FILE).rstrip("\r\n")
    except (OSError, ValueError):
        return None


def expand(tree: object, environ: Mapping[str, str], issues: Issues, *, lenient: bool = False) -> Any:
    """A copy of the tree with `${NAME}` and `${NAME:-default}` replaced inside values. Keys stay as they are.

    A variable that is unset and has no default is an issue; `lenient` puts nothing in its place.
    """

    def of(tree: object, path: Path) -> Any:
        if isinstance(tree, str):
            return filled(tree, path) if "${" in tree and not (path and path[-1] == "shell") else tree
        if isinstance(tree, dict | list) and len(path) >= DEEPEST:
            issues.add(Code.OUT_OF_RANGE, path[:8], f"values nested deeper than {DEEPEST} levels", "a flatter file")
            raise TooManyError
        if isinstance(tree, dict):
            return {key: of(value, (*path, key)) for key, value in tree.items()}
        if isinstance(tree, list):
            return [of(value, (*path, index)) for index, value in enumerate(tree)]
        return tree

    def filled(text: str, path: Path) -> str:
        if len(text) > _LONGEST:
            long = f"{len(text):,} characters with a variable in them"
            issues.add(Code.OUT_OF_RANGE, path, long, f"{_LONGEST:,} characters at most")
            return text
        values = []
        for match in _VARIABLE.finditer(text):
            value = lookup(environ, match[1])
            if not value and match[2] is not None:
                value = match[2]
            if value is None and not lenient:
                _unset(match[1], environ, issues, path)
            values.append(value or "")
        broken = None if lenient else _BROKEN.search(_VARIABLE.sub("", text))
        if broken is not None:
            issues.add(Code.SYNTAX, path, f'"{broken[0]}"', '"${NAME}" or "${NAME:-default}"')
        found = iter(values)
        return Expanded.of(_VARIABLE.sub(lambda _: next(found), text), text, tuple(values))

    return of(tree, ())


def _unset(name: str, environ: Mapping[str, str], issues: Issues, path: Path) -> None:
    wanted = f'{name} in the environment, or a default: "${{{name}:-...}}"'
    found = f"${{{name}}}, which is not set"
    if f"{name}_FILE" in environ:
        found = f"${{{name}}}, and the file that {name}_FILE names cannot be read"
    elif name == "DEPLOYGUARD_VERSION":
        wanted = 'a shell line, which reads it when it runs: {"shell": "... $DEPLOYGUARD_VERSION"}'
    issues.add(Code.UNKNOWN_KEY, path, found, wanted)


def channel_from_environ(environ: Mapping[str, str]) -> dict[str, str] | None:
    """The channel that WEBHOOK_URL and WEBHOOK_SECRET make where `alerts` names none, in the config's spelling."""
    url = lookup(environ, "WEBHOOK_URL")
    if not url:
        return None
    secret = lookup(environ, "WEBHOOK_SECRET")
    return {"type": "webhook", "url": url} | ({"secret": secret} if secret else {})


def unused_settings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that are accepted and do nothing yet: `SMTP_*`, `SENTRY_DSN`, `VERCEL_ANALYTICS_ID`; for doctor."""
    return tuple(sorted(name for name, value in environ.items() if value and _WITHOUT_EFFECT.fullmatch(name)))
