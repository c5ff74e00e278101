"""What a refusal says: what stands in the way, and what may be typed instead."""

from dataclasses import replace

import pytest
from rollouts import GRADUAL, MARIA, at, move, standing, walk

from deployguard.config.units import FULL
from deployguard.errors import DeployguardError, Problem
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.refusals import offers_for
from deployguard.rollout.table import PEOPLE, allowed
from deployguard.state import Phase, State


def problem(state: State, asked: Move) -> Problem:
    with pytest.raises(DeployguardError) as error:
        apply(state, asked, at(0))
    return error.value.problem


def commands(state: State, flag: str = "lead") -> list[str]:
    return [offer.command.removeprefix("deployguard ") for offer in offers_for(state, flag)]


def test_what_is_allowed_now_by_phase() -> None:
    expected = {
        None: [
            "rollout start lead --env prod",
            "feature-flags set lead 10 --env prod",
            "feature-flags disable lead --env prod",
            "rollback manual lead --env prod",
        ],
        Phase.PROGRESSING: [
            "rollout pause lead --env prod",
            "rollout promote lead --env prod",
            "feature-flags set lead 12.5 --env prod",
            "feature-flags disable lead --env prod",
            "rollback manual lead --env prod",
            "rollout abort lead --env prod",
        ],
        Phase.PAUSED: [
            "rollout resume lead --env prod",
            "rollout promote lead --env prod",
            "feature-flags set lead 12.5 --env prod",
            "feature-flags disable lead --env prod",
            "rollback manual lead --env prod",
            "rollout abort lead --env prod",
        ],
        Phase.COMPLETED: [
            "feature-flags set lead 50 --env prod",
            "feature-flags disable lead --env prod",
            "rollback manual lead --env prod",
            "rollout abort lead --env prod",
        ],
        Phase.ROLLED_BACK: ["rollout retry lead --env prod", "rollback undo rb-1 --env prod"],
    }
    for phase, offered in expected.items():
        assert commands(standing(phase)) == offered


def test_a_rider_is_offered_its_leads_moves_and_its_own() -> None:
    offered = commands(standing(Phase.PROGRESSING), "rider")
    assert "rollout pause lead --env prod" in offered
    assert "rollback manual rider --env prod" in offered


def test_a_flag_that_is_off_is_offered_a_start() -> None:
    assert commands(standing(None), "fresh") == [
        "rollout start fresh --env prod",
        "feature-flags set fresh 1 --env prod",
        "feature-flags enable fresh --env prod",
    ]


@pytest.mark.parametrize("phase", [None, *Phase])
@pytest.mark.parametrize("flag", ["lead", "rider", "fresh"])
def test_what_is_allowed_is_accepted_and_changes_something(phase: Phase | None, flag: str) -> None:
    state = standing(phase)
    for kind in PEOPLE:
        percentage = max(1, state.flag(flag).percentage // 2)
        record = state.flag(flag).rollback_id
        asked = move(kind, flag, plan=GRADUAL, percentage=percentage, targeting={"countries": ["DZ"]})
        asked = replace(asked, rollback_id=record if kind is M.UNDO else None)
        if kind in allowed(state, flag):
            assert apply(state, asked, at(0)).events
            continue
        if kind is M.UNDO:
            continue  # without a record of the flag's it would undo another's
        try:
            change = apply(state, asked, at(0))
        except DeployguardError:
            continue
        # Not offered though not refused: it would change nothing, or only take a rider out of its rollout.
        assert change.events == () or (kind is M.ENABLE and flag == "rider")


def test_a_rise_while_a_trigger_fails_names_both_and_offers_force_last() -> None:
    asked = move(M.SET, percentage=6000, trigger_fails=True, why=Evidenced(trigger="slow-response"))
    told = problem(standing(Phase.PROGRESSING), asked)
    assert told.message == "lead may not rise while a trigger fails"
    assert told.found == "60%, above the current 25%; slow-response fails"
    assert told.wanted == "25% or less until it passes"
    offered = [offer.command for offer in told.allowed]
    assert offered[-1] == "deployguard feature-flags set lead 60 --force --env prod"
    assert not any("promote" in command for command in offered[:-1])
    assert "deployguard feature-flags set lead 12.5 --env prod" in offered


def test_what_was_taken_back_says_that_force_turns_it_on() -> None:
    told = problem(standing(Phase.ROLLED_BACK), move(M.SET, percentage=1000))
    assert told.found == "0%, off, taken back"
    assert told.allowed[-1].command == "deployguard feature-flags set lead 10 --force --env prod"
    told = problem(standing(Phase.ROLLED_BACK), move(M.ENABLE))
    assert told.allowed[-1].command == "deployguard feature-flags enable lead --force --env prod"


def test_a_forced_command_that_is_offered_works() -> None:
    state = standing(Phase.PAUSED)
    told = problem(state, move(M.PROMOTE, trigger_fails=True))
    assert told.allowed[-1].command == "deployguard rollout promote lead --force --env prod"
    after = walk(state, move(M.PROMOTE, trigger_fails=True, force=True))
    assert after.flag("lead").percentage == FULL


def test_a_start_without_steps_is_a_usage_error() -> None:
    with pytest.raises(DeployguardError):
        apply(standing(None), move(M.START, "fresh", actor=MARIA), at(0))
