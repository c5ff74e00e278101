"""Flags out of one environment and into another: deployguard's own JSON.

    {"format": "deployguard.flags", "schemaVersion": 1, "environment": "prod",
     "flags": {"new_checkout": {"enabled": true, "percentage": 30, "seed": "new_checkout", "targeting": {...}}}}

`targeting` is what holds, in the config's spelling, wherever it came from. What is imported becomes wishes, which the
operations turn into moves: so an import passes the same table of transitions as a person at the keyboard.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deployguard.codec import JSON
from deployguard.config.build import targeting_from_json, targeting_to_json
from deployguard.config.units import FULL, percentage_number
from deployguard.config.values import Flag, Targeting
from deployguard.errors import Code, DeployguardError, Place, Problem, nearest, unknown
from deployguard.state import FlagState, State

FORMAT = "deployguard.flags"
SCHEMA_VERSION = 1

_TOP = ("format", "schemaVersion", "environment", "flags")
_FIELDS = ("enabled", "percentage", "seed", "targeting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One move that an import asks for: `set`, `enable`, `disable` or `target`, by the name of the move.

    `percentage` (hundredths) belongs to `set`, `targeting` (the whole override) to `target`. A `set` names the
    exported `seed` where the flag would end under another one: the same share, but other users.
    """

    flag_id: str
    move: str
    percentage: int | None = None
    targeting: JSON | None = None
    seed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    flag_id: str
    enabled: bool
    percentage: int
    seed: str | None
    targeting: Targeting | None


def export_flags(defs: Mapping[str, Flag], state: State) -> JSON:
    """Every flag of one environment as JSON, in the order of the definitions."""
    return {
        "format": FORMAT,
        "schemaVersion": SCHEMA_VERSION,
        "environment": state.environment,
        "flags": {
            key: {
                "enabled": state.flag(key).enabled,
                "percentage": percentage_number(state.flag(key).percentage),
                "seed": state.flag(key).seed or key,
                "targeting": targeting_to_json(definition.targeting),
            }
            for key, definition in defs.items()
        },
    }


def import_flags(data: object, defs: Mapping[str, Flag], state: State, *, source: str = "import") -> tuple[Wish, ...]:
    """What has to move so that the flags stand as `data` says; flags that it does not name stay as they are.

    Raises one DeployguardError with every problem of the document in its `errors`; then nothing is to be moved.
    """
    problems: list[Problem] = []
    wanted = tuple(_read(data, defs, source, problems))
    if problems:
        count = len(problems)
        raise DeployguardError(
            Problem(
                problems[0].code,
                f"the import has {count} problem{'s' if count > 1 else ''}",
                where=source,
                errors=tuple(problems),
            )
        )
    return tuple(wish for flag in wanted for wish in _wishes(flag, defs[flag.flag_id], state.flag(flag.flag_id)))


def _wishes(wanted: _Wanted, definition: Flag, current: FlagState) -> Iterator[Wish]:
    """Targeting first, so that nobody outside it sees a flag that rises."""
    key = wanted.flag_id
    if wanted.targeting is not None and wanted.targeting != definition.targeting:
        yield Wish(flag_id=key, move="target", targeting=targeting_to_json(wanted.targeting))
    enabled = current.enabled
    if wanted.percentage != current.percentage:
        ends_under = (current.seed or key) if current.percentage > 0 else key
        seed = wanted.seed if wanted.percentage > 0 and wanted.seed != ends_under else None
        yield Wish(flag_id=key, move="set", percentage=wanted.percentage, seed=seed)
        enabled = wanted.percentage > 0
    if wanted.enabled != enabled:
        yield Wish(flag_id=key, move="enable" if wanted.enabled else "disable")


def _read(data: object, defs: Mapping[str, Flag], source: str, problems: list[Problem]) -> Iterator[_Wanted]:
    if not isinstance(data, Mapping):
        problems.append(_wrong(source, "", data, "an object as `feature-flags export` writes it"))
        return
    _unknown_keys(data, _TOP, source, "", problems)
    if data.get("format") != FORMAT:
        problems.append(_wrong(source, "format", data.get("format"), f'"{FORMAT}"'))
    version = data.get("schemaVersion")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        problems.append(_wrong(source, "schemaVersion", version, str(SCHEMA_VERSION)))
    flags = data.get("flags")
    if not isinstance(flags, Mapping):
        problems.append(_wrong(source, "flags", flags, "an object, one entry a flag"))
        return
    for key, entry in flags.items():
        if key not in defs:
            place = Place(source, path=f"flags.{key}")
            problems.append(unknown("flag", str(key), defs, place, code=Code.UNKNOWN_FLAG, counted=True).problem)
            continue
        found = _read_flag(str(key), entry, source, problems)
        if found is not None:
            yield found


def _read_flag(key: str, entry: object, source: str, problems: list[Problem]) -> _Wanted | None:
    before, path = len(problems), f"flags.{key}"
    if not isinstance(entry, Mapping):
        problems.append(_wrong(source, path, entry, "an object with enabled and percentage"))
        return None
    _unknown_keys(entry, _FIELDS, source, path, problems)
    enabled = entry.get("enabled")
    if not isinstance(enabled, bool):
        problems.append(_wrong(source, f"{path}.enabled", enabled, "true or false"))
    percentage = _hundredths(entry.get("percentage"))
    if percentage is None:
        found, wanted = entry.get("percentage"), "a number from 0 to 100 with at most two decimals"
        problems.append(_wrong(source, f"{path}.percentage", found, wanted, Code.OUT_OF_RANGE))
    seed = entry.get("seed")
    if seed is not None and not (isinstance(seed, str) and seed):
        problems.append(_wrong(source, f"{path}.seed", seed, "text"))
    targeting = _read_targeting(entry.get("targeting"), source, f"{path}.targeting", problems)
    if len(problems) > before or percentage is None:
        return None
    return _Wanted(flag_id=key, enabled=bool(enabled), percentage=percentage, seed=seed, targeting=targeting)


def _read_targeting(value: object, source: str, path: str, problems: list[Problem]) -> Targeting | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        problems.append(_wrong(source, path, value, "an object as the config has it"))
        return None
    try:
        return targeting_from_json(value)
    except DeployguardError as error:
        for problem in error.problem.errors or (error.problem,):
            below = problem.where.path if isinstance(problem.where, Place) else None
            problems.append(replace(problem, where=Place(source, path=f"{path}.{below}" if below else path)))
        return None


def _hundredths(value: object) -> int | None:
    """A number 0 to 100 with at most two decimals as hundredths; None for anything else, NaN and true included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= FULL // 100:
        return None
    hundredths = round(value * 100)
    return hundredths if abs(hundredths - value * 100) < 1e-6 else None


def _unknown_keys(
    found: Mapping[object, object], known: tuple[str, ...], source: str, path: str, problems: list[Problem]
) -> None:
    for key in found:
        if key not in known:
            close = nearest(str(key), known)
            problems.append(
                Problem(
                    Code.UNKNOWN_KEY,
                    f"{key} is no key of an export",
                    where=Place(source, path=f"{path}.{key}".lstrip(".")),
                    found=f'"{key}"',
                    wanted=f"one of {', '.join(known)}" + (f"; nearest: {close}" if close else ""),
                )
            )


def _wrong(source: str, path: str, found: object, wanted: str, code: Code = Code.WRONG_TYPE) -> Problem:
    shown = "nothing" if found is None else repr(found)
    return Problem(
        code,
        f"{path or 'the document'} is not {wanted}",
        where=Place(source, path=path or None),
        found=shown if len(shown) <= 80 else f"{shown[:80]}…",
        wanted=wanted,
    )
