"""An access log followed: what is new since the last time, parsed, exposed and counted.

Samples and the position that they lead to are written in one transaction, so a process that is killed anywhere neither
loses nor doubles a line. Where two processes read the same lines, the second finds the position moved and drops its
own. A last line without its end waits. One call reads a bounded number of bytes; the rest waits for the next.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
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
        before = Position.from_json(metrics.position(source.name))
        try:
            with ExitStack() as stack:
                files = find_files(root / source.path, before, now, stack)
                chunk = _read(files, now, max(LONGEST, min(CHUNK, most_bytes)))
        except OSError as error:
            return total + _failed(source, metrics, words(error), now)
        try:
            total += _count(source, metrics, parse, exposer, now, before, chunk)
        except OvertakenError:
            return total
        most_bytes -= chunk.size
        if not chunk.size or not chunk.left:
            break
    return total


@dataclass(slots=True)
class _Chunk:
    """What one transaction takes of a log: whole lines, and the position that they lead to."""

    position: Position
    lines: list[bytes] = field(default_factory=list)
    long: int = 0  # lines that are too long to be one
    size: int = 0
    left: int = 0  # bytes that were there and were not read

    def take(self, mark: Mark, file: LogFile, most: int, *, ends: bool) -> Mark:
        """Whole lines from the mark on; answers the mark behind them.

        `ends`: nothing will complete the last line any more, so it is one.
        """
        data = file.read(mark.offset, most)
        complete = data.rfind(b"\n") + 1
        at_end = len(data) < most
        if not complete and not at_end and most < LONGEST:  # too little was allowed to tell
            self.left += file.size - mark.offset
            return mark
        in_long_line = mark.in_long_line
        if not complete and not at_end:  # more than a whole chunk without an end
            self.long += not in_long_line
            in_long_line, complete = True, len(data)
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
            self.lines += lines
        after = file.marked(replace(mark, in_long_line=in_long_line), mark.offset + complete)
        self.size += complete
        self.left += 0 if at_end else max(0, file.size - after.offset)
        return after if complete else mark


def _read(files: Files, now: datetime, most: int) -> _Chunk:
    """Whole lines from the files in their order, at most `most` bytes. Raises OSError where the named file is gone."""
    chunk = _Chunk(files.position)
    for mark, file in files.open:
        if chunk.size >= most:
            chunk.left += max(0, file.size - mark.offset)
            continue
        left, over = chunk.left, may_go(mark, now)
        after = chunk.take(mark, file, most - chunk.size, ends=over)
        chunk.position = chunk.position.moved(mark, after)
        if chunk.left == left and over and file is not files.open[-1][1]:
            chunk.position = chunk.position.let_go(after)
    if files.absent is not None and not chunk.size and all(may_go(mark, now) for mark in chunk.position.marks):
        raise files.absent
    return chunk


def _count(
    source: Source,
    metrics: MetricStore,
    parse: Parse,
    exposer: Exposer | None,
    now: datetime,
    before: Position,
    chunk: _Chunk,
) -> Counted:
    if not chunk.size and chunk.position == before:
        metrics.note_read(source.name, now)
        return Counted(left=chunk.left)
    batch = Batch(exposer, now)
    skipped, reason = count_lines(batch, parse, chunk.lines)
    if chunk.long and reason is None:
        reason = "a line of more than 16 MB"
    wrong = skipped >= _SUSPICIOUS and skipped == len(chunk.lines)
    counted = Counted(
        lines=len(chunk.lines) + chunk.long,
        skipped=skipped + chunk.long,
        reason=reason,
        error=f"not one of {skipped} lines is a request: {reason}" if wrong else None,
        left=chunk.left,
    )
    position, expected = chunk.position.to_json(), before.to_json() if before.marks else None
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
