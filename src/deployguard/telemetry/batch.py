"""Samples summed in memory before they are written: the hot path of a log that is read.

Theory of operation. A sample goes to one cell: its ten-second bucket, its endpoint and its user's combination of arms.
Only when the batch is written are cells spread over the flags of the combination, so a line costs one cell however many
flags are guarded, and the store never holds a combination. A user's arms are worked out once a batch and span between
anchors. Of a user the batch keeps the first bad request, the first timed one and the first value of each number: what
the guard counts.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from deployguard.guard.histogram import bin_of
from deployguard.guard.values import SampleKind
from deployguard.telemetry.cache import Remembered
from deployguard.telemetry.endpoints import OTHER, Endpoints
from deployguard.telemetry.exposer import KEPT, Arms, Exposer

WIDTH = 10  # seconds of the finest bucket
FUTURE = timedelta(seconds=60)
REQUEST = "request"
MOST_PATHS = 5_000  # different endpoints that one batch tells apart
_BINS_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What became of a batch. `skipped` are lines that are no samples; `reason` says why the first one was not."""

    accepted: int = 0
    requests: int = 0
    numbers: int = 0
    with_user: int = 0
    dropped_future: int = 0  # more than 60 s in the future
    dropped_old: int = 0  # older than what is kept
    lines: int = 0
    skipped: int = 0
    reason: str | None = None
    error: str | None = None  # why the source could not be read
    left: int = 0  # bytes that wait for the next call

    def __add__(self, other: "Counted") -> "Counted":
        sums = ("accepted", "requests", "numbers", "with_user", "dropped_future", "dropped_old", "lines", "skipped")
        return replace(
            other,
            reason=self.reason or other.reason,
            error=other.error or self.error,
            **{name: getattr(self, name) + getattr(other, name) for name in sums},
        )


@dataclass(slots=True)
class Cell:
    """Samples summed. `bins` has the values of those that have one; `newest` is in seconds since 1970."""

    count: int = 0
    bad: int = 0
    total: float = 0.0
    largest: float | None = None
    newest: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Cell") -> None:
        self.count += other.count
        self.bad += other.bad
        self.total += other.total
        if other.largest is not None and (self.largest is None or other.largest > self.largest):
            self.largest = other.largest
        self.newest = max(self.newest, other.newest)
        bins = self.bins
        for index, count in other.bins.items():
            bins[index] = bins.get(index, 0) + count


@dataclass(slots=True)
class Person:
    """One user in one span between anchors, for as long as the batch lives."""

    user: str
    arms: int  # the combination's number
    requested: bool = False
    bad: tuple[float, str] | None = None  # the first bad request: when, where
    timed: tuple[float, str, float] | None = None  # the first timed request: when, where, how long
    # The first value of each number: when, where, how much.
    seen: dict[str, tuple[float, str, float]] = field(default_factory=dict)


