"""`state verify`, `backup`, `restore`: what is checked, what is saved, what comes back."""

import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.state import Actor, Change, Effect, EffectKind, Via
from deployguard.store.backup import backup, restore
from deployguard.store.files import PENDING_BYTES, FileStore
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)


@pytest.fixture
def lived(store: FileStore, setting: Callable) -> FileStore:
    """A store with three commits, a metric store and a report."""
    for percentage in (100, 200, 300):
        store.update(setting("a", percentage, reason="x" * PENDING_BYTES), NOW)
    connection = sqlite3.connect(store.layout.metrics)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE bucket (at INTEGER)")
    connection.execute("INSERT INTO bucket VALUES (41)")
    connection.commit()
    connection.close()
    store.layout.metrics.chmod(0o600)
    store.layout.reports.mkdir(mode=0o700)
    report = store.layout.reports / "deployment-report-1.json"
    report.write_text("{}")
    report.chmod(0o600)
    return store


def broken(store: FileStore) -> dict[str, str]:
    return {finding.subject: finding.found for finding in verify(store.layout.folder, "prod") if not finding.ok}


def test_a_lived_in_folder_keeps_every_promise(lived: FileStore) -> None:
    findings = {finding.subject: finding.found for finding in verify(lived.layout.folder, "prod")}
    assert broken(lived) == {}
    assert set(findings) == {"state", "outbox", "log", "fold", "permissions", "metrics", "locks"}
    assert findings["log"].startswith("3 events, chain whole, head ")


def test_verifying_nothing_finds_nothing_wrong_and_creates_nothing(folder: Path) -> None:
    assert [finding.ok for finding in verify(folder, "prod")] == [True]
    assert not folder.exists()


