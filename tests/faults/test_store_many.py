"""Many at once: eight processes commit, and two controllers want the same lock."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from deployguard.store.files import FileStore
from deployguard.store.verify import verify

PROCESSES, COMMITS = 8, 500

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from deployguard.errors import Code, DeployguardError
from deployguard.state import Actor, Edit, FlagState, Recorder, Via
from deployguard.store.files import FileStore

folder, name, commits = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = FileStore(folder, "prod", wait_s=60)

def decide(state):
    recorder = Recorder(state, Actor(name=name, via=Via.CLI))
    was = state.flag(name).percentage
    flags = {name: FlagState(seed=name, percentage=was + 1)}
    recorder.record("flag.updated", {"flagId": name}, Edit(state).put_flags(flags))
    return recorder.change()

sys.stdin.readline()
for number in range(commits):
    if number % 10:
        store.update(decide, datetime.now(UTC))
        continue
    while True:  # as the controller does: read, decide, name the revision, again where another got in first
        base = store.read()
        try:
            store.commit(base, decide(base), datetime.now(UTC))
            break
        except DeployguardError as error:
            if error.problem.code is not Code.REVISION_CHANGED:
                raise
"""


@pytest.mark.slow
def test_eight_processes_lose_no_commit_and_no_event(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"writer-{number}", str(COMMITS)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    started = time.monotonic()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    print(f"\n{PROCESSES} x {COMMITS} commits in {time.monotonic() - started:.1f}s")
    store = FileStore(tmp_path, "prod")
    state = store.read()
    assert state.revision == PROCESSES * COMMITS
    assert {flag.percentage for flag in state.flags.values()} == {COMMITS}
    events = list(store.events())
    assert [event.seq for event in events] == list(range(1, PROCESSES * COMMITS + 1))
    assert [event.revision for event in events] == [event.seq for event in events]
    assert set(Counter(event.actor.name for event in events).values()) == {COMMITS}
    assert [finding for finding in verify(tmp_path, "prod") if not finding.ok] == []


def test_a_reader_among_writers_is_never_refused(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"w-{number}", "200"], stdin=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    revision = reads = 0
    while any(writer.poll() is None for writer in writers):
        store = FileStore(tmp_path, "prod")
        state = store.read()
        assert state.revision >= revision
        revision = state.revision
        newest = next(store.events(newest_first=True), None)
        assert (newest.seq if newest else 0) >= state.head.seq
        behind = list(store.events(after=max(0, revision - 5)))
        assert [event.seq for event in behind] == list(
            range(max(0, revision - 5) + 1, behind[-1].seq + 1 if behind else 1)
        )
        reads += 1
    for writer in writers:
        assert writer.wait() == 0
        assert writer.stdin is not None
        writer.stdin.close()
    assert FileStore(tmp_path, "prod").read().revision == 400
    assert reads > 20
