"""A state.json that is not what was written: said, set aside, never overwritten; and one of another version."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.errors import Code, DeployguardError, Place
from deployguard.state import SCHEMA_VERSION
from deployguard.store.backup import backup
from deployguard.store.document import decode, encode, migrated
from deployguard.store.files import FileStore
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)


@pytest.fixture
def document(store: FileStore, setting: Callable) -> Path:
    store.update(setting("a", 100), NOW)
    store.update(setting("b", 200), NOW)
    return store.layout.state


def refused(store: FileStore) -> DeployguardError:
    with pytest.raises(DeployguardError) as error:
        FileStore(store.layout.folder, "prod").read()
    return error.value


def edited(raw: bytes, **values: object) -> bytes:
    return json.dumps({**json.loads(raw), **values}, indent=2).encode()


def resealed(raw: bytes) -> bytes:
    """As somebody would who recomputes the checksum: what then is wrong is still noticed."""
    body = raw[: raw.rindex(b'"checksum":"')]
    return body + b'"checksum":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def instead(raw: bytes) -> Callable[[bytes], bytes]:
    return lambda _: raw


def test_a_cut_file_is_told_with_the_place_where_it_ends(store: FileStore, document: Path) -> None:
    raw = document.read_bytes()
    document.write_bytes(raw[:300])
    problem = refused(store).problem
    assert problem.code is Code.STATE_DAMAGED
    assert problem.exit_code == 5
    assert problem.message == "the state of prod cannot be read"
    assert problem.where == Place(str(document), 1, 301)
    assert problem.found == "the file ends in the middle of a value, after 300 bytes"
    assert problem.wanted == "a whole document of schemaVersion 1"
    aside = next(document.parent.glob("state.json.damaged-*"))
    assert aside.read_bytes() == raw[:300]
    assert problem.now.startswith(f"set aside as {aside.name}, nothing overwritten")
    assert [offer.command for offer in problem.next] == ["deployguard rollback emergency --env prod"]
    assert document.read_bytes() == raw[:300]


def test_the_newest_backup_of_the_environment_is_offered(store: FileStore, document: Path, setting: Callable) -> None:
    folder = store.layout.folder
    FileStore(folder, "staging").update(setting(), NOW)
    made = backup(folder, "prod", None, NOW)
    backup(folder, "staging", None, NOW.replace(hour=23))
    document.write_bytes(b"{")
    assert refused(store).problem.next[0].command == f"deployguard state restore {made.file} --env prod"


def test_one_damage_is_set_aside_once(store: FileStore, document: Path) -> None:
    document.write_bytes(b"{")
    for _ in range(3):
        refused(store)
    document.write_bytes(b"[")
    refused(store)
    assert len(list(document.parent.glob("state.json.damaged-*"))) == 2


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (instead(b""), "an empty file"),
        (instead(b"\0" * 4096), "4,096 bytes of nothing"),
        (instead(b"\n\n"), "2 bytes of nothing"),
        (lambda raw: raw[:40] + b"\xff" + raw[41:], "byte 0xff, which is no UTF-8"),
        (lambda raw: raw.replace(b'"flags":', b'"flags"', 1), "no JSON: Expecting ':' delimiter"),
        (instead(b"[1, 2]"), "JSON, but no object"),
        (instead(b"null"), "JSON, but no object"),
        (instead(b"[" * 100_000), "JSON that nests too deep"),
        (edited, "content that does not match its checksum"),
        (lambda raw: edited(raw, revision=1), "content that does not match its checksum"),
        (lambda raw: edited(raw, flags=3), "flags: Input should be a valid dictionary"),
        (lambda raw: edited(raw, flagz={}), "flagz: Unexpected keyword argument"),
        (instead(b'{"schemaVersion":1,"environment":"prod"}'), "no checksum"),
        (lambda raw: raw + b"\n", "content that does not match its checksum"),
        (lambda raw: raw.replace(b'"percentage":100', b'"percentage":900', 1), "content that does not match"),
        (lambda raw: resealed(raw.replace(b'"percentage":100', b'"percentage":"x"', 1)), "flags.a.percentage: "),
        (lambda raw: resealed(raw.replace(b'"logBytes":', b'"logBites":', 1)), "no state of ours"),
        (lambda raw: resealed(raw.replace(b'"schemaVersion":1', b'"schemaVersion":-1', 1)), "no state of ours"),
    ],
)
def test_each_damage_is_named(store: FileStore, document: Path, change: Callable[[bytes], bytes], found: str) -> None:
    document.write_bytes(change(document.read_bytes()))
    problem = refused(store).problem
    assert problem.code is Code.STATE_DAMAGED
    assert (problem.found or "").startswith(found)


def test_damage_stops_writers_and_leaves_the_file(store: FileStore, document: Path, setting: Callable) -> None:
    raw = edited(document.read_bytes(), revision=1)
    document.write_bytes(raw)
    log = store.layout.log.read_bytes()
    with pytest.raises(DeployguardError, match="state-damaged"):
        store.update(setting("c"), NOW)
    assert document.read_bytes() == raw
    assert store.layout.log.read_bytes() == log


def test_a_lowered_revision_under_a_right_checksum_is_found_by_verify(store: FileStore, document: Path) -> None:
    document.write_bytes(resealed(document.read_bytes().replace(b'"revision":2', b'"revision":1', 1)))
    bad = [finding for finding in verify(store.layout.folder, "prod") if not finding.ok]
    assert [finding.found for finding in bad] == ["event 2 is of a later revision, 2"]


def test_a_flag_raised_under_a_right_checksum_is_found_by_verify(store: FileStore, document: Path) -> None:
    document.write_bytes(resealed(document.read_bytes().replace(b'"percentage":100', b'"percentage":900', 1)))
    bad = [finding for finding in verify(store.layout.folder, "prod") if not finding.ok]
    assert [finding.found for finding in bad] == ["state.json is not what its events say: flags.a"]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: resealed(raw.replace(b'"schemaVersion":1', b'"schemaVersion":2', 1)),
        instead(b'{"schemaVersion": 7, "everything": "else"}'),
    ],
)
def test_a_newer_state_is_left_alone(
    store: FileStore, document: Path, change: Callable[[bytes], bytes], setting: Callable
) -> None:
    raw = change(document.read_bytes())
    document.write_bytes(raw)
    for ask in (store.read, lambda: store.update(setting(), NOW)):
        with pytest.raises(DeployguardError) as error:
            ask()
        assert error.value.problem.code is Code.STATE_NEWER
        assert error.value.problem.exit_code == 5
    assert document.read_bytes() == raw
    assert not list(document.parent.glob("*.damaged-*"))


def older(raw: bytes) -> bytes:
    """Version 0: the shape before `told`."""
    return resealed(raw.replace(b'"schemaVersion":1', b'"schemaVersion":0', 1).replace(b'"told":{},', b"", 1))


def test_an_older_state_is_read_and_written_anew_with_the_next_commit(
    store: FileStore, document: Path, setting: Callable
) -> None:
    state = store.read()
    document.write_bytes(older(document.read_bytes()))
    again = FileStore(store.layout.folder, "prod")
    assert again.read() == state
    assert b'"schemaVersion":0' in document.read_bytes()  # reading changes nothing
    after, events = again.update(setting("c"), NOW)
    assert [event.type for event in events] == ["flag.updated", "state.migrated"]
    assert events[1].data == {"from": 0, "to": 1, "file": "state.json"}
    assert after.revision == 3
    assert b'"schemaVersion":1' in document.read_bytes()
    assert all(finding.ok for finding in verify(store.layout.folder, "prod"))


def test_migrations_lead_from_every_older_version_to_ours() -> None:
    for version in range(SCHEMA_VERSION):
        assert migrated({}, version)["schemaVersion"] == SCHEMA_VERSION
    with pytest.raises(LookupError):
        migrated({}, -1)


def test_a_document_is_its_bytes(store: FileStore, document: Path) -> None:
    raw = document.read_bytes()
    read = decode(raw, "prod")
    assert encode(read) == raw
    assert len(read.pending) == 2
