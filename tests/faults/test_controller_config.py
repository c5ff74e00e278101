"""The config and the state change while somebody watches: what is said, what goes on, and what a restart finds."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest

from deployguard.controller import Controller
from deployguard.errors import Code, DeployguardError, fail
from deployguard.operations import moves, takeback, upkeep
from deployguard.operations.protocol import Ask
from deployguard.operations.watch import Watch
from deployguard.rollout.moves import MoveKind
from deployguard.rollout.release import begin_release
from deployguard.session import Session
from deployguard.state import ReleasePhase
from support.application import Stage, config_of, stage
from support.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def play(tmp_path: Path, receiver: Receiver) -> Iterator[Stage]:
    with stage(tmp_path, alerts=alerts(receiver)) as found:
        yield found


def alerts(receiver: Receiver) -> dict[str, object]:
    return {"ops": {"type": "webhook", "url": receiver.url, "minSeverity": "warning"}}


def types(session: Session) -> list[str]:
    return [event.type for event in session.store.events()]


def told(receiver: Receiver) -> list[str]:
    return [json.loads(message.body)["type"] for message in receiver.received]


def test_a_config_that_breaks_is_told_once_the_old_one_goes_on_and_a_mended_one_comes_into_force(
    play: Stage, receiver: Receiver
) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 0.5)
    in_force = session.store.read().config
    good = json.dumps(config_of(play.app.url, alerts=alerts(receiver)))

    play.write_text('{"flags": ')
    play.plays(watch, 0.5)
    assert types(session).count("config.rejected") == 1
    assert told(receiver) == ["dev.deployguard.config.rejected"]
    assert session.store.read().config == in_force
    play.app.breaks.add("hero")
    assert play.plays(watch, 3, until=lambda: not session.store.read().flag("hero").on), "the old rules still act"

    play.write_text(good)
    play.plays(watch, 0.5)
    assert types(session).count("config.applied") == 1, "it is the one that was in force all the while"

    play.write_text('{"flags": ')
    play.plays(watch, 0.5)
    assert types(session).count("config.rejected") == 2, "the same mistake, made again after it was mended"

    changed = config_of(play.app.url, alerts=alerts(receiver))
    changed["triggers"]["errors"]["when"] = "errorRate > 20%"
    play.write_text(json.dumps(changed))
    play.plays(watch, 0.5)
    watch.leave("the test is over")
    applied = [e for e in session.store.events() if e.type == "config.applied"]
    assert len(applied) == 2
    assert any("20%" in change for change in applied[-1].data["changes"])


def test_a_restart_with_a_broken_config_goes_on_with_the_one_in_force_and_tells_nothing_twice(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 0.5)
    play.write_text("{")
    play.plays(watch, 0.5)
    watch.leave("a restart")
    again = play.watch(lenient=True)
    play.plays(again, 0.5)
    assert types(session).count("config.rejected") == 1
    play.app.breaks.add("hero")
    assert play.plays(again, 3, until=lambda: not session.store.read().flag("hero").on)
    again.leave("the test is over")


def test_a_config_from_which_the_environment_went_is_rejected(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    document = config_of(play.app.url)
    document["environments"] = {"staging": document["environments"]["prod"]}
    play.plays(watch, 0.2)
    play.write_text(json.dumps(document))
    play.plays(watch, 0.5)
    watch.leave("the test is over")
    rejected = [e for e in session.store.events() if e.type == "config.rejected"]
    assert len(rejected) == 1
    assert "prod" in json.dumps(rejected[0].data)


def test_a_state_that_is_damaged_while_it_watches_is_said_and_nothing_is_written_until_it_is_restored(
    play: Stage,
) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 0.5)
    saved = upkeep.backup(session, None)
    document = play.folder / "state" / "prod" / "state.json"
    document.write_bytes(document.read_bytes()[:100])
    for _ in range(2):
        with pytest.raises(DeployguardError) as caught:
            watch.tick()
        assert caught.value.problem.code is Code.STATE_DAMAGED
    assert len(document.read_bytes()) == 100
    with pytest.raises(DeployguardError):  # leaving is an event, and cannot be written either
        watch.leave("the test is over")
    assert play.watch_can_be_taken()
    upkeep.restore(session, saved.file, None, None)
    again = play.watch()
    play.plays(again, 0.5)
    again.leave("the test is over")
    assert session.store.read().flag("hero").on


def test_an_emergency_rebuilds_a_state_that_was_damaged_under_a_watch_which_then_goes_on(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 0.5)
    document = play.folder / "state" / "prod" / "state.json"
    document.write_bytes(b"{")
    with pytest.raises(DeployguardError):
        watch.tick()
    found = takeback.emergency(session, None, None)
    assert [change.flag_id for change in found.flags] == ["hero"]
    play.plays(watch, 0.5)
    watch.leave("the test is over")
    assert "state.repaired" in types(session)


def test_of_two_at_once_one_acts_and_the_other_shows_the_same(play: Stage) -> None:
    session, first = play.session(), play.watch()
    second = Watch(play.session())
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.app.breaks.add("hero")
    for _ in range(12):
        assert not second.take("watch", timedelta(seconds=10))
        play.plays(first, 0.17)
        looked = second.tick()
        assert not looked.acted
        assert looked.controller is not None
        assert looked.controller.alive
    assert types(session).count("rollback.executed") == 1
    first.leave("the test is over")
    assert second.take("watch", timedelta(seconds=10)), "it takes over as soon as the first has gone"
    second.leave("the test is over")
    assert types(session)[-2:] == ["controller.started", "controller.stopped"]


def test_a_check_that_is_to_be_asked_more_often_than_it_ticks_is_asked_in_time(play: Stage) -> None:
    checks = {"home": {"url": "/health", "every": "2s"}}
    play.write(healthChecks=checks)
    watch = play.watch()
    assert watch.tick().next_at == play.clock.now + timedelta(seconds=2)
    play.write(healthChecks=checks | {"home": {"url": "/health", "every": "30s"}})
    found = watch.tick().next_at
    assert found is None or found > play.clock.now + timedelta(seconds=2)
    watch.leave("the test is over")


def test_a_round_of_checks_that_could_not_be_kept_is_told_once_and_the_next_tick_goes_on(play: Stage) -> None:
    session = play.session()
    controller = Controller(session, "tester")
    failed: Future[None] = Future()
    failed.set_exception(fail(Code.STATE_LOCKED, "the metric store cannot be used"))
    controller._probing = failed
    told = controller.tick().trouble
    assert told is not None
    assert told.message == "the metric store cannot be used"
    assert controller.tick(full=True).trouble is None
    assert session.metrics().last_rounds(), "checks are asked again"
    controller.close()


def test_a_deploy_that_was_killed_is_closed_after_a_minute_so_that_checks_are_judged_again(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    actor = session.actor()
    begin = {"version": "1", "host": "gone", "pid": 1, "rollback": (), "actor": actor, "reason": None}
    session.change(lambda state, now: begin_release(state, **begin, now=now), actor)
    play.plays(watch, 0.5)
    assert session.store.read().running_release() is not None, "it may still be alive"
    play.clock.passes(seconds=61)
    play.plays(watch, 0.5)
    release = next(iter(session.store.read().releases.values()))
    assert release.phase is ReleasePhase.FAILED
    assert not release.deploying
    watch.leave("the test is over")
