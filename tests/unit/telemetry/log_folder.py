"""A log in a folder that is written, rotated and truncated as servers and logrotate do it."""

import os
import shutil
from pathlib import Path

from telemetry_builders import json_line

NEVER = 9  # more generations than any test makes


class LogFolder:
    """`access.log` and what became of it. Modification times are set by hand, a second apart, so that order is sure."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "access.log"
        self.written: list[str] = []
        self._second = 1_795_500_000

    def write(self, *names: str) -> None:
        self._append(b"".join(json_line(name) for name in names))
        self.written += [f"/{name}" for name in names]

    def write_part(self, name: str) -> bytes:
        """Half a line now; the rest is answered."""
        line = json_line(name)
        self._append(line[:20])
        self.written.append(f"/{name}")
        return line[20:]

    def write_rest(self, rest: bytes, path: Path | None = None) -> None:
        self._append(rest, path)

    def rename(self, *, create: bool = True) -> None:
        if self._shift():
            self.path.rename(self.numbered(1))
        if create:
            self.path.touch()
            self._tick(self.path)

    def copy_and_truncate(self) -> None:
        if self._shift():
            shutil.copy2(self.path, self.numbered(1))
            os.truncate(self.path, 0)
            self._tick(self.path)

    def compress(self, number: int) -> None:
        self.numbered(number).rename(self.folder / f"access.log.{number}.gz")

    def numbered(self, number: int) -> Path:
        return self.folder / f"access.log.{number}"

    def _shift(self) -> bool:
        if not self.path.exists():
            return False
        for number in range(NEVER, 0, -1):
            if self.numbered(number).exists():
                self.numbered(number).rename(self.numbered(number + 1))
        return True

    def _append(self, data: bytes, path: Path | None = None) -> None:
        path = path or self.path
        with path.open("ab") as file:
            file.write(data)
        self._tick(path)

    def _tick(self, path: Path) -> None:
        self._second += 1
        os.utime(path, (self._second, self._second))
