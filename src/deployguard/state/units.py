"""What a trigger concerns and an action changes. Derived from the state, never stored."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.codec import Hundredths
from deployguard.state.values import Phase, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A rollout with all its riders, or one flag set by hand. `key` is the lead's key, or the flag's."""

    key: str
    flags: tuple[str, ...]
    phase: Phase | None
    percentage: Hundredths
    enabled: bool
    entered_at: datetime
    anchor: datetime
    acted_at: datetime | None

    @property
    def on(self) -> bool:
        return self.enabled and self.percentage > 0


def units(state: State) -> tuple[Unit, ...]:
    """Every rollout, and every flag set by hand that somebody has touched."""
    out = []
    for lead, rollout in state.rollouts.items():
        flag = state.flag(lead)
        out.append(
            Unit(
                key=lead,
                flags=rollout.flags,
                phase=rollout.phase,
                percentage=flag.percentage,
                enabled=flag.enabled,
                entered_at=rollout.entered_at,
                anchor=rollout.anchor,
                acted_at=rollout.acted_at,
            )
        )
    for key, flag in state.flags.items():
        if flag.rollout is None and flag.updated_at is not None:
            out.append(
                Unit(
                    key=key,
                    flags=(key,),
                    phase=None,
                    percentage=flag.percentage,
                    enabled=flag.enabled,
                    entered_at=flag.updated_at,
                    anchor=flag.anchor or flag.updated_at,
                    acted_at=flag.acted_at,
                )
            )
    return tuple(out)
