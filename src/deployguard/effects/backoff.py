"""When a delivery is tried again: 5 s, 30 s, 2 m, 10 m, then every hour, until 24 hours after the decision."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

DELAYS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
GIVE_UP = timedelta(hours=24)
_CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a delivery was tried, and when it is due again."""

    count: int = 0
    last_at: datetime | None = None
    next_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Also where the clock was set back since: a time that is far ahead means nothing any more."""
        if self.next_at is None or self.last_at is None:
            return True
        return now >= self.next_at or self.last_at > now + _CLOCK_SLACK


def after_failure(
    effect_id: str, attempts: Attempts, created_at: datetime, now: datetime, asked: timedelta | None = None
) -> Attempts | None:
    """The attempts with one more failure at `now`; None when it is time to give up.

    `asked` is what the receiver asked to wait; a longer pause of ours stands. The last try is at the 24th hour.
    """
    end = created_at + GIVE_UP
    if now >= end:
        return None
    count = attempts.count + 1
    pause = max(delay(effect_id, count), asked or timedelta(0))
    return Attempts(count, now, min(now + pause, end))


def delay(effect_id: str, failures: int) -> timedelta:
    """The pause after so many failures, spread by up to a fifth either way.

    The spread comes from the effect's id, so that it is the same after a restart and another for each effect.
    """
    digest = hashlib.sha256(f"{effect_id}/{failures}".encode()).digest()
    spread = 0.8 + 0.4 * int.from_bytes(digest[:4]) / 2**32
    return DELAYS[min(failures, len(DELAYS)) - 1] * spread
