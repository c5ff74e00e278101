"""Where a rollout stands among its steps. The step is never stored: it follows from the lead's percentage.

Steps count from 1 for people. Percentages are whole hundredths.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.config.units import FULL
from deployguard.config.values import Step
from deployguard.state import Phase, Rollout, StepState


def step_of(rollout: Rollout, percentage: int) -> int:
    """The highest step whose percentage is at most `percentage`, counted from 1; below the first step it is 1."""
    return max((n for n, step in enumerate(rollout.steps, 1) if step.percentage <= percentage), default=1)


def next_step(rollout: Rollout, percentage: int) -> int | None:
    """The percentage of the lowest step above `percentage`, in hundredths; None where there is none."""
    return next_percentage(rollout.steps, percentage)


def next_percentage(steps: Sequence[StepState], percentage: int) -> int | None:
    return min((step.percentage for step in steps if step.percentage > percentage), default=None)


def last_percentage(steps: Sequence[StepState]) -> int:
    return steps[-1].percentage


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
