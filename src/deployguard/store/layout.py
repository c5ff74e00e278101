"""Where an environment's files lie, and the few ways in which they are written.

Folders are made 0700 and files 0600, whatever the umask allows beyond. Nothing here is called by a reader.
"""

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
READ_BYTES = 64 * 1024


class Layout:
    """The paths of one environment under the state folder."""

    def __init__(self, folder: Path, environment: str) -> None:
        self.folder = folder
        self.environment = environment
        self.home = home = folder / environment
        self.state = home / "state.json"
        self.log = home / "audit.jsonl"
        self.metrics = home / "metrics.sqlite"
        self.reports = home / "reports"
        self.state_lock = home / "state.lock"
        self.state_owner = home / "state.owner"  # who holds the state's lock: for people, beside the lock
        self.controller_lock = home / "controller.lock"
        self.deploy_lock = home / "deploy.lock"
        self.deploy_lease = home / "deploy.lease"

    def make(self) -> None:
        """Make the folders that are missing, each 0700 and safely on the disk. Raises OSError."""
        if self.home.is_dir():
            return
        missing = [self.home, *(parent for parent in self.home.parents if not parent.exists())]
        for path in reversed(missing):
            path.mkdir(mode=FOLDER_MODE, exist_ok=True)
            sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """fsync a folder, so that a name made or replaced in it survives a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes, offset: int | None = None) -> None:
    """Write every byte, at the file's position or at `offset`. Raises OSError; some bytes may stand then."""
    view = memoryview(data)
    while view:
        if offset is None:
            view = view[os.write(fd, view) :]
        else:
            written = os.pwrite(fd, view, offset)
            offset += written
            view = view[written:]


def write_synced(path: Path, data: bytes, *, exclusive: bool = False, mode: int = FILE_MODE) -> None:
    """A file with `data`, private unless `mode` says more, fsynced. Raises OSError; half of one is taken away again."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if exclusive else os.O_TRUNC)
    fd = os.open(path, flags, mode)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    os.close(fd)


def replace_synced(path: Path, data: bytes, *, ending: str = ".new", mode: int = FILE_MODE) -> None:
    """Put a file with `data` in the place of `path`: written beside it, fsynced, renamed. Raises OSError; `path` stays.

    `ending` tells the files of two apart who write without a lock.
    """
    beside = path.with_name(f"{path.name}{ending}")
    write_synced(beside, data, mode=mode)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def free_name(path: Path) -> Path:
    """`path`, or where that is taken the same with a number behind it."""
    names = (path if number == 1 else path.with_name(f"{path.name}-{number}") for number in range(1, 100))
    return next((name for name in names if not name.exists()), path)


def read_bytes(path: Path) -> bytes | None:
    """The file's bytes; None where there is no such file. Raises OSError for everything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        blocks = []
        while block := os.read(fd, READ_BYTES):
            blocks.append(block)
            if len(block) < READ_BYTES:
                break
        return b"".join(blocks)
    finally:
        os.close(fd)
