"""A release's life in the state, and what a failed one gives back."""

import pytest
from rollouts import GRADUAL, MARIA, at, empty, move, plan, settled, standing, walk

from deployguard.errors import Code, DeployguardError
from deployguard.rollout import release as releases
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move
from deployguard.rollout.moves import MoveKind as M
from deployguard.state import Change, CommandRun, Phase, ReleasePhase, State, then

RUN = CommandRun(text="npm ci", started_at=at(0), duration_ms=22_800, exit_code=0)


def begun(state: State) -> State:
    return settled(
        state,
        releases.begin_release(
            state, version="2.14.0", host="build-1", pid=41, rollback=({"argv": ["vercel", "rollback"]},),
            actor=MARIA, reason="friday", now=at(0),
        ),
    )  # fmt: skip


def finished(state: State, phase: ReleasePhase, **more: object) -> Change:
    return releases.finish_release(state, "r-1", phase, actor=MARIA, now=at(2), **more)  # type: ignore[arg-type]


def test_a_release_from_its_begin_to_its_end() -> None:
    state = begun(empty())
    release = state.releases["r-1"]
    assert (release.phase, release.deploying, release.rollback) == (
        ReleasePhase.RUNNING,
        True,
        ({"argv": ["vercel", "rollback"]},),
    )
    change = releases.record_command(state, "r-1", RUN, MARIA, at(1))
    assert change.events[0].data["exitCode"] == 0
    assert (change.events[0].type, change.events[0].data["command"]) == ("release.commandFinished", "npm ci")
    state = settled(state, change)
    state = settled(state, releases.commands_done(state, "r-1", MARIA, at(1)))
    assert not state.releases["r-1"].deploying
    change = finished(state, ReleasePhase.SUCCEEDED, rollouts=("lead",), report="r.json")
    state = settled(state, change)
    assert change.events[0].type == "release.succeeded"
    assert (state.releases["r-1"].rollouts, state.releases["r-1"].finished_at) == (("lead",), at(2))
    assert state.running_release() is None
    assert begun(state).releases["r-2"].phase is ReleasePhase.RUNNING


def test_a_second_one_is_refused_with_the_first_ones_name() -> None:
    with pytest.raises(DeployguardError) as error:
        begun(begun(empty()))
    problem = error.value.problem
    assert problem.code is Code.DEPLOY_RUNNING
    assert "r-1 (2.14.0) by maria on build-1, pid 41" in (problem.found or "")


def test_a_failed_release_gives_back_what_only_it_changed() -> None:
    before = walk(empty(), move(M.SET, "banner", percentage=300))
    state = walk(begun(before), move(M.START, plan=GRADUAL, release="r-1"), move(M.SET, "banner", percentage=400))
    change = finished(state, ReleasePhase.FAILED, error="exit 1", restore=True)
    after = settled(state, change)
    assert [draft.type for draft in change.events] == ["release.failed", "rollout.rolledBack"]
    assert change.events[0].data["flags"] == ["lead", "rider", "other"]
    assert (change.events[1].cause, change.events[1].data["from"], change.events[1].data["to"]) == (0, 5, 0)
    assert after.rollouts == {}
    for key in ("lead", "rider", "other"):
        assert not after.flag(key).on
        assert after.flag(key).rollout is None
    assert after.flag("banner").percentage == 400
    assert after.rollbacks == {}


@pytest.mark.parametrize(
    "since",
    [
        (move(M.PAUSE),),
        (move(M.PAUSE), move(M.RESUME)),
        (move(M.READY),),
        (move(M.SET, percentage=100),),
        (move(M.TARGET, "other", targeting={}),),
    ],
    ids=str,
)
def test_what_somebody_changed_since_stays(since: tuple[Move, ...]) -> None:
    state = walk(begun(empty()), move(M.START, plan=GRADUAL, release="r-1"), *since)
    after = settled(state, finished(state, ReleasePhase.FAILED, restore=True))
    assert after.rollouts == state.rollouts
    assert after.flags == state.flags


def test_a_rider_that_somebody_took_out_stays_and_the_rest_goes_back() -> None:
    state = walk(begun(empty()), move(M.START, plan=GRADUAL, release="r-1"), move(M.SET, "rider", percentage=100))
    after = settled(state, finished(state, ReleasePhase.FAILED, restore=True))
    assert after.rollouts == {}
    assert after.flag("rider").percentage == 100
    assert not after.flag("lead").on


def test_a_retried_rollout_goes_back_to_taken_back() -> None:
    before = standing(Phase.ROLLED_BACK)
    state = walk(begun(before), move(M.RETRY, plan=plan(500, 10_000, riders=("other",)), release="r-1"))
    assert state.rollouts["rider"].phase is Phase.ROLLED_BACK
    after = settled(state, finished(state, ReleasePhase.FAILED, restore=True))
    assert after.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert set(after.rollouts["lead"].flags) == {"lead", "other"}
    assert after.rollouts["rider"].phase is Phase.ROLLED_BACK
    for key in ("lead", "rider", "other"):
        assert after.flag(key).rollout in after.rollouts


def test_without_restore_nothing_goes_back() -> None:
    state = walk(begun(empty()), move(M.START, plan=GRADUAL, release="r-1"))
    after = settled(state, finished(state, ReleasePhase.ABORTED))
    assert after.rollouts == state.rollouts
    assert after.releases["r-1"].phase is ReleasePhase.ABORTED


def test_an_emergency_asks_once_and_the_deploy_ends_itself() -> None:
    state = begun(empty())
    change = releases.ask_to_stop(state, "r-1", MARIA, at(1))
    state = settled(state, change)
    assert (change.events[0].type, state.releases["r-1"].phase) == ("release.aborting", ReleasePhase.ABORTING)
    assert releases.ask_to_stop(state, "r-1", MARIA, at(1)).events == ()


def test_a_release_whose_process_died_is_closed() -> None:
    state = walk(begun(empty()), move(M.START, plan=GRADUAL, release="r-1"))
    closed = settled(state, releases.close_left_behind(state, "r-1", MARIA, at(3)))
    assert closed.releases["r-1"].phase is ReleasePhase.FAILED
    assert closed.rollouts == {}
    aborting = releases.ask_to_stop(state, "r-1", MARIA, at(1)).state
    closed = settled(aborting, releases.close_left_behind(aborting, "r-1", MARIA, at(3)))
    assert closed.releases["r-1"].phase is ReleasePhase.ABORTED


def test_a_finished_release_carries_no_copy_of_the_flags() -> None:
    state = begun(standing(Phase.PROGRESSING))
    assert state.releases["r-1"].flags_before
    assert finished(state, ReleasePhase.SUCCEEDED).state.releases["r-1"].flags_before == {}


def test_a_deploy_moves_the_anchor_of_a_unit_and_not_its_hold() -> None:
    state = begun(standing(Phase.PROGRESSING))
    done = releases.commands_done(state, "r-1", MARIA, at(1))
    change = then(done, apply(done.state, move(M.DEPLOYED, release="r-1"), at(1)))
    after = settled(state, change)
    assert [draft.type for draft in change.events] == ["release.checking", "unit.anchored"]
    assert (after.rollouts["lead"].anchor, after.rollouts["lead"].entered_at) == (at(1), at(-1))
