"""Controllers as processes: who acts, who stands by, who takes over, and what a damaged state does to one."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from deployguard.session import wall_clock
from deployguard.store.files import FileStore
from deployguard.store.locks import ControllerInfo, read_controller
from support.application import Application, config_of, serving
from support.command import Folder, wait_for
from support.disk import small_disk


@contextmanager
def project_of(tmp_path: Path) -> Iterator[tuple[Folder, Application]]:
    """A folder with an application that answers, nothing of it under the test's clock."""
    for name in ("home", "project", "tmp"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "project"
    app = Application(folder / "access.jsonl", folder / "state", wall_clock, ("hero", "cart"))
    app.log.touch()
    with serving(app):
        (folder / "deployment-config.json").write_text(json.dumps(config_of(app.url)))
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
        yield Folder(folder, {**environ, "TZ": "UTC", "LANG": "C.UTF-8", "USER": "tester", "LOGNAME": "tester"}), app


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Folder]:
    with project_of(tmp_path) as (found, _app):
        yield found


class Watcher:
    """A `watch` in a process, its lines in files."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.out = folder.path / f"{name}.out"
        self.err = folder.path / f"{name}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process: subprocess.Popen[str] = folder.start("watch", "--interval", "2s", stdout=out, stderr=err)

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self, words: str) -> bool:
        return words in self.out.read_text() + self.err.read_text()

    def ends(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def watching(folder: Folder, *names: str, state: Path | None = None) -> Iterator[list[Watcher]]:
    with ExitStack() as stack:
        found = []
        for name in names:
            watcher = Watcher(folder, name)
            stack.callback(watcher.process.wait)
            stack.callback(watcher.process.kill)
            found.append(watcher)
            wait_for(lambda: holder(folder, state) is not None, "somebody watches")
        yield found


def holder(folder: Folder, state: Path | None = None) -> ControllerInfo | None:
    info = read_controller(state or folder.path / "state", "prod", wall_clock())
    return info if info is not None and info.alive else None


def acts(folder: Folder, watcher: Watcher) -> bool:
    info = holder(folder)
    return info is not None and info.pid == watcher.pid


def test_the_one_that_stands_by_takes_over_within_ten_seconds_of_a_kill(project: Folder) -> None:
    with watching(project, "first", "second") as (first, second):
        wait_for(lambda: acts(project, first), "the first one acts")
        wait_for(lambda: second.said("standing by"), "the second one stands by")
        project("rollout", "start", "hero")
        wait_for(lambda: second.said("hero"), "the second one looks on")
        once = project.json("watch", "--once")
        assert once["acted"] is False
        assert once["controller"]["pid"] == first.pid
        killed = time.monotonic()
        first.process.kill()
        wait_for(lambda: acts(project, second), "the second one takes over")
        assert time.monotonic() - killed < 10
        wait_for(lambda: second.said("controller"), "it says so")
        assert second.ends(signal.SIGINT) == 130
        assert "Traceback" not in second.err.read_text()
    status = project.json("feature-flags", "status")
    assert status["controller"] is None or not status["controller"]["alive"]
    kinds = [json.loads(line)["type"] for line in (project.state() / "audit.jsonl").read_text().splitlines()]
    assert [kind for kind in kinds if kind.startswith("controller.")] == [
        "controller.started",
        "controller.takenOver",
        "controller.stopped",
    ]


def test_a_state_that_is_damaged_under_it_does_not_end_it_and_it_goes_on_when_that_is_mended(project: Folder) -> None:
    project("feature-flags", "set", "cart", "50")
    with watching(project, "only") as (only,):
        wait_for(lambda: acts(project, only), "it acts")
        document = project.state() / "state.json"
        cut = document.read_bytes()[:50]

        def says_so() -> bool:
            document.write_bytes(cut)  # again: a commit that was under way replaces it once
            return only.said("cannot be read")

        wait_for(says_so, "it says so")
        wait_for(lambda: holder(project) is None, "it counts as nobody watching")
        assert only.process.poll() is None, "a supervisor would start it over and over"
        project("rollback", "emergency")
        wait_for(lambda: acts(project, only), "it goes on")
        assert only.err.read_text().count("cannot be read") == 1
        assert only.ends(signal.SIGTERM) == 143


def test_a_config_that_broke_does_not_keep_a_watch_from_starting_again(project: Folder) -> None:
    project("rollout", "start", "hero")
    config = project.path / "deployment-config.json"
    config.write_text("{")
    once = project("watch", "--once", "--output", "json")
    assert once.json["acted"] is True
    assert "the config cannot be read" in once.err
    kinds = [json.loads(line)["type"] for line in (project.state() / "audit.jsonl").read_text().splitlines()]
    assert kinds.count("config.rejected") == 1
    assert project.error("deploy", "prod", code=2)


def test_a_feature_that_breaks_for_its_users_is_taken_back_while_the_other_goes_on(tmp_path: Path) -> None:
    with project_of(tmp_path) as (project, app):
        document = config_of(app.url, strategies={"minutes": ["20% for 3s", "100%"]})
        del document["triggers"]["checks"]
        (project.path / "deployment-config.json").write_text(json.dumps(document))
        project("rollout", "start", "hero")
        project("rollout", "start", "cart")
        app.breaks.add("hero")
        with watching(project, "only") as (only,):

            def decided() -> bool:
                for _ in range(20):
                    visit_over_http(app)
                rollouts = FileStore(project.path / "state", "prod").read().rollouts
                return (rollouts["hero"].phase, rollouts["cart"].phase) == ("rolled_back", "completed")

            wait_for(decided, "hero is taken back and cart goes on", 100)
            assert only.ends(signal.SIGINT) == 3, "something was turned off in this run"
        assert "hero taken back from 20%" in only.out.read_text()


def visit_over_http(app: Application) -> None:
    httpx.get(app.url, headers={"Cookie": f"dg_id=user-{next(app._users)}"}, timeout=10)


def test_watch_once_by_cron_acts_alone_and_counts_as_watching_between_its_rounds(project: Folder) -> None:
    project("rollout", "start", "hero")
    first = project.json("watch", "--once", "--interval", "5m")
    assert first["acted"] is True
    assert {verdict["trigger"] for verdict in first["verdicts"]} == {"errors", "slow", "checks"}
    status = project.json("feature-flags", "status")
    assert status["controller"]["alive"] is True
    assert status["controller"]["via"] == "watch --once"
    second = project.json("watch", "--once")
    assert second["acted"] is True, "its own round of before holds no lock"
    kinds = [json.loads(line)["type"] for line in (project.state() / "audit.jsonl").read_text().splitlines()]
    assert not [kind for kind in kinds if kind.startswith("controller.")]


def test_a_full_disk_is_said_once_and_neither_a_round_nor_a_watch_is_a_bug(project: Folder) -> None:
    with small_disk("600k") as disk:
        project.environ["DEPLOYGUARD_STATE"] = str(disk)
        project("rollout", "start", "hero")
        project("watch", "--once")
        with watching(project, "only", state=disk) as (only,):
            wait_for(lambda: only.said("acting as"), "it acts")
            with suppress(OSError):
                (disk / "full").write_bytes(b"x" * 600_000)
            config = project.path / "deployment-config.json"
            config.write_text(json.dumps({**json.loads(config.read_text()), "guardFor": "47h"}))  # something to commit
            wait_for(lambda: only.said("cannot be"), "it says so")
            ticked = holder(project, disk)
            wait_for(lambda: ticked != holder(project, disk), "it goes on")
            lines = [line[21:] for line in only.err.read_text().splitlines()]
            assert len(lines) == len(set(lines)), "each thing once"
            assert only.ends(signal.SIGTERM) == 143
        once = project("watch", "--once", "--output", "json", code=5)
        assert once.json["verdicts"], "judged all the same"
        assert "warning: the" in once.err
        (disk / "full").unlink()
        assert project.json("watch", "--once")["trouble"] is None