def spoil_metrics(store: FileStore) -> None:
    raw = bytearray(store.layout.metrics.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    store.layout.metrics.write_bytes(raw)


def swap_lines(store: FileStore) -> None:
    lines = store.layout.log.read_bytes().splitlines(keepends=True)
    store.layout.log.write_bytes(b"".join((lines[1], lines[0], *lines[2:])))


def drop_a_line(store: FileStore) -> None:
    lines = store.layout.log.read_bytes().splitlines(keepends=True)
    store.layout.log.write_bytes(b"".join((lines[0], *lines[2:])))


@pytest.mark.parametrize(
    ("spoil", "subject", "words"),
    [
        (lambda store: store.layout.log.chmod(0o644), "permissions", "audit.jsonl 0644"),
        (lambda store: store.layout.home.chmod(0o755), "permissions", "prod 0755"),
        (lambda store: (store.layout.reports / "deployment-report-1.json").chmod(0o640), "permissions", "0640"),
        (spoil_metrics, "metrics", "metrics.sqlite: "),
        (swap_lines, "log", "stands behind event 2"),
        (drop_a_line, "log", "event 3 does not carry the hash"),
        (drop_a_line, "state", "no event ends, where the last commit found one"),
        (lambda store: store.layout.state.unlink(), "state", "no state.json"),
        (lambda store: store.layout.state.write_bytes(b"{"), "state", "the file ends in the middle"),
    ],
)
def test_each_broken_promise_is_found(
    lived: FileStore, spoil: Callable[[FileStore], object], subject: str, words: str
) -> None:
    spoil(lived)
    assert words in broken(lived)[subject]
    mend = next(f.command for f in verify(lived.layout.folder, "prod") if f.subject == subject and not f.ok)
    assert mend is not None


def test_a_backup_comes_back_as_it_was(lived: FileStore, setting: Callable) -> None:
    folder, saved = lived.layout.folder, lived.read()
    made = backup(folder, "prod", None, NOW)
    assert made.file == folder / "backup-20261124T133150Z.tar"
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert (made.revision, made.events, made.bytes) == (3, 3, made.file.stat().st_size)
    for percentage in (400, 500):
        lived.update(setting("b", percentage), NOW)
    there = lived.layout.log.read_bytes()
    back = restore(folder, "prod", made.file, ACTOR, "the wrong button", NOW)
    state = FileStore(folder, "prod").read()
    assert state.flags == saved.flags
    assert state.revision == back.revision == 6  # above the 5 that were there
    assert state.head.seq == 6
    newest = next(FileStore(folder, "prod").events(newest_first=True))
    assert (newest.type, newest.seq, newest.reason, newest.actor) == ("state.restored", 6, "the wrong button", ACTOR)
    assert newest.data == {"from": 5, "to": 6, "file": made.file.name}
    assert [event.seq for event in lived.events()] == [1, 2, 3, 6]
    assert back.aside is not None
    assert (back.aside / "audit.jsonl").read_bytes() == there
    assert broken(lived) == {}
    assert lived.update(setting("c"), NOW)[0].revision == 7
    assert broken(lived) == {}


def test_an_empty_folder_takes_everything_from_a_backup(lived: FileStore, setting: Callable) -> None:
    folder = lived.layout.folder
    made = backup(folder, "prod", folder / "mine.tar", NOW)
    shutil.rmtree(lived.layout.home)
    back = restore(folder, "prod", made.file, ACTOR, None, NOW)
    assert back.aside is None
    assert FileStore(folder, "prod").read().flags["a"].percentage == 300
    connection = sqlite3.connect(lived.layout.metrics)
    assert connection.execute("SELECT at FROM bucket").fetchall() == [(41,)]
    connection.close()
    assert (lived.layout.reports / "deployment-report-1.json").read_text() == "{}"
    assert broken(lived) == {}
    assert not list(folder.glob(".restore-*"))


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 100])
def test_a_restore_mends_a_damaged_state(lived: FileStore, damage: bytes) -> None:
    made = backup(lived.layout.folder, "prod", None, NOW)
    lived.layout.state.write_bytes(damage)
    lived.layout.log.write_bytes(lived.layout.log.read_bytes()[:100])
    back = restore(lived.layout.folder, "prod", made.file, ACTOR, None, NOW)
    assert FileStore(lived.layout.folder, "prod").read().flags["a"].percentage == 300
    assert back.aside is not None
    assert (back.aside / "state.json").read_bytes() == damage
    assert broken(lived) == {}


def test_a_metric_store_that_observed_more_is_kept(lived: FileStore) -> None:
    made = backup(lived.layout.folder, "prod", None, NOW)
    connection = sqlite3.connect(lived.layout.metrics)
    connection.execute("INSERT INTO bucket VALUES (42)")
    connection.commit()
    connection.close()
    restore(lived.layout.folder, "prod", made.file, ACTOR, None, NOW)
    connection = sqlite3.connect(lived.layout.metrics)
    assert connection.execute("SELECT count(*) FROM bucket").fetchone() == (2,)
    connection.close()


def test_a_broken_metric_store_is_replaced(lived: FileStore) -> None:
    made = backup(lived.layout.folder, "prod", None, NOW)
    spoil_metrics(lived)
    restore(lived.layout.folder, "prod", made.file, ACTOR, None, NOW)
    assert broken(lived) == {}


def test_what_waited_to_leave_does_not_leave_again(store: FileStore) -> None:
    waiting = Effect(id="run-1", kind=EffectKind.RUN, created_at=NOW, command={"run": "reboot"})
    store.update(lambda state: Change(state=state, effects=(waiting,)), NOW)
    made = backup(store.layout.folder, "prod", None, NOW)
    restore(store.layout.folder, "prod", made.file, ACTOR, None, NOW)
    assert FileStore(store.layout.folder, "prod").read().outbox == ()


def test_a_backup_has_the_last_event_also_where_the_log_lacks_it(lived: FileStore) -> None:
    lived.layout.log.write_bytes(lived.layout.log.read_bytes()[:-300])
    made = backup(lived.layout.folder, "prod", None, NOW)
    assert made.events == 3
    restore(lived.layout.folder, "prod", made.file, ACTOR, None, NOW)
    assert broken(lived) == {}


