"""The state in files: how one commit becomes a fact.

Under the lock: read the document; see that the log ends with its pending events, append what is missing. Then the
document is replaced: the next one is written beside it, fsynced, renamed over it, the folder fsynced. It carries its
own events, which are appended to the log last. So at every moment the document is the old one or the new one, whole;
every event is on the disk in the log or in the document; and a process that dies on any line leaves the next one a log
to complete and nothing to undo.

The append itself is not fsynced. Events stand in the document until the log is: that is before they would make the
document longer by more than 8 KB. So commits that follow each other closely share one fsync of the log.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deployguard.codec import JSON
from deployguard.errors import Code, fail
from deployguard.guard.clock import steady
from deployguard.state import SCHEMA_VERSION, Actor, Change, Draft, Event, LogHead, State, Via, changes
from deployguard.store import damage
from deployguard.store.chain import seal, unseal
from deployguard.store.document import DamagedError, Document, NewerError, decode, encode
from deployguard.store.layout import FILE_MODE, Layout, read_bytes, replace_synced, sync_folder, write_all
from deployguard.store.log import AuditLog, Tail, open_log, tail
from deployguard.store.owner import Owner
from deployguard.store.state_lock import StateLock

WAIT_S = 10.0
EMERGENCY_WAIT_S = 30.0
READ_AGAIN = 10  # times, where commits keep coming between the two looks of a read

PENDING_BYTES = 8 * 1024
"""How much of the log's end the document carries before the log is fsynced."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a writer found: the document, the log's descriptor, and what was cut off the log to mend it."""

    document: Document
    log: int
    repaired: JSON | None


class FileStore:
    """One environment's state under `folder`. `on_wait` is told for whom a commit waits, after a second."""

    def __init__(
        self,
        folder: Path,
        environment: str,
        *,
        owner: Owner | None = None,
        on_wait: Callable[[str], None] | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self.environment = environment
        self.layout = Layout(Path(folder), environment)
        self.lock = StateLock(self.layout, owner, on_wait)
        self._wait_s = wait_s
        self._log = AuditLog(self.layout.log)
        self._last: tuple[bytes, Document] | None = None

    def read(self) -> State:
        """The last commit; an empty state where nobody touched the environment. Creates nothing."""
        return self.document().state

    def document(self) -> Document:
        """The last commit with its pending events, as it stands in the file."""
        return self._read()[0]

    def commit(self, base: State, change: Change, now: datetime) -> tuple[State, tuple[Event, ...]]:
        """Write `change`, made from `base`. Raises `revision-changed` where another commit got in between."""
        if _writes_nothing(base, change):
            return base, ()
        with self._writing(self._wait_s), self._open() as opened:
            return self._commit(base, change, now, opened)

    def update(
        self, decide: Callable[[State], Change], now: datetime, *, wait_s: float | None = None
    ) -> tuple[State, tuple[Event, ...]]:
        """Read, decide and commit under the lock, waiting at most `wait_s` seconds for it."""
        with self._writing(self._wait_s if wait_s is None else wait_s), self._open() as opened:
            state = opened.document.state
            change = decide(state)
            return (state, ()) if _writes_nothing(state, change) else self._commit(state, change, now, opened)

    def events(self, *, after: int = 0, newest_first: bool = False) -> Iterator[Event]:
        """The events behind number `after`; those of the last commit also where the log lacks them yet."""
        if after and not newest_first:
            yield from reversed(tuple(self.events(after=after, newest_first=True)))
            return
        document, end = self._read()
        pending = [event for event in map(unseal, document.pending) if event.seq > after]
        oldest = pending[0].seq if pending else None
        if newest_first:
            yield from reversed(pending)
        for event in self._log.backwards(after, end.good) if newest_first else self._log.forwards(end.good):
            if oldest is None or event.seq < oldest:
                yield event
        if not newest_first:
            yield from pending

    def event(self, seq: int) -> Event | None:
        """The event with this number, or None."""
        found = next((event for event in self.events(newest_first=True) if event.seq <= seq), None)
        return found if found is not None and found.seq == seq else None

    def copy(self) -> tuple[bytes, bytes]:
        """The document and the whole log that belongs to it, as bytes. The caller holds the lock."""
        document, end = self._read()
        log = (read_bytes(self.layout.log) or b"")[: end.good]
        if end.behind:
            log += b"".join(line + b"\n" for line in document.pending)
        return encode(document), log

    def replace_document(self, state: State, drafts: tuple[Draft, ...], now: datetime, *, first_seq: int) -> State:
        """Put `state` in the place of whatever is there, behind the log as it lies. For restore and recover alone.

        The caller holds the lock, has set aside what was there, and has fsynced the log.
        """
        events, lines = seal(
            drafts, state.head, environment=self.environment, revision=state.revision, now=now, first_seq=first_seq
        )
        state = replace(
            state, environment=self.environment, head=LogHead(seq=events[-1].seq, hash=events[-1].hash, time=now)
        )
        size = self.layout.log.stat().st_size if self.layout.log.exists() else 0
        log = os.open(self.layout.log, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            self._write(state, (), lines, size, log)
        finally:
            os.close(log)
        return state

    def _read(self) -> tuple[Document, Tail]:
        """The document with the log's end as it belongs to it. Raises `state-damaged` where it does not."""
        document = Document(State(environment=self.environment))
        for _ in range(READ_AGAIN):
            with damage.reading(self.layout):
                raw = read_bytes(self.layout.state)
                with open_log(self.layout.log) as log:
                    document = self._decode(raw)
                    end = tail(log, document)
                if end.newer is None and end.lost is None:
                    return document, end
                if read_bytes(self.layout.state) == raw:
                    raise damage.foreign_log(self.layout, end, document.state)
            # Another commit came between the two looks: look again.
        return document, Tail(document.log_bytes)

    def _decode(self, raw: bytes | None) -> Document:
        if raw is None:
            return Document(State(environment=self.environment))
        if self._last is not None and self._last[0] == raw:
            return self._last[1]
        try:
            document = decode(raw, self.environment)
        except DamagedError as error:
            raise damage.damaged(self.layout, error) from error
        except NewerError as error:
            raise damage.newer(self.layout, error) from error
        self._last = (raw, document)
        return document

    @contextlib.contextmanager
    def _writing(self, wait_s: float) -> Iterator[None]:
        """The folder and the lock."""
        with damage.writing(self.layout):
            self.layout.make()
            lock = self.lock.take(wait_s)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Opened]:
        """The document and the log, its end completed."""
        document, end = self._read()
        repaired: JSON | None = None
        with damage.writing(self.layout):
            log = os.open(self.layout.log, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            if end.garbled:
                aside = damage.set_aside(self.layout.log, datetime.now(UTC))
                repaired = {"from": os.fstat(log).st_size, "to": end.good, "file": aside.name if aside else None}
            if end.behind:  # cut off what is no line, and append what a process that died did not
                with damage.writing(self.layout):
                    os.ftruncate(log, end.good)
                    write_all(log, b"".join(line + b"\n" for line in document.pending), end.good)
            yield _Opened(document, log, repaired)
        finally:
            os.close(log)

    def _commit(self, base: State, change: Change, now: datetime, opened: _Opened) -> tuple[State, tuple[Event, ...]]:
        document, log = opened.document, opened.log
        current = document.state
        if current.revision != base.revision:
            raise fail(
                Code.REVISION_CHANGED,
                f"the state of {self.environment} was changed by another",
                where=str(self.layout.state),
                found=f"revision {current.revision}",
                wanted=f"revision {base.revision}, which this change was made from",
                now="nothing was changed",
            )
        revision = current.revision + 1
        now = steady(
            current.head.time, now
        )  # the log's times never run back by the seconds that a clock is corrected by
        drafts = (*change.events, *self._upkeep(opened, change))
        events, lines = seal(drafts, current.head, environment=self.environment, revision=revision, now=now)
        last = (events[-1].seq, events[-1].hash) if events else (current.head.seq, current.head.hash)
        kept = {effect.id for effect in change.state.outbox}
        state = replace(
            change.state,
            schema_version=SCHEMA_VERSION,
            environment=self.environment,
            revision=revision,
            outbox=(*change.state.outbox, *(effect for effect in change.effects if effect.id not in kept)),
            head=LogHead(seq=last[0], hash=last[1], time=now),
        )
        earlier = document.pending
        if sum(map(len, (*earlier, *lines))) > PENDING_BYTES and earlier:
            with damage.writing(self.layout):
                os.fsync(log)
            earlier = ()
        self._write(state, earlier, lines, document.log_bytes, log)
        return state, events

    def _upkeep(self, opened: _Opened, change: Change) -> tuple[Draft, ...]:
        """What this commit mends beside its own purpose, told behind its own events."""
        actor = change.events[-1].actor if change.events else Actor(name="deployguard", via=Via.CONTROLLER)
        told: list[Draft] = []
        if opened.document.version != SCHEMA_VERSION:
            data = {"from": opened.document.version, "to": SCHEMA_VERSION, "file": self.layout.state.name}
            told.append(Draft(type="state.migrated", actor=actor, data=data))
        if opened.repaired is not None:
            told.append(Draft(type="state.repaired", actor=actor, data=opened.repaired))
        return tuple(told)

    def _write(
        self, state: State, earlier: tuple[bytes, ...], lines: tuple[bytes, ...], log_bytes: int, log: int
    ) -> None:
        """The atomic replace, then the append of `lines`. `earlier` events stand in the log, not yet fsynced."""
        appended = b"".join(line + b"\n" for line in lines)
        document = Document(state, (*earlier, *lines), log_bytes + len(appended))
        raw = encode(document)
        layout = self.layout
        with damage.writing(layout):
            replace_synced(layout.state, raw)
        self._last = (raw, document)
        with damage.writing(layout, now="the change stands, but a power cut now could take it back"):
            sync_folder(layout.home)
        # From here on the change is a fact. What cannot be appended now stands in the document, and the next commit
        # appends it, or says that it cannot.
        with contextlib.suppress(OSError):
            write_all(log, appended, log_bytes)


def _writes_nothing(base: State, change: Change) -> bool:
    """No event, nothing to send. Raises ValueError for a change of the state that no event tells: a bug of ours."""
    if change.events:
        return False
    untold = changes(base, change.state)
    if untold:
        raise ValueError(f"a change without its event: {', '.join(sorted(untold))}")
    return change.state.outbox == base.outbox and not change.effects
