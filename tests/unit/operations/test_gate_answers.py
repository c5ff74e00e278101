"""`gate`: each answer with its exit code, on a virtual clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deployguard.operations import moves, takeback
from deployguard.operations.gate import gate, wait_at_gate
from deployguard.operations.local import Local
from deployguard.operations.protocol import Ask
from deployguard.operations.values.watching import Gate
from deployguard.operations.watch import Watch
from deployguard.rollout.moves import MoveKind
from deployguard.session import Session
from support.application import Stage, stage


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def asked(play: Stage, lead: str | None = None, *, step: int | None = None, completed: bool = False) -> tuple[str, int]:
    found = gate(play.session(), lead, step=step, completed=completed)
    return found.result, found.exit_code


def move(session: Session, kind: MoveKind, flag: str = "hero", **more: object) -> None:
    moves.move(session, Ask(move=kind, flag=flag, **more))  # type: ignore[arg-type]


def rolling(play: Stage, minutes: float = 1) -> Watch:
    watch = play.watch()
    move(play.session(), MoveKind.START)
    play.plays(watch, minutes)
    return watch


def test_without_a_rollout_it_passes_and_says_so(play: Stage) -> None:
    assert asked(play) == ("no-rollout", 0)
    assert asked(play, "hero") == ("no-rollout", 0)


def test_it_passes_where_every_verdict_passes(play: Stage) -> None:
    watch = rolling(play)
    assert asked(play) == ("passed", 0)
    watch.leave("the test is over")


def test_a_step_or_the_end_is_waited_for_and_passes_when_it_is_reached(play: Stage) -> None:
    watch = rolling(play)
    assert asked(play, step=1) == ("passed", 0)
    assert asked(play, step=2) == ("waiting", 4)
    assert asked(play, completed=True) == ("waiting", 4)
    play.plays(watch, 12, until=lambda: play.session().store.read().rollouts["hero"].phase == "completed")
    assert asked(play, "hero", step=2) == ("passed", 0)
    assert asked(play, "hero", completed=True) == ("passed", 0)
    watch.leave("the test is over")


def test_a_step_that_is_reached_passes_before_its_own_figures_are_there(play: Stage) -> None:
    watch = rolling(play)
    play.plays(watch, 6, until=lambda: play.session().store.read().flag("hero").percentage == 5_000)
    assert asked(play) == ("waiting", 4)
    assert asked(play, step=2) == ("passed", 0)
    watch.leave("the test is over")


def test_too_little_data_waits_until_the_time_is_over(play: Stage) -> None:
    watch = play.watch()
    move(play.session(), MoveKind.START)
    assert asked(play) == ("waiting", 4)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        play.clock.passes(seconds=seconds)
        watch.tick()

    told: list[tuple[Gate, datetime]] = []
    found = wait_at_gate(
        Local(play.session()),
        "hero",
        step=None,
        completed=True,
        timeout=timedelta(seconds=20),
        sleep=sleep,
        on_wait=lambda view, until: told.append((view, until)),
    )
    assert (found.result, found.exit_code) == ("timed-out", 4)
    assert [offer.command for offer in found.next] == ["deployguard gate hero --completed --env prod --timeout 15m"]
    assert sum(waited) == pytest.approx(20)
    ((said, until),) = told
    assert said.rollouts[0].detail is not None, "for what"
    assert said.controller is not None, "who watches"
    assert until - said.at == timedelta(seconds=20)
    watch.leave("the test is over")


def test_a_failing_trigger_fails_it_and_what_was_paused_by_one_too(play: Stage) -> None:
    watch = rolling(play)
    play.app.took_ms_with["hero"] = 2_000
    play.clock.passes(seconds=10)
    play.app.visit(300)
    session = play.session()
    from deployguard.telemetry.exposer import exposer_of
    from deployguard.telemetry.follow import read_new

    state = session.store.read()
    with session.metrics() as metrics:
        for source in session.settings.sources.values():
            read_new(source, metrics, exposer_of(state, session.settings, play.clock()), play.clock(), root=play.folder)
    assert asked(play) == ("failed", 1), "seen, and not acted on yet"
    watch.tick()
    assert session.store.read().rollouts["hero"].phase == "paused"
    assert asked(play) == ("failed", 1)
    watch.leave("the test is over")


def test_what_a_person_paused_waits_for_a_person(play: Stage) -> None:
    watch = rolling(play)
    move(play.session(), MoveKind.PAUSE)
    assert asked(play) == ("person", 4)
    watch.leave("the test is over")


def test_what_was_taken_back_is_exit_three(play: Stage) -> None:
    watch = rolling(play)
    takeback.emergency(play.session(), None, None)
    assert asked(play, "hero") == ("taken-back", 3)
    assert asked(play) == ("taken-back", 3), "whether it is named or not"
    watch.leave("the test is over")


def test_what_is_through_and_still_guarded_is_judged_by_the_gate_of_the_next_release_too(play: Stage) -> None:
    watch = rolling(play)
    play.plays(watch, 12, until=lambda: play.session().store.read().rollouts["hero"].phase == "completed")
    play.plays(watch, 1)
    assert asked(play) == ("passed", 0)
    play.app.took_ms_with["hero"] = 2_000
    play.plays(watch, 3, until=lambda: play.session().store.read().rollouts["hero"].phase != "completed")
    assert asked(play)[1] in (1, 3)
    watch.leave("the test is over")


def test_where_nobody_watches_it_says_so_at_once(play: Stage) -> None:
    watch = rolling(play)
    watch.leave("the test is over")
    assert asked(play) == ("no-controller", 4)
    play.clock.passes(minutes=5)
    slept: list[float] = []
    found = wait_at_gate(
        Local(play.session()),
        None,
        step=None,
        completed=False,
        timeout=timedelta(minutes=10),
        sleep=slept.append,
        on_wait=lambda *_: slept.append(0),
    )
    assert (found.result, slept) == ("no-controller", [])


def test_a_check_that_fails_is_said_without_a_rollout_too(play: Stage) -> None:
    play.app.healthy = False
    watch = play.watch()
    play.plays(watch, 0.5)
    found = gate(play.session(), None, step=None, completed=False)
    assert (found.result, found.exit_code) == ("no-rollout", 0)
    assert found.warnings[0].startswith("check home fails: status (503)"), found.warnings
    assert [offer.command for offer in found.next] == ["deployguard monitoring check --env prod"]
    watch.leave("the test is over")


def test_asking_it_changes_nothing(play: Stage) -> None:
    watch = rolling(play)
    before = (play.folder / "state" / "prod" / "state.json").read_bytes()
    asked(play)
    assert (play.folder / "state" / "prod" / "state.json").read_bytes() == before
    watch.leave("the test is over")
