"""A move: what a person or the tick asks of a unit. It carries what it needs from the config; `apply` reads none."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from deployguard.codec import JSON
from deployguard.config.values import OnInconclusive
from deployguard.state import Actor, StepState


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
class Plan:
    """What `start` and `retry` need from the config: the steps to copy and who rides, own seeds marked."""

    strategy: str
    steps: tuple[StepState, ...]
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    max_wait: timedelta = timedelta(hours=24)
    holdout: int = 0
    riders: tuple[str, ...] = ()
    own_seeds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidenced:
    """Why the tick or a trigger moves: JSON-ready values that the event carries, so that `explain` can tell it."""

    trigger: str | None = None
    verdict: JSON | None = None  # the verdict that decided (guard.values.Verdict as JSON)
    others: JSON | None = None  # the same trigger's verdict on the others, for the contrast
    verdicts: tuple[JSON, ...] = ()  # those that let a step go on
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
