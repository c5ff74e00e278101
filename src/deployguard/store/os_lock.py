"""flock(2): a lock of the operating system on an open file. Who dies lets go; a file that is left behind holds nothing.

The state's lock is `filelock`'s. The controller's and the deploy's are files with a record in them, which a process
keeps open for as long as it lives and which others look at without taking them: that is what stands here.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from deployguard.store.layout import FILE_MODE

POLL_S = 0.001
SLOW_POLL_S = 0.01  # after a second of waiting


def take(path: Path, *, wait_s: float, says_after_s: float = 1.0, say: Callable[[], None] | None = None) -> int | None:
    """The descriptor that holds the lock until it is closed; None where another held it for all of `wait_s`.

    `say` is called once, when the wait has lasted `says_after_s`. Raises OSError where the file cannot be made.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        if _try(fd, fcntl.LOCK_EX):
            return fd
        started = time.monotonic()
        while (waited := time.monotonic() - started) < wait_s:
            if say is not None and waited >= says_after_s:
                say()
                say = None
            time.sleep(min(POLL_S if waited < says_after_s else SLOW_POLL_S, wait_s - waited))
            if _try(fd, fcntl.LOCK_EX):
                return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def is_taken(path: Path) -> bool:
    """Some process holds it now. Takes it for a moment, shared; creates nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
