"""Which units are guarded, and which of their flags can be told apart.

Guarded is what is on for somebody and is progressing, paused, or was changed within `guardFor` (the bake after 100 %).
What is older is finished: an outage at night takes nothing of it back.
"""

from collections.abc import Mapping
from datetime import datetime

from deployguard.config.units import FULL
from deployguard.config.values import Environment, Flag, Targeting
from deployguard.flags.definitions import definitions
from deployguard.flags.dependencies import requirements
from deployguard.state import Phase, State, Unit, units

_WATCHED = (Phase.PROGRESSING, Phase.PAUSED)


def guarded(state: State, environment: Environment, now: datetime) -> tuple[Unit, ...]:
    """The units that triggers are judged for, in the state's order."""
    defined = definitions(environment.flags, state)
    return tuple(
        unit
        for unit in units(state)
        if _on_for_somebody(unit, defined) and (unit.phase in _WATCHED or now < guarded_until(unit, environment))
    )


def guarded_until(unit: Unit, environment: Environment) -> datetime:
    """When the bake after its last change is over. A rollout on its way is guarded for as long as that takes."""
    return unit.entered_at + environment.guard_for


def compared(unit: Unit, state: State, defined: Mapping[str, Flag]) -> tuple[str, ...]:
    """The unit's flags whose users can be compared with the others: one for each group that reaches the same users.

    Flags of one seed, percentage, targeting and requirements outside the unit are one subject, told under the first's
    key. Nobody is left to compare with at 0 % and at 100 %.
    """
    subjects: dict[object, str] = {}
    for key in unit.flags:
        flag = state.flag(key)
        if flag.enabled and 0 < flag.percentage < FULL:
            definition = defined.get(key)
            outside = frozenset(requirements(defined, key) if definition else ()) - set(unit.flags)
            targeting = definition.targeting if definition else Targeting()
            subjects.setdefault((flag.seed, flag.percentage, targeting, outside), key)
    return tuple(subjects.values())


def _on_for_somebody(unit: Unit, defined: Mapping[str, Flag]) -> bool:
    if not unit.enabled:
        return False
    if unit.percentage > 0:
        return True
    # At 0 % a flag is still on for those whom its allow list names: that is how a team tries it out.
    definition = defined.get(unit.key)
    return definition is not None and bool(definition.targeting.allow_users or definition.targeting.allow_groups)
