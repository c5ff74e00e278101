"""An access log followed: what is new since the last time, parsed, exposed and counted.

Samples and the position that they lead to are written in one transaction, so a process that is killed anywhere neither
loses nor doubles a line. Where two processes read the same lines, the second finds the position moved and drops its
own. A last line without its end waits. One call reads a bounded number of bytes; the rest waits for the next.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from deployguard.config.values import Source
from deployguard.telemetry.batch import Batch, Counted
from deployguard.telemetry.exposer import Exposer
from deployguard.telemetry.lines import LONGEST, FormatError, NotALineError, Parse
from deployguard.telemetry.logfile import LogFile, Mark
from deployguard.telemetry.logformat import parser_of
from deployguard.telemetry.metrics import MetricStore, OvertakenError
from deployguard.telemetry.rotation import Files, Position, find_files, may_go, words

MOST_BYTES = 32_000_000  # of one call
CHUNK = 16_000_000  # of one transaction
_SUSPICIOUS = 10  # so many lines and not one request: the format is wrong


def read_new(
    source: Source,
    metrics: MetricStore,
    exposer: Exposer | None,
    now: datetime,
    *,
    root: Path = Path(),
    most_bytes: int = MOST_BYTES,
) -> Counted:
    """Count what the log has that was not counted yet. A relative path starts at `root`.

    What is wrong with the log itself is kept as the source's error and told in the answer, never raised.
    """
    try:
        parse = parser_of(source)
    except FormatError as error:
        return _failed(source, metrics, str(error), now)
    total = Counted()
    while most_bytes > 0:
        try:
            read = _read_chunk(source, root / source.path, metrics, now, max(LONGEST, min(CHUNK, most_bytes)))
        except OSError as error:
            return total + _failed(source, metrics, words(error), now)
        if read.error is not None:
            return total + _failed(source, metrics, read.error, now)
        try:
            total += _count(source, metrics, parse, exposer, now, read)
        except OvertakenError:
            return total
        most_bytes -= read.size
        if not read.size or not read.left:
            break
    return total


@dataclass(frozen=True, slots=True)
class _Read:
    before: Position
    after: Position
    lines: tuple[bytes, ...] = ()
    long: int = 0  # lines that are too long to be one
    size: int = 0
    left: int = 0  # bytes that were there and were not read
    error: str | None = None


def _read_chunk(source: Source, path: Path, metrics: MetricStore, now: datetime, most: int) -> _Read:
    before = Position.from_json(metrics.position(source.name))
    with ExitStack() as stack:
        files = find_files(path, before, now, stack)
        return _read_files(before, files, now, most)


def _read_files(before: Position, files: Files, now: datetime, most: int) -> _Read:
    """Whole lines from the files in their order, at most `most` bytes."""
    position, lines, long, size, left = files.position, list[bytes](), 0, 0, 0
    gone: OSError | None = files.absent
    for mark, file in files.open:
        if size >= most:
            left += max(0, file.size - mark.offset)
            continue
        found = _read_file(mark, file, most - size, ends=may_go(mark, now))
        lines += found.lines
        long += found.long
        size += found.size
        left += found.left
        if found.left == 0 and may_go(mark, now) and (mark, file) != files.open[-1]:
            position = position.moved(mark, found.mark).let_go(found.mark)
        else:
            position = position.moved(mark, found.mark)
    waited = all(may_go(mark, now) for mark in position.marks)
    error = words(gone) if gone is not None and waited and not size else None
    return _Read(before, position, tuple(lines), long, size, left, error)


@dataclass(frozen=True, slots=True)
class _Piece:
    mark: Mark
    lines: list[bytes]
    long: int
    size: int
    left: int


def _read_file(mark: Mark, file: LogFile, most: int, *, ends: bool) -> _Piece:
    """Whole lines from the mark on. `ends`: nothing will complete the last line any more, so it is one."""
    data = file.read(mark.offset, most)
    complete = data.rfind(b"\n") + 1
    at_end = len(data) < most
    long = 0
    in_long_line = mark.in_long_line
    if not complete and not at_end and most < LONGEST:
        return _Piece(mark, [], 0, 0, file.size - mark.offset)  # too little was allowed to tell
    if not complete and not at_end:  # more than a whole chunk without an end
        long, in_long_line, complete = int(not in_long_line), True, len(data)
        lines: list[bytes] = []
    else:
        if ends and at_end:
            complete = len(data)
        text = data[:complete]
        if mark.offset == 0:
            text = text.lstrip(b"\0")  # what a truncation leaves where a writer goes on behind it
        lines = (text.replace(b"\r\n", b"\n") if b"\r" in text else text).split(b"\n")
        if not lines[-1]:
            lines.pop()
        if in_long_line and complete:
            lines, in_long_line = lines[1:], False
    after = file.marked(replace(mark, in_long_line=in_long_line), mark.offset + complete)
    left = 0 if at_end else max(0, file.size - after.offset)
    return _Piece(after if complete else mark, lines, long, complete, left)


def _count(
    source: Source, metrics: MetricStore, parse: Parse, exposer: Exposer | None, now: datetime, read: _Read
) -> Counted:
    if not read.size and read.after == read.before:
        metrics.note_read(source.name, now)
        return Counted(left=read.left)
    batch = Batch(exposer, now)
    skipped, reason = count_lines(batch, parse, read.lines)
    if read.long and reason is None:
        reason = "a line of more than 16 MB"
    error = None
    if skipped >= _SUSPICIOUS and skipped == len(read.lines):
        error = f"not one of {skipped} lines is a request: {reason}"
    counted = Counted(
        lines=len(read.lines) + read.long,
        skipped=skipped + read.long,
        reason=reason,
        error=error,
        left=read.left,
    )
    position = read.after.to_json()
    expected = read.before.to_json() if read.before.marks else None
    return metrics.write(batch, source=source.name, position=position, expected=expected, counted=counted)


def count_lines(batch: Batch, parse: Parse, lines: Iterable[bytes]) -> tuple[int, str | None]:
    """Count lines into a batch. Answers how many were no requests, and why the first was not."""
    skipped, reason = 0, None
    request, number = batch.request, batch.number
    for line in lines:
        try:
            if len(line) > LONGEST:
                raise NotALineError("a line of more than 64 KB")  # noqa: TRY301  # told like every other
            at, path, status, duration, user, country, region, numbers = parse(line)
        except NotALineError as error:
            if not line.strip():
                continue
            skipped += 1
            reason = reason or str(error)
            continue
        request(at, path, status, duration, user, country, region)
        for name, value in numbers:
            number(at, name, value, path, user, country, region)
    return skipped, reason


def _failed(source: Source, metrics: MetricStore, error: str, now: datetime) -> Counted:
    metrics.note_read(source.name, now, error)
    return Counted(error=error)
