"""`rollback emergency` works when little else does; `undo`, `manual` and `history` as commands."""

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.operations import deploy, doctor, left_behind, takeback
from deployguard.operations.protocol import DeployAsk, DeployWatch
from deployguard.session import Session, open_session
from deployguard.store.locks import DIED, DeployLock
from support.command import Folder, small_config, wait_for
from support.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def on(dg: Folder) -> Folder:
    """Two flags on, one of them permanent."""
    dg("feature-flags", "set", "checkout", "40")
    dg("feature-flags", "set", "legacy_api", "100")
    return dg


def session_of(folder: Folder, later: timedelta = timedelta(0)) -> Session:
    found = open_session(
        config_path=None, state_dir=None, environment="prod", environ=folder.environ, cwd=folder.path, lenient=True
    )
    now = found.clock
    found.clock = lambda: now() + later
    return found


def off(folder: Folder) -> None:
    state = session_of(folder).store.read()
    assert not any(flag.on for key, flag in state.flags.items() if key != "legacy_api")


def broken_config(folder: Folder) -> None:
    folder.config.write_text('{"flags": ')


def no_config(folder: Folder) -> None:
    folder.config.unlink()


def metrics_are_a_folder(folder: Folder) -> None:
    for file in folder.state().glob("metrics.sqlite*"):
        file.unlink()
    (folder.state() / "metrics.sqlite").mkdir()


def metrics_are_no_database(folder: Folder) -> None:
    (folder.state() / "metrics.sqlite").write_bytes(b"hello" * 999)


def metrics_are_locked(folder: Folder) -> None:
    sqlite3.connect(folder.state() / "metrics.sqlite").execute("CREATE TABLE a (b)").connection.commit()


def state_is_cut(folder: Folder) -> None:
    file = folder.state() / "state.json"
    file.write_bytes(file.read_bytes()[:200])


def state_is_gone(folder: Folder) -> None:
    (folder.state() / "state.json").unlink()


@pytest.mark.parametrize(
    "harm",
    [
        broken_config,
        no_config,
        metrics_are_a_folder,
        metrics_are_no_database,
        metrics_are_locked,
        state_is_cut,
        state_is_gone,
    ],
)
def test_every_flag_goes_off_whatever_else_is_broken(on: Folder, harm) -> None:  # type: ignore[no-untyped-def]
    harm(on)
    done = on.json("rollback", "emergency", "--env", "prod", "--by", "maria", "--reason", "smoke")
    assert [flag["flagId"] for flag in done["flags"]] == ["checkout"]
    assert done["rollbackId"]
    assert [flag["flagId"] for flag in done["leftOn"]] == ["legacy_api"]
    off(on)


@pytest.mark.parametrize(
    "words",
    [
        ("feature-flags", "set", "checkout", "0"),
        ("feature-flags", "disable", "checkout"),
        ("rollback", "manual", "checkout"),
    ],
)
def test_turning_off_needs_no_metric_store(on: Folder, words: tuple[str, ...]) -> None:
    metrics_are_a_folder(on)
    on(*words)
    off(on)


def test_where_nothing_is_on_nothing_is_written_and_it_says_so(on: Folder) -> None:
    first = on.json("rollback", "emergency")
    document = (on.state() / "state.json").read_bytes()
    second = on.json("rollback", "emergency")
    assert second["revision"] == first["revision"]
    assert second["rollbackId"] is None
    assert (on.state() / "state.json").read_bytes() == document
    assert "Nothing was on but legacy_api (permanent)" in on("rollback", "emergency").out


def test_a_lock_held_by_another_is_waited_for_aloud(on: Folder) -> None:
    holder = lock_of(on)
    threading.Timer(2.5, os.close, [holder]).start()
    ran = on("rollback", "emergency")
    assert "waiting for the state's lock" in ran.err
    off(on)


