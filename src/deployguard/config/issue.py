"""What is wrong in a config before it has a place: found by path while the tree is checked, placed only when told."""

import json
from dataclasses import dataclass

from deployguard.errors import Code

Path = tuple[str | int, ...]
"""The way to a value: keys and indexes."""

MANY = 100
"""After so many errors the checking stops: nobody mends more in one go."""


class WrongError(Exception):
    """A value that its reader refuses. `offset` and `width` count characters of the value's text, if only a part."""

    def __init__(
        self, code: Code, found: str, wanted: str, *, offset: int | None = None, width: int | None = None
    ) -> None:
        super().__init__(found)
        self.code, self.found, self.wanted, self.offset, self.width = code, found, wanted, offset, width


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One error of a config. `at` is an offset in the file, where the text itself is wrong and no path leads there."""

    code: Code
    path: Path = ()
    found: str
    wanted: str
    on_key: bool = False
    offset: int | None = None
    width: int | None = None
    at: int | None = None

    @property
    def message(self) -> str:
        where = dotted(self.path)
        return f"{where}: {self.found}" if where else f"{self.found}; wanted is {self.wanted}"


class TooManyError(Exception):
    """Enough errors were found."""


class Issues(list[Issue]):
    """All errors at once, up to `MANY`."""

    def add(
        self,
        code: Code,
        path: Path,
        found: str,
        wanted: str,
        *,
        on_key: bool = False,
        offset: int | None = None,
        width: int | None = None,
    ) -> None:
        if len(self) >= MANY:
            raise TooManyError
        self.append(Issue(code=code, path=path, found=found, wanted=wanted, on_key=on_key, offset=offset, width=width))

    def wrong(self, path: Path, wrong: WrongError) -> None:
        self.add(wrong.code, path, wrong.found, wrong.wanted, offset=wrong.offset, width=wrong.width)


def dotted(path: Path) -> str:
    """`flags.new_checkout.requires[0]`, as people read it."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f"{'.' if out else ''}{printable(part)}"
    return out


def printable(text: str) -> str:
    """Text from a file for one line of a terminal: control characters and halves of characters as escapes."""
    return text if text.isprintable() else json.dumps(text)[1:-1]


def quote(value: object) -> str:
    """A value as an error shows it: as the file spells it, one line, not too long."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    raw = getattr(value, "raw", value)
    text = json.dumps(raw, ensure_ascii=not (isinstance(raw, str) and raw.isprintable()), default=str)
    return text if len(text) <= 80 else text[:78] + '…"'
