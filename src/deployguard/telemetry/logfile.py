"""A log file that is read on from where it was left, and how to know it again after it was rotated or truncated.

A mark says where a file is read on. A file is the marked one where it is at least that long and the bytes at its head
and before the mark are those that were read; inode numbers alone come back too soon. `retired_at` is set once the file
is no longer the one that the server writes by name.
"""

import os
import re
import stat
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Self

from deployguard.codec import JSON

HEAD = 256
TAIL = 64
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".br", ".Z", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a file is read on. `changed` is its modification time in nanoseconds, `retired_at` in microseconds."""

    inode: int
    device: int
    offset: int = 0
    head: str = ""
    head_length: int = 0
    tail: str = ""
    tail_length: int = 0
    changed: int = 0
    retired_at: int | None = None
    in_long_line: bool = False  # the mark stands inside a line that is too long to be one

    def to_json(self) -> JSON:
        return asdict(self)

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        return cls(**data)


class LogFile:
    """An open log. Raises OSError where it cannot be opened, or is no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without O_NONBLOCK a pipe would wait for a writer.
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            raise OSError(22, "not a regular file", str(path))
        self.inode, self.device = found.st_ino, found.st_dev
        self.size, self.changed = found.st_size, found.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def read(self, offset: int, most: int) -> bytes:
        """At most `most` bytes; fewer only at the end of the file."""
        parts = []
        while most > 0 and (part := os.pread(self.fd, most, offset)):
            parts.append(part)
            offset += len(part)
            most -= len(part)
        return b"".join(parts)

    def begun(self, offset: int = 0) -> Mark:
        """A mark for a file that is read from `offset` on."""
        return self.marked(Mark(inode=self.inode, device=self.device), offset)

    def marked(self, mark: Mark, offset: int) -> Mark:
        """`mark` moved to `offset` of this file."""
        head, tail = min(HEAD, offset), min(TAIL, offset)
        return replace(
            mark,
            inode=self.inode,
            device=self.device,
            offset=offset,
            head=self._print(0, head),
            head_length=head,
            tail=self._print(offset - tail, tail),
            tail_length=tail,
            changed=self.changed,
        )

    def is_named(self, other: "Mark | LogFile") -> bool:
        return (self.inode, self.device) == (other.inode, other.device)

    def begins_like(self, mark: Mark) -> bool:
        """Whether what was read at the mark stands here too."""
        return (
            self.size >= mark.offset
            and self._print(0, mark.head_length) == mark.head
            and self._print(mark.offset - mark.tail_length, mark.tail_length) == mark.tail
        )

    def data_from(self, offset: int) -> int:
        """Where data begins at or after `offset`: a writer that goes on behind a truncation leaves a hole."""
        try:
            return os.lseek(self.fd, offset, os.SEEK_DATA)
        except (OSError, AttributeError):
            return offset

    def _print(self, offset: int, length: int) -> str:
        if length == 0:
            return ""
        # Hashed: lines hold addresses and ids, and the position is kept.
        return blake2b(self.read(offset, length), digest_size=16).hexdigest()


def rotated(path: Path) -> list[Path]:
    """The files that `path` became when it was rotated, oldest first; compressed ones are not read.

    Names as logrotate and others give them: `access.log.1`, `access.log-20261124`, `access-20261124.log`.
    """
    pattern = _rotated_name(path.name)
    found = []
    for folder in dict.fromkeys((path.parent, path.resolve().parent)):
        for entry in os.scandir(folder):
            if pattern.fullmatch(entry.name) and not entry.name.endswith(_COMPRESSED):
                try:
                    details = entry.stat()
                except OSError:
                    continue
                if stat.S_ISREG(details.st_mode):
                    found.append((details.st_mtime_ns, -_number(entry.name), entry.name, Path(entry.path)))
    return [entry[-1] for entry in sorted(found)]


def is_numbered(path: Path) -> bool:
    """Whether a rotation gave the name, by a number or a date."""
    return re.search(r"[.\-_]\d", path.name) is not None


def _rotated_name(name: str) -> re.Pattern[str]:
    stem, dot, ending = name.rpartition(".")
    behind = re.escape(name) + r"[.\-_](?:\d[\w.\-]*|old|bak)"
    within = rf"{re.escape(stem)}[.\-_]\d[\w.\-]*{re.escape(dot + ending)}" if stem else behind
    return re.compile(f"{behind}|{within}")


def _number(name: str) -> int:
    """`access.log.2` is older than `access.log.1`."""
    match = re.search(r"[.\-_](\d{1,4})(?:\.[A-Za-z]+)?$", name)
    return int(match[1]) if match else 0