def test_a_lock_that_is_never_released_ends_in_a_refusal_that_names_its_holder(
    on: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeback, "EMERGENCY_WAIT_S", 1.2)
    holder = lock_of(on)
    with pytest.raises(DeployguardError) as caught:
        takeback.emergency(session_of(on), None, None)
    os.close(holder)
    assert caught.value.problem.code is Code.STATE_LOCKED
    assert caught.value.problem.exit_code == 5
    assert "held" in (caught.value.problem.found or "")


def lock_of(folder: Folder) -> int:
    """The state's lock, held as another process would."""
    path = next(file for file in folder.state().iterdir() if file.name.endswith(".lock") and "state" in file.name)
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    return holder


def test_a_state_folder_that_cannot_be_written_is_a_clear_error(dg: Folder) -> None:
    (dg.path / "state").write_text("a file")
    error = dg.error("rollback", "emergency", code=5)
    assert error["code"] == "state-locked"
    assert str(dg.path / "state") in str(error["where"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into every folder")
def test_a_read_only_state_is_a_clear_error_and_reading_works(on: Folder) -> None:
    for folder in (on.state(), on.state().parent):
        folder.chmod(0o500)
    error = on.error("rollback", "emergency", code=5)
    assert error["code"] == "state-locked"
    on("feature-flags", "status")
    for folder in (on.state().parent, on.state()):
        folder.chmod(0o700)


def test_its_notice_leaves_at_once_though_nobody_watches(on: Folder, receiver: Receiver) -> None:
    with_alerts(on, receiver.url)
    on("rollback", "emergency")
    sent = [json.loads(message.body) for message in receiver.received]
    assert [message["type"] for message in sent] == ["dev.deployguard.rollback.executed"]
    on("rollback", "emergency")
    assert len(receiver.received) == 1, "it left the outbox"


def test_a_receiver_that_hangs_holds_it_up_for_seconds_only(on: Folder, receiver: Receiver) -> None:
    receiver.plan = ["hang"]
    with_alerts(on, receiver.url)
    began = time.monotonic()
    on("rollback", "emergency")
    assert time.monotonic() - began < 25
    off(on)
    assert len(session_of(on).store.read().outbox) == 1, "the notice waits for the next one who sends"


def test_a_move_by_hand_sends_its_notice_where_nobody_watches(on: Folder, receiver: Receiver) -> None:
    with_alerts(on, receiver.url, severity="info")
    on("feature-flags", "set", "checkout", "10")
    sent = [json.loads(message.body)["type"] for message in receiver.received]
    assert sent == ["dev.deployguard.config.applied", "dev.deployguard.flag.updated"]
    assert session_of(on).store.read().outbox == ()


def with_alerts(folder: Folder, url: str, severity: str = "warning") -> None:
    document = small_config("http://127.0.0.1:9")
    document["alerts"] = {"ops": {"type": "webhook", "url": url, "minSeverity": severity}}
    folder.config.write_text(json.dumps(document))
    # A commit of its own, so that the next one's notice is about the move alone.
    session = session_of(folder)
    session.change(lambda state, now: session.apply_config(state, session.actor(), now), session.actor())


# a deploy that died


def deploying(folder: Folder, **options: Any) -> "subprocess.Popen[str]":
    """A deploy in the middle of its command, which writes its number into `pid` and goes on for long."""
    document = small_config("http://127.0.0.1:9")
    document["healthChecks"] = {}
    document["triggers"] = {"errors": document["triggers"]["high-error-rate"]}
    document["environments"]["prod"] |= {
        "confirm": "no",
        "deploy": [{"shell": "echo $$ > pid; exec sleep 300"}],
        "rollback": [{"shell": "echo $DEPLOYGUARD_VERSION >> rolled"}],
    }
    folder.config.write_text(json.dumps(document))
    process = folder.start("deploy", "prod", "--version", "2.0", **options)
    file, lock = folder.path / "pid", DeployLock(folder.path / "state", "prod")
    wait_for(lambda: file.exists() and file.read_text().strip().isdigit(), "the command runs")
    wait_for(lambda: bool((lease := lock.read()) and lease.command and lease.command.mark), "the lease says so")
    return process


def killed(folder: Folder) -> int:
    """A deploy ended by SIGKILL in the middle of its command; the command goes on, as it does. Answers its pid."""
    process = deploying(folder)
    process.kill()
    process.communicate()
    return int((folder.path / "pid").read_text())


@pytest.fixture
def dead(on: Folder) -> Iterator[Folder]:
    pid = killed(on)
    yield on
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def command_lives(folder: Folder) -> bool:
    """The command that the dead deploy had started; one that nobody has reaped yet is dead, too."""
    stat = Path(f"/proc/{(folder.path / 'pid').read_text().strip()}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def heard(lines: list[str]) -> DeployWatch:
    def heard(*words: object) -> None:
        lines.append(" ".join(str(word) for word in words))

    return DeployWatch(
        command_started=heard,
        line=heard,
        command_finished=heard,
        checked=heard,
        rollout_started=heard,
        said=heard,
    )


def rolled(folder: Folder) -> list[str]:
    file = folder.path / "rolled"
    return file.read_text().split() if file.exists() else []


def test_an_emergency_rolls_back_a_dead_deploy_once_its_lease_is_old_and_only_then(dead: Folder) -> None:
    done = dead("rollback", "emergency")
    off(dead)
    assert rolled(dead) == [], "what it had started may still run"
    assert "died a moment ago" in done.err
    assert "its rollback commands have not run yet" in done.out
    assert "runs its rollback commands itself" not in done.out + done.err
    assert dead.json("rollback", "emergency")["aborting"] is None
    assert command_lives(dead)
    shown = dead("report", "show", "r-1").out
    assert "0 of 1 commands" in shown
    assert DIED in shown
    lines: list[str] = []
    second = takeback.emergency(session_of(dead, timedelta(seconds=61)), None, None, heard(lines))
    assert rolled(dead) == ["2.0"], second.notes
    assert second.aborting is None
    assert any("exit 0" in note for note in second.notes)
    assert lines[0].startswith("echo $DEPLOYGUARD_VERSION"), lines
    assert not command_lives(dead), "ended before the rollback commands began"
    release = session_of(dead).store.read().releases["r-1"]
    assert release.phase == "aborted"
    assert [(run.kind, run.error) for run in release.commands] == [("deploy", DIED), ("rollback", None)]
    shown = dead("report", "show", "r-1").out
    assert "0 of 1 commands" in shown
    assert DIED in shown
    takeback.emergency(session_of(dead, timedelta(seconds=62)), None, None)
    assert rolled(dead) == ["2.0"], "once"


def test_the_next_deploy_waits_for_the_lease_and_then_closes_the_dead_one_as_failed(dead: Folder) -> None:
    findings = doctor.doctor(session_of(dead, timedelta(seconds=61))).findings
    assert any(finding.subject == "release" and "r-1" in finding.found for finding in findings)
    error = dead.error("deploy", "prod", code=5)
    assert error["code"] == "deploy-running"
    assert "its process is gone" in error["found"]
    document = json.loads(dead.config.read_text())
    document["environments"]["prod"]["deploy"] = ["true"]
    dead.config.write_text(json.dumps(document))
    lines: list[str] = []
    session = session_of(dead, timedelta(seconds=61))
    done = deploy.deploy(session, DeployAsk(version="2.1"), heard(lines))
    assert done.outcome == "succeeded"
    assert not command_lives(dead), "two deploys never run at once"
    state = session.store.read()
    assert (state.releases["r-1"].phase, state.releases["r-2"].phase) == ("failed", "succeeded")
    assert [run.error for run in state.releases["r-1"].commands] == [DIED]
    assert rolled(dead) == [], "a deploy does not run the rollback commands of another"


def test_a_number_that_is_another_programs_by_now_is_left_alone(dead: Folder) -> None:
    lock = DeployLock(session_of(dead).state_dir, "prod")
    lease = lock.read()
    assert lease is not None
    assert lease.command is not None
    assert lock.acquire()
    lock.release(replace(lease, command=replace(lease.command, mark="another boot 4711")))
    takeback.emergency(session_of(dead, timedelta(seconds=61)), None, None)
    assert rolled(dead) == ["2.0"]
    assert command_lives(dead)


@pytest.mark.parametrize("who", ["emergency", "deploy"])
def test_a_command_that_cannot_be_ended_keeps_everything_as_it_is(
    dead: Folder, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_behind, "end_group", lambda _leader, _mark: False)
    session = session_of(dead, timedelta(seconds=61))
    if who == "emergency":
        done = takeback.emergency(session, None, None)
        said = " ".join(done.notes)
        assert done.dead == "r-1"
    else:
        with pytest.raises(DeployguardError) as caught:
            deploy.deploy(session, DeployAsk(version="2.1"), heard([]))
        assert caught.value.problem.code is Code.DEPLOY_RUNNING
        said = caught.value.problem.found or ""
    assert "its command still runs and cannot be ended: echo $$ > pid" in said
    assert rolled(dead) == []
    assert session.store.read().releases["r-1"].runs
    lease = DeployLock(session.state_dir, "prod").read()
    assert lease is not None
    assert lease.command is not None
    assert lease.stale(session.clock()), "the next one need not wait again"


def test_a_deploy_that_hangs_with_its_lock_is_not_rolled_back_behind_its_back(on: Folder) -> None:
    pid = killed_by_stop(on)
    try:
        done = takeback.emergency(session_of(on, timedelta(seconds=61)), None, None)
        assert rolled(on) == []
        assert any("still holds its lock" in note for note in done.notes)
        off(on)
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.kill(int((on.path / "pid").read_text()), signal.SIGKILL)


def killed_by_stop(folder: Folder) -> int:
    process = deploying(folder, stdout=None, stderr=None)
    process.send_signal(signal.SIGSTOP)
    process.returncode = 0  # it is ended by whoever asked
    return process.pid


# undo, manual, history


def test_manual_undo_and_history_tell_one_story(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    back = dg.json("rollback", "manual", "hero", "--by", "ali", "--reason", "ugly")
    assert [(change["flagId"], change["to"]["percentage"]) for change in back["flags"]] == [("hero", 0)]
    assert dg.json("rollback", "manual", "hero")["changed"] is False
    dg("rollback", "emergency")
    undone = dg.json("rollback", "undo")
    assert undone["undoes"] == "rb-2"
    assert undone["waiting"] == ["homepage"]
    dg("feature-flags", "set", "hero", "3")
    refused = dg.error("rollback", "undo", "rb-1", code=5)
    assert refused["code"] == "changed-since"
    assert dg.error("rollback", "undo", "rb-99", code=1)["code"] == "not-allowed-now"
    rows = dg.json("rollback", "history")["rollbacks"]
    assert [(row["rollbackId"], row["kind"], row["undoes"], row["undoneBy"]) for row in rows] == [
        ("rb-3", "undo", "rb-2", None),
        ("rb-2", "emergency", None, "rb-3"),
        ("rb-1", "flag", None, None),
    ]
    assert rows[-1]["by"] == "ali"


def test_a_report_is_written_again_when_its_rollout_is_taken_back_by_hand(dg: Folder) -> None:
    document = json.loads(dg.config.read_text())
    document["healthChecks"] = {}
    document["triggers"] = {"errors": document["triggers"]["high-error-rate"]}
    document["environments"]["prod"] |= {"confirm": "no"}
    dg.config.write_text(json.dumps(document))
    report = Path(dg.json("deploy", "prod")["report"])
    assert json.loads(report.read_text())["outcome"] != "taken back"
    dg("rollback", "emergency")
    assert json.loads(report.read_text())["outcome"] == "taken back"