class Batch:
    """Collects samples that one transaction writes. Times are seconds since 1970, durations milliseconds."""

    def __init__(self, exposer: Exposer | None, now: datetime) -> None:
        self.exposer = exposer
        self.now = now
        self.dropped_future = 0
        self.dropped_old = 0
        self.combos: list[Arms] = [()]  # the first is for samples without an id
        endpoints = exposer.endpoints if exposer else Endpoints()
        self.listed = endpoints.listed
        self._endpoint_of = endpoints.of
        self._bin_of = Remembered(bin_of, _BINS_REMEMBERED)
        self._newest_taken = (now + FUTURE).timestamp()
        self._oldest_taken = (now - (exposer.retention if exposer else KEPT)).timestamp()
        self._eras = exposer.eras if exposer else (float("-inf"),)
        self._latest_era = self._eras[-1]
        self._people: list[dict[tuple[str, str | None, str | None], Person]] = [{} for _ in self._eras]
        self._number_of: dict[Arms, int] = {}
        self._requests: dict[tuple[int, str, int], Cell] = {}
        self._cells: dict[tuple[str, str, int, str, int], Cell] = {}
        self._paths: set[str] = set()

    def request(
        self,
        at: float,
        path: str | None,
        status: int | None,
        duration: float | None,
        user: str | None,
        country: str | None = None,
        region: str | None = None,
    ) -> None:
        """Count one request. No answer (no status, or 0) and 500 and above are bad; 499 is the visitor's doing."""
        if not self._oldest_taken <= at <= self._newest_taken:  # here too: a call a line
            self.refuses(at)
            return
        endpoint = self._endpoint_of[path]
        bad = not status or status >= 500
        arms = 0
        if user:
            era = -1 if at >= self._latest_era else bisect_right(self._eras, at) - 1
            person = self._people[era].get((user, country, region))
            if person is None:
                person = self._person(era, user, country, region)
            arms = person.arms
            person.requested = True
            if bad and person.bad is None:
                person.bad = (at, endpoint)
            if person.timed is None and duration is not None:
                person.timed = (at, endpoint, duration)
        cell = self._requests.get((int(at // WIDTH), endpoint, arms))
        if cell is None:
            cell = self._requests.setdefault((int(at // WIDTH), self._bounded(endpoint), arms), Cell())
        cell.count += 1
        cell.bad += bad
        if at > cell.newest:  # noqa: PLR1730  # max() is a call a line
            cell.newest = at
        if duration is not None:
            cell.total += duration
            index = self._bin_of[duration]
            cell.bins[index] = cell.bins.get(index, 0) + 1
            if cell.largest is None or duration > cell.largest:
                cell.largest = duration

    def number(
        self,
        at: float,
        name: str,
        value: float,
        path: str | None,
        user: str | None,
        country: str | None = None,
        region: str | None = None,
    ) -> None:
        """Count one value of a number."""
        if self.refuses(at):
            return
        endpoint = self._endpoint_of[path]
        arms = 0
        if user:
            era = bisect_right(self._eras, at) - 1
            person = self._people[era].get((user, country, region)) or self._person(era, user, country, region)
            arms = person.arms
            person.seen.setdefault(name, (at, endpoint, value))
        self._measured(SampleKind.NUMBER, name, self._bounded(endpoint), arms, at, value)

    def probe(self, at: float, check: str, *, ok: bool, duration: float) -> None:
        """Count one round of a health check."""
        cell = self._measured(SampleKind.PROBE, SampleKind.PROBE.value, check, 0, at, duration)
        cell.bad += not ok

    def refuses(self, at: float) -> bool:
        """Whether a sample of this time is too far in the future or older than what is kept; then it is counted so."""
        self.dropped_future += at > self._newest_taken
        self.dropped_old += at < self._oldest_taken
        return not self._oldest_taken <= at <= self._newest_taken

    def cells(self) -> Iterator[tuple[str, str, int, str, int, Cell]]:
        """Kind, metric, start in seconds, endpoint, the combination's number, and what was summed."""
        for (start, endpoint, arms), cell in self._requests.items():
            yield SampleKind.REQUEST.value, REQUEST, start * WIDTH, endpoint, arms, cell
        for (kind, metric, start, endpoint, arms), cell in self._cells.items():
            yield kind, metric, start * WIDTH, endpoint, arms, cell

    def people(self) -> Iterator[Person]:
        for people in self._people:
            yield from people.values()

    @property
    def counted(self) -> Counted:
        """What was taken and what was not."""
        count = {kind.value: 0 for kind in SampleKind}
        with_user = 0
        for kind, _, _, _, arms, cell in self.cells():
            count[kind] += cell.count
            with_user += cell.count if arms else 0
        requests, numbers = count[SampleKind.REQUEST], count[SampleKind.NUMBER]
        return Counted(
            accepted=requests + numbers,
            requests=requests,
            numbers=numbers,
            with_user=with_user,
            dropped_future=self.dropped_future,
            dropped_old=self.dropped_old,
        )

    # the parts of a sample

    def _person(self, era: int, user: str, country: str | None, region: str | None) -> Person:
        arms = self.exposer.arms_in(era, user, country, region) if self.exposer else ()
        number = self._number_of.get(arms)
        if number is None:
            number = self._number_of[arms] = len(self.combos)
            self.combos.append(arms)
        person = self._people[era][user, country, region] = Person(user, number)
        return person

    def _measured(self, kind: SampleKind, metric: str, endpoint: str, arms: int, at: float, value: float) -> Cell:
        key = (kind.value, metric, int(at // WIDTH), endpoint, arms)
        cell = self._cells.get(key) or self._cells.setdefault(key, Cell())
        index = self._bin_of[value]
        cell.count += 1
        cell.bins[index] = cell.bins.get(index, 0) + 1
        cell.total += value
        cell.newest = max(cell.newest, at)
        cell.largest = value if cell.largest is None else max(cell.largest, value)
        return cell

    def _bounded(self, endpoint: str) -> str:
        """A batch of nothing but different paths must not fill the memory; the store's own bound is far lower."""
        if endpoint in self._paths:
            return endpoint
        if len(self._paths) >= MOST_PATHS and endpoint not in self.listed:
            return OTHER
        self._paths.add(endpoint)
        return endpoint
