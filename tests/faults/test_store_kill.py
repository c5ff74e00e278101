"""SIGKILL at each file system call of one commit: the state opens, verifies, is the old or the new one, loses nothing.

strace delivers the signal as the process enters the call, so everything before has happened and that call has not. A
child is forked from this process for each call (nothing is imported twice), waits until it is traced, and commits.
"""

import gc
import mmap
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.state import Actor, Change, Edit, FlagState, Recorder, State, Via
from deployguard.store.files import PENDING_BYTES, FileStore
from deployguard.store.verify import verify

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
CALLS = "%file,%desc"


def setting(percentage: int, events: int = 3, padding: int = 0) -> Callable[[State], Change]:
    def decide(state: State) -> Change:
        recorder = Recorder(state, ACTOR, "x" * padding)
        for number in range(events):
            flag = FlagState(enabled=True, percentage=percentage, seed=f"flag-{number}")
            data = {"flagId": f"flag-{number}"}
            recorder.record("flag.updated", data, Edit(recorder.state).put_flags({f"flag-{number}": flag}))
        return recorder.change()

    return decide


def traced(folder: Path, log: Path, decide: Callable[[State], Change], inject: str | None = None) -> int:
    """Commit in a child under strace, killed as `inject` says; answers its wait status."""
    gate = mmap.mmap(-1, 1)  # shared, and looked at without a call that is traced
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            gc.disable()  # what the parent left open is not closed among the calls that count
            while not gate[0]:
                time.sleep(0.001)
            FileStore(folder, "prod").update(decide, NOW)
            os._exit(0)
        os._exit(9)
    killing = ["-e", f"inject={inject}"] if inject else []
    strace = subprocess.Popen(
        ["strace", "-qq", "-e", f"trace={CALLS}", *killing, "-o", str(log), "-p", str(child)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_traced(child, strace)
        gate[0] = 1
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        strace.wait(20)
        if strace.stderr is not None:
            strace.stderr.close()
    return status


def calls_of(log: Path) -> list[str]:
    """The names of the calls that strace saw, in their order."""
    lines = log.read_text().splitlines()
    return [line.split("(")[0].strip() for line in lines if "(" in line and not line.startswith(("+++", "---", "<"))]


def _wait_until_traced(child: int, strace: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 20
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if strace.poll() is not None:
            why = strace.stderr.read().strip() if strace.stderr else ""
            print(f"\nTRACING IS FORBIDDEN HERE: the commit was NOT tried under SIGKILL ({why})")
            pytest.skip(f"strace cannot trace: {why}; the commit was NOT tried under SIGKILL")
        assert time.monotonic() < deadline, "strace did not attach"
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nothing", "a commit", "a long commit, so that the log is fsynced"])
def test_a_commit_killed_at_any_call_is_whole_or_was_not(tmp_path: Path, before: str) -> None:
    if shutil.which("strace") is None:
        print("\nSTRACE IS MISSING: the commit was NOT tried under SIGKILL")
        pytest.skip("strace is missing; the commit was NOT tried under SIGKILL")
    start = tmp_path / "start"
    start.mkdir()
    if before != "nothing":
        store = FileStore(start, "prod")
        store.update(setting(100), NOW)
        store.update(setting(200, padding=0 if before == "a commit" else PENDING_BYTES), NOW)
    old = FileStore(start, "prod").read()
    FileStore(tmp_path / "warm", "prod").update(setting(100), NOW)  # nothing is imported in a traced child
    log, outcomes = tmp_path / "strace", Counter()
    shutil.copytree(start, tmp_path / "run")
    assert traced(tmp_path / "run", log, setting(300)) == 0
    shutil.rmtree(tmp_path / "run")
    calls = calls_of(log)
    assert {"openat", "write", "fsync", "rename", "pwrite64", "flock", "close"} <= set(calls), calls
    assert calls.count("fsync") == {"nothing": 3, "a commit": 2}.get(before, 3), calls
    nth: Counter[str] = Counter()
    for call in calls:
        nth[call] += 1
        where = f"killed at {call} number {nth[call]}"
        shutil.copytree(start, tmp_path / "run")
        status = traced(tmp_path / "run", log, setting(300), f"{call}:signal=SIGKILL:when={nth[call]}")
        assert os.WIFSIGNALED(status), where
        assert os.WTERMSIG(status) == signal.SIGKILL, where
        outcomes[_is_old_or_new(tmp_path / "run", old, where)] += 1
        shutil.rmtree(tmp_path / "run")
    print(f"\n{sum(outcomes.values())} calls of one commit, each killed: {dict(outcomes)}")
    assert set(outcomes) == {"old", "new"}


def _is_old_or_new(folder: Path, old: State, where: str) -> str:
    """What a reader finds, then what the next writer makes of it."""
    store = FileStore(folder, "prod")
    found = store.read()
    assert found.revision in (old.revision, old.revision + 1), where
    kind = "old" if found.revision == old.revision else "new"
    expected = old.flags if kind == "old" else setting(300)(old).state.flags
    assert found.flags == expected, where
    assert [event.seq for event in store.events()] == list(range(1, found.head.seq + 1)), where
    bad = [finding for finding in verify(folder, "prod") if not finding.ok]
    assert not bad, (where, bad)
    after, events = store.update(setting(400), NOW)
    assert after.revision == found.revision + 1, where
    assert len(events) == 3, where
    assert [event.seq for event in store.events()] == list(range(1, after.head.seq + 1)), where
    bad = [finding for finding in verify(folder, "prod") if not finding.ok]
    assert not bad, (where, bad)
    return kind
