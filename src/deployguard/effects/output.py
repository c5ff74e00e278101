"""What a command prints: bytes into whole, plain, masked lines, and a file that keeps the beginning and the end.

A line ends at a newline. A lone carriage return starts the line over, as a terminal shows it: of a progress bar the
last state is kept. No line holds more than 10,000 characters, no file more than 1 MB.
"""

import os
from codecs import getincrementaldecoder
from collections import deque
from pathlib import Path
from typing import Protocol

from deployguard.plain import plain, shortened

LINE = 10_000
FILE = 1_000_000
# Read beyond the limit before a line is cut, so that a secret is masked whole before it could be cut in two.
_MARGIN = 4_096
LAST_LINE = 500


class Masks(Protocol):
    """Hides secrets: `config.secrets.Masker`."""

    def mask(self, text: str) -> str: ...


class Lines:
    """Turns chunks of bytes into finished lines. Holds at most one line, bounded, whatever is printed."""

    def __init__(self, masker: Masks) -> None:
        self._masker = masker
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._dropped = 0
        self._returned = False  # a carriage return came last: newline ends the line, else it starts over

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` finishes."""
        return self._split(self._decoder.decode(chunk))

    def finish(self) -> list[str]:
        """What is left without a newline at the end."""
        rest = self._split(self._decoder.decode(b"", final=True))
        return [*rest, self._end()] if self._line else rest

    def unfinished(self) -> str:
        """The line as it stands: a progress bar, a question."""
        return self._cleaned()

    def _split(self, text: str) -> list[str]:
        finished: list[str] = []
        *whole, rest = text.split("\n")
        for part in whole:
            self._add(part)
            finished.append(self._end())
        self._add(rest)
        return finished

    def _add(self, part: str) -> None:
        body = part.rstrip("\r")
        if body:
            _, returns, last = body.rpartition("\r")
            if self._returned or returns:
                self._line, self._dropped = "", 0
            room = LINE + _MARGIN - len(self._line)
            self._line += last[:room]
            self._dropped += max(0, len(last) - room)
        if part:
            self._returned = body != part

    def _end(self) -> str:
        line = self._cleaned()
        self._line, self._dropped, self._returned = "", 0, False
        return line

    def _cleaned(self) -> str:
        line = self._masker.mask(plain(self._line)).rstrip()
        cut = self._dropped + max(0, len(line) - LINE)
        return f"{line[:LINE]}… {cut:,} more characters" if cut else line


class Kept:
    """The file of a command's output: the first half and the last half of 1 MB, and between them what was cut.

    A file that cannot be written stops nothing: `error` says so.
    """

    def __init__(self, path: Path | None, most: int = FILE) -> None:
        self.error: str | None = None
        self._half = most // 2
        self._size = 0
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._cut = 0
        self._cut_lines = 0
        self._file: int | None = None
        if path is not None:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            except OSError as error:
                self.error = f"output not kept: {error.strerror}"

    def add(self, line: str) -> None:
        if self._file is None:
            return
        data = f"{line}\n".encode()
        if not self._tail and self._size + len(data) <= self._half:
            self._size += len(data)
            self._write(data)
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > self._half:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._cut += gone
            self._cut_lines += 1

    def close(self) -> None:
        if self._file is None:
            return
        if self._cut:
            self._write(f"… {self._cut:,} bytes in {self._cut_lines:,} lines were cut here …\n".encode())
        for data in self._tail:
            self._write(data)
        self._tail.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.error = f"output not kept: {error.strerror}"
            os.close(self._file)
            self._file = None


def quoted(line: str) -> str:
    """A line as a report quotes it."""
    return shortened(line, LAST_LINE)
