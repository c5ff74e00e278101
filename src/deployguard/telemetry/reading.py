"""Questions answered from the buckets; figures for people: spark lines, charts, requests by endpoint.

Theory of operation. A reading covers the last `window` up to now, open bucket included, in whole buckets: it begins
with the bucket that holds `now - window`, so a window is never blind, and never with one that begins before `since`.
Where it has at least one but fewer than `at_least` samples it grows backwards, bucket by bucket. Only buckets that hold
samples are stored, so growing reads at most `at_least` of them: what an answer costs depends on the window and on how
many samples it needs, never on how much history is kept.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection
from typing import NamedTuple

from deployguard.config.condition import Condition
from deployguard.guard.histogram import Histogram
from deployguard.guard.measure import measure
from deployguard.guard.sight import Reads, metric_of
from deployguard.guard.values import Population, Question, Reading, SampleKind
from deployguard.telemetry.batch import REQUEST, WIDTH
from deployguard.telemetry.buckets import unpack_into
from deployguard.telemetry.endpoints import matches
from deployguard.telemetry.rounds import worst_streaks
from deployguard.telemetry.schema import EVERYONE, from_s, from_us, to_us
from deployguard.telemetry.users import users_met


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """One endpoint's requests of a span. `errors` is a share in percent."""

    endpoint: str
    requests: int
    bad: int
    errors: float
    average_ms: float | None
    p95_ms: float | None


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


def series(
    connection: Connection,
    condition: Condition,
    *,
    flag: str | None,
    population: Population,
    since: datetime,
    until: datetime,
    points: int,
) -> tuple[float | None, ...]:
    """The condition's value in `points` equal spans, oldest first, in its own unit; None where there is no sample.

    Where no request was ever seen the health checks stand for them, as they do in verdicts.
    """
    if points < 1 or until <= since:
        return (None,) * max(points, 0)
    begin, end = to_us(since), to_us(until)
    edges = [begin + (end - begin) * number // points for number in range(points + 1)]
    metric = metric_of(condition)
    if metric.reads is Reads.ROUNDS:
        edges[-1] += 1
        return worst_streaks(connection, condition.argument, edges)
    name, arm = arm_of(flag, population)
    found = series_of(connection, metric.kind, metric.feed, condition.argument, name, arm)
    if not found and metric.reads is Reads.REQUESTS and not name:
        found = series_of(connection, SampleKind.PROBE, SampleKind.PROBE, condition.argument, "", arm)
    spans: list[list[Bucket]] = [[] for _ in range(points)]
    for bucket in buckets(connection, found, -(-begin // 1_000_000), end // 1_000_000):
        # A bucket belongs where its middle lies.
        middle = bucket.start * 1_000_000 + bucket.width * 500_000
        spans[min(points - 1, (middle - begin) * points // (end - begin))].append(bucket)
    return tuple(
        measure(condition, summed(span, from_us(low), from_us(high)), 0, timedelta(microseconds=high - low)).value
        if span
        else None
        for span, low, high in zip(spans, edges, edges[1:], strict=False)
    )


def endpoints(connection: Connection, since: datetime, until: datetime) -> tuple[EndpointFigures, ...]:
    """Requests of a span by endpoint, the busiest first, `other` last."""
    rows = connection.execute(
        "SELECT id, endpoint FROM series WHERE kind = ? AND metric = ? AND flag = ? AND arm = ? AND endpoint != ''",
        (SampleKind.REQUEST.value, REQUEST, *arm_of(None, Population.ALL)),
    ).fetchall()
    out = []
    for number, endpoint in rows:
        found = list(buckets(connection, [number], to_us(since) // 10_000_000 * 10, int(until.timestamp())))
        if not found:
            continue
        total = summed(found, since, until)
        timed = total.histogram.count
        out.append(
            EndpointFigures(
                endpoint=endpoint,
                requests=total.count,
                bad=total.bad,
                errors=100 * total.bad / total.count,
                average_ms=total.total / timed if timed else None,
                p95_ms=total.histogram.percentile(0.95),
            )
        )
    return tuple(sorted(out, key=lambda row: (not row.endpoint.startswith("/"), -row.requests, row.endpoint)))
