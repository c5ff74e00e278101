"""An event becomes a line of the audit log: numbered, named, chained to the line before.

A line is the event's canonical JSON (sorted keys, no spaces) without `hash`, with `hash` set in as its last key: the
SHA-256 of exactly those bytes. So a line is checked without being understood, and anyone can check one with `jq -cS
'del(.hash)'`. `previousHash` is the hash of the line before, empty for the first.

A chain without a key shows accidents and careless edits, not someone who can write the folder: the hash that went out
in reports and webhooks is the outside anchor.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime

from deployguard.codec import canonical, loads, to_json
from deployguard.state import Draft, Event, LogHead, severity

_KEY = b',"hash":"'
_TAIL = len(_KEY) + 64 + len(b'"}')


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
        events.append(loads(Event, line))
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


ENDING_BYTES = _TAIL + 1
"""How many bytes at a line's end `claimed_hash` needs."""
