"""Checked tree: every error of a config at once, by path. First each value against the shape, then what no single
value shows: steps that rise, requirements without a circle, headers and fields with fit names."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, assert_never

from deployguard.config.condition import Unit
from deployguard.config.issue import Issues, Path, TooManyError, WrongError, quote
from deployguard.config.metrics import FIELDS, VALUES, field_unit, or_nearest
from deployguard.config.phrases import HOLD, STEP_PERCENTAGE, field_name_problem
from deployguard.config.scalars import Known, Scalar
from deployguard.config.shape import FILE, STEPS, Either, Fields, Kind, Many, Named
from deployguard.config.values import Step
from deployguard.errors import Code

Tree = dict[str, Any]


def check(tree: object, issues: Issues) -> None:
    """Add every error of an expanded tree to `issues`, up to their limit."""
    with suppress(TooManyError):
        check_kind(FILE, tree, known_names(tree), issues)
        for rule in (_steps, _requirements, _fields, _some_environment):
            rule(tree if isinstance(tree, dict) else {}, issues)


def check_part(kind: Kind, tree: object, known: Known) -> Issues:
    """The errors of one part of a config, such as a flag that is imported."""
    issues = Issues()
    with suppress(TooManyError):
        check_kind(kind, tree, known, issues)
    return issues


def section(tree: object, *path: str) -> Tree:
    """The object at a path; empty where there is none or something else."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def known_names(tree: object) -> Known:
    """What the file defines, read with tolerance: a value that is wrong is told by its own check."""
    environments = section(tree, "environments")
    flags = [*section(tree, "flags").values()]
    for name in environments:
        flags += section(tree, "environments", name, "flags").values()
    tags = {tag for flag in flags for tag in _list(flag, "tags") if isinstance(tag, str)}
    return Known(
        flags=frozenset(section(tree, "flags")),
        tags=frozenset(tags),
        strategies=frozenset(section(tree, "strategies")),
        environments=frozenset(environments),
        checks=frozenset(section(tree, "healthChecks")),
        triggers=frozenset(section(tree, "triggers")),
        numbers=dict(_numbers(tree)),
    )


