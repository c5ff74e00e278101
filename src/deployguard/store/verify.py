"""`state verify`: each promise that the state folder makes, checked against what lies there.

The log is read once from the beginning: every line against its hash, each against the one before, all of them folded.
What comes out must be what `state.json` says.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from errno import ENOTDIR
from pathlib import Path

from deployguard.codec import to_json
from deployguard.errors import DeployguardError
from deployguard.outbox import LIMIT
from deployguard.state import SECTIONS, EffectKind, State
from deployguard.store import damage
from deployguard.store.chain import Survey, survey
from deployguard.store.damage import Finding, broken, kept
from deployguard.store.document import Document
from deployguard.store.files import FileStore
from deployguard.store.layout import Layout
from deployguard.store.locks import ControllerLock, DeployLock

_SHOWN = 3  # of many alike


def verify(folder: Path, environment: str) -> tuple[Finding, ...]:
    """Every promise about the environment's files. Changes nothing; one finding where there is nothing yet."""
    layout = Layout(Path(folder), environment)
    found: list[Finding] = []
    try:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(layout.home.stat().st_mode):
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(layout.home))
            found.extend(_findings(layout))
    except OSError as error:
        found.append(broken("files", f"{error.filename} cannot be read: {damage.os_words(error)}"))
    return tuple(found) or (kept("state", "none yet; the first change creates it"),)


def _findings(layout: Layout) -> Iterator[Finding]:
    restore = f"deployguard state restore FILE --env {layout.environment}"
    document: Document | None = None
    try:
        document = FileStore(layout.folder, layout.environment).document()
    except DeployguardError as error:
        yield damage.broken_state(error)
    else:
        state = document.state
        yield kept("state", f"revision {state.revision}, schemaVersion {state.schema_version}")
        yield _outbox(state)
    found = survey(layout.log, document.pending if document else ())
    yield _chain(found, restore)
    if document is not None:
        yield _fold(document.state, found, restore)
    yield _permissions(layout)
    yield _metrics(layout)
    yield _locks(layout)


def _chain(found: Survey, restore: str) -> Finding:
    wrong = [*found.broken, *found.open_gaps.values()]
    if found.torn:
        wrong.append(f"{found.torn:,} bytes at the end make no line, and the last commit's events do not cover them")
    if wrong:
        return broken("log", _some(wrong), restore)
    told = f"; {len(found.accepted)} gaps told by a repair" if found.accepted else ""
    head = f", head {found.last.hash[:8]}" if found.last else ""
    return kept("log", f"{found.events:,} events, chain whole{head}{told}")


def _fold(state: State, found: Survey, restore: str) -> Finding:
    """State is the fold of its events, the head is the last event, and no event is of a later revision."""
    wrong = []
    tree = to_json(state)
    for section in SECTIONS:
        has, folded = tree[section], found.tree.get(section) or {}
        wrong += [f"{section}.{key}" for key in sorted(has.keys() | folded.keys()) if has.get(key) != folded.get(key)]
    if tree["config"] != found.tree.get("config"):
        wrong.append("config")
    if wrong:
        return broken("fold", f"state.json is not what its events say: {_some(wrong)}", restore)
    last = found.last
    if last is not None and (last.seq, last.hash) != (state.head.seq, state.head.hash):
        return broken("fold", f"the log ends with event {last.seq}, not {state.head.seq}")
    if last is not None and last.revision > state.revision:
        return broken("fold", f"event {last.seq} is of a later revision, {last.revision}")
    return kept("fold", "state.json is the fold of its events")


def _outbox(state: State) -> Finding:
    ids = [effect.id for effect in state.outbox]
    notices = sum(1 for effect in state.outbox if effect.kind is EffectKind.NOTIFY)
    if len(set(ids)) < len(ids) or notices > LIMIT:
        return broken("outbox", f"{len(ids):,} effects, of which {len(set(ids)):,} differ")
    return kept("outbox", f"{len(ids):,} effects wait" if ids else "empty")


def _permissions(layout: Layout) -> Finding:
    """Folders 0700, files 0600: nothing for the group and others. What a person put there counts too."""
    wide = []
    for path in (layout.home, *sorted(layout.home.rglob("*"))):
        with contextlib.suppress(FileNotFoundError):  # a lock's or sqlite's own, gone by now
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                wide.append(f"{path.name} {stat.S_IMODE(mode):04o}")
    if wide:
        return broken("permissions", f"open to others: {_some(wide)}", f"chmod -R u=rwX,go= {layout.home}")
    return kept("permissions", "folders 0700, files 0600")


def _metrics(layout: Layout) -> Finding:
    if not layout.metrics.exists():
        return kept("metrics", "none yet")
    problem = metrics_problem(layout.metrics)
    if problem is not None:
        # Figures are observed anew: the guard waits for data, and no decision is lost.
        return broken("metrics", f"metrics.sqlite: {problem}", f"mv {layout.metrics} {layout.home}/metrics.damaged")
    return kept("metrics", "metrics.sqlite passes its integrity check")


def metrics_problem(path: Path) -> str | None:
    """Why sqlite does not trust the metric store; None where it does."""
    try:
        with open_metrics(path) as connection:
            answer = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        return str(error)
    return None if answer == ["ok"] else "; ".join(answer)


@contextlib.contextmanager
def open_metrics(path: Path) -> Iterator[sqlite3.Connection]:
    """The metric store for reading. Raises sqlite3.Error.

    Where the disk is full or the folder read-only, sqlite has no room for its own files: the file as it stands is all
    there is.
    """
    for how in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.execute("PRAGMA user_version")
            except sqlite3.OperationalError as error:
                if "immutable" in how or error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                continue
            yield connection
            return


def _locks(layout: Layout) -> Finding:
    """Who holds what now. A file that is left behind holds nothing, so nothing here can be broken."""
    held = []
    controller = ControllerLock(layout.folder, layout.environment).read()
    if controller is not None and controller.held:
        held.append(f"controller {controller.name}, pid {controller.pid}")
    lease = DeployLock(layout.folder, layout.environment).read()
    if lease is not None and lease.held:
        held.append(f"deploy {lease.release_id} by {lease.name}, pid {lease.pid}")
    return kept("locks", "; ".join(held) or "none is held")


def _some(many: list[str]) -> str:
    more = f" and {len(many) - _SHOWN} more" if len(many) > _SHOWN else ""
    return ", ".join(many[:_SHOWN]) + more
