"""Whom a failing trigger falls on.

    exposed  others   all    falls on
    fails    not      any    this unit is to blame: on it alone; emergencyRollback is then a rollback
    any      any      fails  every guarded unit whose `all` fails (emergencyRollback: every guarded unit), unless some
                             unit is to blame in the same tick: then the others only hold
    fails    fails    not    nobody yet: users without it are equally hurt, it is hit where `all` fails

A trigger with `onCommonFault: hold` only holds and alerts where `others` fails. A trigger in shadow neither acts, nor
holds, nor blames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployguard.config.values import Environment, OnCommonFault, Trigger
from deployguard.guard.values import Population, Result, Verdict
from deployguard.state import Unit


class Spared(StrEnum):
    """Why a failing trigger does not act on a unit, or why its action was kept back."""

    BLAME = "blame"  # another unit is to blame
    COMMON_FAULT = "onCommonFault"
    NOT_SINGLED_OUT = "notSingledOut"
    SHADOW = "shadow"
    COOLDOWN = "cooldown"
    UNGUARDED = "unguarded"  # no unit is guarded: it only alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One trigger as it stands for one unit (None: no unit is guarded), its populations taken together."""

    trigger: Trigger
    unit: Unit | None
    result: Result
    deciding: Verdict  # the one to show: what fails, else what is missing, else what passes
    others: Verdict | None = None  # the same on the users without it, for the contrast
    holds: bool = True
    to_blame: bool = False
    everyone: bool = False  # `all` fails
    common: bool = False  # users without it are hurt, too


@dataclass(frozen=True, slots=True)
class Fall:
    """A failing trigger and the unit it concerns. `spared` is None where it falls on the unit."""

    standing: Standing
    spared: Spared | None
    alone: bool  # on this unit as the one to blame


def stand(verdicts: Sequence[Verdict], units: Sequence[Unit], environment: Environment) -> tuple[Standing, ...]:
    """The verdicts, taken together for each trigger and unit, in the order of the triggers."""
    by_key = {unit.key: unit for unit in units}
    together: dict[tuple[str, str | None], list[Verdict]] = {}
    for verdict in verdicts:
        together.setdefault((verdict.trigger, verdict.unit), []).append(verdict)
    return tuple(
        _standing(environment.triggers[trigger], by_key.get(unit) if unit is not None else None, found)
        for (trigger, unit), found in together.items()
        if trigger in environment.triggers
    )


def _standing(trigger: Trigger, unit: Unit | None, verdicts: list[Verdict]) -> Standing:
    everyone = [verdict for verdict in verdicts if verdict.population is Population.ALL]
    exposed = [verdict for verdict in verdicts if verdict.population is Population.EXPOSED]
    others = {verdict.flag_id: verdict for verdict in verdicts if verdict.population is Population.OTHERS}
    hurt = {flag for flag, verdict in others.items() if verdict.verdict is Result.FAIL}
    own = [verdict for verdict in exposed if verdict.verdict is Result.FAIL and verdict.flag_id not in hurt]
    judged = [*own, *everyone, *exposed]
    result = _together(judged)
    deciding = next(verdict for verdict in judged if verdict.verdict is result)
    contrast = others.get(deciding.flag_id) or next(iter(others.values()), None)
    return Standing(
        trigger=trigger,
        unit=unit,
        result=result,
        deciding=deciding,
        others=contrast,
        holds=any(verdict.holds for verdict in judged),
        to_blame=bool(own) and not deciding.shadow,
        everyone=any(verdict.verdict is Result.FAIL for verdict in everyone),
        common=bool(hurt),
    )


def _together(verdicts: list[Verdict]) -> Result:
    results = {verdict.verdict for verdict in verdicts}
    for result in (Result.FAIL, Result.INCONCLUSIVE):
        if result in results:
            return result
    return Result.PASS


def falls(standings: Sequence[Standing]) -> tuple[Fall, ...]:
    """Each failing trigger of each unit, and whether it falls on it."""
    blamed = {standing.unit.key for standing in standings if standing.to_blame and standing.unit is not None}
    return tuple(
        Fall(standing, _spared(standing, blamed), standing.unit is not None and standing.unit.key in blamed)
        for standing in standings
        if standing.result is Result.FAIL
    )


def _spared(standing: Standing, blamed: set[str]) -> Spared | None:
    if standing.deciding.shadow:
        return Spared.SHADOW
    if standing.unit is None:
        return Spared.UNGUARDED
    if standing.to_blame:
        return None
    if not standing.everyone:
        return Spared.NOT_SINGLED_OUT
    if blamed and standing.unit.key not in blamed:
        return Spared.BLAME
    if standing.common and standing.trigger.on_common_fault is OnCommonFault.HOLD:
        return Spared.COMMON_FAULT
    return None
