"""What is wrong in a config: found by path while the tree is read, placed only when it is told, all errors at once."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from deployguard.errors import Code, DeployguardError, Offer, Place, Problem, nearest

Path = tuple[str | int, ...]
"""The way to a value: keys and indexes."""

MANY = 100
"""After so many errors the checking stops: nobody mends more in one go."""
_FEW = 1_000  # among more names, looking for the nearest takes longer than a person waits


class WrongError(Exception):
    """A value that its reader refuses. `offset` and `width` count characters of the value's text, if only a part."""

    def __init__(
        self, code: Code, found: str, wanted: str, *, offset: int | None = None, width: int | None = None
    ) -> None:
        super().__init__(found)
        self.code, self.found, self.wanted, self.offset, self.width = code, found, wanted, offset, width


class TooManyError(Exception):
    """Enough errors were found."""


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


class Issues(list[Issue]):
    """All errors at once, up to `MANY`; without `bounded` all there are."""

    def __init__(self, *, bounded: bool = True) -> None:
        super().__init__()
        self._bounded = bounded

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
        if self._bounded and len(self) >= MANY:
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


def or_nearest(wanted: str, name: str, known: Collection[str]) -> str:
    """`wanted`, with the known name that is most like `name` where one is close."""
    close = nearest(name, frozenset(known)) if len(known) <= _FEW and len(name) <= _FEW else None
    return wanted if close is None else f'{wanted}; nearest: "{close}"'


def config_error(issues: Issues, file: str, find: Callable[[Issue], Place] | None) -> DeployguardError:
    """One error that carries them all. `find` says where each stands; without it, where the text is not at hand, the
    places have paths only. Passwords inside addresses are hidden."""
    placed = [(find(issue) if find else Place(file, path=dotted(issue.path) or None), issue) for issue in issues]
    placed.sort(key=lambda pair: (pair[0].line or 0, pair[0].column or 0))
    problems = tuple(_problem(issue, place) for place, issue in placed)
    first = problems[0]
    if len(problems) == 1:
        message, found, wanted, does = first.message, first.found, first.wanted, "after this edit"
    else:
        many = f"more than {MANY}" if len(problems) >= MANY else str(len(problems))
        message, found, wanted, does = f"{many} errors in {file}", None, None, "after these edits"
    return DeployguardError(
        Problem(
            first.code,
            message,
            first.where,
            found,
            wanted,
            "nothing was changed",
            next=(Offer("deployguard config validate", does),),
            errors=problems,
        )
    )


def _problem(issue: Issue, place: Place) -> Problem:
    from deployguard.config.secrets import without_passwords

    return Problem(
        issue.code,
        without_passwords(printable(issue.message)),
        replace(place, source=place.source and without_passwords(place.source, each="*")),
        without_passwords(printable(issue.found)),
        printable(issue.wanted),
    )