def _list(holder: object, key: str) -> list[Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def _numbers(tree: object) -> Iterator[tuple[str, Unit]]:
    """The metrics that sources add: fields that are no part of a request."""
    for source in section(tree, "sources"):
        for name, spelling in section(tree, "sources", source, "fields").items():
            if name in FIELDS or name in VALUES or not isinstance(spelling, str):
                continue
            unit = field_unit(spelling)
            if unit is not None:
                yield name, unit


def check_kind(kind: Kind, value: object, known: Known, issues: Issues, path: Path = ()) -> None:
    match kind:
        case Scalar():
            try:
                kind.read(value, known)
            except WrongError as wrong:
                issues.wrong(path, wrong)
        case Fields():
            _check_fields(kind, value, known, issues, path)
        case Named():
            _check_named(kind, value, known, issues, path)
        case Many():
            _check_many(kind, value, known, issues, path)
        case Either():
            _check_either(kind, value, known, issues, path)
        case _:
            assert_never(kind)


def _check_either(kind: Either, value: object, known: Known, issues: Issues, path: Path) -> None:
    long = kind.long
    takes_list = isinstance(kind.short, Many) or (isinstance(long, Either) and isinstance(long.short, Many))
    if isinstance(value, dict):
        check_kind(long, value, known, issues, path)
    elif isinstance(value, list) and takes_list:
        check_kind(kind.short if isinstance(kind.short, Many) else long, value, known, issues, path)
    elif isinstance(kind.short, Scalar) and not isinstance(value, list):
        check_kind(kind.short, value, known, issues, path)
    else:
        issues.add(Code.WRONG_TYPE, path, quote(value), kind.what)


def _check_fields(kind: Fields, value: object, known: Known, issues: Issues, path: Path) -> None:
    if not isinstance(value, dict):
        issues.add(Code.WRONG_TYPE, path, quote(value), kind.what)
        return
    for name, item in value.items():
        key = kind.keys.get(name)
        if key is None:
            wanted = or_nearest("a key that is known here", name, tuple(kind.keys))
            if "nearest" not in wanted:
                wanted = f"one of {', '.join(kind.keys)}"
            issues.add(Code.UNKNOWN_KEY, (*path, name), f"{quote(name)}, which is no key here", wanted, on_key=True)
        else:
            check_kind(key.kind, item, known, issues, (*path, name))
    for name, key in kind.keys.items():
        if key.required and name not in value:
            issues.add(Code.WRONG_TYPE, (*path, name), f'no "{name}"', _wanted_key(name, key.about), on_key=True)
    if kind.one_of and sum(name in value for name in kind.one_of) != 1:
        both = " and ".join(f'"{name}"' for name in kind.one_of if name in value)
        wanted = "exactly one of " + ", ".join(f'"{name}"' for name in kind.one_of)
        issues.add(Code.WRONG_TYPE, path, both or "neither of them", wanted)


def _wanted_key(name: str, about: str) -> str:
    return f'"{name}": {about[0].lower()}{about[1:].rstrip(".")}'


def _check_named(kind: Named, value: object, known: Known, issues: Issues, path: Path) -> None:
    if not isinstance(value, dict):
        issues.add(Code.WRONG_TYPE, path, quote(value), kind.what)
        return
    for name, item in value.items():
        here = (*path, name)
        if kind.known is not None:
            names: frozenset[str] = getattr(known, kind.known)
            if name not in names:
                wanted = or_nearest("a name that this file defines at its top level", name, names)
                issues.add(kind.unknown, here, f"{quote(name)}, which is not defined", wanted, on_key=True)
        elif not re.fullmatch(kind.pattern, name, re.ASCII):
            issues.add(Code.WRONG_TYPE, here, quote(name), kind.rule, on_key=True)
        check_kind(kind.kind, item, known, issues, here)


def _check_many(kind: Many, value: object, known: Known, issues: Issues, path: Path) -> None:
    if not isinstance(value, list):
        issues.add(Code.WRONG_TYPE, path, quote(value), kind.what)
        return
    if len(value) < kind.least:
        issues.add(Code.WRONG_TYPE, path, "an empty list", f"{kind.what} with at least one")
    seen: set[str] = set()
    for index, item in enumerate(value):
        here = (*path, index)
        if kind.once and isinstance(item, str):
            if item in seen:
                issues.add(Code.DUPLICATE_KEY, here, f"{quote(item)} for the second time", "each name once")
                continue
            seen.add(item)
        check_kind(kind.kind, item, known, issues, here)


def _some_environment(tree: Tree, issues: Issues) -> None:
    """A file with no environment has nothing to deploy to."""
    environments = tree.get("environments")
    if environments == {}:
        issues.add(Code.WRONG_TYPE, ("environments",), "no environment", "at least one, such as prod")


def read_or_none(read: Callable[[Any, Known], Any], value: object) -> Any:
    """A value as its reader reads it; None where it was refused, which its own check tells."""
    try:
        return read(value, Known())
    except WrongError:
        return None


def _step(value: object) -> Step | None:
    either = STEPS.kind
    assert isinstance(either, Either)  # noqa: S101  # the shape says so
    assert isinstance(either.short, Scalar)  # noqa: S101
    if not isinstance(value, dict):
        step: Step | None = read_or_none(either.short.read, value)
        return step
    share = read_or_none(STEP_PERCENTAGE.read, value.get("percentage"))
    if share is None:
        return None
    return Step(percentage=share, hold=read_or_none(HOLD.read, value["hold"]) if "hold" in value else None)


def _steps(tree: Tree, issues: Issues) -> None:
    """Percentages rise; each step but the last has a hold, the last has none."""
    for name, strategy in section(tree, "strategies").items():
        path: Path = ("strategies", name)
        steps = strategy
        if isinstance(strategy, dict):
            path, steps = (*path, "steps"), strategy.get("steps")
        if not isinstance(steps, list):
            continue
        before = 0
        for index, value in enumerate(steps):
            step = _step(value)
            if step is None:
                continue
            if step.percentage <= before:
                found = f"{_percent(step.percentage)} after {_percent(before)}"
                issues.add(Code.OUT_OF_RANGE, (*path, index), found, f"more than {_percent(before)}: steps rise")
            before = max(before, step.percentage)
            last = index == len(steps) - 1
            if last and step.hold is not None:
                issues.add(Code.WRONG_TYPE, (*path, index), "a last step with a hold", "a last step without a hold")
            elif not last and step.hold is None and not (isinstance(value, dict) and "hold" in value):
                spelt = f'"{_percent(step.percentage)} for 24h"'
                issues.add(Code.WRONG_TYPE, (*path, index), "a step without a hold", f"how long it is held: {spelt}")


def _percent(hundredths: int) -> str:
    return f"{hundredths / 100:g}%"


def _requirements(tree: Tree, issues: Issues) -> None:
    """No flag requires itself, at any depth, in the file or with an environment's overrides."""
    flags = section(tree, "flags")
    base = {name: [str(key) for key in _list(flag, "requires")] for name, flag in flags.items()}
    told: set[frozenset[str]] = set()
    _circles(base, ("flags",), told, issues)
    for environment in section(tree, "environments"):
        overrides = section(tree, "environments", environment, "flags")
        changed = {
            name: [str(key) for key in _list(flag, "requires")]
            for name, flag in overrides.items()
            if isinstance(flag, dict) and "requires" in flag
        }
        if changed:
            _circles({**base, **changed}, ("environments", environment, "flags"), told, issues, changed)


def _circles(
    requires: Mapping[str, list[str]],
    path: Path,
    told: set[frozenset[str]],
    issues: Issues,
    changed: Mapping[str, object] | None = None,
) -> None:
    """Depth first without recursion: a chain may be as long as the file."""
    done: set[str] = set()
    for start in requires:
        walk: list[tuple[str, Iterator[str]]] = [(start, iter(requires[start]))] if start not in done else []
        on_way = dict.fromkeys(name for name, _ in walk)
        while walk:
            name, rest = walk[-1]
            following = next(rest, None)
            if following is None:
                done.add(name)
                walk.pop()
                del on_way[name]
            elif following in on_way:
                way = list(on_way)
                circle = way[way.index(following) :]
                if frozenset(circle) not in told:
                    told.add(frozenset(circle))
                    at = next((flag for flag in circle if changed and flag in changed), circle[0])
                    arrows = " → ".join([*circle, circle[0]])
                    found = f"a circle: {arrows}" if len(circle) <= 8 else f"a circle of {len(circle)} flags"
                    issues.add(Code.CYCLE, (*path, at, "requires"), found, "requirements that end at some flag")
            elif following in requires and following not in done:
                walk.append((following, iter(requires[following])))
                on_way[following] = None


def _fields(tree: Tree, issues: Issues) -> None:
    for source in section(tree, "sources"):
        for name in section(tree, "sources", source, "fields"):
            wanted = field_name_problem(name)
            if wanted is not None:
                here = ("sources", source, "fields", name)
                issues.add(Code.WRONG_TYPE, here, f"{quote(name)}, which is measured otherwise", wanted, on_key=True)
