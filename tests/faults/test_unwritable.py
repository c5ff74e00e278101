"""Every command that writes, where it cannot: one clear error with its exit code, and nothing half written."""

import errno
import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_store_disk import setting

from deployguard.cli.main import main
from deployguard.state import Actor, Via
from deployguard.store.backup import backup
from deployguard.store.files import FileStore
from support.command import small_config

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
LINE = b'{"type":"request","time":"2026-11-24T13:31:50Z","endpoint":"/","status":200}\n'


def read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def full(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            pass


def content(folder: Path) -> dict[str, bytes]:
    """What is decided or observed; not the locks, nor sqlite's own files beside the metric store."""
    files = (path for path in folder.rglob("*") if path.is_file())
    passing = (".lock", ".owner", "-wal", "-shm")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.endswith(passing)}


class Command:
    """The command line in this process: one clear error is all that it may say."""

    def __init__(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        self._capsys = capsys
        self.project = project

    def __call__(self, *words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        said = self._capsys.readouterr()
        assert "error[bug]" not in said.err, said.err
        return int(str(left.value.code)), said.err


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    project = tmp_path / "project"
    project.mkdir()
    (project / "deployment-config.json").write_text(json.dumps(small_config("http://127.0.0.1:9")))
    (project / "samples.jsonl").write_bytes(LINE)
    monkeypatch.chdir(project)
    for name in [name for name in os.environ if name.startswith("DEPLOYGUARD_")]:
        monkeypatch.delenv(name)
    return Command(capsys, project)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    FileStore(tmp_path / "other", "prod").update(setting(700, padding=3000), NOW)
    return backup(tmp_path / "other", "prod", tmp_path / "saved.tar", NOW).file


WRITING = [
    ("feature-flags", "set", "checkout", "5"),
    ("rollout", "start", "homepage"),
    ("rollback", "emergency"),
    ("monitoring", "import", "samples.jsonl"),
    ("watch", "--once"),
    ("state", "backup"),
    ("state", "restore", "SAVED"),
]


@pytest.mark.parametrize("obstacle", [read_only, full])
@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_what_cannot_be_written_is_one_clear_error(
    tmpfs: Path, command: Command, saved: Path, words: tuple[str, ...], obstacle: Callable[[Path], None]
) -> None:
    FileStore(tmpfs, "prod").update(setting(100), NOW)
    obstacle(tmpfs)
    before = content(tmpfs)
    words = tuple(str(saved) if word == "SAVED" else word for word in words)
    code, said = command("--state", str(tmpfs), *words)
    assert (code, said.count("refused[state-locked]: ")) == (5, 1), said
    assert (
        "read-only file system" in said
        if obstacle is read_only
        else any(words in said for words in ("no space left on device", "database or disk is full"))
    ), said
    after = content(tmpfs)
    after.pop("prod/metrics.sqlite", None)  # begun, and empty
    assert after == before
    assert not list(tmpfs.glob("**/*.new")) + list(tmpfs.glob("*.restore*"))


@pytest.mark.parametrize("obstacle", [read_only, full])
def test_what_can_be_read_is_read_and_verified(tmpfs: Path, command: Command, obstacle: Callable[[Path], None]) -> None:
    FileStore(tmpfs, "prod").update(setting(100), NOW)
    state = ("--state", str(tmpfs))
    subprocess.run(["mount", "-o", "remount,size=1m", str(tmpfs)], check=True)
    assert command(*state, "monitoring", "import", "samples.jsonl")[0] == 0
    obstacle(tmpfs)
    for words in (("state", "verify"), ("feature-flags", "status"), ("monitoring", "status"), ("rollback", "history")):
        code, said = command(*state, *words)
        assert code == 0, said


@pytest.mark.parametrize("place", ["state", "state/prod", "state/prod/audit.jsonl/file", "state/prod/state.json/file"])
@pytest.mark.parametrize("words", [("verify",), ("backup",), ("restore", "SAVED")], ids=" ".join)
def test_a_state_that_is_something_else_is_never_taken_for_none(
    command: Command, saved: Path, place: str, words: tuple[str, ...]
) -> None:
    path = command.project / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("I am a file")
    before = content(command.project)
    words = tuple(str(saved) if word == "SAVED" else word for word in words)
    code, said = command("--env", "prod", "state", *words)
    assert code == 5, said
    assert content(command.project) == before


def test_a_backup_that_cannot_be_read_is_no_damage(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "folder.tar"
    folder.mkdir()
    code, said = command("state", "restore", str(folder))
    assert (code, "is a directory" in said) == (2, True), said


def test_a_restore_that_finds_no_room_half_way_is_undone(
    tmpfs: Path, command: Command, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FileStore(tmpfs, "prod").update(setting(100), NOW)
    before = content(tmpfs)
    real = os.open

    def no_room(path: str, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("prod/state.json.new"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_room)
        code, said = command("--state", str(tmpfs), "state", "restore", str(saved))
    assert (code, "no space left on device" in said) == (5, True), said
    assert content(tmpfs) == before
    assert command("--state", str(tmpfs), "state", "verify")[0] == 0
