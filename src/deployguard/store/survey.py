"""The whole log at one go: which lines hold, whether each follows the one before, and the state that they fold to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from deployguard.codec import JSON
from deployguard.state import Event, fold
from deployguard.store.seal import BrokenLineError, unseal

# Behind these the numbers may skip: they go on behind what was already told outside.
SKIPS = frozenset({"state.repaired", "state.restored"})


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
    for _ in chain(good_lines(path, found), _lacking(pending, found)):
        pass
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
                found.broken.append(f"line {number}: event {event.seq} stands behind event {_seq(found)}")
                continue
            found.take(event)
            yield line


def _lacking(pending: Sequence[bytes], found: Survey) -> Iterator[bytes]:
    for line in pending:
        try:
            event = unseal(line)
        except BrokenLineError:
            return
        if found.follows(event):
            found.torn = 0  # a cut line that the document covers
            found.take(event)
            yield line + b"\n"


def lacking_lines(pending: Sequence[bytes], found: Survey) -> tuple[bytes, ...]:
    """Those of `pending` that the surveyed log lacks, taken into the survey."""
    return tuple(_lacking(pending, found))


def _seq(found: Survey) -> int:
    return found.last.seq if found.last else 0
