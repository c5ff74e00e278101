"""The log's end: what a process that died there leaves, and what somebody else may have done to it."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.state import Change, State
from deployguard.store.document import decode
from deployguard.store.files import PENDING_BYTES, FileStore
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)


LONG = "x" * PENDING_BYTES  # an event that long leaves no room for another in the document


@pytest.fixture
def log(store: FileStore, folder: Path, setting: Callable) -> Path:
    """The log of three commits, of which the document carries the last."""
    for percentage in (100, 200, 300):
        store.update(setting("a", percentage, reason=LONG), NOW)
    return folder / "prod/audit.jsonl"


def lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_line_cut_by_a_death_is_completed_without_a_word(
    store: FileStore, log: Path, setting: Callable, kept: int
) -> None:
    whole = lines(log)
    log.write_bytes(b"".join(whole[:2]) + whole[2][:kept])
    assert [event.seq for event in store.events()] == [1, 2, 3]
    assert [event.seq for event in store.events(newest_first=True)] == [3, 2, 1]
    assert store.read().flags["a"].percentage == 300
    assert all(finding.ok for finding in verify(store.layout.folder, "prod"))
    _, events = store.update(setting("a", 400), NOW)
    assert [event.type for event in events] == ["flag.updated"]
    assert lines(log)[:3] == whole
    assert [event.seq for event in store.events()] == [1, 2, 3, 4]
    assert all(finding.ok for finding in verify(store.layout.folder, "prod"))


def test_even_a_command_that_changes_nothing_completes_the_log(store: FileStore, log: Path) -> None:
    whole = lines(log)
    log.write_bytes(b"".join(whole[:2]))
    store.update(lambda state: Change(state=state), NOW)
    assert lines(log) == whole


@pytest.mark.parametrize("garbage", [b"\0" * 500, b"x", b"{}\n{}\n", b"\xff\xfe\n"])
def test_bytes_that_are_no_event_are_set_aside_and_told(
    store: FileStore, log: Path, setting: Callable, garbage: bytes
) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole + garbage)
    assert store.read().flags["a"].percentage == 300
    _, events = store.update(setting("a", 400), NOW)
    assert [event.type for event in events] == ["flag.updated", "state.repaired"]
    assert events[1].data["from"] == len(whole) + len(garbage)
    aside = log.with_name(events[1].data["file"])
    assert aside.read_bytes() == whole + garbage
    assert log.read_bytes().startswith(whole)
    assert [event.seq for event in store.events()] == [1, 2, 3, 4, 5]
    assert all(finding.ok for finding in verify(store.layout.folder, "prod"))


def test_a_damaged_last_line_comes_back_from_the_document(store: FileStore, log: Path, setting: Callable) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-20] + b"0" * 18 + whole[-2:])
    _, events = store.update(setting("a", 400), NOW)
    assert [event.type for event in events] == ["flag.updated", "state.repaired"]
    assert log.read_bytes().startswith(whole)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_log_that_lost_events_is_refused(store: FileStore, log: Path, setting: Callable, kept: int) -> None:
    log.write_bytes(b"".join(lines(log)[:kept]))
    left = log.read_bytes()
    for ask in (store.read, lambda: store.update(setting("a", 400), NOW), lambda: list(store.events())):
        with pytest.raises(DeployguardError) as refused:
            ask()
        assert refused.value.problem.code is Code.STATE_DAMAGED
    assert log.read_bytes() == left


def test_a_removed_log_is_refused(store: FileStore, log: Path) -> None:
    log.unlink()
    with pytest.raises(DeployguardError, match="state-damaged"):
        store.read()


def test_an_older_document_put_back_by_hand_is_refused(store: FileStore, log: Path, setting: Callable) -> None:
    shutil.copy(store.layout.state, store.layout.home / "mine")
    store.update(setting("a", 400), NOW)
    shutil.copy(store.layout.home / "mine", store.layout.state)
    with pytest.raises(DeployguardError) as refused:
        FileStore(store.layout.folder, "prod").read()
    assert refused.value.problem.code is Code.STATE_DAMAGED
    assert "goes up to event 4" in (refused.value.problem.found or "")


def test_a_document_that_is_gone_is_not_an_empty_state(store: FileStore, log: Path, setting: Callable) -> None:
    store.layout.state.unlink()
    for ask in (store.read, lambda: store.update(setting(), NOW)):
        with pytest.raises(DeployguardError) as refused:
            ask()
        assert refused.value.problem.code is Code.STATE_DAMAGED
        assert "no state.json" in (refused.value.problem.found or "")
    assert not store.layout.state.exists()


def test_a_flipped_byte_in_the_middle_of_the_log_is_named_when_it_is_read(store: FileStore, log: Path) -> None:
    raw = bytearray(log.read_bytes())
    raw[len(lines(log)[0]) + 30] ^= 1
    log.write_bytes(raw)
    assert store.read().flags["a"].percentage == 300
    with pytest.raises(DeployguardError) as refused:
        list(store.events())
    assert refused.value.problem.code is Code.CHAIN_BROKEN
    newest = store.events(newest_first=True)
    assert next(newest).seq == 3
    bad = [finding for finding in verify(store.layout.folder, "prod") if not finding.ok]
    assert {finding.subject for finding in bad} >= {"log"}


def test_a_log_of_another_environment_is_refused(store: FileStore, log: Path, folder: Path, setting: Callable) -> None:
    other = FileStore(folder, "staging")
    for percentage in (1, 2, 3):
        other.update(setting("a", percentage, reason=LONG), NOW)
    shutil.copy(other.layout.log, log)
    with pytest.raises(DeployguardError, match="state-damaged"):
        store.read()


def test_a_state_of_another_environment_is_refused(store: FileStore, folder: Path, setting: Callable) -> None:
    store.update(setting(), NOW)
    shutil.copytree(folder / "prod", folder / "staging")
    with pytest.raises(DeployguardError) as refused:
        FileStore(folder, "staging").read()
    assert refused.value.problem.found == "the state of prod"


def test_the_first_commit_may_die_before_its_event_is_appended(
    store: FileStore, folder: Path, setting: Callable
) -> None:
    state, events = store.update(setting(), NOW)
    store.layout.log.write_bytes(b"")
    assert store.read() == state != State(environment="prod")
    assert list(store.events()) == list(events)
    store.layout.log.unlink()
    assert store.read() == state
    store.update(setting("b"), NOW)
    assert [event.seq for event in store.events()] == [1, 2]


@pytest.mark.parametrize("left", [0, 1, 700, 1500])
def test_a_short_log_comes_back_whole_from_the_document(
    store: FileStore, folder: Path, setting: Callable, left: int
) -> None:
    for percentage in range(10):
        store.update(setting("a", percentage), NOW)
    whole = store.layout.log.read_bytes()
    assert len(whole) < PENDING_BYTES
    store.layout.log.write_bytes(whole[:left])
    assert [event.seq for event in store.events()] == list(range(1, 11))
    assert [event.seq for event in store.events(newest_first=True, after=3)] == list(range(10, 3, -1))
    store.update(setting("a", 11), NOW)
    assert store.layout.log.read_bytes().startswith(whole)


def test_commits_share_an_fsync_of_the_log(
    store: FileStore, setting: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for percentage in range(100):
        store.update(setting("a", percentage), NOW)
        assert sum(map(len, decode(store.layout.state.read_bytes(), "prod").pending)) <= PENDING_BYTES
    assert synced.count("state.json.new") == 100
    assert 5 < synced.count("audit.jsonl") < 15


def test_a_log_cut_to_what_was_fsynced_loses_nothing(
    store: FileStore, setting: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut may take: every byte of the log that no fsync has covered."""
    safe = 0
    real = os.fsync

    def fsync(fd: int) -> None:
        nonlocal safe
        if Path(f"/proc/self/fd/{fd}").readlink().name == "audit.jsonl":
            safe = os.fstat(fd).st_size
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for number in range(1, 60):
        store.update(setting("a", number, reason="x" * (number * 97 % 1500)), NOW)
        with store.layout.log.open("rb+") as file:
            file.truncate(safe)
        assert [event.seq for event in FileStore(store.layout.folder, "prod").events()] == list(range(1, number + 1))
