"""The metric store's file: opened when it is first needed, made private, set aside where it is damaged.

What is kept here was observed, not decided, so the file may be lost. `synchronous=NORMAL` costs no fsync a transaction
and never damages the file; a power cut may lose the last transactions whole, and a log's position goes with the samples
that it yielded, so they are read again. Reading creates nothing: without a file a reader sees no figures.
"""

import json
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from weakref import finalize

from deployguard.errors import Code, DeployguardError, fail
from deployguard.telemetry.schema import TABLES, VERSION, to_us

BUSY_S = 10.0
IMPATIENT_S = 1.0  # after a wait in vain, until something was written again
_STAMP = "%Y%m%dT%H%M%SZ"
# What damage that sqlite does not notice makes Python raise, sqlite's own messages about it included.
_UNREADABLE = (UnicodeDecodeError, json.JSONDecodeError, struct.error, OverflowError)
_BESIDE = ("-wal", "-shm")


class DamagedError(Exception):
    """The file is no database of ours. A reader sees no figures; a writer has set it aside and begun anew."""


class Database:
    """One connection, shared by the threads of a process behind a lock."""

    def __init__(self, path: Path, *, read_only: bool = False, busy_s: float = BUSY_S) -> None:
        self.path = path
        self.read_only = read_only
        self._busy_s = self._patience_s = busy_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._close: finalize[..., object] | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent look at the file, or at an empty one. Raises `state-locked`, DamagedError."""
        with self._lock, self._told():
            connection = None if self._is_missing() else self._opened()
            if connection is None:
                yield empty()
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, written whole or not at all. Raises `state-locked`, DamagedError (nothing was written)."""
        with self._lock, self._told():
            connection = self._opened()
            if connection is None:
                raise PermissionError(13, "opened for reading only", str(self.path))
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
                self._wait_at_most(self._busy_s)
            except BaseException:
                connection.rollback()
                raise

    def tidied(self) -> None:
        """Give room that roll-ups freed back to the disk, a little at a time."""
        with self._lock, self._told():
            connection = self._opened()
            if connection is not None and not self.read_only:
                connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()

    def close(self) -> None:
        with self._lock:
            if self._close is not None:
                self._close()
            self._connection = self._close = None

    def _is_missing(self) -> bool:
        return self._connection is None and (not self.path.exists() or self.path.stat().st_size == 0)

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is not None and self._gone():
            self.close()
        if self._connection is None:
            self._connection = self._open_to_read() if self.read_only else self._open_to_write()
            if self._connection is not None:
                self._close = finalize(self, self._connection.close)
        return self._connection

    def _gone(self) -> bool:
        """The file was removed, replaced or emptied beneath us: what we hold open is nobody's any more."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return True
        if found.st_ino == self._inode and found.st_size == 0 and not self.read_only:
            for ending in ("", *_BESIDE):  # sqlite would take the log beside an emptied file for its own
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        return found.st_ino != self._inode or found.st_size == 0

    def _open_to_read(self) -> sqlite3.Connection | None:
        if self._is_missing():
            return None
        try:
            connection = self._connect("mode=ro")
            version = _version(connection)
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise
            # A read-only folder has no room for sqlite's own files: the file as it stands is all there is.
            connection = self._connect("mode=ro&immutable=1")
            version = _version(connection)
        if version != VERSION:
            connection.close()
            if version == 0:
                return None
            raise self._newer(version)
        return connection

    def _open_to_write(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = self._connect("mode=rw")
        try:
            version = _version(connection)
            if version == 0:
                _begin(connection)
                version = VERSION
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST")  # a salt that is deleted is overwritten
        except BaseException:
            connection.close()
            raise
        if version != VERSION:
            connection.close()
            raise self._newer(version)
        return connection

    def _connect(self, how: str) -> sqlite3.Connection:
        self._inode = self.path.stat().st_ino
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?{how}",
            uri=True,
            timeout=self._patience_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with the file, in our words. A writer sets a damaged file aside."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self._set_aside(str(error))
                raise DamagedError(str(error)) from error
            if not isinstance(error, sqlite3.OperationalError):
                raise
            if _is_busy(error):  # a round that has waited in vain goes on to its other parts
                self._wait_at_most(min(IMPATIENT_S, self._busy_s))
            raise self._unusable(str(error)) from error
        except _UNREADABLE as error:
            self._set_aside("what it holds cannot be read")
            raise DamagedError("what it holds cannot be read") from error
        except OSError as error:
            raise self._unusable((error.strerror or str(error)).lower()) from error

    def _wait_at_most(self, seconds: float) -> None:
        if seconds == self._patience_s:
            return
        self._patience_s = seconds
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def _set_aside(self, why: str) -> None:
        self.close()
        with suppress(FileNotFoundError):
            if self.read_only or self.path.stat().st_ino != self._inode:
                return  # another process has begun a new file already
        now = datetime.now(UTC)
        name = f"{self.path.name}.damaged-{now.strftime(_STAMP)}"
        names = (self.path.with_name(name + ending) for ending in ("", *(f"-{number}" for number in range(2, 100))))
        aside = next(path for path in names if not path.exists())
        self.path.replace(aside)
        for ending in _BESIDE:
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        with self.writing() as connection:
            note = f"{to_us(now)} {aside.name} {why}"
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('damaged', ?)", (note,))

    def _unusable(self, found: str) -> DeployguardError:
        return fail(
            Code.STATE_LOCKED,
            "the metric store cannot be used",
            where=str(self.path),
            found=found,
            wanted="a file that this user can read and write, with room on its disk",
            now="nothing was changed; flags and rollouts are not touched",
        )

    def _newer(self, version: int) -> DeployguardError:
        return fail(
            Code.STATE_NEWER,
            "the metric store was written by a newer deployguard",
            where=str(self.path),
            found=f"version {version}",
            wanted=f"version {VERSION}",
            now="nothing was changed; the newer deployguard goes on working with it",
        )


@cache
def empty() -> sqlite3.Connection:
    """What is read where nothing was observed, or nothing of it can be read."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process has just made them."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Not a database, a malformed one, or one without our tables."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return str(error).startswith("Could not decode")
    said = str(error).startswith(("no such table", "no such column"))
    return (said and code == sqlite3.SQLITE_ERROR) or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
