"""A release's life in the state."""

from rollouts import MARIA, at, empty, move, settled, standing

from deployguard.rollout import release as releases
from deployguard.rollout.apply import apply
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
    change = releases.record_command(state, "r-1", RUN, MARIA)
    assert change.events[0].data["exitCode"] == 0
    assert (change.events[0].type, change.events[0].data["command"]) == ("release.commandFinished", "npm ci")
    state = settled(state, change)
    state = settled(state, releases.commands_done(state, "r-1", MARIA))
    assert not state.releases["r-1"].deploying
    change = finished(state, ReleasePhase.SUCCEEDED, rollouts=("lead",), report="r.json")
    state = settled(state, change)
    assert change.events[0].type == "release.succeeded"
    assert (state.releases["r-1"].rollouts, state.releases["r-1"].finished_at) == (("lead",), at(2))
    assert state.running_release() is None
    assert begun(state).releases["r-2"].phase is ReleasePhase.RUNNING


def test_an_emergency_asks_once_and_the_deploy_ends_itself() -> None:
    state = begun(empty())
    change = releases.ask_to_stop(state, "r-1", MARIA)
    state = settled(state, change)
    assert (change.events[0].type, state.releases["r-1"].phase) == ("release.aborting", ReleasePhase.ABORTING)
    assert releases.ask_to_stop(state, "r-1", MARIA).events == ()


def test_a_release_whose_process_died_is_closed_with_the_command_that_it_died_in() -> None:
    state = begun(empty())
    left = CommandRun(text="npm ci", started_at=at(1), error="its deploy was killed while it ran")
    change = releases.close_left_behind(state, "r-1", left, MARIA, at(3))
    assert [draft.type for draft in change.events] == ["release.commandFinished", "release.failed"]
    closed = settled(state, change).releases["r-1"]
    assert (closed.phase, closed.commands, closed.finished_at) == (ReleasePhase.FAILED, (left,), at(3))
    aborting = releases.ask_to_stop(state, "r-1", MARIA).state
    closed = settled(aborting, releases.close_left_behind(aborting, "r-1", None, MARIA, at(3))).releases["r-1"]
    assert (closed.phase, closed.commands) == (ReleasePhase.ABORTED, ())


def test_a_deploy_moves_the_anchor_of_a_unit_and_not_its_hold() -> None:
    state = begun(standing(Phase.PROGRESSING))
    done = releases.commands_done(state, "r-1", MARIA)
    change = then(done, apply(done.state, move(M.DEPLOYED, release="r-1"), at(1)))
    after = settled(state, change)
    assert [draft.type for draft in change.events] == ["release.checking", "unit.anchored"]
    assert (after.rollouts["lead"].anchor, after.rollouts["lead"].entered_at) == (at(1), at(-1))
