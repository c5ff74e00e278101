"""How a deploy ends when something goes wrong in the middle: the release is closed, what ran is rolled back once."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deployguard.errors import Code, DeployguardError, fail
from deployguard.operations import deploy, flags, left_behind, moves, plan, reports, running, takeback, watch
from deployguard.operations.protocol import Ask, DeployAsk, DeployWatch
from deployguard.operations.running import Running
from deployguard.rollout.moves import MoveKind
from deployguard.session import Session
from deployguard.state import Change, State, edit
from deployguard.store.locks import DeployLock, Started
from support.application import Stage, config_of, stage


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        commands(found, [{"shell": "echo on >> ran"}])
        yield found


def commands(play: Stage, wanted: list[Any], **changes: Any) -> None:
    document = config_of(play.app.url)
    document["environments"]["prod"] |= {
        "deploy": wanted,
        "rollback": [{"shell": "echo back >> rolled"}],
        **changes,
    }
    play.write(**document)


def silent(**heard: Callable[..., None]) -> DeployWatch:
    def nothing(*_words: object) -> None:
        pass

    names = ("command_started", "line", "command_finished", "checked", "rollout_started", "said")
    return DeployWatch(**{name: heard.get(name, nothing) for name in names})


def lines(play: Stage, name: str) -> int:
    file = play.folder / name
    return len(file.read_text().splitlines()) if file.exists() else 0


def deployed(session: Session, watch: DeployWatch | None = None, **ask: Any) -> Any:
    return deploy.deploy(session, DeployAsk(version="2.0", **ask), watch or silent())


def refused(session: Session, watch: DeployWatch | None = None) -> Any:
    with pytest.raises(DeployguardError) as caught:
        deployed(session, watch)
    return caught.value.problem


def test_an_application_that_is_not_stable_afterwards_is_rolled_back(play: Stage) -> None:
    commands(play, [{"shell": "echo on >> ran"}], stable="300ms")
    session = play.session()
    session.clock = lambda: play.clock.passes(seconds=1)
    seen: list[bool] = []

    def failing(text: str, kind: str) -> None:
        play.app.healthy = kind == "rollback"

    problem = refused(session, silent(command_started=failing, checked=lambda _r, stable, _t: seen.append(stable)))
    assert problem.code is Code.NOT_STABLE
    assert "503" in (problem.found or "")
    assert seen == [False]
    assert (lines(play, "ran"), lines(play, "rolled")) == (1, 1)
    assert not session.store.read().flag("hero").on


def test_checks_that_fail_at_first_and_then_pass_for_long_enough_are_stable(play: Stage) -> None:
    commands(play, [], stable="600ms")
    session = play.session()
    session.clock = lambda: play.clock.passes(seconds=0.1)
    play.app.starting_up = 2
    rounds: list[tuple[int, int]] = []

    def checked(found: Any, stable: bool, took: timedelta) -> None:
        rounds.append((sum(1 for one in found if one.failing), len(found)))
        assert stable
        assert took >= timedelta(seconds=0.6)

    assert deployed(session, silent(checked=checked)).outcome == "succeeded"
    assert rounds[0][0] == 2
    assert rounds[0][1] > 3


def test_an_emergency_between_the_checks_and_the_rollouts_starts_none(play: Stage) -> None:
    session = play.session()

    def emergency(_text: str, _kind: str, _how: str, _ok: bool, _took: timedelta) -> None:
        if not lines(play, "rolled"):
            takeback.emergency(play.session(), None, None)

    problem = refused(session, silent(command_finished=emergency))
    assert problem.code is Code.TAKEN_BACK
    state = session.store.read()
    assert state.releases["r-1"].phase == "aborted"
    assert state.rollouts == {}
    assert lines(play, "rolled") == 1


def test_an_emergency_that_comes_after_the_last_look_starts_none_either(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Running, "asked_to_stop", lambda _running: False)
    session = play.session()

    def emergency(_text: str, kind: str, _how: str, _ok: bool, _took: timedelta) -> None:
        if kind == "deploy":
            takeback.emergency(play.session(), None, None)

    problem = refused(session, silent(command_finished=emergency))
    assert problem.code is Code.TAKEN_BACK
    assert session.store.read().rollouts == {}
    assert lines(play, "rolled") == 1


def test_a_state_that_cannot_be_written_in_the_middle_ends_it_as_failed(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = play.session()
    real = session.change
    broken = fail(Code.STATE_LOCKED, "the state of prod is locked")
    once = [True]

    def change(decide: Callable[[State, Any], Change], *args: Any, **options: Any) -> Any:
        if once and lines(play, "ran"):
            once.clear()
            raise broken
        return real(decide, *args, **options)

    monkeypatch.setattr(session, "change", change)
    problem = refused(session)
    assert (problem.code, problem.exit_code) == (Code.COMMAND_FAILED, 1)
    assert "the state of prod is locked" in (problem.found or "")
    assert lines(play, "rolled") == 1, "the command had run, though nobody could write it down"
    release = session.store.read().releases["r-1"]
    assert (release.phase, [run.kind for run in release.commands]) == ("failed", ["deploy", "rollback"])


TWICE = [{"shell": "echo back >> rolled"}, {"shell": "echo back >> rolled; exit 3"}, {"shell": "echo back >> rolled"}]


def fills_up(session: Session, play: Stage) -> None:
    """The state cannot be written while a file `full` is there, as on a disk without room."""
    real = session.change

    def change(*args: Any, **options: Any) -> Any:
        if (play.folder / "full").exists():
            raise fail(Code.STATE_LOCKED, "the state of prod cannot be written", found="no space left on device")
        return real(*args, **options)

    session.change = change  # type: ignore[method-assign]


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("then", ["deploy", "emergency"])
def test_a_disk_that_fills_up_keeps_no_rollback_command_from_running(play: Stage, code: int, then: str) -> None:
    commands(play, [{"shell": f"touch full; exit {code}"}], rollback=TWICE)
    session = play.session()
    fills_up(session, play)
    problem = refused(session)
    assert (problem.code, problem.exit_code) == (Code.COMMAND_FAILED, 1)
    assert ("exit 7" if code else "no space left on device") in (problem.found or "")
    assert lines(play, "rolled") == 3
    stands = problem.now or ""
    assert "a rollback command failed too (exit 3)" in stands
    assert "not written down: touch full" in stands
    assert "the end of r-1, since the state of prod cannot be written: no space left on device" in stands
    assert session.store.read().releases["r-1"].phase == "running"
    (play.folder / "full").unlink()
    if then == "deploy":
        assert deployed(play_again(play)).outcome == "succeeded", "at once, since all is over"
    else:
        notes = takeback.emergency(play.session(), None, None).notes
        assert any("it had rolled back" in note for note in notes)
    assert lines(play, "rolled") == 3, "not a second time"
    assert not session.store.read().releases["r-1"].runs
    assert DeployLock(session.state_dir, "prod").read() is None


def test_an_emergency_runs_every_rollback_command_of_a_dead_deploy_on_a_full_disk(play: Stage) -> None:
    commands(play, [], rollback=TWICE)
    session = play.session()
    lock = DeployLock(session.state_dir, "prod")
    assert lock.acquire(at=play.clock() - timedelta(hours=1))
    deploy._begin(session, DeployAsk(version="2.0"), session.actor(), lock, None)
    lock.release()
    again = play.session()
    fills_up(again, play)
    heard: list[str] = []
    starts = silent(command_started=lambda text, _kind: (heard.append(text), (play.folder / "full").touch())[0])
    done = takeback.emergency(again, None, None, starts)
    assert (len(heard), lines(play, "rolled"), done.dead) == (3, 3, "r-1")
    assert any("r-1 could not be closed" in note and "no space left" in note for note in done.notes)
    (play.folder / "full").unlink()
    takeback.emergency(play.session(), None, None)
    assert lines(play, "rolled") == 3, "not a second time"
    assert session.store.read().releases["r-1"].phase == "aborted"


def test_a_deploy_that_died_as_its_command_began_is_rolled_back(play: Stage) -> None:
    """Killed between the start and the note of it: nobody can tell, so it counts as begun."""
    session = play.session()
    lock = DeployLock(session.state_dir, "prod")
    assert lock.acquire(at=play.clock() - timedelta(hours=1))
    release = deploy._begin(session, DeployAsk(version="2.0"), session.actor(), lock, None)
    started = Started(text="echo on", kind="deploy", at=play.clock())
    lock.beat(release.id, play.clock() - timedelta(hours=1), "echo on", started)
    lock.release(lock.read())
    assert takeback.emergency(play.session(), None, None).dead is None
    assert lines(play, "rolled") == 1
    assert [run.kind for run in session.store.read().releases["r-1"].commands] == ["deploy", "rollback"]


def test_a_release_that_ended_meanwhile_is_not_rolled_back_again(play: Stage) -> None:
    commands(play, ["false"])
    session = play.session()
    found: list[Any] = []
    watch = silent(command_started=lambda _text, _kind: found.append(session.store.read().releases["r-1"]))
    refused(session, watch)
    assert lines(play, "rolled") == 1
    assert found[0].runs
    left = left_behind.clean_up(play.session(), found[0], session.actor(), None)
    assert (left, lines(play, "rolled")) == (left_behind.Left(), 1)


def test_ctrl_c_after_the_last_commit_says_that_the_release_stands(play: Stage) -> None:
    def interrupting(_row: Any) -> None:
        raise KeyboardInterrupt

    session, said = play.session(), []
    with pytest.raises(KeyboardInterrupt):
        deployed(session, silent(rollout_started=interrupting, said=said.append))
    assert "2.0 is on prod; 2 rollouts started" in said[-1]
    assert "nothing was changed" not in said[-1]
    release = session.store.read().releases["r-1"]
    assert release.phase == "succeeded"
    assert Path(release.report or "").exists()
    assert lines(play, "rolled") == 0


@pytest.mark.parametrize("lock", ["deploy", "controller"])
def test_a_lock_that_cannot_be_taken_is_a_clear_error(play: Stage, lock: str) -> None:
    session = play.session()
    (session.folder / f"{lock}.lock").mkdir(parents=True)
    with pytest.raises(DeployguardError) as caught:
        deployed(session) if lock == "deploy" else watch.once(session, None)
    problem = caught.value.problem
    assert (problem.code, problem.exit_code) == (Code.STATE_LOCKED, 5)
    assert session.store.read().revision == 0


def test_the_oldest_record_can_be_undone_though_it_makes_room_for_the_undo(
    play: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit, "KEPT_RECORDS", 2)
    session = play.session()
    for flag in ("hero", "cart"):
        moves.move(session, Ask(move=MoveKind.SET, flag=flag, percentage=3_000))
        moves.move(session, Ask(move=MoveKind.ROLLBACK, flag=flag))
    undone = takeback.undo(session, "rb-1", force=False, by=None, reason=None)
    assert (undone.undoes, [change.flag_id for change in undone.flags]) == ("rb-1", ["hero"])
    assert "rb-1" not in session.store.read().rollbacks


def test_a_second_interrupt_ends_the_rollback_and_the_release_is_closed_all_the_same(play: Stage) -> None:
    commands(play, [{"shell": "echo on >> ran"}, "false"])
    session = play.session()

    def interrupting(text: str, kind: str) -> None:
        if kind == "rollback":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deployed(session, silent(command_started=interrupting))
    assert session.store.read().releases["r-1"].phase == "failed"
    assert DeployLock(session.state_dir, "prod").read() is None, "its lease is gone"
    assert deployed(play_again(play)).outcome == "succeeded"


def play_again(play: Stage) -> Session:
    commands(play, [])
    return play.session()


def test_a_command_that_never_began_is_not_rolled_back(play: Stage) -> None:
    commands(play, ["no-such-program"])
    problem = refused(play.session())
    assert problem.code is Code.COMMAND_FAILED
    assert "not found" in (problem.found or "")
    assert lines(play, "rolled") == 0
    assert "no command had run" in (problem.now or "")


@pytest.mark.parametrize("lease", ["old", "none"])
def test_a_lock_that_is_held_refuses_it_whatever_the_lease_says(play: Stage, lease: str) -> None:
    session = play.session()
    lock = DeployLock(session.state_dir, "prod")
    assert lock.acquire(at=play.clock() - timedelta(hours=1))
    if lease == "none":
        next(file for file in session.folder.iterdir() if "lease" in file.name).unlink()
    if lease == "old":
        with pytest.raises(DeployguardError, match="deploy-running"):
            plan.plan_deploy(session, DeployAsk())
    problem = refused(session)
    lock.release()
    assert (problem.code, problem.exit_code) == (Code.DEPLOY_RUNNING, 5)
    assert session.store.read().releases == {}


def test_a_deploy_moves_the_figures_of_what_is_guarded_and_not_its_hold(play: Stage) -> None:
    session = play.session()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    entered = session.store.read().rollouts["hero"].entered_at
    play.clock.passes(seconds=30)
    done = deployed(session)
    rollout = session.store.read().rollouts["hero"]
    assert (rollout.entered_at, rollout.anchor) == (entered, play.clock.now)
    assert [row.rollout for row in done.stays] == ["hero"]
    assert [row.rollout for row in done.rollouts] == ["cart"]


def test_a_report_folder_that_cannot_be_written_stops_nothing_and_is_said(play: Stage) -> None:
    (play.folder / "wanted").write_text("a file")
    commands(play, [])
    document = json.loads((play.folder / "deployment-config.json").read_text()) | {"reports": "wanted"}
    play.write_text(json.dumps(document))
    said: list[str] = []
    done = deployed(play.session(), silent(said=said.append))
    assert (done.outcome, done.report) == ("succeeded", None)
    assert any("could not be written" in sentence for sentence in said)


def test_old_reports_go_and_other_files_stay(play: Stage) -> None:
    commands(play, [{"shell": "echo hello"}])
    session = play.session()
    first = Path(deployed(session).report)
    folder = first.parent
    (folder / "notes.txt").write_text("mine")
    old = (play.clock.now - timedelta(days=400)).timestamp()
    for file in folder.iterdir():
        os.utime(file, (old, old))
    second = Path(deployed(session).report)
    left = {file.name for file in folder.iterdir()}
    assert first.name not in left
    assert {second.name, second.with_suffix(".html").name, "notes.txt"} <= left
    assert len(left) == 4, "and the second one's kept output"
    assert reports.listed(session).reports[1].file is None


def test_the_report_of_a_running_release_can_be_shown(play: Stage) -> None:
    session = play.session()
    seen: list[str] = []

    def look(_line: str) -> None:
        seen.append(reports.build(play.session(), reports.newest_id(play.session())).outcome)

    commands(play, [{"shell": "echo hello"}])
    deployed(play.session(), silent(line=look))
    assert seen == ["running"]
    assert session.store.read().releases["r-1"].phase == "succeeded"


def test_a_report_goes_back_to_its_first_event_although_the_clock_was_set_back(play: Stage) -> None:
    session = play.session()
    deployed(session)
    play.clock.passes(days=-1)
    takeback.emergency(session, None, None)
    report = reports.build(session, "r-1")
    assert {one.rollout: one.phase for one in report.rollouts} == {"hero": "rolled_back", "cart": "rolled_back"}
    assert [run.kind for run in report.commands] == ["deploy"]


def test_a_rise_while_a_trigger_fails_is_refused_with_its_figures(play: Stage) -> None:
    triggers = config_of(play.app.url)["triggers"]
    triggers["slow"] |= {"then": "notify"}
    play.write(triggers=triggers)
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.START, flag="hero"))
    play.plays(watch, 0.5)
    play.app.took_ms_with["hero"] = 2_500
    play.plays(watch, 1)
    for ask in (Ask(move=MoveKind.SET, flag="hero", percentage=6_000), Ask(move=MoveKind.PROMOTE, flag="hero")):
        with pytest.raises(DeployguardError) as caught:
            moves.move(session, ask)
        problem = caught.value.problem
        assert problem.code is Code.TRIGGER_FAILS
        assert "slow: avg(responseTime) (" in (problem.found or "")
        assert "requests of its users" in (problem.found or "")
        assert any("--force" in offer.command for offer in problem.allowed)
    wanted = flags.exported(session)
    wanted["flags"]["hero"]["percentage"] = 60
    with pytest.raises(DeployguardError) as caught:
        moves.imported(session, wanted, None, None)
    assert caught.value.problem.code is Code.TRIGGER_FAILS
    assert session.store.read().flag("hero").percentage == 2_000
    lower = moves.move(session, Ask(move=MoveKind.SET, flag="hero", percentage=1_000))
    assert lower.changed
    forced = moves.move(session, Ask(move=MoveKind.SET, flag="hero", percentage=6_000, force=True))
    assert forced.changed
    watch.leave("the test is over")


@pytest.mark.parametrize(
    ("at", "steps", "refused"),
    [(0, [2_000, 5_000, 10_000], False), (3_000, [5_000, 10_000], False), (10_000, [2_000, 5_000, 10_000], True)],
)
def test_a_plan_has_the_steps_that_are_ahead_with_dates_and_users(
    play: Stage, at: int, steps: list[int], refused: bool
) -> None:
    session = play.session()
    if at:
        moves.move(session, Ask(move=MoveKind.SET, flag="hero", percentage=at))
    found = plan.plan_rollouts(session, "hero", 7_200, None).plans[0]
    assert [step.percentage for step in found.steps] == steps
    assert (found.refused is not None) is refused
    assert found.steps[-1].seen_by is None
    assert found.steps[0].seen_by == round(7_200 * 2 / 1_440 * steps[0] / 10_000)
    assert found.ends_at == play.clock.now + timedelta(minutes=2 * (len(steps) - 1))


def test_how_a_command_ended_is_said_in_one_word() -> None:
    from deployguard.effects.commands import Finished

    assert running.how(Finished(3)) == "exit 3"
    assert running.how(Finished(None, "SIGKILL")) == "signal SIGKILL"
    assert running.how(Finished(None, error="timed out after 1s")) == "timed out after 1s"


def test_a_report_is_written_again_when_a_person_takes_its_rollout_back(play: Stage) -> None:
    session = play.session()
    report = Path(deployed(session).report)
    moves.move(session, Ask(move=MoveKind.ROLLBACK, flag="hero"))
    found = {one["rollout"]: one["phase"] for one in json.loads(report.read_text())["rollouts"]}
    assert found == {"hero": "rolled_back", "cart": "progressing"}


def test_an_emergency_where_nothing_was_ever_on_writes_nothing(play: Stage) -> None:
    found = takeback.emergency(play.session(), None, None)
    assert (found.revision, found.rollback_id) == (0, None)
    assert not (play.folder / "state" / "prod" / "state.json").exists()
