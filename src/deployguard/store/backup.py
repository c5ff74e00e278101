"""`state backup` and `state restore`: one environment's files in a tar, and back.

A backup is taken under the state's lock, so the document and the log in it belong together; the metric store is copied
by sqlite's own way, which needs no standstill. A manifest opens it and holds each file's SHA-256.

A restore checks everything before it touches anything: the manifest, then every promise that `state verify` knows. What
was there is set aside. The state comes back under a revision and event numbers higher than those that were there, so no
program takes it for something that it has seen. Two things do not come back: the outbox, since a command or a notice of
the past must not leave now; and the metric store, unless the one there is missing or broken, since it observed more.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn

from deployguard.codec import JSON, foreign
from deployguard.errors import Code, DeployguardError, fail
from deployguard.state import Actor, Draft, State
from deployguard.store import damage
from deployguard.store.chain import survey
from deployguard.store.document import DamagedError, NewerError, decode
from deployguard.store.files import WAIT_S, FileStore
from deployguard.store.layout import FILE_MODE, FOLDER_MODE, Layout, free_name, read_bytes, sync_folder, write_synced
from deployguard.store.owner import Owner
from deployguard.store.verify import metrics_problem, open_metrics, verify

FORMAT = 1
_MANIFEST = "manifest.json"
_PLAIN = ("state.json", "audit.jsonl", "metrics.sqlite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was made, or brought back. `aside`: the folder with what a restore replaced."""

    file: Path
    revision: int
    events: int
    bytes: int
    aside: Path | None = None


