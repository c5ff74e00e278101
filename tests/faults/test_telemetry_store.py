"""The metric store's file missing, damaged, foreign, locked, read-only or full: evidence is lost, nothing else is."""

import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployguard.config.values import Environment, Strategy
from deployguard.errors import Code, DeployguardError
from deployguard.guard.values import CheckRound
from deployguard.state import State
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore
from support.samples import RequestSample
from support.samples import add as put

NOW = datetime.now(UTC)  # a file is set aside at the machine's own time
SPAN = timedelta(minutes=5)
SETTINGS = Environment(
    name="prod",
    base_url="https://www.example.com",
    strategy=Strategy(name="s", steps=()),
    flags={},
    triggers={},
    checks={},
    strategies={},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prod" / "metrics.sqlite"


def add(metrics: MetricStore, many: int = 1) -> None:
    put(metrics, [RequestSample(NOW, "/", 200)] * many, source="app", exposer=None, now=NOW)


def counted(metrics: MetricStore) -> int:
    return sum(row.requests for row in metrics.endpoints(NOW - SPAN, NOW))


def filled(path: Path) -> None:
    with MetricStore(path) as metrics:
        for number in range(50):
            put(
                metrics,
                [RequestSample(NOW, f"/{number}", 200, float(took)) for took in range(40)],
                source="app",
                exposer=None,
                now=NOW,
            )


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 500)


def torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 - 100])


def scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4_096:] = random.Random(len(data)).randbytes(len(data) - 4_096)
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


DAMAGE = [garbage, torn, scribbled, foreign]


def test_reading_a_missing_store_sees_nothing_and_creates_nothing(path: Path) -> None:
    reader = MetricStore(path, read_only=True)
    evidence = gather(reader, State(environment="prod"), SETTINGS, NOW)
    assert (dict(evidence.sources), dict(evidence.checks), counted(reader)) == ({}, {}, 0)
    assert reader.attempts("ef-1") == (0, None, None)
    assert not path.parent.exists()


def test_the_file_and_its_folder_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        with MetricStore(path) as metrics:
            add(metrics)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_set_aside_and_what_is_written_is_not_lost(
    path: Path, damage: Callable[[Path], None]
) -> None:
    filled(path)
    damage(path)
    spoilt = path.read_bytes()
    with MetricStore(path) as metrics:
        for _ in range(3):
            add(metrics)
        assert counted(metrics) == 3
        lost = metrics.source_states(SETTINGS, NOW)["metrics"]
        assert "was damaged" in (lost.error or "")
        assert not lost.connected  # it feeds nothing, so it holds no trigger
        later = metrics.source_states(SETTINGS, datetime.now(UTC) + timedelta(minutes=6))
        assert "metrics" not in later
    (aside,) = path.parent.glob("metrics.sqlite.damaged-*")
    assert aside.read_bytes() == spoilt
    assert aside.name in (lost.error or "")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_reader_of_a_damaged_file_sees_no_figures_says_so_and_leaves_it(
    path: Path, damage: Callable[[Path], None]
) -> None:
    filled(path)
    damage(path)
    spoilt = path.read_bytes()
    reader = MetricStore(path, read_only=True)
    evidence = gather(reader, State(environment="prod"), SETTINGS, NOW)
    assert counted(reader) == 0
    assert "is damaged" in (evidence.sources["metrics"].error or "")
    reader.close()
    assert path.read_bytes() == spoilt
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_second_writer_does_not_set_the_new_file_aside(path: Path) -> None:
    filled(path)
    one, two = MetricStore(path), MetricStore(path)
    add(one)
    add(two)
    one.close()
    two.close()
    garbage(path)
    for metrics in (one, two, one):
        add(metrics)
    assert counted(one) == counted(two) == 3
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    one.close()
    two.close()


def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert counted(MetricStore(path, read_only=True)) == 0
    with MetricStore(path) as metrics:
        add(metrics)
        assert counted(metrics) == 1


def test_a_store_of_a_newer_program_is_refused_and_left(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for read_only in (True, False):
        with MetricStore(path, read_only=read_only) as metrics, pytest.raises(DeployguardError) as caught:
            metrics.last_rounds()
        assert caught.value.problem.code is Code.STATE_NEWER


def test_a_locked_store_is_waited_for_and_then_said(path: Path) -> None:
    filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with MetricStore(path, busy_s=0.05) as metrics:
        with pytest.raises(DeployguardError) as caught:
            add(metrics)
        assert caught.value.problem.code is Code.STATE_LOCKED
        assert counted(metrics) == 2_000  # reading goes on
        holder.rollback()
        holder.close()
        add(metrics)
        assert counted(metrics) == 2_001


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_can_be_read(path: Path) -> None:
    filled(path)
    path.parent.chmod(0o500)
    try:
        assert counted(MetricStore(path, read_only=True)) == 2_000
        with MetricStore(path) as metrics, pytest.raises(DeployguardError) as caught:
            add(metrics)
        assert caught.value.problem.code is Code.STATE_LOCKED
    finally:
        path.parent.chmod(0o700)


def test_a_folder_in_its_place_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    with MetricStore(path) as metrics, pytest.raises(DeployguardError) as caught:
        add(metrics)
    assert caught.value.problem.code is Code.STATE_LOCKED


FULL = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from deployguard.errors import DeployguardError
from deployguard.telemetry.metrics import MetricStore
sys.path.insert(0, sys.argv[3])
from support.samples import RequestSample, add
now = datetime.fromisoformat(sys.argv[2])
metrics = MetricStore(Path(sys.argv[1]))
try:
    for number in range(10_000):
        samples = [RequestSample(now, f"/{number}", 200, float(took)) for took in range(40)]
        add(metrics, samples, source="app", exposer=None, now=now, position={"at": number})
except DeployguardError as error:
    print(error.problem.code, number)
"""


def test_a_full_disk_is_said_and_what_was_written_stands(path: Path) -> None:
    def limited() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    command = [sys.executable, "-c", FULL, str(path), NOW.isoformat(), str(Path(__file__).parents[1])]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=limited, timeout=60)
    code, failed_at = answer.stdout.split()
    assert code == Code.STATE_LOCKED
    with MetricStore(path) as metrics:
        assert metrics.position("app") == {"at": int(failed_at) - 1}
        assert counted(metrics) == 40 * int(failed_at)


def test_threads_may_share_a_store(path: Path) -> None:
    from threading import Thread

    with MetricStore(path) as metrics:
        threads = [Thread(target=lambda: [add(metrics) for _ in range(20)]) for _ in range(4)]
        threads += [Thread(target=lambda: [metrics.last_rounds() for _ in range(20)])]
        for thread in threads:
            thread.start()
        metrics.add_rounds([CheckRound(check="api", ok=True, at=NOW)], NOW)
        for thread in threads:
            thread.join()
        assert counted(metrics) == 80
