from datetime import UTC, datetime, timedelta

import pytest

from deployguard.effects.attempts import GIVE_UP, Attempts, after_failure, delay

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 30), (3, 120), (4, 600), (5, 3600), (6, 3600), (40, 3600)]
)
def test_pauses_grow_to_an_hour_spread_by_a_fifth(failures: int, seconds: int) -> None:
    pauses = [delay(f"ef-{n}-ops", failures).total_seconds() / seconds for n in range(200)]
    assert 0.8 <= min(pauses) < 0.85
    assert 1.15 < max(pauses) <= 1.2


def test_the_spread_is_the_same_after_a_restart() -> None:
    assert delay("ef-1-ops", 3) == delay("ef-1-ops", 3) != delay("ef-2-ops", 3)


def test_tries_go_on_for_24_hours_and_the_last_is_at_their_end() -> None:
    attempts, now, tries = Attempts(), NOW, []
    while True:
        after = after_failure("ef-1-ops", attempts, NOW, now)
        tries.append(now)
        if after is None:
            break
        assert after.next_at is not None
        assert not after.due(after.next_at - timedelta(seconds=1))
        assert after.due(after.next_at)
        attempts, now = after, after.next_at
    assert tries[-1] == NOW + GIVE_UP
    assert 25 <= len(tries) <= 32
    assert attempts.count == len(tries) - 1


@pytest.mark.parametrize(("asked_s", "waits_s"), [(None, 5), (1, 5), (90, 90), (7 * 86_400, 86_400)])
def test_what_the_receiver_asks_for_is_honoured_within_the_24_hours(asked_s: int | None, waits_s: int) -> None:
    asked = None if asked_s is None else timedelta(seconds=asked_s)
    after = after_failure("ef-1-ops", Attempts(), NOW, NOW, asked)
    assert after is not None
    assert after.next_at is not None
    assert (after.next_at - NOW).total_seconds() == pytest.approx(waits_s, rel=0.2)


def test_a_clock_that_was_set_back_does_not_put_a_try_off_for_as_long() -> None:
    later = Attempts(5, NOW + timedelta(days=1), NOW + timedelta(days=1, hours=1))
    assert later.due(NOW)
    assert not later.due(NOW + timedelta(days=1, minutes=30))
