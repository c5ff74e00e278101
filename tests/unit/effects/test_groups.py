"""A command whose deploy died is known again, and ended with its group; nobody else is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from deployguard.effects import groups
from deployguard.effects.groups import end_group, mark_of


@contextmanager
def started(script: str) -> "Iterator[subprocess.Popen[str]]":
    """A shell in a group of its own that has said `ready`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["sh", "-c", script], text=True, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_group_that_does_not_listen_is_killed_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GRACE_S", 0.2)
    with started("trap '' TERM; sleep 300 & echo ready; wait; wait") as process:
        mark = mark_of(process.pid)
        assert mark is not None
        assert end_group(process.pid, mark)
        assert process.wait() == -signal.SIGKILL
        assert mark_of(process.pid) is None
        assert end_group(process.pid, mark), "again is no harm"


def test_a_leader_that_has_ended_leaves_its_children_alone() -> None:
    with started("sleep 300 & echo ready; read _") as process:
        mark = mark_of(process.pid)
        assert mark is not None
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        assert end_group(process.pid, mark)
        assert groups.signalled(process.pid, 0), "some commands start servers"


@pytest.mark.parametrize("mark", [mark_of, groups._mark_by_ps])
def test_two_processes_differ_and_one_stays_the_same(mark: Callable[[int], str | None]) -> None:
    own = mark(os.getpid())
    if own is None:
        pytest.skip("no ps here")
    assert mark(os.getpid()) == own
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert mark(gone.pid) is None
