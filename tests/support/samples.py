"""Measured things as values, and how a test puts them into a metric store."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from deployguard.codec import JSON
from deployguard.telemetry.batch import Batch, Counted
from deployguard.telemetry.exposer import Exposer
from deployguard.telemetry.metrics import MetricStore


class RequestSample(NamedTuple):
    """One request to the application. `status` None is one that got no answer."""

    time: datetime
    endpoint: str | None  # the path; a query or fragment is cut off
    status: int | None
    duration_ms: float | None = None
    user: str | None = None
    country: str | None = None
    region: str | None = None


class NumberSample(NamedTuple):
    """One value of a vital (`lcp`, in milliseconds) or of a number that a source names."""

    time: datetime
    name: str
    value: float
    endpoint: str | None = None
    user: str | None = None
    country: str | None = None
    region: str | None = None


Sample = RequestSample | NumberSample


def add(
    metrics: MetricStore,
    samples: Iterable[Sample],
    *,
    source: str,
    exposer: Exposer | None,
    now: datetime,
    position: JSON | None = None,
) -> Counted:
    """Count samples in one transaction, with the log position that they lead to."""
    batch = Batch(exposer, now)
    for sample in samples:
        at = sample.time.timestamp()
        who = (sample.user, sample.country, sample.region)
        if isinstance(sample, RequestSample):
            batch.request(at, sample.endpoint, sample.status, sample.duration_ms, *who)
        else:
            batch.number(at, sample.name, sample.value, sample.endpoint, *who)
    expected = metrics.position(source) if position is not None else None
    return metrics.write(batch, source=source, position=position, expected=expected)
