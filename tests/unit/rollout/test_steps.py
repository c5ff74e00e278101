"""Where a rollout stands among its steps."""

from datetime import timedelta

import pytest
from rollouts import DAY, at, empty, move, plan, walk

from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.plan import capped, hold_ends, next_step, planned, step_of
from deployguard.state import Rollout

GRADUAL = plan(500, 1500, 3000, 5000, 7500, 10_000)


def rollout() -> Rollout:
    return walk(empty(), move(M.START, plan=GRADUAL)).rollouts["lead"]


@pytest.mark.parametrize(
    ("percentage", "step", "following"),
    [
        (0, 1, 500),
        (250, 1, 500),
        (500, 1, 1500),
        (750, 1, 1500),
        (1499, 1, 1500),
        (1500, 2, 3000),
        (2500, 2, 3000),
        (9999, 5, 10_000),
        (10_000, 6, None),
    ],
)
def test_the_step_and_the_next(percentage: int, step: int, following: int | None) -> None:
    assert step_of(rollout(), percentage) == step
    assert next_step(rollout(), percentage) == following


def test_a_hold_runs_from_when_the_step_was_entered() -> None:
    assert hold_ends(rollout(), 500) == at(24)
    assert hold_ends(rollout(), 10_000) == at(0)  # a step without a hold is over


def test_a_paused_hold_does_not_run_and_starts_anew_at_resume() -> None:
    state = walk(empty(), move(M.START, plan=GRADUAL), move(M.PAUSE))
    assert hold_ends(state.rollouts["lead"], 500) is None
    assert hold_ends(walk(state, move(M.RESUME), start=9).rollouts["lead"], 500) == at(9 + 24)


def test_a_reduced_rollout_holds_as_the_step_below_and_goes_on_from_there() -> None:
    """50 % reduced to 25 % and resumed holds as step 15 %, then goes to 30 %; 2.5 % holds as step 5 %."""
    state = walk(empty(), move(M.START, plan=GRADUAL), *[move(M.READY)] * 3)
    assert state.flag("lead").percentage == 5000
    state = walk(state, move(M.REDUCE, share=5000), move(M.RESUME), start=9)
    assert (state.flag("lead").percentage, step_of(state.rollouts["lead"], 2500)) == (2500, 2)
    assert walk(state, move(M.READY), start=99).flag("lead").percentage == 3000
    low = walk(empty(), move(M.START, plan=GRADUAL), move(M.REDUCE, share=5000), move(M.RESUME), move(M.READY))
    assert low.flag("lead").percentage == 500


def test_the_default_strategy_takes_a_week() -> None:
    holds = (DAY, DAY, DAY, 2 * DAY, 2 * DAY, None)
    from dataclasses import replace

    steps = [replace(step, hold=hold) for step, hold in zip(GRADUAL.steps, holds, strict=True)]
    dates = planned(steps, at(0))
    assert dates[0] == at(0)
    assert dates[-1] - dates[0] == timedelta(hours=168)


@pytest.mark.parametrize(
    ("percentages", "holdout", "expected"),
    [
        ((500, 10_000), 0, (500, 10_000)),
        ((500, 10_000), 100, (500, 9900)),
        ((500, 9950, 10_000), 100, (500, 9900)),
        ((500, 5000), 100, (500, 5000)),
        ((10_000,), 250, (9750,)),
    ],
)
def test_a_holdout_keeps_a_control_arm(percentages: tuple[int, ...], holdout: int, expected: tuple[int, ...]) -> None:
    steps = capped(plan(*percentages).steps, holdout)
    assert tuple(step.percentage for step in steps) == expected
    assert steps[-1].hold is None
    assert capped(steps, holdout) == steps


def test_a_rollout_with_a_holdout_completes_below_everyone() -> None:
    state = walk(empty(), move(M.START, plan=plan(500, 10_000, holdout=100)), move(M.READY))
    assert (state.rollouts["lead"].phase, state.flag("lead").percentage) == ("completed", 9900)


def test_completing_never_lowers_what_was_set_above_the_last_step() -> None:
    above = walk(empty(), move(M.START, plan=plan(500, 5000)), move(M.SET, percentage=8000))
    done = walk(above, move(M.PROMOTE), start=2)
    assert (done.rollouts["lead"].phase, done.flag("lead").percentage) == ("completed", 8000)
