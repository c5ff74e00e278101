"""A move asked of a unit: everything that the guards and rules of the table read, in one value."""

from dataclasses import dataclass
from datetime import datetime

from deployguard.config.units import FULL
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.steps import capped, last_percentage, next_percentage
from deployguard.state import FlagState, Phase, Rollout, State, StepState, Via


@dataclass(frozen=True, slots=True)
class Asked:
    """`key` is the flag that the move names; `rollout` is the one it belongs to, None for a flag set by hand."""

    state: State
    move: Move
    now: datetime
    key: str
    rollout: Rollout | None

    @property
    def phase(self) -> Phase | None:
        return self.rollout.phase if self.rollout else None

    @property
    def lead(self) -> str:
        return self.rollout.lead if self.rollout else self.key

    @property
    def flags(self) -> tuple[str, ...]:
        """All flags of the unit."""
        return self.rollout.flags if self.rollout else (self.key,)

    @property
    def rides(self) -> bool:
        return self.key != self.lead

    @property
    def flag(self) -> FlagState:
        """The flag named. All flags of a rollout share the percentage, so this is the unit's."""
        return self.state.flag(self.key)

    @property
    def steps(self) -> tuple[StepState, ...]:
        """Those of the rollout; for `start` and `retry` those that it would take."""
        if self.move.plan is not None and self.move.kind in {MoveKind.START, MoveKind.RETRY}:
            return capped(self.move.plan.steps, self.move.plan.holdout)
        return self.rollout.steps if self.rollout else ()

    @property
    def next(self) -> int | None:
        return next_percentage(self.steps, self.flag.percentage)

    @property
    def last(self) -> int:
        return last_percentage(self.steps) if self.steps else FULL

    @property
    def reduced(self) -> int:
        """p(1-r) in hundredths, rounded down."""
        return self.flag.percentage * (FULL - (self.move.share or 0)) // FULL

    @property
    def met(self) -> frozenset[str]:
        """The unit's flags that `disable` would turn off: the one named, or those of a trigger's tag."""
        named = self.move.flags or (self.key,)
        return frozenset(key for key in self.flags if key in named and self.state.flag(key).enabled)

    @property
    def by_trigger(self) -> bool:
        return self.move.actor.via is Via.CONTROLLER and self.move.why.trigger is not None

    @property
    def reason(self) -> str | None:
        return self.move.reason or self.move.why.trigger


def ask(state: State, move: Move, now: datetime, key: str | None = None) -> Asked:
    """`move` asked of the unit that `key` (by default the move's flag) belongs to."""
    name = key if key is not None else move.flag
    lead = state.flag(name).rollout
    return Asked(state, move, now, name, state.rollouts.get(lead) if lead is not None else None)
