"""Questions answered from the buckets.

Theory of operation. A reading covers the last `window` up to now, open bucket included, in whole buckets: it begins
with the bucket that holds `now - window`, so a window is never blind, and never with one that begins before `since`.
Where it has at least one but fewer than `at_least` samples it grows backwards, bucket by bucket. Only buckets that hold
samples are stored, so growing reads at most `at_least` of them: what an answer costs depends on the window and on how
many samples it needs, never on how much history is kept.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from sqlite3 import Connection
from typing import NamedTuple

from deployguard.guard.histogram import Histogram
from deployguard.guard.values import Population, Question, Reading, SampleKind
from deployguard.telemetry.batch import WIDTH
from deployguard.telemetry.bins import unpack_into
from deployguard.telemetry.endpoints import matches
from deployguard.telemetry.instants import from_s, to_us
from deployguard.telemetry.schema import EVERYONE
from deployguard.telemetry.users import users_met

RATE_SPAN = 60  # seconds


class Bucket(NamedTuple):
    """One stored row. Start and width in seconds."""

    start: int
    width: int
    samples: int
    bad: int
    total: float
    largest: float | None
    newest: float
    bins: bytes


_ROWS = (
    "SELECT start, width, count, bad, total, largest, newest, bins FROM buckets"
    " WHERE series = ? AND start BETWEEN ? AND ? ORDER BY start DESC, width DESC"
)


def answer(connection: Connection, question: Question, now: datetime) -> Reading:
    """The samples that a question asks for, summed."""
    flag, arm = arm_of(question.flag, question.population)
    series = series_of(connection, question.kind, question.metric, question.endpoint, flag, arm)
    since = _edge_from(question.since)
    start = max(since, int((now - question.window).timestamp()) // WIDTH * WIDTH)
    found = list(buckets(connection, series, start, int(now.timestamp())))
    count = sum(bucket.samples for bucket in found)
    if 0 < count < question.at_least:
        start = since
        for bucket in buckets(connection, series, since, found[-1].start - 1):
            if count >= question.at_least and bucket.start < found[-1].start:
                start = found[-1].start
                break
            found.append(bucket)
            count += bucket.samples
    users = users_met(connection, question.metric, flag, arm) if found else 0
    return summed(found, from_s(start), now, users)


def buckets(connection: Connection, series: Iterable[int], first: int, last: int) -> Iterator[Bucket]:
    """The buckets of some series that begin in `first` to `last` (both in), newest first."""
    rows = [map(Bucket._make, connection.execute(_ROWS, (number, first, last))) for number in series]
    return rows[0] if len(rows) == 1 else heapq.merge(*rows, key=lambda bucket: -bucket.start)


def summed(found: list[Bucket], start: datetime, end: datetime, users: int = 0) -> Reading:
    """Buckets, newest first, as one reading."""
    if not found:
        return Reading(start=start, end=end)
    bins: dict[int, int] = {}
    for bucket in found:
        unpack_into(bins, bucket.bins)
    return Reading(
        start=start,
        end=end,
        count=sum(bucket.samples for bucket in found),
        bad=sum(bucket.bad for bucket in found),
        total=sum(bucket.total for bucket in found),
        largest=max((bucket.largest for bucket in found if bucket.largest is not None), default=0.0),
        histogram=Histogram(bins),
        users=users,
        newest=from_s(max(bucket.newest for bucket in found)),
        rate_per_s=_rate(found, start, end),
    )


def _rate(found: list[Bucket], start: datetime, end: datetime) -> float:
    """Samples a second over the last minute with samples."""
    newest, width = found[0].start, found[0].width
    until = min(newest + width, max(end.timestamp(), newest + 1))
    begin = max(start.timestamp(), newest + width - max(RATE_SPAN, width))
    count = sum(bucket.samples for bucket in found if bucket.start >= begin)
    return float(count / max(until - begin, 1.0))


def arm_of(flag: str | None, population: Population) -> tuple[str, int]:
    """The series' flag and arm of a population. Without a flag everyone is meant."""
    if flag is None or population is Population.ALL:
        return "", EVERYONE
    return flag, int(population is Population.EXPOSED)


def series_of(
    connection: Connection, kind: SampleKind, metric: str, endpoint: str | None, flag: str, arm: int
) -> list[int]:
    """The series that a question sums: the total, or every endpoint that its pattern covers."""
    rows = connection.execute(
        "SELECT id, endpoint FROM series WHERE kind = ? AND metric = ? AND flag = ? AND arm = ?"
        " AND (endpoint = '') = ?",
        (kind.value, metric, flag, arm, endpoint is None),
    )
    return [
        number
        for number, place in rows
        if endpoint is None or (place == endpoint if kind is SampleKind.PROBE else matches(endpoint, place))
    ]


def _edge_from(at: datetime) -> int:
    """The first bucket edge at or after `at`."""
    return -(-to_us(at) // (WIDTH * 1_000_000)) * WIDTH
