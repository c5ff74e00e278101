"""Where evidence begins.

Theory of operation. Samples are kept in buckets of ten seconds, so nothing can be cut finer. The anchor of a unit is
the moment since which its users have seen the same thing; the bucket that holds the anchor has samples of both kinds.
So a window starts at the first bucket edge at or after the anchor, and at most ten seconds are not looked at. A
trigger's `warmUp` comes on top: a cold cache is no fault. A window is the last `window` up to now; where that holds at
least one sample but fewer than it needs it grows backwards, bucket by bucket, and never past this start.
"""

from datetime import UTC, datetime, timedelta

from deployguard.guard.values import BUCKET

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def edge_before(at: datetime) -> datetime:
    """The last bucket edge at or before `at`."""
    return _EPOCH + (at - _EPOCH) // BUCKET * BUCKET


def edge_at_or_after(at: datetime) -> datetime:
    """The first bucket edge at or after `at`."""
    edge = edge_before(at)
    return edge if edge == at else edge + BUCKET


def edge_after(at: datetime) -> datetime:
    """The next bucket edge, strictly after `at`."""
    return edge_before(at) + BUCKET


def start_of(anchor: datetime, warm_up: timedelta) -> datetime:
    """Where the samples of a unit begin to be evidence for a trigger."""
    return edge_at_or_after(edge_at_or_after(anchor) + warm_up)
