"""`state verify`: each promise that the state folder makes, checked against what lies there.

The log is read once from the beginning: every line against its hash, each against the one before, all of them folded.
What comes out must be what `state.json` says.
"""

import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployguard.codec import to_json
from deployguard.errors import DeployguardError
from deployguard.outbox import LIMIT
from deployguard.state import SECTIONS, EffectKind, State
from deployguard.store.document import Document, decode
from deployguard.store.files import FileStore
from deployguard.store.layout import Layout, read_bytes
from deployguard.store.locks import ControllerLock, DeployLock
from deployguard.store.survey import Survey, survey

_SHOWN = 3  # of many alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One promise: kept or not, in words; `mend` is a command that can be pasted."""

    subject: str
    ok: bool
    found: str
    mend: str | None = None


def verify(folder: Path, environment: str) -> tuple[Finding, ...]:
    """Every promise about the environment's files. Changes nothing; one finding where there is nothing yet."""
    layout = Layout(Path(folder), environment)
    if not layout.home.is_dir():
        return (Finding(subject="state", ok=True, found="none yet; the first change creates it"),)
    return tuple(_findings(layout))


def _findings(layout: Layout) -> Iterator[Finding]:
    restore = f"deployguard state restore FILE --env {layout.environment}"
    document: Document | None = None
    try:
        FileStore(layout.folder, layout.environment).read()
        document = _document(layout)
    except DeployguardError as error:
        problem = error.problem
        mend = problem.next[0].command if problem.next else None
        yield Finding(subject="state", ok=False, found=f"{problem.message}: {problem.found}", mend=mend)
    else:
        state = document.state
        yield Finding(
            subject="state", ok=True, found=f"revision {state.revision}, schemaVersion {state.schema_version}"
        )
        yield _outbox(state)
    found = survey(layout.log, document.pending if document else ())
    yield _chain(found, restore)
    if document is not None:
        yield _fold(document.state, found, restore)
    yield _permissions(layout)
    yield _metrics(layout)
    yield _locks(layout)


def _document(layout: Layout) -> Document:
    raw = read_bytes(layout.state)
    return Document(State(environment=layout.environment)) if raw is None else decode(raw, layout.environment)


def _chain(found: Survey, restore: str) -> Finding:
    wrong = [*found.broken, *found.open_gaps.values()]
    if found.torn:
        wrong.append(f"{found.torn:,} bytes at the end make no line, and the last commit's events do not cover them")
    if wrong:
        return Finding(subject="log", ok=False, found=_some(wrong), mend=restore)
    told = f"; {len(found.accepted)} gaps told by a repair" if found.accepted else ""
    head = f", head {found.last.hash[:8]}" if found.last else ""
    return Finding(subject="log", ok=True, found=f"{found.events:,} events, chain whole{head}{told}")


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
        return Finding(
            subject="fold", ok=False, found=f"state.json is not what its events say: {_some(wrong)}", mend=restore
        )
    last = found.last
    if last is not None and (last.seq, last.hash) != (state.head.seq, state.head.hash):
        return Finding(subject="fold", ok=False, found=f"the log ends with event {last.seq}, not {state.head.seq}")
    if last is not None and last.revision > state.revision:
        return Finding(subject="fold", ok=False, found=f"event {last.seq} is of a later revision, {last.revision}")
    return Finding(subject="fold", ok=True, found="state.json is the fold of its events")


def _outbox(state: State) -> Finding:
    ids = [effect.id for effect in state.outbox]
    notices = sum(1 for effect in state.outbox if effect.kind is EffectKind.NOTIFY)
    if len(set(ids)) < len(ids) or notices > LIMIT:
        return Finding(subject="outbox", ok=False, found=f"{len(ids):,} effects, of which {len(set(ids)):,} differ")
    return Finding(subject="outbox", ok=True, found=f"{len(ids):,} effects wait" if ids else "empty")


def _permissions(layout: Layout) -> Finding:
    """Folders 0700, files 0600: nothing for the group and others. What a person put there counts too."""
    wide = [
        path
        for path in (layout.home, *sorted(layout.home.rglob("*")))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if wide:
        names = [f"{path.name} {stat.S_IMODE(path.stat().st_mode):04o}" for path in wide]
        return Finding(
            subject="permissions",
            ok=False,
            found=f"open to others: {_some(names)}",
            mend=f"chmod -R u=rwX,go= {layout.home}",
        )
    return Finding(subject="permissions", ok=True, found="folders 0700, files 0600")


def _metrics(layout: Layout) -> Finding:
    problem = metrics_problem(layout.metrics)
    if not layout.metrics.exists():
        return Finding(subject="metrics", ok=True, found="none yet")
    if problem is not None:
        # Figures are observed anew: the guard waits for data, and no decision is lost.
        return Finding(
            subject="metrics",
            ok=False,
            found=f"metrics.sqlite: {problem}",
            mend=f"mv {layout.metrics} {layout.home}/metrics.damaged",
        )
    return Finding(subject="metrics", ok=True, found="metrics.sqlite passes its integrity check")


def metrics_problem(path: Path) -> str | None:
    """Why sqlite does not trust the metric store; None where it does, or where there is none."""
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            answer = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return None if answer == ["ok"] else "; ".join(answer)


def _locks(layout: Layout) -> Finding:
    """Who holds what now. A file that is left behind holds nothing, so nothing here can be broken."""
    held = []
    controller = ControllerLock(layout.folder, layout.environment).read()
    if controller is not None and controller.held:
        held.append(f"controller {controller.name}, pid {controller.pid}")
    lease = DeployLock(layout.folder, layout.environment).read()
    if lease is not None and lease.held:
        held.append(f"deploy {lease.release_id} by {lease.name}, pid {lease.pid}")
    return Finding(subject="locks", ok=True, found="; ".join(held) or "none is held")


def _some(many: list[str]) -> str:
    more = f" and {len(many) - _SHOWN} more" if len(many) > _SHOWN else ""
    return ", ".join(many[:_SHOWN]) + more
