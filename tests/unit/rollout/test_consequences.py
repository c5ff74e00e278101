"""What a move means beyond its unit: anchors of the others, lost requirements, cooldowns, who paused it."""

from dataclasses import replace

import pytest
from rollouts import CONTROLLER, GRADUAL, at, by_trigger, empty, move, plan, standing, walk

from deployguard.config.values import OnInconclusive
from deployguard.errors import DeployguardError
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move
from deployguard.rollout.moves import MoveKind as M
from deployguard.state import PausedBy, Phase, State

NOW = at(10)


def with_neighbours() -> State:
    """A rollout `lead`; another, `search`; a flag by hand, `banner`; one that is off; one taken back, `gone`."""
    state = walk(standing(Phase.PROGRESSING), move(M.START, "search", plan=plan(500, 10_000)))
    state = walk(state, move(M.SET, "banner", percentage=1000), move(M.ENABLE, "off_banner"), start=1)
    state = walk(state, move(M.DISABLE, "off_banner"), move(M.START, "gone", plan=plan(500, 10_000)), start=3)
    return walk(state, move(M.ABORT, "gone"), start=5)


@pytest.mark.parametrize(
    "asked",
    [
        by_trigger(M.REDUCE, share=5000),
        by_trigger(M.DISABLE, flags=("rider",)),
        by_trigger(M.ROLLBACK),
        move(M.SET, percentage=0),
        move(M.SET, percentage=1000),
        move(M.ROLLBACK, "rider"),
    ],
    ids=lambda asked: f"{asked.kind} {asked.flag}",
)
def test_what_is_lowered_moves_the_anchors_of_the_others_but_not_their_holds(asked: Move) -> None:
    before = with_neighbours()
    after = walk(before, asked, start=10)
    assert after.rollouts["search"].anchor == NOW
    assert after.rollouts["search"].entered_at == before.rollouts["search"].entered_at
    assert after.flag("banner").anchor == NOW
    assert after.flag("banner").updated_at == before.flag("banner").updated_at
    assert after.rollouts["gone"].anchor == before.rollouts["gone"].anchor
    assert after.flag("off_banner").anchor == before.flag("off_banner").anchor


@pytest.mark.parametrize("asked", [move(M.PROMOTE), move(M.PAUSE), move(M.SET, percentage=9000), move(M.READY)])
def test_what_is_not_lowered_leaves_the_others_alone(asked: Move) -> None:
    before = with_neighbours()
    after = walk(before, asked, start=10)
    assert after.rollouts["search"] == before.rollouts["search"]
    assert after.flag("banner") == before.flag("banner")


def required() -> State:
    """`base` set by hand at 100 %, `top` requires it through `middle` and progresses."""
    state = empty(base={}, middle={"requires": ["base"]}, top={"requires": ["middle"]})
    on = [move(M.SET, key, percentage=10_000) for key in ("base", "middle")]
    return walk(state, *on, move(M.START, "top", plan=plan(500, 10_000)))


@pytest.mark.parametrize(
    "asked",
    [
        move(M.ROLLBACK, "base"),
        move(M.SET, "base", percentage=0),
        move(M.DISABLE, "base"),
        by_trigger(M.ROLLBACK, "middle"),
        by_trigger(M.REDUCE, "base", share=10_000),
        move(M.EMERGENCY, flags=("base",)),
    ],
    ids=lambda asked: str(asked.kind),
)
def test_a_lost_requirement_pauses_the_rollout_that_needs_it(asked: Move) -> None:
    before = required()
    change = apply(before, asked, NOW)
    top = walk(before, asked, start=10).rollouts["top"]
    assert (top.phase, top.paused_by) == (Phase.PAUSED, PausedBy.REQUIREMENT)
    assert top.entered_at == before.rollouts["top"].entered_at
    last = change.events[-1]
    assert (last.type, last.data["rollout"], last.data["pausedBy"]) == ("rollout.paused", "top", "requirement")
    assert last.cause == len(change.events) - 2  # the rollback that led here
    assert "was taken back" in (top.reason or "")


def test_a_requirement_that_is_only_reduced_pauses_nobody() -> None:
    after = walk(required(), move(M.REDUCE, "base", share=5000), start=10)
    assert after.rollouts["top"].phase is Phase.PROGRESSING
    assert after.rollouts["top"].anchor == NOW


def test_a_requirement_inside_the_rollout_is_taken_back_with_it() -> None:
    change = apply(standing(Phase.PROGRESSING), move(M.ROLLBACK), NOW)
    assert [draft.type for draft in change.events] == ["rollout.rolledBack", "rollback.executed"]


def test_a_rollout_that_waits_or_is_done_is_not_paused_by_its_requirement() -> None:
    for asked, phase in ((move(M.READY, "top"), Phase.COMPLETED), (move(M.PAUSE, "top"), Phase.PAUSED)):
        state = walk(required(), asked, start=5)
        after = walk(state, move(M.ROLLBACK, "base"), start=10)
        assert after.rollouts["top"].phase is phase
        assert after.rollouts["top"].paused_by == state.rollouts["top"].paused_by


