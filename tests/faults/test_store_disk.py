"""A folder that cannot be written, a disk that is full: one clear error, nothing half written, the old state intact."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.state import Actor, Change, Draft, Edit, FlagState, Recorder, State, Via
from deployguard.store.files import PENDING_BYTES, FileStore
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
NOBODY = 65534


def setting(percentage: int, padding: int = 0) -> Callable[[State], Change]:
    def decide(state: State) -> Change:
        recorder = Recorder(state, ACTOR)
        flag = FlagState(enabled=True, percentage=percentage, seed="a")
        recorder.record("flag.updated", {"flagId": "a", "pad": "x" * padding}, Edit(state).put_flags({"a": flag}))
        return recorder.change()

    return decide


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".json", ".jsonl")}


def refused(store: FileStore, decide: Callable[[State], Change]) -> str:
    with pytest.raises(DeployguardError) as error:
        store.update(decide, NOW)
    problem = error.value.problem
    assert problem.code is Code.STATE_LOCKED
    assert problem.exit_code == 5
    assert problem.message == "the state of prod cannot be written"
    assert "nothing was changed" in (problem.now or "")
    return problem.found or ""


@pytest.fixture
def tmpfs() -> Iterator[Path]:
    """A disk of 64 KB. Where none can be mounted the file size limit is tried instead."""
    from support.disk import small_disk  # here: processes of this file's tests import it from elsewhere

    with small_disk("64k") as folder:
        yield folder


def test_a_full_disk_refuses_the_commit_and_keeps_the_state(tmpfs: Path) -> None:
    store = FileStore(tmpfs, "prod")
    state = store.update(setting(1), NOW)[0]
    refusals = []
    for percentage in range(2, 200):
        try:
            state, _ = store.update(setting(percentage, padding=3000), NOW)
        except DeployguardError as error:
            refusals.append(error.problem)
            if len(refusals) > 3:
                break
    assert {(problem.code, problem.found) for problem in refusals} == {(Code.STATE_LOCKED, "no space left on device")}
    fresh = FileStore(tmpfs, "prod")
    assert fresh.read() == state
    assert not (store.layout.home / "state.json.new").exists()
    assert [event.seq for event in fresh.events()] == list(range(1, state.head.seq + 1))
    assert [finding for finding in verify(tmpfs, "prod") if not finding.ok] == []
    subprocess.run(["mount", "-o", "remount,size=1m", str(tmpfs)], check=True)
    after, _ = fresh.update(setting(9), NOW)
    assert after.revision == state.revision + 1
    assert [finding for finding in verify(tmpfs, "prod") if not finding.ok] == []


LIMITED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from deployguard.errors import DeployguardError
from deployguard.store.files import FileStore
sys.path.insert(0, sys.argv[3])
from test_store_disk import setting, NOW

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    FileStore(Path(sys.argv[1]), "prod").update(setting(700, padding=2000), NOW)
    print("done")
except DeployguardError as error:
    print(error.problem.code, error.problem.found, sep="|")
"""


