"""A commit at 10 flags against the bare encoding, write, fsync, rename, fsync and append of the same bytes.

Both in turn in one run on one folder, so that the disk is in the same mood for both; medians are compared. The aim is
at most 2 x. Usage: python benchmarks/commit.py [ROUNDS] [FOLDER]
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from deployguard.codec import dumps
from deployguard.state import Actor, Change, Edit, FlagState, Recorder, State, Via
from deployguard.store.document import decode
from deployguard.store.files import FileStore

FLAGS = 10
AIM = 2.0
ACTOR = Actor(name="maria", via=Via.CLI)


def setting(number: int) -> Callable[[State], Change]:
    """Set one of the ten flags."""

    def decide(state: State) -> Change:
        key = f"flag_{number % FLAGS}"
        recorder = Recorder(state, ACTOR, "the next step")
        now = datetime.now(UTC)
        flag = FlagState(enabled=True, percentage=number % 10_000, seed=key, updated_at=now, updated_by="maria")
        data = {"flagId": key, "from": {"enabled": True, "percentage": 5}, "to": {"enabled": True, "percentage": 15}}
        recorder.record("flag.updated", data, Edit(state).put_flags({key: flag}))
        return recorder.change()

    return decide


def bare(folder: Path, state: State, document: bytes, line: bytes) -> None:
    """The least that an atomic replace and an append can do."""
    encoded = dumps(state)
    new, kept = folder / "bare.json.new", folder / "bare.json"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, encoded + document[len(encoded) :])
    os.fsync(fd)
    os.close(fd)
    new.rename(kept)
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    fd = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, line)
    os.close(fd)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        folder = Path(name)
        store = FileStore(folder, "prod")
        for number in range(3 * FLAGS):
            store.update(setting(number), datetime.now(UTC))
        ours, theirs, reads = [], [], []
        for number in range(rounds):
            started = time.perf_counter()
            state, _ = store.update(setting(number), datetime.now(UTC))
            ours.append(time.perf_counter() - started)
            document = store.layout.state.read_bytes()
            line = decode(document, "prod").pending[-1] + b"\n"
            started = time.perf_counter()
            bare(folder, state, document, line)
            theirs.append(time.perf_counter() - started)
            started = time.perf_counter()
            FileStore(folder, "prod").read()
            reads.append(time.perf_counter() - started)
    commit, least, read = (statistics.median(times) for times in (ours, theirs, reads))
    print(
        f"commit  {commit * 1e6:8.0f} us at {FLAGS} flags, document {len(document):,} bytes, event {len(line):,} bytes"
    )
    print(f"bare    {least * 1e6:8.0f} us")
    print(f"ratio   {commit / least:8.2f} x (aim: at most {AIM:g} x)")
    print(f"read    {read * 1e6:8.0f} us")


if __name__ == "__main__":
    main()
