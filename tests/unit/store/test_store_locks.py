"""Locks: one at a time, let go by whoever dies, and always with a name for whoever waits."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.store.files import FileStore
from deployguard.store.layout import Layout
from deployguard.store.locks import ControllerLock, DeployLock, read_controller, read_lease
from deployguard.store.owner import Owner
from deployguard.store.state_lock import StateLock

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
TEN = timedelta(seconds=10)


@contextmanager
def running(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has run `code`, said so, and lives until the block ends."""
    script = (
        f"import sys; from pathlib import Path; folder = Path(sys.argv[1]); {code}; print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


CONTROLLER = (
    "from deployguard.store.locks import ControllerLock; lock = ControllerLock(folder, 'prod');"
    "assert lock.acquire('deploy@build-1', 'watch')"
)
DEPLOY = (
    "from deployguard.store.locks import DeployLock; lock = DeployLock(folder, 'prod');"
    "assert lock.acquire('r-1', doing='npm ci')"
)


def test_one_controller_acts_and_the_other_knows_who(folder: Path) -> None:
    first, second = ControllerLock(folder, "prod"), ControllerLock(folder, "prod")
    assert first.read() is None
    assert first.acquire("deploy@build-1", "serve --watch", at=NOW)
    assert first.acquire("deploy@build-1", "serve --watch", at=NOW)  # again is no harm
    assert not second.acquire("maria@laptop", "watch", at=NOW)
    first.tick(NOW + TEN, TEN)
    seen = second.read(NOW + TEN)
    assert seen is not None
    assert (seen.name, seen.via, seen.pid) == ("deploy@build-1", "serve --watch", os.getpid())
    assert (seen.last_tick_at, seen.interval, seen.since) == (NOW + TEN, TEN, NOW)
    assert (seen.held, seen.alive, seen.left) == (True, True, False)
    assert ControllerLock(folder, "staging").acquire("other", "watch")


def test_a_controller_that_left_is_told_apart_from_one_that_died(folder: Path) -> None:
    lock = ControllerLock(folder, "prod")
    lock.acquire("one", "watch", at=NOW)
    lock.release()
    left = read_controller(folder, "prod", NOW)
    assert left is not None
    assert (left.held, left.alive, left.left, left.last_tick_at) == (False, False, True, NOW)
    lock.tick(NOW + TEN, TEN)  # without the lock nothing is written
    assert read_controller(folder, "prod", NOW) == left
    assert lock.acquire("two", "watch", at=NOW)
    assert lock.previous == replace(left, held=False)
    assert (lock.fence, left.fence) == (2, 1)


@pytest.mark.parametrize(
    ("via", "released", "after", "alive"),
    [
        ("watch", False, 30, True),
        ("watch", False, 31, False),  # it holds the lock and hangs
        ("watch", True, 0, False),
        ("watch --once", True, 30, True),  # it comes by cron
        ("watch --once", True, 31, False),
    ],
)
def test_alive_is_a_tick_within_three_intervals(
    folder: Path, via: str, *, released: bool, after: int, alive: bool
) -> None:
    lock = ControllerLock(folder, "prod")
    lock.acquire("one", via, at=NOW)
    lock.tick(NOW, TEN)
    if released:
        lock.release()
    seen = read_controller(folder, "prod", NOW + timedelta(seconds=after))
    assert seen is not None
    assert seen.alive is alive


def test_a_controller_killed_outright_is_followed_at_once(folder: Path) -> None:
    with running(CONTROLLER, folder) as first:
        lock = ControllerLock(folder, "prod")
        assert not lock.acquire("standby", "watch")
        seen = lock.read()
        assert seen is not None
        assert seen.held
        assert seen.pid == first.pid
        first.kill()
        first.wait()
        assert lock.acquire("standby", "watch")
        assert lock.previous is not None
        assert (lock.previous.name, lock.previous.left, lock.fence) == ("deploy@build-1", False, 2)


def test_reading_a_lock_takes_nothing_and_creates_nothing(folder: Path) -> None:
    assert read_controller(folder, "prod", NOW) is None
    assert read_lease(folder, "prod") is None
    assert not folder.exists()
    lock = ControllerLock(folder, "prod")
    lock.acquire("one", "watch")
    lock.release()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            read_controller(folder, "prod", NOW)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            assert lock.acquire("one", "watch")
            lock.release()
    finally:
        stop.set()
        looking.join()


@pytest.mark.parametrize("content", [b"", b"\0" * 2048, b"not json", b'{"name":1}'])
def test_a_lock_file_left_behind_never_blocks(folder: Path, setting: Callable, content: bytes) -> None:
    layout = Layout(folder, "prod")
    layout.make()
    for path in (
        layout.state_lock,
        layout.state_owner,
        layout.controller_lock,
        layout.deploy_lock,
        layout.deploy_lease,
    ):
        path.write_bytes(content)
    assert FileStore(folder, "prod").update(setting(), NOW)[0].revision == 1
    assert read_controller(folder, "prod", NOW) is None
    assert read_lease(folder, "prod") is None
    assert ControllerLock(folder, "prod").acquire("one", "watch")
    assert DeployLock(folder, "prod").acquire("r-1")


def test_one_deploy_at_a_time_with_a_lease(folder: Path) -> None:
    with running(DEPLOY, folder) as first:
        lock = DeployLock(folder, "prod")
        assert not lock.acquire("r-2")
        lease = lock.read()
        assert lease is not None
        assert (lease.release_id, lease.pid, lease.doing, lease.held) == ("r-1", first.pid, "npm ci", True)
        first.kill()
        first.wait()
        dead = lock.read()
        assert dead is not None
        assert not dead.held
        # what it had started may still run: the lease lasts its minute
        assert not dead.stale(dead.at + timedelta(seconds=60))
        assert dead.stale(dead.at + timedelta(seconds=61))
        assert lock.acquire("r-2", at=NOW)


def test_a_beat_renews_the_lease_and_a_release_takes_it_away(folder: Path) -> None:
    lock = DeployLock(folder, "prod", Owner(name="ci", host="runner-7", pid=2207))
    lock.beat("r-1", NOW, "too early")
    assert read_lease(folder, "prod") is None
    lock.acquire(at=NOW)
    lock.beat("r-1", NOW + TEN, "npm run build " + "x" * 5000)
    lease = read_lease(folder, "prod")
    assert lease is not None
    assert (lease.name, lease.host, lease.pid) == ("ci", "runner-7", 2207) == ("ci", lock.host, lock.pid)
    assert (lease.since, lease.at, lease.release_id) == (NOW, NOW + TEN, "r-1")
    assert lease.doing.startswith("npm run build x")
    lock.release()
    assert read_lease(folder, "prod") is None
    assert DeployLock(folder, "prod").acquire("r-2")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_whose_file_is_deleted_or_replaced_is_not_held_any_more(folder: Path, *, replaced: bool) -> None:
    lock, path = ControllerLock(folder, "prod"), Layout(folder, "prod").controller_lock
    lock.acquire("one", "watch", at=NOW)
    assert lock.mine
    path.unlink()
    if replaced:
        path.write_bytes(b"")
    assert not lock.mine
    assert lock.acquire("one", "watch", at=NOW)
    assert (lock.mine, lock.fence) == (True, 2)


def test_a_deploy_takes_its_lock_again_with_the_next_beat(folder: Path) -> None:
    lock = DeployLock(folder, "prod")
    lock.acquire("r-1", at=NOW)
    Layout(folder, "prod").deploy_lock.unlink()
    lock.beat("r-1", NOW + TEN, "npm ci")
    assert not DeployLock(folder, "prod").acquire("r-2")


def test_a_commit_waits_only_so_long_and_then_says_for_whom(folder: Path, setting: Callable) -> None:
    layout = Layout(folder, "prod")
    layout.make()
    owner = Owner(name="maria", host="build-1", pid=4190, doing="state backup")
    with StateLock(layout, owner).held(1):
        store = FileStore(folder, "prod", wait_s=0.05)
        with pytest.raises(DeployguardError) as refused:
            store.update(setting(), NOW)
        problem = refused.value.problem
        assert problem.code is Code.STATE_LOCKED
        assert problem.exit_code == 5
        assert problem.message == "the state of prod is locked"
        assert problem.found == "held for 0s by maria on build-1, pid 4190 (state backup)"
        assert problem.wanted == "the lock within 0.05s"
        assert store.read().revision == 0  # reading works
    assert store.update(setting(), NOW)[0].revision == 1


def test_after_a_second_it_is_told_for_whom_a_commit_waits(folder: Path, setting: Callable) -> None:
    layout = Layout(folder, "prod")
    layout.make()
    told: list[str] = []
    release = threading.Event()

    def hold() -> None:
        with StateLock(layout, Owner(name="maria", host="build-1", pid=4190)).held(1):
            taken.set()
            release.wait(10)

    taken = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)

    def on_wait(words: str) -> None:
        told.append(words)
        release.set()

    store = FileStore(folder, "prod", on_wait=on_wait)
    state, _ = store.update(setting(), NOW)
    holder.join()
    assert state.revision == 1
    assert told == ["held for 1s by maria on build-1, pid 4190"]


def test_a_killed_writer_holds_nothing(folder: Path, setting: Callable) -> None:
    held = (
        "from deployguard.store.files import FileStore; store = FileStore(folder, 'prod'); store.layout.make();"
        "held = store.lock.held(1); held.__enter__()"
    )
    with running(held, folder) as writer:
        store = FileStore(folder, "prod", wait_s=0.05)
        with pytest.raises(DeployguardError, match="state-locked"):
            store.update(setting(), NOW)
        writer.kill()
        writer.wait()
        assert store.update(setting(), NOW)[0].revision == 1