def repacked(source: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The backup with one member changed."""
    target = source.with_name("other.tar")
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            content = file.read() if file else b""
            if member.name == f"prod/{name}":
                content = change(content)
                member.size = len(content)
            new.addfile(member, BytesIO(content))
    return target


@pytest.mark.parametrize(
    ("spoiled", "found"),
    [
        (lambda tar: repacked(tar, "state.json", lambda raw: raw[:-1]), "state.json, which is not as it was saved"),
        (lambda tar: repacked(tar, "audit.jsonl", lambda raw: raw[:100]), "audit.jsonl, which is not"),
        (lambda tar: repacked(tar, "manifest.json", lambda _: b"{}"), "no backup of ours"),
        (
            lambda tar: repacked(tar, "manifest.json", lambda raw: raw.replace(b'"format": 1', b'"format": 2')),
            "format 2",
        ),
        (
            lambda tar: repacked(tar, "manifest.json", lambda raw: raw.replace(b"audit.jsonl", b"../../etc/x")),
            "no backup of ours",
        ),
        (lambda tar: tar.write_bytes(tar.read_bytes()[:700]) and tar, "no backup of ours"),
        (lambda tar: tar.write_bytes(b"not a tar at all") and tar, "a file that is no tar"),
        (lambda tar: repacked(tar, "manifest.json", lambda _: b"[" * 100_000), "no backup of ours"),
    ],
)
def test_a_backup_that_cannot_be_trusted_changes_nothing(
    lived: FileStore, spoiled: Callable[[Path], Path], found: str
) -> None:
    tar = spoiled(backup(lived.layout.folder, "prod", None, NOW).file)
    before = {path: path.read_bytes() for path in lived.layout.home.rglob("*") if path.is_file()}
    with pytest.raises(DeployguardError) as refused:
        restore(lived.layout.folder, "prod", tar, ACTOR, None, NOW)
    assert refused.value.problem.code is (Code.USAGE if found == "a file that is no tar" else Code.STATE_DAMAGED)
    assert (refused.value.problem.found or "").startswith(found)
    after = {path: path.read_bytes() for path in lived.layout.home.rglob("*") if path.is_file()}
    assert {path: raw for path, raw in after.items() if path.suffix not in (".lock", ".owner")} == {
        path: raw for path, raw in before.items() if path.suffix not in (".lock", ".owner")
    }
    assert not list(lived.layout.folder.glob(".restore-*"))


def test_a_backup_of_another_environment_is_refused(lived: FileStore, setting: Callable) -> None:
    folder = lived.layout.folder
    FileStore(folder, "staging").update(setting(), NOW)
    made = backup(folder, "staging", None, NOW)
    with pytest.raises(DeployguardError, match="cannot be restored") as refused:
        restore(folder, "prod", made.file, ACTOR, None, NOW)
    assert refused.value.problem.found == "the state of staging"


def test_a_backup_overwrites_nothing_and_saves_nothing_of_nothing(lived: FileStore) -> None:
    made = backup(lived.layout.folder, "prod", None, NOW)
    with pytest.raises(DeployguardError, match="there already"):
        backup(lived.layout.folder, "prod", made.file, NOW)
    with pytest.raises(DeployguardError, match="no state of dev"):
        backup(lived.layout.folder, "dev", None, NOW)
    with pytest.raises(DeployguardError, match="there is no backup"):
        restore(lived.layout.folder, "prod", "nowhere.tar", ACTOR, None, NOW)
    assert not (lived.layout.folder / "dev").exists()


def test_a_damaged_state_is_not_backed_up(lived: FileStore) -> None:
    lived.layout.state.write_bytes(b"{")
    with pytest.raises(DeployguardError, match="state-damaged"):
        backup(lived.layout.folder, "prod", None, NOW)
    assert not list(lived.layout.folder.glob("backup-*"))
