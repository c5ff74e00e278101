"""Measured things on their way into the metric store, and what is said back about them."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from deployguard.errors import Problem


class RequestSample(NamedTuple):
    """One request to the application. A named tuple: a busy site makes tens of thousands a second.

    `status` None is a request that got no answer. `user` is the id that is bucketed; it is hashed and forgotten.
    """

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
        return Counted(
            accepted=self.accepted + other.accepted,
            requests=self.requests + other.requests,
            numbers=self.numbers + other.numbers,
            with_user=self.with_user + other.with_user,
            dropped_future=self.dropped_future + other.dropped_future,
            dropped_old=self.dropped_old + other.dropped_old,
            lines=self.lines + other.lines,
            skipped=self.skipped + other.skipped,
            reason=self.reason or other.reason,
            error=other.error or self.error,
            left=other.left,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """One endpoint's requests of a span. `errors` is a share in percent."""

    endpoint: str
    requests: int
    bad: int
    errors: float
    average_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver an effect. `error` is None where it came through."""

    effect_id: str
    target: str
    at: datetime
    error: str | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What `monitoring import` took. `problem` lists up to ten lines that are no samples, with number and reason."""

    accepted: int = 0
    refused: int = 0
    dropped_future: int = 0
    dropped_old: int = 0
    requests: int = 0
    vitals: int = 0
    probes: int = 0
    with_user: int = 0
    problem: Problem | None = None
