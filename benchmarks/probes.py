"""A round of 1,000 probes against a local server, beside the same GETs by a bare httpx client at the same concurrency.

    python benchmarks/probes.py [--probes 1000] [--rounds 5]

The server runs in a process of its own; the two take turns in one run, and the medians are compared. Exits 1 where a
round costs more than twice the bare GETs.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection

import httpx

from deployguard.config.grammar import Use, parse_condition
from deployguard.config.values import HealthCheck
from deployguard.telemetry.probes import AT_ONCE, probe_all

LIMIT = 2.0
BODY = b'{"status": "ok"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            break
        writer.write(ANSWER)
    writer.close()


def serve(told: Connection) -> None:
    async def forever() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_000)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def bare(url: str, count: int) -> None:
    """The same GETs, no more than that: the status is looked at and the JSON is read."""

    async def go() -> None:
        numbers = iter(range(count))
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits) as client:

            async def work() -> None:
                for _ in numbers:
                    response = await client.get(url)
                    assert response.status_code == 200
                    assert response.json()["status"] == "ok"

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    asyncio.run(go())


def probes(url: str, count: int) -> None:
    expect = tuple(parse_condition(text, Use.EXPECT) for text in ("status == 200", "json.status == 'ok'"))
    checks = [HealthCheck(name=f"c{n}", url="/health", expect=expect) for n in range(count)]
    assert all(found.ok for found in probe_all(checks, url, lambda: datetime.now(UTC)))


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    hears, told = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(told,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{hears.recv()}"
    try:
        bare(url, 50)
        probes(url, 50)
        ours, theirs = [], []
        for _ in range(asked.rounds):
            theirs.append(timed(lambda: bare(f"{url}/health", asked.probes)))
            ours.append(timed(lambda: probes(url, asked.probes)))
    finally:
        server.terminate()
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = mine / other
    print(
        f"{asked.probes} probes {mine * 1000:.0f} ms, bare httpx {other * 1000:.0f} ms: "
        f"ratio {ratio:.2f}, limit {LIMIT}"
    )
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
