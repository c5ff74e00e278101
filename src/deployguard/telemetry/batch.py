"""Samples summed in memory before they are written: the hot path of a log that is read.

Theory of operation. A sample goes to one cell: its ten-second bucket, its endpoint and its user's combination of arms.
Only when the batch is written are cells spread over the flags of the combination, so a line costs one cell however many
flags are guarded, and the store never holds a combination. A user's arms are worked out once a batch and span between
anchors. Of a user the batch keeps when they were seen last, and their first bad request, first timed request and first
value of each number: what the guard counts.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from deployguard.guard.histogram import bin_of
from deployguard.guard.values import SampleKind
from deployguard.telemetry.endpoints import OTHER, Endpoints
from deployguard.telemetry.exposer import KEPT, Arms, Exposer

WIDTH = 10  # seconds of the finest bucket
FUTURE = timedelta(seconds=60)
REQUEST = "request"
MOST_PATHS = 5_000  # different endpoints that one batch tells apart
_BINS_CACHED = 50_000


class Cell:
    """Samples summed. `bins` has the values of those that have one; `newest` is in seconds since 1970."""

    __slots__ = ("bad", "bins", "count", "largest", "newest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.bad = 0
        self.total = 0.0
        self.largest: float | None = None
        self.newest = 0.0
        self.bins: dict[int, int] = {}

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


class Person:
    """One user in one span between anchors, for as long as the batch lives."""

    __slots__ = ("arms", "bad", "last", "seen", "timed", "user")

    def __init__(self, user: str, arms: int) -> None:
        self.user = user
        self.arms = arms  # the combination's number
        self.last = 0.0  # newest request
        self.bad: tuple[float, str] | None = None  # the first bad request: when, where
        self.timed: tuple[float, str, float] | None = None  # the first timed request: when, where, how long
        self.seen: dict[str, tuple[float, float, str, float]] = {}  # by number: newest; first: when, where, value


class Batch:
    """Collects samples that one transaction writes. Times are seconds since 1970, durations milliseconds."""

    def __init__(self, exposer: Exposer | None, now: datetime) -> None:
        self.exposer = exposer
        self.now = now
        self.requests = 0
        self.numbers = 0
        self.with_user = 0
        self.dropped_future = 0
        self.dropped_old = 0
        self.combos: list[Arms] = [()]
        self.per_bucket: dict[int, list[int]] = {}  # samples and samples with an id, by the start of the bucket
        self.newest = 0.0
        self._newest_taken = (now + FUTURE).timestamp()
        self._oldest_taken = (now - (exposer.retention if exposer else KEPT)).timestamp()
        endpoints = exposer.endpoints if exposer else Endpoints()
        self.listed = endpoints.listed
        self._endpoint = endpoints.of
        self._eras = exposer.eras if exposer else (float("-inf"),)
        self._latest_era = self._eras[-1]
        self._people: list[dict[tuple[str, str | None, str | None], Person]] = [{} for _ in self._eras]
        self._numbers_of: dict[Arms, int] = {(): 0}
        self._cells: dict[tuple[str, str, int, str, int], Cell] = {}
        self._requests: dict[tuple[int, str, int], Cell] = {}
        self._bins: dict[float, int] = {}
        self._paths: set[str] = set()

    @property
    def accepted(self) -> int:
        return self.requests + self.numbers

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
        if not self._oldest_taken <= at <= self._newest_taken:
            self._drop(at)
            return
        self.requests += 1
        endpoint = self._endpoint(path)
        bad = not status or status >= 500
        start = int(at // WIDTH)
        arms = 0
        if user:
            person = self._person(at, user, country, region)
            arms = person.arms
            if at > person.last:  # noqa: PLR1730  # max() is a call a line
                person.last = at
            if bad and person.bad is None:
                person.bad = (at, endpoint)
            if duration is not None and person.timed is None:
                person.timed = (at, endpoint, duration)
        key = (start, endpoint, arms)
        cell = self._requests.get(key)
        if cell is None:
            cell = self._requests.setdefault((start, self._bounded(endpoint), arms), Cell())
        cell.count += 1
        if bad:
            cell.bad += 1
        if at > cell.newest:  # noqa: PLR1730  # max() is a call a line
            cell.newest = at
        if duration is not None:
            self._measure(cell, duration)
        self._tally(start, at, bool(user))

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
        if not self._oldest_taken <= at <= self._newest_taken:
            self._drop(at)
            return
        self.numbers += 1
        endpoint = self._endpoint(path)
        arms = 0
        if user:
            person = self._person(at, user, country, region)
            arms = person.arms
            last, *first = person.seen.get(name, (at, at, endpoint, value))
            person.seen[name] = (max(last, at), *first)  # type: ignore[assignment]  # the rest of the tuple
        start = int(at // WIDTH)
        key = (SampleKind.NUMBER.value, name, start, self._bounded(endpoint), arms)
        cell = self._cells.get(key) or self._cells.setdefault(key, Cell())
        cell.count += 1
        cell.newest = max(cell.newest, at)
        self._measure(cell, value)
        self._tally(start, at, bool(user))

    def probe(self, at: float, check: str, *, ok: bool, duration: float) -> None:
        """Count one round of a health check."""
        key = (SampleKind.PROBE.value, SampleKind.PROBE.value, int(at // WIDTH), check, 0)
        cell = self._cells.get(key) or self._cells.setdefault(key, Cell())
        cell.count += 1
        cell.bad += not ok
        cell.newest = max(cell.newest, at)
        self._measure(cell, duration)

    def cells(self) -> Iterator[tuple[str, str, int, str, Arms, Cell]]:
        """Kind, metric, start in seconds, endpoint, arms, and what was summed."""
        for (start, endpoint, arms), cell in self._requests.items():
            yield SampleKind.REQUEST.value, REQUEST, start * WIDTH, endpoint, self.combos[arms], cell
        for (kind, metric, start, endpoint, arms), cell in self._cells.items():
            yield kind, metric, start * WIDTH, endpoint, self.combos[arms], cell

    def people(self) -> Iterator[Person]:
        for people in self._people:
            yield from people.values()

    # the parts of a sample

    def _person(self, at: float, user: str, country: str | None, region: str | None) -> Person:
        self.with_user += 1
        era = len(self._eras) - 1 if at >= self._latest_era else bisect_right(self._eras, at) - 1
        key = (user, country, region)
        person = self._people[era].get(key)
        if person is None:
            person = self._people[era][key] = Person(user, self._combo(era, user, country, region))
        return person

    def _combo(self, era: int, user: str, country: str | None, region: str | None) -> int:
        arms = self.exposer.arms_in(era, user, country, region) if self.exposer else ()
        number = self._numbers_of.get(arms)
        if number is None:
            number = self._numbers_of[arms] = len(self.combos)
            self.combos.append(arms)
        return number

    def _measure(self, cell: Cell, value: float) -> None:
        index = self._bins.get(value)
        if index is None:
            if len(self._bins) >= _BINS_CACHED:
                self._bins.clear()
            index = self._bins[value] = bin_of(value)
        bins = cell.bins
        bins[index] = bins.get(index, 0) + 1
        cell.total += value
        if cell.largest is None or value > cell.largest:
            cell.largest = value

    def _tally(self, start: int, at: float, known: bool) -> None:  # noqa: FBT001  # the hot path takes no keywords
        tally = self.per_bucket.get(start)
        if tally is None:
            tally = self.per_bucket[start] = [0, 0]
        tally[0] += 1
        tally[1] += known
        if at > self.newest:  # noqa: PLR1730  # max() is a call a line
            self.newest = at

    def _bounded(self, endpoint: str) -> str:
        """A batch of nothing but different paths must not fill the memory; the store's own bound is far lower."""
        if endpoint in self._paths:
            return endpoint
        if len(self._paths) >= MOST_PATHS and endpoint not in self.listed:
            return OTHER
        self._paths.add(endpoint)
        return endpoint

    def _drop(self, at: float) -> None:
        if at > self._newest_taken:
            self.dropped_future += 1
        else:
            self.dropped_old += 1
