"""Processes that are killed in the middle of a log, and several at once: no line is lost, none is counted twice."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployguard.config.values import Source, SourceType
from deployguard.telemetry.follow import read_new
from deployguard.telemetry.metrics import MetricStore

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
SOURCE = Source(name="app", type=SourceType.ACCESS_LOG, path="access.log", format="json")
LINES = 6_000

FOLLOWER = """
import sys
from datetime import datetime
from pathlib import Path
from deployguard.config.values import Source, SourceType
from deployguard.telemetry import buckets, sources, users
from deployguard.telemetry.follow import read_new
from deployguard.telemetry.metrics import MetricStore

folder, now, die_before = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), sys.argv[3]
source = Source(name="app", type=SourceType.ACCESS_LOG, path="access.log", format="json")
metrics = MetricStore(folder / "prod" / "metrics.sqlite")
commits = 0
if die_before:
    room = next(room for room in (buckets, users, sources) if hasattr(room, die_before))
    step = getattr(room, die_before)
    def dies(*arguments, **kept):
        global commits
        commits += 1
        if commits == 3:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **kept)
    setattr(room, die_before, dies)
print("ready", flush=True)
while True:
    counted = read_new(source, metrics, None, now, root=folder, most_bytes=65_536)
    if not counted.left and "stays" not in sys.argv:
        break
"""


def write_log(folder: Path) -> None:
    with (folder / "access.log").open("w") as file:
        for number in range(LINES):
            line = {"time": (NOW - timedelta(seconds=number % 600)).isoformat(), "path": "/", "status": 200}
            file.write(json.dumps(line | {"user": f"u{number % 97}", "durationMs": number % 300}) + "\n")


def follower(folder: Path, die_before: str = "", *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FOLLOWER, str(folder), NOW.isoformat(), die_before, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def rest(folder: Path) -> int:
    """What a new process finds counted once it has read the rest."""
    with MetricStore(folder / "prod" / "metrics.sqlite") as metrics:
        read_new(SOURCE, metrics, None, NOW, root=folder)
        return sum(row.requests for row in metrics.endpoints(NOW - timedelta(hours=1), NOW))


@pytest.mark.parametrize("step", ["read_position", "write_cells", "write_users", "write_source"])
def test_a_process_killed_between_reading_and_commit_neither_loses_nor_doubles_a_line(
    tmp_path: Path, step: str
) -> None:
    write_log(tmp_path)
    child = follower(tmp_path, step)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert rest(tmp_path) == LINES


def test_a_process_killed_at_any_moment_neither_loses_nor_doubles_a_line(tmp_path: Path) -> None:
    write_log(tmp_path)
    for wait in (0.0, 0.005, 0.01, 0.02, 0.04):
        child = follower(tmp_path)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)  # the moment is the point here
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=60)
    assert rest(tmp_path) == LINES


def test_several_processes_on_one_log_count_each_line_once(tmp_path: Path) -> None:
    write_log(tmp_path)
    children = [follower(tmp_path) for _ in range(4)]
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert rest(tmp_path) == LINES
