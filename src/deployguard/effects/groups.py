"""The process group of a command: how it is signalled, and how it is known again by whoever finds its deploy dead.

A number alone names nobody for long: a free one is given to the next program. So the group's leader is remembered
with a mark, the boot and the moment that it began. A leader that has ended has ended its command: whoever stays
behind in its group is left alone, as some commands start servers.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE_S = 5.0  # between SIGTERM and SIGKILL
_GONE_S = 1.0  # after SIGKILL
_POLL_S = 0.05


def mark_of(pid: int) -> str | None:
    """What tells this process from any other that has, had or will have its number; None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _mark_by_ps(pid)
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"  # proc(5): the state, and the start in clock ticks


def _mark_by_ps(pid: int) -> str | None:
    """For systems without /proc."""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    with suppress(OSError):
        found = subprocess.run(
            command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        )
        return found.stdout.decode("ascii", "replace").strip() or None
    return None


def signalled(group: int, number: int) -> bool:
    """Send a signal to the group (0: only look). Whether anybody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody of the group runs as another user: the others got it
        return True
    return True


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C and its like come through when the block ends: one in the middle of a start would leave nobody to end."""
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if callable(handler):  # what is ignored, the child ignores as well
                before[number] = handler
                signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def end_group(leader: int, mark: str) -> bool:
    """End the group of a leader that is no child of ours: SIGTERM, after a grace SIGKILL.

    Does nothing where the leader has ended or its number is another's by now. False where it could not be ended.
    """
    if mark_of(leader) != mark:
        return True
    signalled(leader, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and signalled(leader, 0):
        time.sleep(_POLL_S)
    if signalled(leader, 0):
        signalled(leader, signal.SIGKILL)
    until = time.monotonic() + _GONE_S
    while mark_of(leader) == mark:
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)
    return True