def backup(folder: Path, environment: str, file: str | Path | None, now: datetime) -> Backup:
    """Write `file`, by default `backup-TIME.tar` in the state folder. Raises where there is nothing to save.

    Reports are taken from the state folder; those in a folder that the config names are the user's.
    """
    store = FileStore(folder, environment, owner=Owner.here(doing="state backup"))
    layout = store.layout
    target = Path(file) if file is not None else layout.folder / f"backup-{now.strftime(damage.STAMP)}.tar"
    beside = target.with_name(f"{target.name}.new")
    with damage.reading(layout):
        if read_bytes(layout.state) is None and read_bytes(layout.log) is None:
            raise fail(
                Code.NOT_ALLOWED_NOW,
                f"there is no state of {environment} to back up",
                where=str(layout.home),
                now="nothing was written",
            )
    try:
        if target.exists():
            raise fail(
                Code.USAGE,
                f"{target} is there already",
                wanted="the name of a new file",
                now="nothing was written",
            )
        with store.lock.held(WAIT_S):
            made = _pack(store, beside, now)
        beside.replace(target)
        sync_folder(target.parent)
        return replace(made, file=target, bytes=target.stat().st_size)
    except OSError as error:
        raise fail(
            Code.STATE_LOCKED,
            f"the backup of {environment} cannot be written",
            where=str(error.filename or target),
            found=damage.os_words(error),
            wanted="a place that this user can write, with room on its disk",
            now="nothing was written",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _pack(store: FileStore, target: Path, now: datetime) -> Backup:
    layout = store.layout
    state, log = store.copy()
    members = {"state.json": state, "audit.jsonl": log}
    # A metric store that sqlite does not trust is left out, for it can be observed anew.
    with contextlib.suppress(sqlite3.Error), open_metrics(layout.metrics) as connection:
        members["metrics.sqlite"] = connection.serialize()
    if layout.reports.is_dir():
        reports = (path for path in sorted(layout.reports.iterdir()) if path.is_file())
        members |= {f"reports/{path.name}": path.read_bytes() for path in reports}
    document = decode(state, layout.environment)
    manifest = {
        "format": FORMAT,
        "environment": layout.environment,
        "time": now.isoformat(),
        "revision": document.state.revision,
        "events": log.count(b"\n"),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    }
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(fd, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, content in ({_MANIFEST: json.dumps(manifest, indent=2).encode()} | members).items():
                info = tarfile.TarInfo(f"{layout.environment}/{name}")
                info.mode, info.mtime, info.size = FILE_MODE, int(now.timestamp()), len(content)
                tar.addfile(info, BytesIO(content))
        file.flush()
        os.fsync(file.fileno())
    return Backup(file=target, revision=document.state.revision, events=log.count(b"\n"), bytes=0)


def restore(
    folder: Path, environment: str, file: str | Path, actor: Actor, reason: str | None, now: datetime
) -> Backup:
    """Bring a backup back. Raises before anything is changed where it cannot be trusted or is another's."""
    store = FileStore(folder, environment, owner=Owner.here(doing="state restore"))
    layout = store.layout
    source = Path(file)
    try:
        opened = source.open("rb")
    except OSError as error:
        raise fail(
            Code.USAGE,
            f"there is no backup {source}" if isinstance(error, FileNotFoundError) else f"{source} cannot be read",
            where="argument FILE",
            found=damage.os_words(error),
            wanted="a file that state backup wrote",
            now="nothing was changed",
        ) from error
    with opened, damage.writing(layout):
        layout.make()
        with tempfile.TemporaryDirectory(dir=layout.folder, prefix=".restore-") as scratch:
            checked = Layout(Path(scratch), environment)
            _unpack(source, opened, checked)
            with store.lock.held(WAIT_S):
                return _replaced(store, checked, source, actor, reason, now)


def _unpack(source: Path, file: BinaryIO, to: Layout) -> None:
    """The backup's files under `to`, each as the manifest says, all of them together a state that verifies."""
    to.home.mkdir(mode=FOLDER_MODE)
    to.reports.mkdir(mode=FOLDER_MODE)
    try:
        if not tarfile.is_tarfile(file):
            raise fail(
                Code.USAGE,
                "this is no backup",
                where=str(source),
                found="a file that is no tar",
                wanted="what state backup wrote",
                now="nothing was changed",
            )
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            manifest = _manifest(tar, source, to.environment)
            for name, digest in manifest["files"].items():
                member = tar.extractfile(f"{to.environment}/{name}")
                if not _known(name) or member is None:
                    _refuse(source, f"{name}, which is no file of a state")
                content = member.read()
                if hashlib.sha256(content).hexdigest() != digest:
                    _refuse(source, f"{name}, which is not as it was saved")
                write_synced(to.home / name, content, exclusive=True)
    except (tarfile.TarError, KeyError, ValueError, AttributeError, EOFError):
        _refuse(source, "no backup of ours, or a part of one")
    wrong = [finding for finding in verify(to.folder, to.environment) if not finding.ok]
    if wrong:
        _refuse(source, f"a state that does not verify: {wrong[0].found}")


def _manifest(tar: tarfile.TarFile, source: Path, environment: str) -> JSON:
    first = tar.next()
    file = tar.extractfile(first) if first is not None else None
    if first is None or file is None or PurePosixPath(first.name).name != _MANIFEST:
        _refuse(source, "no manifest at its beginning")
    manifest: JSON = foreign(file.read())
    if manifest["environment"] != environment:
        _refuse(source, f"the state of {manifest['environment']}")
    if manifest["format"] > FORMAT:
        _refuse(source, f"format {manifest['format']}, of a newer deployguard")
    return manifest


def _known(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name in _PLAIN or (len(parts) == 2 and parts[0] == "reports" and parts[1] not in (".", ".."))


def _refuse(source: Path, found: str) -> NoReturn:
    raise fail(
        Code.STATE_DAMAGED,
        "the backup cannot be restored",
        where=str(source),
        found=found,
        wanted="a backup of this environment, whole",
        now="nothing was changed",
    )


def _replaced(
    store: FileStore, checked: Layout, source: Path, actor: Actor, reason: str | None, now: datetime
) -> Backup:
    layout = store.layout
    saved = decode(checked.state.read_bytes(), layout.environment).state
    there = _there(layout)
    last = survey(layout.log).last
    seq = 1 + max(saved.head.seq, there.head.seq if there else 0, last.seq if last else 0)
    revision = 1 + max(saved.revision, there.revision if there else 0, last.revision if last else 0)
    data = {"from": there.revision if there else None, "to": revision, "file": source.name}
    draft = Draft(type="state.restored", actor=actor, reason=reason, data=data)
    document = read_bytes(layout.state)
    aside = _aside(layout, now)
    checked.log.replace(layout.log)
    try:
        state = store.replace_document(replace(saved, revision=revision, outbox=()), (draft,), now, first_seq=seq)
    except DeployguardError:
        if read_bytes(layout.state) == document:  # no room for it: its log goes again, too
            _put_back(layout, aside)
        raise
    with damage.writing(layout, now="the state is restored, its figures and reports are not"):
        _bring_back_the_rest(layout, checked, aside)
    events = sum(1 for _ in store.events())
    return Backup(file=source, revision=state.revision, events=events, bytes=source.stat().st_size, aside=aside)


def _put_back(layout: Layout, aside: Path | None) -> None:
    """Undo the half of a restore that was done: needs no room."""
    layout.log.unlink()
    if aside is not None:
        with contextlib.suppress(FileNotFoundError):
            (aside / layout.log.name).replace(layout.log)
        shutil.rmtree(aside)
    sync_folder(layout.home)


def _there(layout: Layout) -> State | None:
    """What is there now, where it can be read at all."""
    raw = read_bytes(layout.state)
    with contextlib.suppress(DamagedError, NewerError):
        return decode(raw, layout.environment).state if raw else None
    return None


def _aside(layout: Layout, now: datetime) -> Path | None:
    """A folder with what is about to be replaced, by a second name of the same files: nothing is moved away yet."""
    present = [path for path in (layout.state, layout.log) if path.exists()]
    if not present:
        return None
    aside = free_name(layout.home / f"before-restore-{now.strftime(damage.STAMP)}")
    aside.mkdir(mode=FOLDER_MODE)
    for path in present:
        os.link(path, aside / path.name)
    sync_folder(aside)
    sync_folder(layout.home)
    return aside


def _bring_back_the_rest(layout: Layout, checked: Layout, aside: Path | None) -> None:
    """The metric store where there is none to trust, and reports that are gone. The state stands already."""
    if checked.metrics.exists() and (not layout.metrics.exists() or metrics_problem(layout.metrics) is not None):
        for path in (layout.metrics, *(layout.home / f"{layout.metrics.name}{ending}" for ending in ("-wal", "-shm"))):
            if path.exists():
                path.replace((aside or layout.home) / f"{path.name}.damaged")
        checked.metrics.replace(layout.metrics)
    for report in sorted(checked.reports.iterdir()):
        if not (layout.reports / report.name).exists():
            layout.reports.mkdir(mode=FOLDER_MODE, exist_ok=True)
            report.replace(layout.reports / report.name)
    sync_folder(layout.home)
