"""What may stand at a place of the config, and the one walk that reads it: a tree in, a value out, all errors at once.

A kind is a `Scalar`, an object with fixed keys (`Fields`), a map from names (`Named`), a list (`Many`), or a value with
a short and a long spelling (`Either`). `read` finds errors and makes values, `write` spells a value again, and
`schema` turns a kind into JSON Schema: one description, so that they cannot disagree.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Union, assert_never

from deployguard.config.condition import Unit
from deployguard.config.environ import Expanded
from deployguard.config.issues import Issues, Path, WrongError, or_nearest, quote
from deployguard.errors import Code

NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
NAME_RULE = "a name of letters, digits, dots, dashes and underscores, 128 at most"

WRONG: Final = object()
"""What `read` answers where it found an error."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a file defines, gathered before its values are read."""

    flags: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    strategies: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset()
    numbers: Mapping[str, Unit] = field(default_factory=dict)


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of single value: how it is read, what an editor knows of it, how it is spelt again."""

    read: Callable[[Any, Known], Any]
    schema: Mapping[str, Any]
    write: Callable[[Any], Any] = _as_it_is


@dataclass(frozen=True, slots=True)
class Key:
    kind: "Kind"
    about: str
    required: bool = False
    default: Any = None  # as the config would spell it; None: it depends, or there is none


def _parts(_name: str, parts: dict[str, Any], _tree: Mapping[str, Any]) -> Any:
    return parts


def part(value: Any, name: str) -> Any:
    """A part of a value, None where it has none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with fixed keys. `one_of`: exactly one of these stands there.

    `make` makes the value of the object's name, its values by Python's names, and the tree; `take` is the way back.
    """

    what: str
    keys: Mapping[str, Key]
    make: Callable[[str, dict[str, Any], Mapping[str, Any]], Any] = _parts
    take: Callable[[Any, str], Any] = part
    one_of: tuple[str, ...] = ()
    rule: Callable[[Mapping[str, Any], Path, Issues], None] | None = None  # sees the tree


@dataclass(frozen=True, slots=True)
class Named:
    """A map from names to values. `known`: the names must be those of `Known`, else they are new here."""

    what: str
    kind: "Kind"
    pattern: str = NAME
    names: str = NAME_RULE
    known: str | None = None
    unknown: Code = Code.UNKNOWN_KEY
    least: int = 0
    refuse: Callable[[str], str | None] | None = None  # what is wanted instead of a name


@dataclass(frozen=True, slots=True)
class Many:
    """A list. `once`: nothing stands in it twice. `rule` sees the values, WRONG where one was refused, and the tree."""

    what: str
    kind: "Kind"
    least: int = 0
    once: bool = False
    rule: Callable[[list[Any], list[Any], Path, Issues], None] | None = None


@dataclass(frozen=True, slots=True)
class Either:
    """An object, a list, or a short spelling: the JSON type of the value says which is meant."""

    what: str
    short: "Scalar | Many"
    long: "Fields | Many | Either"
    write: Callable[[Any], Any] | None = None


Kind = Union[Scalar, Fields, Named, Many, Either]  # noqa: UP007  # the dataclasses above name it before it is whole


def read(kind: Kind, tree: object, known: Known, issues: Issues, path: Path = ()) -> Any:
    """The value that the tree means, or WRONG. Errors go to `issues`; what an error spoils is left out of the rest."""
    match kind:
        case Scalar():
            try:
                return kind.read(tree, known)
            except WrongError as wrong:
                issues.wrong(path, _hidden(wrong, tree) if isinstance(tree, Expanded) else wrong)
                return WRONG
        case Either():
            return _read_either(kind, tree, known, issues, path)
        case Many() if isinstance(tree, list):
            return _read_many(kind, tree, known, issues, path)
        case Fields() if isinstance(tree, dict):
            return _read_fields(kind, tree, known, issues, path)
        case Named() if isinstance(tree, dict):
            return _read_named(kind, tree, known, issues, path)
        case Many() | Fields() | Named():
            issues.add(Code.WRONG_TYPE, path, quote(tree), kind.what)
            return WRONG
        case _:
            assert_never(kind)


def _hidden(wrong: WrongError, text: Expanded) -> WrongError:
    """The error of a text with a variable in it, as the file spells it: no error shows what a variable holds."""
    found, wanted = quote(text), wrong.wanted
    for word in re.findall(r"\w[\w.]+|\d", " ".join(text.values)):
        wanted = wanted.replace(word, "…")
    return WrongError(wrong.code, wrong.found if wrong.found.startswith(found) else found, wanted)


def _read_either(kind: Either, tree: object, known: Known, issues: Issues, path: Path) -> Any:
    long = kind.long
    if isinstance(tree, dict) or (isinstance(tree, list) and isinstance(long, Either)):
        return read(long, tree, known, issues, path)
    if isinstance(tree, list) is isinstance(kind.short, Many):
        return read(kind.short, tree, known, issues, path)
    issues.add(Code.WRONG_TYPE, path, quote(tree), kind.what)
    return WRONG


def _read_fields(kind: Fields, tree: dict[str, Any], known: Known, issues: Issues, path: Path) -> Any:
    parts: dict[str, Any] = {}
    for name, item in tree.items():
        key = kind.keys.get(name)
        if key is None:
            wanted = or_nearest("a key that is known here", name, tuple(kind.keys))
            if "nearest" not in wanted:
                wanted = f"one of {', '.join(kind.keys)}"
            issues.add(Code.UNKNOWN_KEY, (*path, name), f"{quote(name)}, which is no key here", wanted, on_key=True)
        else:
            parts[name] = read(key.kind, item, known, issues, (*path, name))
    spoilt = False
    for name, key in kind.keys.items():
        if key.required and name not in tree:
            wanted = f'"{name}": {key.about[0].lower()}{key.about[1:].rstrip(".")}'
            issues.add(Code.WRONG_TYPE, (*path, name), f'no "{name}"', wanted, on_key=True)
        if parts.get(name, WRONG) is WRONG:
            spoilt = spoilt or key.required
            parts.pop(name, None)
            if key.default is not None:
                parts[name] = read(key.kind, key.default, known, issues)
    if kind.one_of and sum(name in tree for name in kind.one_of) != 1:
        both = " and ".join(f'"{name}"' for name in kind.one_of if name in tree)
        wanted = "exactly one of " + ", ".join(f'"{name}"' for name in kind.one_of)
        issues.add(Code.WRONG_TYPE, path, both or "neither of them", wanted)
        spoilt = True
    if kind.rule is not None:
        kind.rule(tree, path, issues)
    if spoilt or (kind.one_of and not any(name in parts for name in kind.one_of)):
        return WRONG
    return kind.make(str(path[-1]) if path else "", {python_name(key): value for key, value in parts.items()}, tree)


def _read_named(kind: Named, tree: dict[str, Any], known: Known, issues: Issues, path: Path) -> Any:
    if len(tree) < kind.least:
        issues.add(Code.WRONG_TYPE, path, "an empty object", f"{kind.what} with at least one")
        return WRONG
    names: frozenset[str] | None = getattr(known, kind.known) if kind.known is not None else None
    out = {}
    for name, item in tree.items():
        here = (*path, name)
        value = read(kind.kind, item, known, issues, here)
        refused = kind.refuse(name) if kind.refuse else None
        if names is not None and name not in names:
            wanted = or_nearest("a name that this file defines at its top level", name, names)
            issues.add(kind.unknown, here, f"{quote(name)}, which is not defined", wanted, on_key=True)
        elif names is None and not re.fullmatch(kind.pattern, name, re.ASCII):
            issues.add(Code.WRONG_TYPE, here, quote(name), kind.names, on_key=True)
        elif refused is not None:
            issues.add(Code.WRONG_TYPE, here, f"{quote(name)}, which is measured otherwise", refused, on_key=True)
        elif value is not WRONG:
            out[name] = value
    return out


def _read_many(kind: Many, tree: list[Any], known: Known, issues: Issues, path: Path) -> Any:
    if len(tree) < kind.least:
        issues.add(Code.WRONG_TYPE, path, "an empty list", f"{kind.what} with at least one")
    seen: set[str] = set()
    values = []
    for index, item in enumerate(tree):
        here = (*path, index)
        if kind.once and isinstance(item, str):
            if item in seen:
                issues.add(Code.DUPLICATE_KEY, here, f"{quote(item)} for the second time", "each name once")
                continue
            seen.add(item)
        values.append(read(kind.kind, item, known, issues, here))
    if kind.rule is not None:
        kind.rule(values, tree, path, issues)
    whole = tuple(value for value in values if value is not WRONG)
    return whole if len(whole) >= kind.least else WRONG


def write(kind: Kind, value: Any) -> Any:
    """A value as the config spells it, every key filled in; what is None, and a list that may not be empty, is left
    out."""
    match kind:
        case Scalar():
            return kind.write(value)
        case Either():
            return kind.write(value) if kind.write is not None else write(kind.long, value)
        case Many():
            items = [write(kind.kind, item) for item in value]
            return sorted(items) if isinstance(value, frozenset) else items
        case Named():
            return {name: write(kind.kind, item) for name, item in value.items()}
        case Fields():
            out = {}
            for key, spec in kind.keys.items():
                item = kind.take(value, python_name(key))
                if item is not None and (item or not isinstance(spec.kind, Many) or not spec.kind.least):
                    out[key] = write(spec.kind, item)
            return out
        case _:
            assert_never(kind)


@cache
def python_name(key: str) -> str:
    """`minSamples` is min_samples."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)
