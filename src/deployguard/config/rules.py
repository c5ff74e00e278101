"""What no single value of a config shows: steps that rise, requirements that end, durations with their unit."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.config.issues import Issues, Path
from deployguard.config.kinds import WRONG, Known
from deployguard.config.metrics import FIELDS, VALUES, field_unit, lacks_unit
from deployguard.config.units import format_percentage
from deployguard.errors import Code

Tree = dict[str, Any]


def section(tree: object, *path: str) -> Tree:
    """The object at a path; empty where there is none or something else."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _list(holder: object, key: str) -> list[Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def known_names(tree: object) -> Known:
    """What the file defines, read with tolerance: a value that is wrong is told where it stands."""
    environments = section(tree, "environments")
    flags = [*section(tree, "flags").values()]
    for name in environments:
        flags += section(tree, "environments", name, "flags").values()
    return Known(
        flags=frozenset(section(tree, "flags")),
        tags=frozenset(tag for flag in flags for tag in _list(flag, "tags") if isinstance(tag, str)),
        strategies=frozenset(section(tree, "strategies")),
        environments=frozenset(environments),
        checks=frozenset(section(tree, "healthChecks")),
        triggers=frozenset(section(tree, "triggers")),
        numbers={
            name: unit
            for source in section(tree, "sources")
            for name, spelling in section(tree, "sources", source, "fields").items()
            if name not in FIELDS and name not in VALUES and isinstance(spelling, str)
            if (unit := field_unit(spelling)) is not None
        },
    )


def steps_rise(steps: list[Any], tree: list[Any], path: Path, issues: Issues) -> None:
    """Percentages rise; each step but the last has a hold, the last has none."""
    before = 0
    for index, step in enumerate(steps):
        if step is WRONG:
            continue
        share = format_percentage(step.percentage)
        if step.percentage <= before:
            found, least = f"{share} after {format_percentage(before)}", format_percentage(before)
            issues.add(Code.OUT_OF_RANGE, (*path, index), found, f"more than {least}: steps rise")
        before = max(before, step.percentage)
        last = index == len(steps) - 1
        if last and step.hold is not None:
            issues.add(Code.WRONG_TYPE, (*path, index), "a last step with a hold", "a last step without a hold")
        elif not last and step.hold is None and "hold" not in section(tree[index]):
            wanted = f'how long it is held: "{share} for 24h"'
            issues.add(Code.WRONG_TYPE, (*path, index), "a step without a hold", wanted)


def durations_have_units(source: Mapping[str, Any], path: Path, issues: Issues) -> None:
    """A log's duration says whether it is seconds or milliseconds."""
    spelling = section(source, "fields").get("duration")
    if isinstance(spelling, str) and lacks_unit(source.get("format", ""), spelling):
        name = spelling.strip()
        found = f'"{name}", a field without a unit'
        issues.add(Code.UNIT_MISSING, (*path, "fields", "duration"), found, f'"{name} ms" or "{name} s"')


def requirements_end(tree: Mapping[str, Any], _path: Path, issues: Issues) -> None:
    """No flag requires itself, at any depth, in the file or with an environment's overrides."""
    base = {name: requires(flag) for name, flag in section(tree, "flags").items()}
    told: set[frozenset[str]] = set()
    for environment in (None, *section(tree, "environments")):
        overrides = section(tree, "environments", environment, "flags") if environment is not None else {}
        changed = {name: requires(flag) for name, flag in overrides.items() if "requires" in section(flag)}
        if environment is not None and not changed:
            continue
        for circle in cycles(base | changed):
            if frozenset(circle) in told:
                continue
            told.add(frozenset(circle))
            at = next((flag for flag in circle if flag in changed), circle[0])
            path = ("flags", at) if environment is None else ("environments", environment, "flags", at)
            found = f"a circle: {' → '.join(circle)}" if len(circle) <= 9 else f"a circle of {len(circle) - 1} flags"
            issues.add(Code.CYCLE, (*path, "requires"), found, "requirements that end at some flag")


def requires(flag: object) -> list[str]:
    """What a flag's tree requires, as far as it is text."""
    return [key for key in _list(flag, "requires") if isinstance(key, str)]


def cycles(required: Mapping[str, list[str] | tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Chains of requirements that come back to themselves, `("a", "b", "a")`.

    Depth first without recursion: a chain may be as long as the file.
    """
    done: set[str] = set()
    for start in required:
        if start in done:
            continue
        way: dict[str, Iterator[str]] = {start: iter(required[start])}
        while way:
            name = next(reversed(way))
            following = next(way[name], None)
            if following is None:
                done.add(name)
                del way[name]
            elif following in way:
                chain = list(way)
                yield (*chain[chain.index(following) :], following)
            elif following in required and following not in done:
                way[following] = iter(required[following])
