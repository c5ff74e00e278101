"""What was told already, so that an event is told once.

`state.told` holds an entry for each thing that is not as it should be, and the last cause of waiting:

    trigger.<unit>.<trigger>   fail <when it was told>   (unit `-` where none is guarded)
    check.<name>               fail
    source.<name>              lost
    waiting.<unit>             what it waits for

A fail is over with a pass; inconclusive in between ends nothing. It is void where a person changed the unit since: a
retried rollout that fails again is news.
"""

from collections.abc import Mapping
from datetime import datetime

from deployguard.guard.blame import Standing
from deployguard.state import State, Unit

NO_UNIT = "-"
FAIL = "fail"
LOST = "lost"


def trigger_key(unit: Unit | None, trigger: str) -> str:
    return f"trigger.{unit.key if unit is not None else NO_UNIT}.{trigger}"


def failing_since(told: Mapping[str, str], key: str) -> datetime | None:
    """When the trigger's fail was told; None where none is."""
    value = told.get(key, "")
    return datetime.fromisoformat(value.partition(" ")[2]) if value.startswith(FAIL) else None


def fail_at(now: datetime) -> str:
    return f"{FAIL} {now.isoformat().replace('+00:00', 'Z')}"


def fail_is_told(state: State, standing: Standing) -> bool:
    """Whether the fail of this trigger was told, and nobody changed the unit since."""
    since = failing_since(state.told, trigger_key(standing.unit, standing.trigger.name))
    return since is not None and not _changed_by_people(standing.unit, since)


def _changed_by_people(unit: Unit | None, since: datetime) -> bool:
    if unit is None or unit.entered_at <= since:
        return False
    # A trigger's own action leaves `actedAt` at its moment; whatever people do clears it or comes later.
    return unit.acted_at is None or unit.acted_at < unit.entered_at
