"""A turn at the controller's lock: how often cron comes, what a take-over is, what is left behind; and a session."""

import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deployguard.controller import Controller
from deployguard.errors import Code, DeployguardError, fail
from deployguard.operations import aftermath, deploy, moves, takeback
from deployguard.operations.protocol import Ask, DeployAsk, DeployWatch
from deployguard.operations.watch import Watch, once
from deployguard.rollout.moves import MoveKind
from deployguard.session import actor_of, claim
from deployguard.store.locks import ControllerLock, read_controller
from support.application import Stage, stage


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def locked(*_args: object, **_options: object) -> None:
    raise fail(Code.STATE_LOCKED, "the state of prod is locked")


def interval(play: Stage) -> timedelta:
    info = read_controller(play.folder / "state", "prod", play.clock())
    assert info is not None
    return info.interval


def test_a_cron_round_says_how_often_it_comes(play: Stage) -> None:
    once(play.session(), None)
    assert interval(play) == timedelta(minutes=1), "the first one cannot know"
    play.clock.passes(minutes=2)
    once(play.session(), None)
    assert interval(play) == timedelta(minutes=2)
    play.clock.passes(minutes=2)
    once(play.session(), timedelta(minutes=15))
    assert interval(play) == timedelta(minutes=15)
    play.clock.passes(days=9)
    once(play.session(), None)
    assert interval(play) == timedelta(days=1), "a round by hand must not count as watching for three weeks"
    play.clock.passes(days=-1)
    once(play.session(), None)
    assert interval(play) == timedelta(minutes=1), "a clock that was set back tells nothing"


def test_a_round_after_a_live_watch_does_not_take_its_end_for_crons_last_round(play: Stage) -> None:
    watch = play.watch()
    watch.tick()
    watch.leave("the test is over")
    play.clock.passes(hours=7)
    once(play.session(), None)
    assert interval(play) == timedelta(minutes=1)


