"""`audit.jsonl`, read: forwards from its beginning, or backwards from its end.

Numbers rise from line to line, and what is asked for by its number is new: it is looked for from the end, so nothing
that a command asks costs more because the history is long. The last line may be cut where a process died while it
appended: the document's pending events cover it, so it is passed over.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deployguard.errors import Code, DeployguardError, Offer, Place, fail
from deployguard.state import Event
from deployguard.store.chain import ENDING_BYTES, BrokenLineError, claimed_hash, unseal
from deployguard.store.document import Document

BLOCK = 64 * 1024
_FOREIGN = 1024 * 1024  # more than this behind the last commit is not a torn line


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[int | None]:
    """The log for reading; None where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


class Tail(NamedTuple):
    """How the log's end stands to the document. `good` is where the last whole, known event ends, in bytes."""

    good: int
    behind: bool = False  # pending events are missing, or cut
    garbled: bool = False  # what stands behind `good` is not ours
    lost: str | None = None  # events are gone: why
    newer: int | None = None  # it holds events that the document does not know, up to this number


def tail(fd: int | None, document: Document) -> Tail:
    """Compare the log's end with the document: one look at the last bytes where all is well."""
    size = os.fstat(fd).st_size if fd is not None else 0
    before, head = document.log_bytes_before, document.state.head.hash
    if size == document.log_bytes and _hash_at(fd, size) == head:
        return Tail(size)
    previous = unseal(document.pending[0]).previous_hash if document.pending else head
    if size < before:
        return Tail(size, lost=f"audit.jsonl ends after {size:,} of {before:,} bytes")
    if _hash_at(fd, before) != previous:
        return Tail(before, lost=f"at byte {before:,} no event ends, where the last commit found one")
    rest = os.pread(fd, min(size - before, document.log_bytes - before + _FOREIGN), before) if fd is not None else b""
    covered = b"".join(line + b"\n" for line in document.pending)
    if len(rest) < size - before:
        return Tail(before, lost=f"{size - before:,} bytes that are not ours follow event {document.state.head.seq}")
    newest = max((event.seq for event in _whole(rest)), default=0)
    if newest > document.state.head.seq:
        return Tail(before, newer=newest)
    return Tail(before, behind=True, garbled=not covered.startswith(rest))


def _hash_at(fd: int | None, end: int) -> str | None:
    """The hash of the line that ends at byte `end`; empty for the file's beginning."""
    if end == 0:
        return ""
    return claimed_hash(os.pread(fd, ENDING_BYTES, max(0, end - ENDING_BYTES))) if fd is not None else None


def _whole(rest: bytes) -> Iterator[Event]:
    for line in rest.split(b"\n")[:-1]:
        try:
            yield unseal(line)
        except BrokenLineError:
            continue


class AuditLog:
    """The lines of one environment's log. Every event is checked against its hash as it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def forwards(self, end: int) -> Iterator[Event]:
        """The events before byte `end`, oldest first. Raises `chain-broken` at a line that is not what was written."""
        with open_log(self._path) as fd:
            if fd is None:
                return
            offset, last = 0, 0
            with os.fdopen(os.dup(fd), "rb") as file:
                file.seek(0)
                while offset < end:
                    line = file.readline()
                    event = self._event(line, offset)
                    if event.seq <= last:
                        raise self._broken(offset, f"event {event.seq} stands behind event {last}")
                    offset, last = offset + len(line), event.seq
                    yield event

    def backwards(self, after: int, end: int) -> Iterator[Event]:
        """Those behind number `after`, newest first, read from the end in blocks."""
        with open_log(self._path) as fd:
            if fd is None:
                return
            last = None
            for offset, line in _lines_backwards(fd, end):
                event = self._event(line, offset)
                if last is not None and event.seq >= last:
                    raise self._broken(offset, f"event {event.seq} stands before event {last}")
                last = event.seq
                if event.seq <= after:
                    return
                yield event

    def _event(self, line: bytes, offset: int) -> Event:
        try:
            return unseal(line.removesuffix(b"\n"))
        except BrokenLineError as error:
            raise self._broken(offset, str(error).splitlines()[0]) from error

    def _broken(self, offset: int, found: str) -> DeployguardError:
        return fail(
            Code.CHAIN_BROKEN,
            "the audit log cannot be trusted",
            where=Place(str(self._path)),
            found=f"at byte {offset:,}: {found}",
            wanted="each line as it was written",
            now="nothing was changed; the flags are as state.json says",
            next=(Offer(f"deployguard state verify --env {self._path.parent.name}"),),
        )


def _lines_backwards(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Each line with the byte where it begins, from the last to the first."""
    pieces: list[bytes] = []  # of the line that goes on in the block before, last piece first
    position = end
    while position > 0:
        start = max(0, position - BLOCK)
        block = os.pread(fd, position - start, start)
        stop = len(block)
        if position == end:
            stop -= 1  # the last line's own end
        while (found := block.rfind(b"\n", 0, stop)) >= 0:
            pieces.append(block[found + 1 : stop])
            yield start + found + 1, b"".join(reversed(pieces))
            pieces = []
            stop = found
        pieces.append(block[:stop])
        position = start
    if end > 0:
        yield 0, b"".join(reversed(pieces))
