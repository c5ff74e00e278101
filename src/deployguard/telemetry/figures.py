"""Figures for people: spark lines and charts, and requests by endpoint."""

from datetime import datetime, timedelta
from sqlite3 import Connection

from deployguard.config.condition import Condition
from deployguard.guard.measure import measure
from deployguard.guard.sight import Reads, metric_of
from deployguard.guard.values import Population, SampleKind
from deployguard.telemetry.batch import REQUEST
from deployguard.telemetry.instants import from_us, to_us
from deployguard.telemetry.reading import Bucket, arm_of, buckets, series_of, summed
from deployguard.telemetry.rounds import worst_streaks
from deployguard.telemetry.samples import EndpointFigures


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


def endpoints(
    connection: Connection,
    since: datetime,
    until: datetime,
    *,
    flag: str | None = None,
    population: Population = Population.ALL,
) -> tuple[EndpointFigures, ...]:
    """Requests of a span by endpoint, the busiest first, `other` last."""
    name, arm = arm_of(flag, population)
    rows = connection.execute(
        "SELECT id, endpoint FROM series WHERE kind = ? AND metric = ? AND flag = ? AND arm = ? AND endpoint != ''",
        (SampleKind.REQUEST.value, REQUEST, name, arm),
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