def test_a_cron_round_counts_as_watching_for_three_intervals_and_not_where_it_failed(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alive(**later: float) -> bool:
        info = read_controller(play.folder / "state", "prod", play.clock() + timedelta(**later))
        return info is not None and info.alive

    once(play.session(), None)
    assert (alive(minutes=3), alive(minutes=3, seconds=1), alive(days=-1)) == (True, False, False)
    with monkeypatch.context() as patched:
        patched.setattr(Controller, "tick", locked)
        with pytest.raises(DeployguardError):
            once(play.session(), timedelta(hours=1))
    assert not alive(minutes=1)


def test_a_lock_whose_file_was_deleted_is_taken_again_before_the_next_tick(play: Stage) -> None:
    watch, file = play.watch(), play.folder / "state" / "prod" / "controller.lock"
    file.unlink()
    assert watch.tick().acted
    assert not play.watch_can_be_taken(), "it is held again, by the file of that name"
    info = read_controller(play.folder / "state", "prod", play.clock())
    assert info is not None
    assert info.fence == 2
    watch.leave("the test is over")


def test_a_controller_whose_lock_another_has_got_stands_by(play: Stage) -> None:
    first = play.watch()
    (play.folder / "state" / "prod" / "controller.lock").unlink()
    second = play.watch()
    revision = play.session().store.read().revision
    moves.move(play.session(), Ask(move=MoveKind.START, flag="hero"))
    found = first.tick()
    assert (found.acted, first.acting) == (False, False)
    assert found.controller is not None
    assert found.controller.fence == 1
    assert second.tick().acted
    assert revision < play.session().store.read().revision
    first.leave("the test is over")
    second.leave("the test is over")
    assert first.take("watch", timedelta(seconds=10)), "it can come back"
    first.leave("the test is over")


def test_a_controller_lets_go_of_everything_where_its_leaving_cannot_be_recorded(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, closed = play.watch(), []
    with monkeypatch.context() as patched:
        patched.setattr(Controller, "record", locked)
        patched.setattr(Controller, "close", lambda _self: closed.append(True))
        with pytest.raises(DeployguardError):
            watch.leave("the test is over")
    assert closed
    assert play.watch_can_be_taken()


def test_one_that_was_killed_is_taken_over_and_one_that_left_is_followed(play: Stage) -> None:
    killed = ControllerLock(play.folder / "state", "prod")
    assert killed.acquire("maria@build-1", "watch", at=play.clock())
    killed._lock.drop()  # as the system does when a process dies
    first = play.watch()
    first.leave("the test is over")
    second = play.watch()
    second.leave("the test is over")
    events = [e for e in play.session().store.events() if e.type.startswith("controller.")]
    assert [e.type for e in events] == [
        "controller.takenOver",
        "controller.stopped",
        "controller.started",
        "controller.stopped",
    ]
    assert events[0].data["previous"] == "maria@build-1"
    assert events[2].data["fence"] > events[0].data["fence"]


def test_a_start_that_cannot_be_written_leaves_the_lock_to_others(play: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    session = play.session()
    with monkeypatch.context() as patched:
        patched.setattr(session, "change", locked)
        watch = Watch(session)
        with pytest.raises(DeployguardError):
            watch.take("watch", timedelta(seconds=10))
        assert not watch.acting
    assert play.watch_can_be_taken()


def test_a_report_is_written_again_by_the_controller_when_its_rollout_moves(play: Stage) -> None:
    def nothing(*_words: object) -> None:
        pass

    silent = DeployWatch(
        command_started=nothing,
        line=nothing,
        command_finished=nothing,
        checked=nothing,
        rollout_started=nothing,
        said=nothing,
    )
    done = deploy.deploy(play.session(), DeployAsk(version="2.0"), silent)
    report = Path(done.report or "")
    watch = play.watch()
    play.plays(watch, 12, until=lambda: play.session().store.read().rollouts["hero"].phase == "completed")
    watch.leave("the test is over")
    found = json.loads(report.read_text())
    assert next(one for one in found["rollouts"] if one["rollout"] == "hero")["phase"] == "completed"


def test_notices_are_left_to_a_controller_that_lives(play: Stage) -> None:
    play.write(alerts={"ops": {"type": "webhook", "url": "http://127.0.0.1:9/hook"}})
    lock = ControllerLock(play.folder / "state", "prod")
    assert lock.acquire("maria@build-1", "watch", at=play.clock())
    lock.tick(play.clock(), timedelta(seconds=10))
    session = play.session()
    began = time.monotonic()
    moves.move(session, Ask(move=MoveKind.SET, flag="hero", percentage=1_000))
    state = session.store.read()
    assert len(state.outbox) == 1
    with session.metrics(read_only=True) as metrics:
        assert metrics.attempts(state.outbox[0].id)[0] == 0
    assert time.monotonic() - began < aftermath.NOTICES_S
    takeback.emergency(session, None, None)
    state = session.store.read()
    with session.metrics(read_only=True) as metrics:
        assert metrics.attempts(state.outbox[0].id)[0] == 1, "an emergency sends at once, whoever lives"
    lock.release()


def test_a_config_that_is_only_half_written_is_read_again_before_it_is_rejected(play: Stage) -> None:
    session = play.session()
    path = play.folder / "deployment-config.json"
    good = path.read_text()
    path.write_text(good[:50])
    session.refresh_config()
    assert session.config_problem is None
    past = time.time() - 5
    os.utime(path, (past, past))
    session.refresh_config()
    assert session.config is None
    assert session.config_problem is not None
    path.write_text(good)
    session.refresh_config()
    assert session.config is not None
    assert session.config_problem is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (None, None),
        ("  maria ", "maria"),
        ("a\x1b[31mb\nc", "ab c"),
        ("\u202eevil", "evil"),
        ("\x00", None),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_claim_is_short_and_plain(text: str | None, kept: str | None) -> None:
    assert claim(text) == kept


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_NUMBER": "8817"}, "github-actions (run 8817)"),
        ({"GITHUB_ACTIONS": "true"}, "github-actions"),
        ({"GITLAB_CI": "true", "CI_JOB_ID": "12"}, "gitlab-ci (job 12)"),
    ],
)
def test_the_actor_is_the_job_and_the_claim_stands_beside_it(environ: dict[str, str], name: str) -> None:
    found = actor_of(environ, "maria")
    assert (found.name, found.claimed, found.shown) == (name, "maria", "maria")


def test_a_persons_move_after_the_clock_was_set_back_settles_it_in_the_same_commit(play: Stage) -> None:
    session = play.session()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.clock.passes(days=-1)
    moves.move(session, Ask(move=MoveKind.PAUSE, flag="hero"))
    assert [event.type for event in session.store.events()][-2:] == ["clock.jumped", "rollout.paused"]
    assert session.store.read().rollouts["hero"].anchor == play.clock.now


def test_a_clock_that_is_corrected_by_minutes_never_turns_the_logs_times_back(play: Stage) -> None:
    session = play.session()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.clock.passes(minutes=-4)
    moves.move(session, Ask(move=MoveKind.PAUSE, flag="hero"))
    first, second = [event.time for event in session.store.events()][-2:]
    assert first == second == session.store.read().head.time
    assert "clock.jumped" not in [event.type for event in session.store.events()]


def test_a_fail_that_returns_after_the_clock_was_set_back_is_told_again(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 1)
    play.app.breaks.add("hero")
    back = MoveKind.RETRY

    def failed() -> int:
        return sum(event.type == "trigger.failed" for event in session.store.events())

    assert play.plays(watch, 3, until=lambda: failed() == 1)
    play.clock.passes(days=-1)
    moves.move(session, Ask(move=back, flag="hero"))
    assert play.plays(watch, 3, until=lambda: failed() == 2)
    watch.leave("the test is over")


def test_a_round_names_what_it_turned_off_and_no_other_does(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    for flag in ("hero", "cart"):
        moves.move(session, Ask(move=MoveKind.START, flag=flag))
    play.plays(watch, 1)
    play.app.breaks.add("hero")
    named = []
    for _ in range(12):
        play.clock.passes(seconds=10)
        play.app.visit(60)
        named.append(watch.tick().turned_off)
    watch.leave("the test is over")
    assert [one for one in named if one] == [("hero",)]
