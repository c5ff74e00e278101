"""What a rollout starts with, its steps and who rides, and where it stands among its steps.

A rollout is made of flags that start together: those listed, at 0 %, without a rollout, not permanent. Among these a
flag that requires (at any depth) no other is a lead; the rest ride with the first lead found along `requires`, depth
first. A requirement that is already on, or in a rollout, makes no rider.

The step is never stored: it follows from the lead's percentage. Steps count from 1 for people; percentages are whole
hundredths.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from deployguard.config.units import FULL
from deployguard.config.values import Flag, OnInconclusive, Step, Strategy
from deployguard.flags.dependencies import dependants, postorder
from deployguard.state import Phase, Rollout, State, StepState


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


def plan_for(strategy: Strategy, defs: Mapping[str, Flag], riders: Iterable[str]) -> Plan:
    """The strategy's steps, capped by its holdout, and who rides."""
    riding = tuple(riders)
    steps = tuple(StepState(percentage=step.percentage, hold=step.hold, name=step.name) for step in strategy.steps)
    return Plan(
        strategy=strategy.name,
        steps=capped(steps, strategy.holdout),
        on_inconclusive=strategy.on_inconclusive,
        max_wait=strategy.max_wait,
        holdout=strategy.holdout,
        riders=riding,
        own_seeds=frozenset(key for key in riding if key in defs and defs[key].own_seed),
    )


def leads_and_riders(
    defs: Mapping[str, Flag], state: State, listed: Iterable[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Who starts together on deploy: each lead with its riders, in the order listed."""
    starting = [key for key in dict.fromkeys(listed) if _can_start(defs, state, key)]
    above = dependants(defs, starting)
    riders: dict[str, list[str]] = {key: [] for key in starting if key not in above}
    first: dict[str, str] = {}  # the lead that each flag meets first along `requires`; asked of requirements before it
    for key in postorder(starting, lambda name: defs[name].requires if name in defs else ()):
        if key in defs and key not in riders:
            met = (name if name in riders else first.get(name) for name in defs[key].requires)
            lead = next(filter(None, met), None)
            if lead is not None:
                first[key] = lead
    for key in starting:
        if key in first:
            riders[first[key]].append(key)
    return tuple((lead, tuple(keys)) for lead, keys in riders.items())


def riders_of(defs: Mapping[str, Flag], state: State, lead: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Who rides when `lead` is started or retried: the listed flags at 0 % that require it, at any depth.

    A lead that starts above 0 % takes no riders. Those of its own rollout that was taken back ride again.
    """
    if state.flag(lead).percentage > 0:
        return ()
    old = state.rollouts.get(lead)
    again = frozenset(old.riders if old is not None and old.phase is Phase.ROLLED_BACK else ())
    above = dependants(defs, (lead,))
    return tuple(
        key
        for key in dict.fromkeys(listed)
        if key in above and key != lead and (_can_start(defs, state, key) or (key in again and not defs[key].permanent))
    )


def _can_start(defs: Mapping[str, Flag], state: State, key: str) -> bool:
    flag = state.flag(key)
    return key in defs and not defs[key].permanent and flag.percentage == 0 and flag.rollout is None


def step_of(rollout: Rollout, percentage: int) -> int:
    """The highest step whose percentage is at most `percentage`, counted from 1; below the first step it is 1."""
    return max((n for n, step in enumerate(rollout.steps, 1) if step.percentage <= percentage), default=1)


def next_step(rollout: Rollout, percentage: int) -> int | None:
    """The percentage of the lowest step above `percentage`, in hundredths; None where there is none."""
    return next_percentage(rollout.steps, percentage)


def next_percentage(steps: Sequence[StepState], percentage: int) -> int | None:
    return min((step.percentage for step in steps if step.percentage > percentage), default=None)


def hold_ends(rollout: Rollout, percentage: int) -> datetime | None:
    """When the step's hold is over. None unless it progresses: a paused hold does not run, it starts anew at resume.

    A step without a hold (the last one, reached by hand) is over when it is entered.
    """
    if rollout.phase is not Phase.PROGRESSING:
        return None
    hold = rollout.steps[step_of(rollout, percentage) - 1].hold
    return rollout.entered_at + (hold or timedelta(0))


def planned(steps: Sequence[Step] | Sequence[StepState], start: datetime) -> tuple[datetime, ...]:
    """When each step begins at the earliest, if the first begins at `start`."""
    moments = [start]
    for step in steps[:-1]:
        moments.append(moments[-1] + (step.hold or timedelta(0)))
    return tuple(moments)


def capped(steps: Sequence[StepState], holdout: int) -> tuple[StepState, ...]:
    """The steps with the last at 100 % minus `holdout` (hundredths) at most, so that a control arm stays."""
    cap = min(steps[-1].percentage, FULL - holdout)
    below = tuple(step for step in steps[:-1] if step.percentage < cap)
    return (*below, replace(steps[-1], percentage=cap, hold=None))
