"""How many users a flag really reaches, its requirements counted.

Only buckets count here; lists and targeting depend on who the users are. Flags of one seed order all users alike, so
the lowest percentage decides; flags of separate seeds are independent, so their shares multiply.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

from deployguard.config.units import FULL, format_percentage
from deployguard.config.values import Flag
from deployguard.flags.dependencies import postorder, requirements
from deployguard.state import FlagState

_NAMED = 3  # requirements in a sentence; of more the rest is counted

_FEWEST = {"": 0.4}
"""Under any seed: a share that rounds to the least there is, whatever else is required."""


def reach(defs: Mapping[str, Flag], state: Mapping[str, FlagState], key: str) -> int:
    """Hundredths of all users that have `key` by the buckets, rounded; at least 1 where anybody may have it."""
    return reaches(defs, state, (key,))[key]


def reaches(defs: Mapping[str, Flag], state: Mapping[str, FlagState], keys: Iterable[str]) -> dict[str, int]:
    """`reach` of each of `keys`, each flag looked at once however many others require it."""
    # By flag the lowest percentage below 100 % under each seed, its requirements counted. What is not there reaches
    # nobody: it is off, not defined, or in a cycle (then one of its requirements comes behind it).
    lowest: dict[str, Mapping[str, float]] = {}
    for key in postorder(keys, lambda name: defs[name].requires if name in defs else ()):
        if key in defs and _percentage(state, key) and all(name in lowest for name in defs[key].requires):
            lowest[key] = _lowest(state, key, [lowest[name] for name in defs[key].requires])
    return {key: _share(lowest[key].values()) if key in lowest else 0 for key in keys}


def _lowest(state: Mapping[str, FlagState], key: str, required: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    out: dict[str, float] = dict(required[0]) if required else {}
    for one in (*required[1:], {_seed(state, key): _percentage(state, key)}):
        for seed, percentage in one.items():
            if percentage < out.get(seed, FULL):
                out[seed] = percentage
    return _FEWEST if _part(out.values()) * FULL < 0.5 else out


def reach_because(defs: Mapping[str, Flag], state: Mapping[str, FlagState], key: str) -> str:
    """Which requirements keep the reach below the flag's percentage, as words behind a colon; empty where none does."""
    names = requirements(defs, key)
    own, seed = _percentage(state, key), _seed(state, key)
    off = next((name for name in names if _percentage(state, name) == 0), None)
    if off is not None:
        return f"it requires {off}, which is off"
    lowest = _lowest_by_seed(state, (key, *names))
    by: dict[str, str] = {}  # the nearest requirement that is the lowest under its seed
    for name in names:
        if _percentage(state, name) == lowest[_seed(state, name)]:
            by.setdefault(_seed(state, name), name)
    same, limits = by.get(seed), [name for other, name in by.items() if other != seed and lowest[other] < FULL]
    if not limits:
        return f"it requires {same}, which is at {_shown(state, same)}" if same and lowest[seed] < own else ""
    through = f"{same}, which is at {_shown(state, same)}, and " if same and lowest[seed] < own else ""
    share = format_percentage(_share(lowest.values()))
    at = " and ".join(f"{name}, which is at {_shown(state, name)} under another seed" for name in limits[:_NAMED])
    if len(limits) > _NAMED:
        return f"it requires {through}{at}, and {len(limits) - _NAMED:,} more, and all of that is {share}"
    shares = " of ".join(format_percentage(p) for p in (lowest[seed], *(_percentage(state, n) for n in limits)))
    return f"it requires {through}{at}, and {shares} is {share}"


def _lowest_by_seed(state: Mapping[str, FlagState], names: tuple[str, ...]) -> dict[str, int]:
    lowest: dict[str, int] = {}
    for name in names:
        seed = _seed(state, name)
        lowest[seed] = min(lowest.get(seed, FULL), _percentage(state, name))
    return lowest


def _share(percentages: Collection[float]) -> int:
    return max(1, round(_part(percentages) * FULL)) if all(percentages) else 0


def _part(percentages: Iterable[float]) -> float:
    return prod(percentage / FULL for percentage in percentages)


def _percentage(state: Mapping[str, FlagState], key: str) -> int:
    flag = state.get(key)
    return flag.percentage if flag is not None and flag.enabled else 0


def _seed(state: Mapping[str, FlagState], key: str) -> str:
    flag = state.get(key)
    return (flag.seed if flag is not None else "") or key


def _shown(state: Mapping[str, FlagState], key: str) -> str:
    return format_percentage(_percentage(state, key))
