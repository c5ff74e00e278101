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


def dependants(defs: Mapping[str, Flag], key: str) -> tuple[str, ...]:
    """Every flag that requires `key` at any depth, nearest first, else in the order of the definitions."""
    direct: dict[str, list[str]] = {}
    for flag in defs.values():
        for required in flag.requires:
            direct.setdefault(required, []).append(flag.key)
    found: dict[str, None] = {}
    asked = [key]
    for name in asked:
        for dependant in direct.get(name, ()):
            if dependant != key and dependant not in found:
                found[dependant] = None
                asked.append(dependant)
    return tuple(found)


def find_cycle(defs: Mapping[str, Flag]) -> tuple[str, ...] | None:
    """The first chain of requirements that comes back to itself, `("a", "b", "a")`; None where there is none."""
    done: set[str] = set()
    for start in defs:
        if start in done:
            continue
        path: dict[str, None] = {start: None}
        open_: list[tuple[str, Iterable[str]]] = [(start, iter(_requires(defs, start)))]
        while open_:
            name, rest = open_[-1]
            following = next(iter(rest), None)
            if following is None:
                open_.pop()
                done.add(name)
                del path[name]
            elif following in path:
                chain = list(path)
                return (*chain[chain.index(following) :], following)
            elif following not in done:
                path[following] = None
                open_.append((following, iter(_requires(defs, following))))
    return None


def in_cycles(defs: Mapping[str, Flag]) -> frozenset[str]:
    """Every flag that requires itself, however far around."""
    if find_cycle(defs) is None:
        return frozenset()
    return frozenset(
        key for key in defs if any(key in _requires(defs, name) for name in (key, *requirements(defs, key)))
    )


def postorder(roots: Iterable[str], children: Callable[[str], Iterable[str]], seen: set[str]) -> Iterable[str]:
    """Each name once, after its children, in the order given. Names in `seen` are left out; it grows."""
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