@pytest.mark.parametrize("limit", [2100, 3000, 4000, 5000, 20_000])
def test_a_file_that_may_not_grow_is_the_same_as_a_full_disk(tmp_path: Path, limit: int) -> None:
    """The limit hits the document, or only the log's append, or nothing."""
    store = FileStore(tmp_path, "prod")
    store.update(setting(100), NOW)
    before, _ = store.update(setting(200), NOW)
    files = content(tmp_path)
    run = subprocess.run(  # -B: a module's cached code would be cut short, too
        [sys.executable, "-B", "-c", LIMITED, str(tmp_path), str(limit), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    fresh = FileStore(tmp_path, "prod")
    if run.stdout == "done\n":
        assert fresh.read().flags["a"].percentage == 700
    else:
        assert run.stdout == "state-locked|file too large\n"
        assert fresh.read() == before
        assert content(tmp_path) == files
    assert [event.seq for event in fresh.events()] == list(range(1, fresh.read().head.seq + 1))
    assert [finding for finding in verify(tmp_path, "prod") if not finding.ok] == []
    fresh.update(setting(300), NOW)
    assert [event.seq for event in fresh.events()] == list(range(1, fresh.read().head.seq + 1))


def test_an_event_that_cannot_be_appended_stands_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path, "prod")
    store.update(setting(100), NOW)
    real = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if b'"flag.updated"' in bytes(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        state, _ = store.update(setting(200), NOW)  # the change is a fact
        assert FileStore(tmp_path, "prod").read() == state
        assert [event.seq for event in store.events()] == [1, 2]
        # but the next one would lose an event if it did not wait for the log
        assert refused(store, setting(300)) == "no space left on device"
    assert store.update(setting(400), NOW)[0].revision == 3
    assert [event.seq for event in store.events()] == [1, 2, 3]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_before_the_rename_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    store = FileStore(tmp_path, "prod")
    before, _ = store.update(setting(100), NOW)
    files = content(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os if call != "replace" else Path, call, fails)
        assert refused(store, setting(200)) == os.strerror(error).lower()
    assert {name: raw for name, raw in content(tmp_path).items() if name in files} == files
    assert FileStore(tmp_path, "prod").read() == before
    assert store.update(setting(200), NOW)[0].revision == 2


def test_the_disk_is_asked_in_the_order_that_a_power_cut_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path, "prod")
    store.update(setting(100, padding=PENDING_BYTES), NOW)
    asked: list[str] = []

    def named(fd: int) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name

    def spy(module: object, name: str, describe: Callable[..., str]) -> None:
        real = getattr(module, name)

        def call(*arguments: object) -> object:
            asked.append(f"{name} {describe(*arguments)}")
            return real(*arguments)

        monkeypatch.setattr(module, name, call)

    spy(os, "fsync", named)
    spy(os, "pwrite", lambda fd, *_: named(fd))
    spy(Path, "replace", lambda path, target: f"{path.name} {target.name}")
    store.update(setting(200), NOW)
    assert [step for step in asked if "state.owner" not in step] == [
        "fsync audit.jsonl",  # events of earlier commits, before the document that carries them goes
        "fsync state.json.new",
        "replace state.json.new state.json",
        "fsync prod",
        "pwrite audit.jsonl",
    ]


@pytest.mark.parametrize("obstacle", ["folder", "environment"])
def test_a_state_folder_that_is_a_file_is_one_clear_error(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "state"
    (folder if obstacle == "folder" else tmp_path / "state/prod").parent.mkdir(exist_ok=True, parents=True)
    (folder if obstacle == "folder" else folder / "prod").write_text("I am a file")
    store = FileStore(folder, "prod")
    with pytest.raises(DeployguardError) as error:
        store.read()
    assert (error.value.problem.code, error.value.problem.found) == (Code.STATE_LOCKED, "not a directory")
    with pytest.raises(DeployguardError) as error:
        store.update(setting(1), NOW)
    assert error.value.problem.code is Code.STATE_LOCKED


@pytest.mark.parametrize("name", ["state.json", "audit.jsonl", "state.lock", "state.json.new"])
def test_a_folder_in_the_place_of_a_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "prod" / name).mkdir(parents=True)
    with pytest.raises(DeployguardError) as error:
        FileStore(tmp_path, "prod").update(setting(1), NOW)
    assert (error.value.problem.code, error.value.problem.found) == (Code.STATE_LOCKED, "is a directory")


ANOTHER_USER = """
import filelock, os, sys
from pathlib import Path
from deployguard.errors import DeployguardError
from deployguard.store.files import FileStore
sys.path.insert(0, sys.argv[2])
from test_store_disk import setting, NOW

FileStore(Path(sys.argv[1]), "prod").read()  # imports everything while it still can
store = FileStore(Path(sys.argv[1]), "prod")
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for ask in (lambda: store.update(setting(700), NOW), store.read):
    try:
        print("revision", getattr(ask(), "revision", "written"))
    except DeployguardError as error:
        print(error.problem.code, error.problem.message, error.problem.found, sep="|")
"""


def as_another_user(folder: Path) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", ANOTHER_USER, str(folder), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.splitlines()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="deployguard-user-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_only_lets_itself_be_read_is_one_clear_error(open_folder: Path) -> None:
    folder = open_folder / "state"
    FileStore(folder, "prod").update(setting(100), NOW)
    before = content(folder)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    denied = "state-locked|the state of prod cannot be written|permission denied"
    assert as_another_user(folder) == [denied, "revision 1"]
    assert content(folder) == before
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user's")
def test_a_folder_of_another_user_is_one_clear_error(open_folder: Path) -> None:
    folder = open_folder / "state"
    FileStore(folder, "prod").update(setting(100), NOW)
    assert as_another_user(folder) == [
        "state-locked|the state of prod cannot be written|permission denied",
        "state-locked|the state of prod cannot be opened|permission denied",
    ]


def test_a_disk_that_is_mounted_read_only_is_one_clear_error(tmpfs: Path) -> None:
    store = FileStore(tmpfs, "prod")
    state, _ = store.update(setting(100), NOW)
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    assert refused(store, setting(200)) == "read-only file system"
    assert FileStore(tmpfs, "prod").read() == state


def test_thousands_of_events_in_one_commit_are_kept(tmp_path: Path) -> None:
    drafts = tuple(Draft(type="config.applied", actor=ACTOR, data={"number": number}) for number in range(5000))
    store = FileStore(tmp_path, "prod")
    store.update(lambda state: Change(state=state, events=drafts), NOW)
    assert [event.data["number"] for event in store.events()] == list(range(5000))
