"""Which files of a log are to be read, and from where: a pure look at the folder, before anything is read.

Theory of operation. The position is a row of marks, oldest file first; the last is the file that the server writes by
name, the others are retired: rotated away, but perhaps not read to their end, and a server goes on writing to a file
for a moment after it was renamed. When the named file is no longer the marked one (another inode, shorter, or other
bytes where we had read), the marked one is looked for among the rotated files: by inode where it was renamed, by its
bytes where it was copied and truncated. Rotated files that came after it were never seen and are read whole; then the
named one from its beginning. A file is let go of a minute after it was retired, once it has been read; `done`
remembers it for longer, so that it is never taken for an unread one.

What cannot be had: lines written between the copy and the truncation of `copytruncate`, and those of a file that was
deleted or compressed before it was read to its end.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from deployguard.codec import JSON
from deployguard.telemetry.logfile import LogFile, Mark, is_numbered, rotated
from deployguard.telemetry.schema import from_us, to_us

LET_GO_AFTER = timedelta(seconds=60)
FIRST_READ = 64_000_000  # bytes of a log that is met for the first time; what is older is history
_DONE_KEPT = 32


@dataclass(frozen=True, slots=True)
class Position:
    """Where a log is read on."""

    marks: tuple[Mark, ...] = ()
    done: tuple[Mark, ...] = ()

    def to_json(self) -> JSON:
        return {"marks": [mark.to_json() for mark in self.marks], "done": [mark.to_json() for mark in self.done]}

    @classmethod
    def from_json(cls, data: JSON | None) -> "Position":
        if data is None:
            return cls()
        marks, done = (tuple(Mark.from_json(mark) for mark in data[key]) for key in ("marks", "done"))
        return cls(marks, done)

    def let_go(self, mark: Mark) -> "Position":
        rest = tuple(other for other in self.marks if other != mark)
        return Position(rest, (*self.done, mark)[-_DONE_KEPT:])

    def moved(self, before: Mark, after: Mark) -> "Position":
        return replace(self, marks=tuple(after if mark == before else mark for mark in self.marks))


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be read, oldest first: each mark of the position that was found, with its open file."""

    position: Position
    open: tuple[tuple[Mark, LogFile], ...]
    absent: OSError | None = None  # why the named file could not be opened


def find_files(path: Path, position: Position, now: datetime, stack: ExitStack) -> Files:
    """Open what is to be read. The files stay open as long as `stack`. Raises OSError where nothing can be read."""
    named: LogFile | None = None
    absent: OSError | None = None
    try:
        named = stack.enter_context(LogFile(path))
    except OSError as error:  # between a rename and the new file there is none by that name
        if not position.marks:
            raise
        absent = error
    if named is not None and not position.marks:
        first = named.begun(_line_after(named, named.size - FIRST_READ))
        return Files(Position((first,), position.done), ((first, named),))
    last = position.marks[-1]
    same = named is not None and named.is_named(last) and named.begins_like(last)
    if named is not None and same and len(position.marks) == 1 and last.head_length:
        return Files(position, ((last, named),))
    try:
        found = [stack.enter_context(file) for file in _opened(rotated(path))]
    except OSError as error:
        raise (absent or error) from None
    others = [file for file in found if named is None or not file.is_named(named)]
    if same:
        current = replace(last, retired_at=None)
        retired = position.marks[:-1]
        # Nothing of this file was read yet: whatever was rotated since then came before it.
        unseen = [] if last.head_length else [file for file in others if _written_since(last, file)]
    else:
        current = named.begun(named.data_from(0)) if named is not None else last
        retired = (*position.marks[:-1], replace(last, retired_at=last.retired_at or to_us(now)))
        unseen = _unseen(last, others)
    files = _assembled(position, retired, others, unseen, now)
    if named is not None:
        files += ((current, named),)
    # Where nothing of it is left, the last mark stays, so that its name is waited for.
    marks = tuple(mark for mark, _ in files) or retired[-1:]
    return Files(Position(marks, position.done), files, absent)


def _assembled(
    position: Position, retired: tuple[Mark, ...], others: list[LogFile], unseen: list[LogFile], now: datetime
) -> tuple[tuple[Mark, LogFile], ...]:
    """The retired files that are still there, and those that were never seen."""
    found: list[tuple[Mark, LogFile]] = []
    taken: list[LogFile] = []
    known = [mark for mark in (*position.marks, *position.done) if mark.head_length]
    for mark in retired:
        candidates = [other for other in others if other not in taken]
        if not mark.head_length:
            # Nothing of it was read, so only its inode could tell it, and that may be another file's by now.
            candidates = [file for file in candidates if not any(file.begins_like(other) for other in known)]
        file = _located(mark, candidates)
        if file is not None:
            taken.append(file)
            found.append((replace(mark, inode=file.inode, device=file.device), file))
    found += [
        (replace(file.begun(file.data_from(0)), retired_at=to_us(now)), file)
        for file in unseen
        if file not in taken and not _was_done(file, position)
    ]
    return tuple(found)


def _was_done(file: LogFile, position: Position) -> bool:
    return any(file.is_named(mark) and file.begins_like(mark) for mark in position.done if mark.head_length)


def _located(mark: Mark, files: list[LogFile]) -> LogFile | None:
    """The marked file under its new name, or else a copy of it."""
    alike = [file for file in files if file.begins_like(mark)]
    named = next((file for file in alike if file.is_named(mark)), None)
    if named is not None or not mark.head_length:
        return named
    return next(iter(alike), None)


def _unseen(last: Mark, others: list[LogFile]) -> list[LogFile]:
    """The rotated files that came after the marked one; where it is gone or nothing of it was read (then it may have
    been copied and emptied, and stand behind its own copy), those written to since."""
    old = _located(last, others)
    if old is not None and last.head_length:
        return [file for file in others[others.index(old) + 1 :] if is_numbered(file.path)]
    return [file for file in others if _written_since(last, file)]


def _written_since(last: Mark, file: LogFile) -> bool:
    """A copy that a person made (`.bak`) is no part of the log."""
    return file.changed > last.changed and is_numbered(file.path)


def may_go(mark: Mark, now: datetime) -> bool:
    return mark.retired_at is not None and now - from_us(mark.retired_at) >= LET_GO_AFTER


def _opened(paths: list[Path]) -> Iterator[LogFile]:
    for path in paths:
        with suppress(OSError):
            yield LogFile(path)


def _line_after(file: LogFile, offset: int) -> int:
    """The first line that begins at or after `offset`."""
    if offset <= 0:
        return file.data_from(0)
    while chunk := file.read(offset, 65_536):
        end = chunk.find(b"\n")
        if end >= 0:
            return offset + end + 1
        offset += len(chunk)
    return file.size


def words(error: OSError) -> str:
    """`no such file or directory: /var/log/nginx/access.log`."""
    return f"{(error.strerror or os.strerror(error.errno or 0)).lower()}: {error.filename}"
