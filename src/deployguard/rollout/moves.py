"""A move: what a person or the tick asks of a unit, and everything that the table's guards and rules read of it.

It carries what it needs from the config; `apply` reads none.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deployguard.codec import JSON
from deployguard.config.units import FULL
from deployguard.rollout.plan import Plan, capped, next_percentage
from deployguard.state import Actor, FlagState, Phase, Rollout, State, StepState, Via


class MoveKind(StrEnum):
    START = "start"
    RETRY = "retry"
    READY = "tick: ready"
    INCONCLUSIVE = "tick: inconclusive"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    SET = "set"
    ENABLE = "enable"
    DISABLE = "disable"
    REDUCE = "reduce"
    ROLLBACK = "rollback"
    ABORT = "abort"
    EMERGENCY = "emergency"
    TARGET = "target"
    DEPLOYED = "deployed"  # a deploy's commands finished
    DISTURBED = "disturbed"  # another unit was reduced, disabled or taken back; or definitions changed
    UNDO = "undo"
    REQUIREMENT = "requirement taken back"  # a flag outside the rollout that one of its flags requires


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidenced:
    """Why the tick or a trigger moves: JSON-ready values that the event carries, so that `explain` can tell it."""

    trigger: str | None = None
    verdict: JSON | None = None  # the verdict that decided (guard.values.Verdict as JSON)
    others: JSON | None = None  # the same trigger's verdict on the others, for the contrast
    verdicts: tuple[JSON, ...] = ()  # those that let a step go on, or all of the unit where one ended it
    exposed: JSON | None = None  # {users, requests} since the step began


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of the table of transitions, asked of the unit that `flag` belongs to.

    `kind` EMERGENCY takes every flag of `flags` (empty: all that the state holds on), without `left_on`.
    """

    kind: MoveKind
    flag: str = ""
    actor: Actor
    reason: str | None = None
    force: bool = False
    percentage: int | None = None  # SET, in hundredths
    seed: str | None = None  # SET of an import: the exported seed, so that the same users have it
    share: int | None = None  # REDUCE, hundredths taken away
    min_percentage: int = 100  # REDUCE
    plan: Plan | None = None  # START, RETRY
    flags: tuple[str, ...] = ()  # EMERGENCY, DISABLE of a tag, UNDO
    left_on: tuple[str, ...] = ()  # EMERGENCY: permanent flags
    targeting: JSON | None = None  # TARGET: the override, None drops it
    trigger_fails: bool = False  # a trigger of the unit fails now
    rollback_id: str | None = None  # UNDO: which record
    release: str | None = None
    why: Evidenced = field(default_factory=Evidenced)


@dataclass(frozen=True, slots=True)
class Asked:
    """A move asked of a unit.

    `key` is the flag that the move names; `rollout` is the one it belongs to, None for a flag set by hand.
    """

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
        return self.steps[-1].percentage if self.steps else FULL

    @property
    def reduced(self) -> int:
        """p(1-r) in hundredths, rounded down."""
        return self.flag.percentage * (FULL - (self.move.share or 0)) // FULL

    @property
    def met(self) -> frozenset[str]:
        """The unit's flags that `disable` would turn off: the one named, or those of a trigger's tag."""
        named = frozenset(self.move.flags or (self.key,))
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
