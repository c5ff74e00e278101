"""What a run shares with whoever started it: its streams, its words, and how it is told to end."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

INTERRUPTED = 130
READER_GONE = 141  # as a shell shows a program that SIGPIPE ended
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, or a terminal that has gone; ended as Ctrl-C is: what runs is cleaned up, then exit 143."""


class UnprintableError(OSError):
    """Standard output takes nothing more: its disk is full. Unlike an error of the state, what was done stands."""


class _Output(TextIOWrapper):
    """Standard output that tells its own errors from those of every other file."""

    def write(self, text: str) -> int:
        with _told():
            return super().write(text)

    def flush(self) -> None:
        with _told():
            super().flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnprintableError(error.errno, error.strerror) from error


def prepare() -> None:
    """Signals end a run tidily; a closed stream swallows what is written; no character is too much for a stream."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # the terminal has gone; unless nohup said to go on
        signal.signal(signal.SIGHUP, _terminate)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # until the end
    out, err = sys.stdout, sys.stderr
    if isinstance(out, TextIOWrapper) and out is sys.__stdout__:  # which keeps the stream open that both write to
        sys.stdout = _Output(out.buffer, out.encoding, "backslashreplace", None, out.line_buffering, write_through=True)
    if isinstance(err, TextIOWrapper):
        err.reconfigure(errors="backslashreplace")


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def whole(word: str) -> str:
    """A word of the line without half characters, which come from bytes that are no UTF-8."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def let_go(stream: TextIO) -> None:
    """Python's own flush at the end must neither complain about what cannot leave nor change the exit code."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
