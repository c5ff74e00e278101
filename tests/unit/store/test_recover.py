"""The emergency's first step: a state that cannot be read is made again from the audit log."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.errors import DeployguardError
from deployguard.state import State
from deployguard.store.files import PENDING_BYTES, FileStore
from deployguard.store.recover import rebuild
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)


@pytest.fixture
def lived(store: FileStore, setting: Callable) -> FileStore:
    for key, percentage in (("a", 100), ("b", 200), ("a", 300), ("c", 400)):
        store.update(setting(key, percentage, reason="x" * PENDING_BYTES), NOW)
    return store


def cut_state(store: FileStore) -> None:
    store.layout.state.write_bytes(store.layout.state.read_bytes()[:200])


def lose_state(store: FileStore) -> None:
    store.layout.state.unlink()


def edit_state(store: FileStore) -> None:
    raw = store.layout.state.read_bytes()
    store.layout.state.write_bytes(raw.replace(b'"percentage":300', b'"percentage":9999', 1))


def lose_log(store: FileStore) -> None:
    store.layout.log.unlink()


def cut_log(store: FileStore) -> None:
    store.layout.log.write_bytes(store.layout.log.read_bytes()[:12_000])


def flip_log_and_lose_events(store: FileStore) -> None:
    raw = bytearray(store.layout.log.read_bytes())
    raw[30] ^= 1
    store.layout.log.write_bytes(raw[:19_000])


def cut_the_document_before_the_append(store: FileStore) -> None:
    """Both at once: the log lacks the last event, and the document that carries it is damaged elsewhere."""
    lines = store.layout.log.read_bytes().splitlines(keepends=True)
    store.layout.log.write_bytes(b"".join(lines[:-1]))
    edit_state(store)


DAMAGES = [
    cut_state,
    lose_state,
    edit_state,
    lose_log,
    cut_log,
    flip_log_and_lose_events,
    cut_the_document_before_the_append,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_rebuilt_whole(
    lived: FileStore, damage: Callable[[FileStore], None], setting: Callable
) -> None:
    before = lived.read()
    damage(lived)
    folder = lived.layout.folder
    there = {path.name: path.read_bytes() for path in (lived.layout.state, lived.layout.log) if path.exists()}
    with pytest.raises(DeployguardError, match="state-damaged"):
        FileStore(folder, "prod").read()
    rebuilt = rebuild(folder, "prod", NOW)
    assert rebuilt.flags == before.flags
    assert rebuilt.revision > before.revision
    assert rebuilt.head.seq > before.head.seq
    fresh = FileStore(folder, "prod")
    assert fresh.read() == rebuilt
    assert next(fresh.events(newest_first=True)).type == "state.repaired"
    list(fresh.events())
    assert [finding for finding in verify(folder, "prod") if not finding.ok] == []
    for name, raw in there.items():
        assert raw in [path.read_bytes() for path in lived.layout.home.glob(f"{name}.damaged-*")]
    state, _ = fresh.update(setting("d"), NOW)
    assert state.flags.keys() == {"a", "b", "c", "d"}
    assert [finding for finding in verify(folder, "prod") if not finding.ok] == []


def test_the_repair_says_what_was_lost(lived: FileStore) -> None:
    raw = bytearray(lived.layout.log.read_bytes())
    raw[30] ^= 1
    lived.layout.log.write_bytes(raw[:-10])
    lose_state(lived)
    rebuild(lived.layout.folder, "prod", NOW)
    event = next(FileStore(lived.layout.folder, "prod").events(newest_first=True))
    assert event.data["from"] is None
    assert event.data["lost"][0].startswith("line 1: ")
    assert event.data["lost"][1].endswith("bytes at the end")
    assert event.data["gaps"] == [2]


def test_a_whole_state_is_left_alone(lived: FileStore) -> None:
    before = {path: path.read_bytes() for path in (lived.layout.state, lived.layout.log)}
    assert rebuild(lived.layout.folder, "prod", NOW) == lived.read()
    assert {path: path.read_bytes() for path in before} == before
    assert not list(lived.layout.home.glob("*.damaged-*"))


def test_where_everything_is_lost_every_flag_is_off(lived: FileStore) -> None:
    lived.layout.state.write_bytes(b"\0" * 500)
    lived.layout.log.write_bytes(b"\0" * 500)
    rebuilt = rebuild(lived.layout.folder, "prod", NOW)
    assert rebuilt.flags == {}
    assert rebuilt.revision == 1
    assert [finding for finding in verify(lived.layout.folder, "prod") if not finding.ok] == []


def test_an_older_document_put_back_by_hand_gives_way_to_the_log(lived: FileStore, setting: Callable) -> None:
    shutil.copy(lived.layout.state, lived.layout.home / "mine")
    state, _ = lived.update(setting("a", 0), NOW)
    shutil.move(lived.layout.home / "mine", lived.layout.state)
    assert rebuild(lived.layout.folder, "prod", NOW).flags == state.flags


def test_a_newer_state_is_not_damaged(lived: FileStore) -> None:
    lived.layout.state.write_bytes(b'{"schemaVersion": 2}')
    with pytest.raises(DeployguardError, match="state-newer"):
        rebuild(lived.layout.folder, "prod", NOW)
    assert lived.layout.state.read_bytes() == b'{"schemaVersion": 2}'


def test_an_environment_that_nobody_touched_needs_no_repair(folder: Path) -> None:
    assert rebuild(folder, "prod", NOW) == State(environment="prod")
