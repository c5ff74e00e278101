"""A state that cannot be read, made again from the audit log: what an emergency does first.

The state is the fold of its events, so the log alone is enough for everything but the outbox: what was waiting to
leave is gone. Where it is the log that was damaged, every line that still holds is kept, and one event,
`state.repaired`, says what is missing and carries what the lost events had changed. What was there is set aside.
"""

import contextlib
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from deployguard.codec import from_json
from deployguard.errors import DeployguardError
from deployguard.state import SCHEMA_VERSION, SECTIONS, Actor, Draft, LogHead, State, Via, changes
from deployguard.store import damage
from deployguard.store.chain import Survey, good_lines, lacking_lines
from deployguard.store.document import DamagedError, Document, NewerError, decode, pending_lines
from deployguard.store.files import EMERGENCY_WAIT_S, FileStore
from deployguard.store.layout import Layout, read_bytes, replace_synced, sync_folder
from deployguard.store.owner import Owner

_REVISION = re.compile(rb'"revision":(\d{1,15})[,}]')


def rebuild(
    folder: Path, environment: str, now: datetime, actor: Actor | None = None, *, wait_s: float = EMERGENCY_WAIT_S
) -> State:
    """Make the environment's state readable and writable again. Where it is, nothing is changed.

    Raises `state-newer` (a later deployguard's state is not damaged) and `state-locked`.
    """
    store = FileStore(folder, environment, owner=Owner.here(doing="state repair"))
    layout = store.layout
    with damage.writing(layout):
        layout.make()
        with store.lock.held(wait_s):
            with contextlib.suppress(DeployguardError):
                return store.read()
            return _rebuilt(store, now, actor or Actor(name=Owner.here().name, via=Via.CLI))


def _rebuilt(store: FileStore, now: datetime, actor: Actor) -> State:
    layout = store.layout
    raw = read_bytes(layout.state) or b""
    document = _document(layout, raw)
    aside = [damage.set_aside(path, now) for path in (layout.state, layout.log)]
    found = Survey()
    lines = [*good_lines(layout.log, found), *lacking_lines(_salvaged(raw, document), found)]
    folded = state_of(found, layout.environment)
    known = document.state if document and found.last and document.state.head.seq >= found.last.seq else None
    state = known or folded
    seq = max(found.last.seq if found.last else 0, document.state.head.seq if document else 0)
    revision = max((state.revision, *(int(number) for number in _REVISION.findall(raw[: raw.find(b"\n") + 1 or None]))))
    draft = Draft(
        type="state.repaired",
        actor=actor,
        data={
            "from": document.state.revision if document else None,
            "to": revision + 1,
            "file": ", ".join(path.name for path in aside if path) or None,
            "lost": [*found.broken, *([f"{found.torn} bytes at the end"] if found.torn else [])],
            "gaps": sorted(found.open_gaps),
        },
        set=changes(folded, state),
    )
    replace_synced(layout.log, b"".join(lines))
    sync_folder(layout.home)
    head = LogHead(seq=found.last.seq, hash=found.last.hash) if found.last else LogHead()
    state = replace(state, revision=revision + 1, head=head, schema_version=SCHEMA_VERSION)
    return store.replace_document(state, (draft,), now, first_seq=seq + 1)


def state_of(found: Survey, environment: str) -> State:
    """The state that a surveyed log folds to. Where a value in it is none of ours, an empty state: everything off."""
    tree = {section: found.tree.get(section) or {} for section in SECTIONS}
    try:
        state = from_json(State, {**tree, "config": found.tree.get("config"), "environment": environment})
    except ValueError:
        state = State(environment=environment)
    if found.last is None:
        return state
    head = LogHead(seq=found.last.seq, hash=found.last.hash, time=found.last.time)
    return replace(state, revision=found.last.revision, head=head)


def _document(layout: Layout, raw: bytes) -> Document | None:
    try:
        return decode(raw, layout.environment) if raw else None
    except NewerError as error:
        raise damage.newer(layout, error) from error
    except DamagedError:
        return None


def _salvaged(raw: bytes, document: Document | None) -> tuple[bytes, ...]:
    """The last commit's events as the document, good or not, still has them: each line proves itself."""
    if document is not None:
        return document.pending
    return tuple(line for line in pending_lines(raw.split(b"\n")) if line.startswith(b"{"))
