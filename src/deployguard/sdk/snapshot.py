"""One revision of an environment's flags as an application needs it, and how it is read from the state folder."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from deployguard.config.build import flags_from_document
from deployguard.errors import DeployguardError
from deployguard.flags.definitions import definitions
from deployguard.flags.evaluate import Ruleset, compile_flags
from deployguard.store.document import DamagedError, NewerError, decode
from deployguard.store.layout import Layout

Signature: TypeAlias = tuple[int, int, int]
"""When the file was written, how long it is, which file it is: another commit has another one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    rules: Ruleset
    revision: int
    signature: Signature | None  # None: so fresh that the next commit may look the same, so it is read again


_FRESH_NS = 100_000_000  # coarser than the clocks of file systems that we know


class UnreadableError(Exception):
    """The state cannot be read now; the message says why."""


def signature(layout: Layout) -> Signature:
    """Cheap: one system call. Raises UnreadableError."""
    try:
        found = layout.state.stat()
    except (OSError, ValueError) as error:
        raise UnreadableError(_why(error)) from error
    return _signature(found)


def read_snapshot(layout: Layout, overrides: Mapping[str, bool]) -> Snapshot:
    """The last commit, compiled. Raises UnreadableError and changes nothing."""
    try:
        with layout.state.open("rb") as file:
            # Of the open file, not of the name: a commit in between must not give this text that signature.
            read = _signature(os.fstat(file.fileno()))
            state = decode(file.read(), layout.environment).state
        flags = flags_from_document(state.config.document, layout.environment) if state.config is not None else {}
        rules = compile_flags(definitions(flags, state), state.flags, overrides)
    except DeployguardError as error:
        raise UnreadableError(error.problem.message) from error
    except (OSError, DamagedError, NewerError, ValueError, LookupError, TypeError) as error:
        # The last two: a config in force that a later deployguard shaped otherwise.
        raise UnreadableError(_why(error)) from error
    settled = time.time_ns() - read[0] > _FRESH_NS
    return Snapshot(rules, state.revision, read if settled else None)


def _signature(found: os.stat_result) -> Signature:
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {error.filename}"
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
