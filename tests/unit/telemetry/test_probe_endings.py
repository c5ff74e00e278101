"""Whatever a server does, a probe has ended when its timeout is over."""

import contextlib
import gzip
import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deployguard.config.values import HealthCheck
from deployguard.guard.values import CheckRound
from deployguard.telemetry.probes import probe_all, probe_connectivity

NOW = datetime(2026, 11, 24, 14, 32, 10, tzinfo=UTC)
TIMEOUT = timedelta(seconds=0.5)
SPARE_S = 3.0  # of a machine that has other things to do
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ZIPPED = HEAD + b"Content-Encoding: gzip\r\n"


@contextlib.contextmanager
def server(answer: Iterable[bytes], pause_s: float) -> Iterator[str]:
    """Sends the pieces of an answer to whoever asks, with a pause between them, for as long as there are any."""
    listening = socket.create_server(("127.0.0.1", 0))
    pieces = iter(answer)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65_536)
                    for piece in pieces:
                        connection.sendall(piece)
                        if over.wait(pause_s):
                            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def asked(answer: Iterable[bytes], pause_s: float = 0.0) -> tuple[CheckRound, float]:
    with server(answer, pause_s) as url:
        began = time.perf_counter()
        (found,) = probe_all((HealthCheck(name="check", url=url, timeout=TIMEOUT, retries=0),), "", lambda: NOW)
        return found, time.perf_counter() - began


def forever(*pieces: bytes, first: bytes = b"") -> Iterator[bytes]:
    yield first
    yield from itertools.cycle(pieces)


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        (forever(b"X"), 0.02),
        (forever(b"X-Slow: 1\r\n", first=HEAD), 0.02),
        (forever(b"HTTP/1.1 103 Early Hints\r\n\r\n"), 0.02),
        (forever(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000), 0.0),
        (forever(b"x", first=HEAD + b"Content-Length: 1000000\r\n\r\n"), 0.02),
        (forever(b"1\r\nx\r\n", first=CHUNKED), 0.02),
        (forever(b"1;" + b"extension" * 1000, first=CHUNKED), 0.02),
        (forever(b"", first=ZIPPED + b"\r\n" + gzip.compress(b"x" * 100_000)[:50]), 0.02),
    ],
    ids=["status line", "headers", "hints", "flood of hints", "body", "chunks", "a chunk's head", "half a gzip"],
)
def test_a_server_that_never_ends_its_answer_is_a_time_out(answer: Iterator[bytes], pause_s: float) -> None:
    found, took = asked(answer, pause_s)
    assert took < TIMEOUT.total_seconds() + SPARE_S
    assert (found.ok, found.why) in ((False, "timeout"), (False, "body")), found


@pytest.mark.parametrize(
    ("answer", "ok", "why"),
    [
        (forever(b"10000\r\n" + b"x" * 65_536 + b"\r\n", first=CHUNKED), True, None),
        (forever(b"X-Many: 1\r\n" * 1000, first=HEAD), False, "body"),
        (forever(first=ZIPPED + b"Content-Length: 9\r\n\r\nno gzip!!"), False, "body"),
        (forever(first=ZIPPED + b"\r\n" + gzip.compress(b"\0" * 200_000_000, 1)), True, None),
        (forever(first=ZIPPED + b"\r\n" + gzip.compress(b"hello")), True, None),
    ],
    ids=["endless body", "endless headers", "no gzip", "a gzip bomb", "a good gzip"],
)
def test_of_an_answer_only_so_much_is_looked_at(answer: Iterator[bytes], ok: bool, why: str | None) -> None:
    found, took = asked(answer)
    assert took < TIMEOUT.total_seconds() + SPARE_S
    assert (found.ok, found.why) == (ok, why), found


def test_redirects_without_end_share_the_one_timeout() -> None:
    found, took = asked(forever(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), 0.2)
    assert took < TIMEOUT.total_seconds() + SPARE_S
    assert (found.ok, found.why) == (False, "timeout"), found


def test_connectivity_and_retries_end_as_well() -> None:
    with server(forever(b"X"), 0.02) as url:
        began = time.perf_counter()
        assert not probe_connectivity(url, TIMEOUT)
        checks = (HealthCheck(name="check", url=url, timeout=TIMEOUT / 5, retries=2),)
        (found,) = probe_all(checks, "", lambda: NOW)
    assert (found.why, found.tries) == ("timeout", 3)
    assert time.perf_counter() - began < 2 * TIMEOUT.total_seconds() + 2 * 0.25 + SPARE_S
