"""How many users a flag really reaches, its requirements counted.

Only buckets count here; lists and targeting depend on who the users are. Flags of one seed order all users alike, so
the lowest percentage decides; flags of separate seeds are independent, so their shares multiply.
"""

from collections.abc import Mapping

from deployguard.config.units import FULL, format_percentage
from deployguard.config.values import Flag
from deployguard.flags.dependencies import requirements
from deployguard.state import FlagState


def reach(defs: Mapping[str, Flag], state: Mapping[str, FlagState], key: str) -> int:
    """Hundredths of all users that have `key` by the buckets, rounded; at least 1 where anybody may have it."""
    return _share(_lowest_by_seed(state, (key, *requirements(defs, key))))


def reach_because(defs: Mapping[str, Flag], state: Mapping[str, FlagState], key: str) -> str:
    """Which requirements keep the reach below the flag's percentage, as words behind a colon; empty where none does."""
    names = requirements(defs, key)
    own, seed = _percentage(state, key), _seed(state, key)
    off = next((name for name in names if _percentage(state, name) == 0), None)
    if off is not None:
        return f"it requires {off}, which is off"
    lowest = _lowest_by_seed(state, (key, *names))
    same = [name for name in names if _seed(state, name) == seed and _percentage(state, name) == lowest[seed]]
    limits = [
        next(name for name in names if _seed(state, name) == other and _percentage(state, name) == percentage)
        for other, percentage in lowest.items()
        if other != seed and percentage < FULL
    ]
    if not limits:
        return f"it requires {same[0]}, which is at {_shown(state, same[0])}" if lowest[seed] < own else ""
    at = " and ".join(f"{name}, which is at {_shown(state, name)} under another seed" for name in limits)
    through = f"{same[0]}, which is at {_shown(state, same[0])}, and " if lowest[seed] < own else ""
    shares = " of ".join(format_percentage(p) for p in (lowest[seed], *(_percentage(state, n) for n in limits)))
    return f"it requires {through}{at}, and {shares} is {format_percentage(_share(lowest))}"


def _lowest_by_seed(state: Mapping[str, FlagState], names: tuple[str, ...]) -> dict[str, int]:
    lowest: dict[str, int] = {}
    for name in names:
        seed = _seed(state, name)
        lowest[seed] = min(lowest.get(seed, FULL), _percentage(state, name))
    return lowest


def _share(lowest: Mapping[str, int]) -> int:
    share = 1.0
    for percentage in lowest.values():
        share *= percentage / FULL
    return max(1, round(share * FULL)) if share > 0 else 0


def _percentage(state: Mapping[str, FlagState], key: str) -> int:
    flag = state.get(key)
    return flag.percentage if flag is not None and flag.enabled else 0


def _seed(state: Mapping[str, FlagState], key: str) -> str:
    flag = state.get(key)
    return (flag.seed if flag is not None else "") or key


def _shown(state: Mapping[str, FlagState], key: str) -> str:
    return format_percentage(_percentage(state, key))
