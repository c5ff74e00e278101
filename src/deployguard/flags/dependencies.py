"""What a flag requires, at all depths, and what requires it.

Every walk here is iterative (a chain may be longer than Python's stack) and ends on a cycle: cycles are config errors,
but a definition may also come from an older config.
"""

from collections.abc import Callable, Iterable, Mapping

from deployguard.config.values import Flag


def requirements(defs: Mapping[str, Flag], key: str) -> tuple[str, ...]:
    """Every flag that `key` requires, nearest first: each one stands before what it requires itself.

    Read backwards, it is an order in which they can be raised. Unknown requirements are listed, too.
    """
    seen = {key}
    found = list(postorder(reversed(_requires(defs, key)), lambda name: reversed(_requires(defs, name)), seen))
    return tuple(reversed(found))


def dependants(defs: Mapping[str, Flag], keys: Iterable[str]) -> dict[str, str]:
    """Every flag that requires one of `keys` at any depth, with the first of them in the order given."""
    direct = _direct(defs)
    found: dict[str, str] = {}
    for key in keys:
        asked = [key]
        for name in asked:
            for dependant in direct.get(name, ()):
                if dependant not in found:
                    found[dependant] = key
                    asked.append(dependant)
    return found


def in_cycles(defs: Mapping[str, Flag]) -> frozenset[str]:
    """Every flag that requires itself, however far around."""
    direct = _direct(defs)
    waits = {key: len(flag.requires) for key, flag in defs.items()}
    free = [key for key, count in waits.items() if not count] + [key for key in direct if key not in defs]
    for key in free:
        for dependant in direct.get(key, ()):
            waits[dependant] -= 1
            if not waits[dependant]:
                free.append(dependant)
    left = defs.keys() - free  # in a cycle or above one
    return frozenset(
        key for key in left if any(key in _requires(defs, name) for name in (key, *requirements(defs, key)))
    )


def _direct(defs: Mapping[str, Flag]) -> dict[str, list[str]]:
    """For each flag those that name it in `requires`."""
    direct: dict[str, list[str]] = {}
    for flag in defs.values():
        for required in flag.requires:
            direct.setdefault(required, []).append(flag.key)
    return direct


def postorder(
    roots: Iterable[str], children: Callable[[str], Iterable[str]], seen: set[str] | None = None
) -> Iterable[str]:
    """Each name once, after its children, in the order given. Names in `seen` are left out; it grows."""
    seen = set() if seen is None else seen
    open_ = [iter(roots)]
    names: list[str] = []
    while open_:
        following = next(open_[-1], None)
        if following is None:
            open_.pop()
            if names:
                yield names.pop()
        elif following not in seen:
            seen.add(following)
            names.append(following)
            open_.append(iter(children(following)))


def _requires(defs: Mapping[str, Flag], key: str) -> tuple[str, ...]:
    flag = defs.get(key)
    return flag.requires if flag is not None else ()