def test_a_triggers_action_starts_the_cooldown_and_people_who_go_on_end_it() -> None:
    reduced = walk(standing(Phase.PROGRESSING), by_trigger(M.REDUCE, share=5000))
    assert reduced.rollouts["lead"].acted_at == at(0)
    assert reduced.rollouts["lead"].trigger == "slow-response"
    for kind in (M.RESUME, M.PROMOTE):
        went_on = walk(reduced, move(kind), start=1).rollouts["lead"]
        assert (went_on.acted_at, went_on.trigger, went_on.paused_by) == (None, None, None)
    taken_back = walk(reduced, by_trigger(M.ROLLBACK), start=1)
    assert taken_back.rollouts["lead"].acted_at == at(1)
    assert walk(taken_back, move(M.RETRY, plan=GRADUAL), start=2).rollouts["lead"].acted_at is None
    assert walk(reduced, move(M.SET, percentage=100), start=1).rollouts["lead"].acted_at == at(0)


def test_a_tick_without_a_trigger_is_no_action() -> None:
    after = walk(standing(Phase.PROGRESSING), move(M.READY, actor=CONTROLLER))
    assert after.rollouts["lead"].acted_at is None


def test_a_flag_by_hand_has_its_own_cooldown() -> None:
    after = walk(standing(None), by_trigger(M.REDUCE, share=5000))
    assert after.flag("lead").acted_at == at(0)
    assert after.flag("lead").reason == "slow-response"
    started = walk(after, move(M.START, plan=plan(500, 10_000)), start=1)
    assert (started.flag("lead").acted_at, started.rollouts["lead"].acted_at) == (None, None)


def test_who_paused_it_is_kept() -> None:
    patient = plan(500, 10_000, on_inconclusive=OnInconclusive.PAUSE)
    progressing = walk(empty(), move(M.START, plan=patient))
    moves = {
        PausedBy.PERSON: (move(M.PAUSE), move(M.SET, percentage=100), move(M.REDUCE, share=100)),
        PausedBy.TRIGGER: (by_trigger(M.PAUSE), by_trigger(M.REDUCE, share=1000)),
        PausedBy.INCONCLUSIVE: (move(M.INCONCLUSIVE, actor=CONTROLLER),),
    }
    for who, asked in moves.items():
        for one in asked:
            assert walk(progressing, one, start=24).rollouts["lead"].paused_by is who


def test_too_little_data_pauses_only_when_the_hold_is_over_and_the_strategy_says_so() -> None:
    asked = move(M.INCONCLUSIVE, actor=CONTROLLER)
    patient = walk(empty(), move(M.START, plan=plan(500, 10_000, on_inconclusive=OnInconclusive.PAUSE)))
    holding = walk(empty(), move(M.START, plan=plan(500, 10_000)))
    for state, hours in ((patient, 23), (holding, 25)):
        with pytest.raises(DeployguardError):
            apply(state, asked, at(hours))
    assert apply(patient, asked, at(24)).state.rollouts["lead"].phase is Phase.PAUSED


def test_the_lead_of_a_rollout_taken_back_may_be_forced_and_its_riders_stay_off() -> None:
    back = standing(Phase.ROLLED_BACK)
    after = walk(back, move(M.SET, percentage=1000, force=True))
    assert after.flag("lead").on
    assert "lead" not in after.rollouts
    assert after.rollouts["rider"].riders == ("other",)
    assert not after.rollouts["rider"].phase.live
    for rider in ("rider", "other"):
        assert not after.flag(rider).enabled
        with pytest.raises(DeployguardError):
            apply(after, move(M.SET, rider, percentage=1000), at(1))


def test_a_rider_set_by_hand_leaves_and_the_rollout_goes_on_without_it() -> None:
    after = walk(standing(Phase.PROGRESSING), move(M.SET, "rider", percentage=1000))
    assert after.flag("rider").rollout is None
    assert after.rollouts["lead"].riders == ("other",)
    done = walk(after, move(M.READY), start=1)
    assert (done.flag("lead").percentage, done.flag("other").percentage) == (10_000, 10_000)
    assert done.flag("rider").percentage == 1000


def test_moves_on_a_rider_that_mean_the_whole_rollout() -> None:
    after = walk(standing(Phase.PROGRESSING), move(M.PAUSE, "rider"), move(M.ABORT, "other"))
    assert after.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert not after.flag("lead").enabled


def test_a_retry_of_a_unit_changed_in_the_same_instant_still_tells() -> None:
    state = standing(Phase.ROLLED_BACK)
    asked = move(M.RETRY, plan=replace(GRADUAL, riders=()))
    assert apply(state, asked, at(0)).events[0].data["retry"] is True
