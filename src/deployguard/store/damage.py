"""What is said, and set aside, where the state's files are not what was written.

A damaged file is never overwritten: it is copied aside, once, and stays where it is until `state restore` or an
emergency replaces it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployguard.errors import Code, DeployguardError, Offer, Place, fail
from deployguard.state import SCHEMA_VERSION, State
from deployguard.store.document import DamagedError, NewerError
from deployguard.store.layout import Layout, free_name, read_bytes, write_synced
from deployguard.store.log import Tail

STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `state verify` or `doctor`. `mend` says what to do, `command` what to type."""

    subject: str
    level: str  # ok, mend, know
    found: str
    mend: str | None = None
    command: str | None = None

    @property
    def ok(self) -> bool:
        return self.level == "ok"


def kept(subject: str, found: str) -> Finding:
    return Finding(subject=subject, level="ok", found=found)


def broken(subject: str, found: str, command: str | None = None, *, by: str | None = None) -> Finding:
    return Finding(subject=subject, level="mend", found=found, mend=by, command=command)


def broken_state(error: DeployguardError) -> Finding:
    """The finding for a state that cannot be read."""
    problem = error.problem
    return broken("state", f"{problem.message}: {problem.found}", problem.next[0].command if problem.next else None)


def damaged(layout: Layout, problem: DamagedError, path: Path | None = None) -> DeployguardError:
    """The error for a file that cannot be trusted; copies it aside first."""
    path = path or layout.state
    aside = set_aside(path, datetime.now(UTC))
    kept = f"set aside as {aside.name}, nothing overwritten" if aside else "nothing was overwritten"
    return fail(
        Code.STATE_DAMAGED,
        f"the state of {layout.environment} cannot be read",
        where=Place(str(path), problem.line, problem.column),
        found=problem.found,
        wanted=problem.wanted,
        now=f"{kept}; applications keep the last flags they read",
        next=_ways_back(layout),
    )


def foreign_log(layout: Layout, end: Tail, state: State) -> DeployguardError:
    """The log and the document do not belong together: one of them is older than the other, or gone."""
    if end.newer is None:
        problem = DamagedError(end.lost or "", "every event up to the last commit")
        return damaged(layout, problem, layout.log)
    found = f"revision {state.revision} with event {state.head.seq}" if layout.state.exists() else "no state.json"
    problem = DamagedError(f"{found}, but audit.jsonl goes up to event {end.newer}", "the last commit's document")
    return damaged(layout, problem)


def newer(layout: Layout, problem: NewerError) -> DeployguardError:
    return fail(
        Code.STATE_NEWER,
        f"the state of {layout.environment} was written by a newer deployguard",
        where=str(layout.state),
        found=f"schemaVersion {problem.version}",
        wanted=f"schemaVersion {SCHEMA_VERSION} or older",
        now="nothing was changed; the newer deployguard goes on working with it",
    )


def unwritable(layout: Layout, error: OSError, *, now: str = "nothing was changed") -> DeployguardError:
    wanted = "a state folder that this user can write, with room on its disk"
    return _refused(layout, error, "written", wanted, now)


def _refused(layout: Layout, error: OSError, what: str, wanted: str, now: str) -> DeployguardError:
    return fail(
        Code.STATE_LOCKED,
        f"the state of {layout.environment} cannot be {what}",
        where=str(error.filename or layout.home),
        found=os_words(error),
        wanted=wanted,
        now=now,
    )


@contextlib.contextmanager
def reading(layout: Layout) -> Iterator[None]:
    """What the system refuses a reader, in our words."""
    try:
        yield
    except OSError as error:
        wanted = "a state folder that this user can read"
        raise _refused(layout, error, "opened", wanted, "nothing was changed") from error


@contextlib.contextmanager
def writing(layout: Layout, **words: str) -> Iterator[None]:
    """What the system refuses a writer, in our words."""
    try:
        yield
    except OSError as error:
        raise unwritable(layout, error, **words) from error


def set_aside(path: Path, now: datetime) -> Path | None:
    """Copy `path` beside itself as `NAME.damaged-TIME`. A copy of the same bytes is not made twice.

    None where there is nothing to copy, or no copy can be made: the file itself stays in any case.
    """
    with contextlib.suppress(OSError):
        raw = read_bytes(path)
        if raw is None:
            return None
        for earlier in sorted(path.parent.glob(f"{path.name}.damaged-*")):
            if earlier.stat().st_size == len(raw) and earlier.read_bytes() == raw:
                return earlier
        aside = free_name(path.with_name(f"{path.name}.damaged-{now.strftime(STAMP)}"))
        write_synced(aside, raw, exclusive=True)
        return aside
    return None


def newest_backup(layout: Layout) -> Path | None:
    """The last backup of this environment that lies in the state folder."""
    import tarfile  # only here: a command that reads starts without it

    for path in sorted(layout.folder.glob("backup-*.tar"), key=lambda path: path.name, reverse=True):
        with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(path) as tar:
            first = tar.next()
            if first is not None and first.name.split("/")[0] == layout.environment:
                return path
    return None


def _ways_back(layout: Layout) -> tuple[Offer, ...]:
    environment = layout.environment
    backup = newest_backup(layout)
    restore = (Offer(f"deployguard state restore {backup} --env {environment}"),) if backup else ()
    return (*restore, Offer(f"deployguard rollback emergency --env {environment}", "works without it"))


def os_words(error: OSError) -> str:
    """`no space left on device`."""
    return (error.strerror or str(error)).lower()
