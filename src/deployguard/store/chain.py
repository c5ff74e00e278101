"""The chain of the audit log: an event becomes a line, a line is checked, and so is a whole log.

A line is the event's canonical JSON (sorted keys, no spaces) without `hash`, with `hash` set in as its last key: the
SHA-256 of exactly those bytes. So a line is checked without being understood, and anyone can check one with `jq -cS
'del(.hash)'`. `previousHash` is the hash of the line before, empty for the first.

A chain without a key shows accidents and careless edits, not someone who can write the folder: the hash that went out
in reports and webhooks is the outside anchor.

A survey reads a log at one go: which lines hold, whether each follows the one before, and the state that they fold to.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from deployguard.codec import JSON, canonical, loads, to_json
from deployguard.state import Draft, Event, LogHead, fold, severity

_KEY = b',"hash":"'
_TAIL = len(_KEY) + 64 + len(b'"}')
ENDING_BYTES = _TAIL + 1
"""How many bytes at a line's end `claimed_hash` needs."""
# Behind these the numbers may skip: they go on behind what was already told outside.
SKIPS = frozenset({"state.repaired", "state.restored"})


class BrokenLineError(ValueError):
    """A line of the log that is not what was written."""


def seal(
    drafts: Sequence[Draft],
    head: LogHead,
    *,
    environment: str,
    revision: int,
    now: datetime,
    first_seq: int | None = None,
) -> tuple[tuple[Event, ...], tuple[bytes, ...]]:
    """The drafts as events behind `head`, and their lines without the line's end.

    `first_seq` skips numbers: a repaired or restored log goes on behind what was already told outside.
    """
    events: list[Event] = []
    lines: list[bytes] = []
    seq = first_seq if first_seq is not None else head.seq + 1
    previous = head.hash
    for draft in drafts:
        event = Event(
            seq=seq,
            id=f"{seq}-{os.urandom(4).hex()}",
            type=draft.type,
            severity=severity(draft.type, draft.data),
            time=now,
            environment=environment,
            revision=revision,
            actor=draft.actor,
            reason=draft.reason,
            cause=events[draft.cause].id if isinstance(draft.cause, int) else draft.cause,
            data=draft.data,
            set=draft.set,
            previous_hash=previous,
        )
        tree = to_json(event)
        del tree["hash"]
        body = canonical(tree)
        previous = hashlib.sha256(body).hexdigest()
        line = b"".join((body[:-1], _KEY, previous.encode(), b'"}'))
        lines.append(line)
        # As whoever reads the line finds it: what came as an enum or a tuple is plain JSON.
        events.append(replace(event, data=tree["data"], set=tree["set"], hash=previous))
        seq += 1
    return tuple(events), tuple(lines)


def unseal(line: bytes) -> Event:
    """The event of a line. Raises BrokenLineError where the line is not what its hash says."""
    line_hash(line)
    try:
        return loads(Event, line)
    except ValueError as error:
        raise BrokenLineError(f"no event: {error}") from error


def line_hash(line: bytes) -> str:
    """The hash that ends the line, checked against the line. Raises BrokenLineError."""
    ending = line[-_TAIL:]
    if len(ending) < _TAIL or not ending.startswith(_KEY) or not ending.endswith(b'"}'):
        raise BrokenLineError("the line does not end with its hash")
    written = ending[len(_KEY) : -2]
    if hashlib.sha256(line[:-_TAIL] + b"}").hexdigest().encode() != written:
        raise BrokenLineError("the line does not match its hash")
    return written.decode()


def claimed_hash(ending: bytes) -> str | None:
    """The hash that a line's last bytes carry (its newline included), unchecked; None where they carry none."""
    ending = ending[-_TAIL - 1 :]
    if len(ending) != _TAIL + 1 or not ending.startswith(_KEY) or not ending.endswith(b'"}\n'):
        return None
    return ending[len(_KEY) : -3].decode("ascii", "replace")


@dataclass
class Survey:
    """What a log holds. `gaps` are the events that do not follow the line before them, and why."""

    events: int = 0
    last: Event | None = None
    broken: list[str] = field(default_factory=list)
    gaps: dict[int, str] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)  # gaps that a repair has already told
    tree: JSON = field(default_factory=dict)
    size: int = 0  # bytes of whole lines
    torn: int = 0  # bytes behind them

    @property
    def whole(self) -> bool:
        return not self.broken and not self.torn and not self.open_gaps

    @property
    def open_gaps(self) -> dict[int, str]:
        return {seq: why for seq, why in self.gaps.items() if seq not in self.accepted}

    def take(self, event: Event) -> None:
        """The next good event, in the order of the file."""
        why = self._gap(event)
        if why is not None:
            self.gaps[event.seq] = why
        if event.type == "state.repaired":
            self.accepted.update(event.data.get("gaps", ()))
        self.tree = fold(self.tree, event.set)
        self.events += 1
        self.last = event

    def follows(self, event: Event) -> bool:
        """Its number is behind the last one's: a line that was copied or moved is not."""
        return self.last is None or event.seq > self.last.seq

    def _gap(self, event: Event) -> str | None:
        last = self.last
        if event.previous_hash != (last.hash if last else ""):
            return f"event {event.seq} does not carry the hash of the event before it"
        if event.seq != (last.seq if last else 0) + 1 and event.type not in SKIPS:
            return f"event {event.seq} follows event {last.seq if last else 0}"
        if last is not None and event.revision < last.revision:
            return f"event {event.seq} is of revision {event.revision}, the one before of {last.revision}"
        return None


def survey(path: Path, pending: Sequence[bytes] = ()) -> Survey:
    """Read the log, then those of `pending` that it lacks. Raises OSError."""
    found = Survey()
    for _ in good_lines(path, found):
        pass
    lacking_lines(pending, found)
    return found


def good_lines(path: Path, found: Survey) -> Iterator[bytes]:
    """Each line that holds, with its end; what does not is noted in `found`. A missing file has none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                found.torn = len(line)
                return
            found.size += len(line)
            try:
                event = unseal(line[:-1])
            except BrokenLineError as error:
                found.broken.append(f"line {number}: {str(error).splitlines()[0]}")
                continue
            if not found.follows(event):
                found.broken.append(
                    f"line {number}: event {event.seq} stands behind event {found.last.seq if found.last else 0}"
                )
                continue
            found.take(event)
            yield line


def lacking_lines(pending: Sequence[bytes], found: Survey) -> tuple[bytes, ...]:
    """Those of `pending` that the surveyed log lacks, with their ends, taken into the survey."""
    lines = []
    for line in pending:
        try:
            event = unseal(line)
        except BrokenLineError:
            break
        if found.follows(event):
            found.torn = 0  # a cut line that the document covers
            found.take(event)
            lines.append(line + b"\n")
    return tuple(lines)
