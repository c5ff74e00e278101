"""Figures as terminal/README.md says them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.config.condition import Unit
from deployguard.story import numbers

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"),
        (0, "0s"),
        (0.0004, "0s"),
        (0.412, "412ms"),
        (1, "1s"),
        (22.84, "22.8s"),
        (59.99, "59.9s"),
        (60, "1m"),
        (65, "1m 05s"),
        (130, "2m 10s"),
        (3599.9, "59m 59s"),
        (86_400, "24h"),
        (14 * 3600 + 11 * 60 + 50, "14h 11m"),
        (72 * 3600, "72h"),
        (72 * 3600 + 1, "3d"),
        (6 * 86_400 + 23 * 3600 + 59, "6d 23h"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float, words: str) -> None:
    assert numbers.duration_words(timedelta(seconds=seconds)) == words


def test_an_age_is_in_whole_seconds() -> None:
    assert numbers.age_words(timedelta(seconds=2.94)) == "2s"


@pytest.mark.parametrize(("hours", "words"), [(168, "168h"), (24, "24h"), (1.5, "90m"), (0.0125, "45s")])
def test_a_sum_of_holds_stays_in_the_units_that_the_config_writes(hours: float, words: str) -> None:
    assert numbers.hold_words(timedelta(hours=hours)) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "14:31:50"),
        (datetime(2026, 11, 25, 3, 44, tzinfo=UTC), "Wed 25 Nov 04:44"),
        (datetime(2026, 12, 1, 13, 32, tzinfo=UTC), "Tue 1 Dec 14:32"),
        (datetime(2027, 2, 22, 8, tzinfo=UTC), "Mon 22 Feb 2027 09:00"),
        (datetime(2026, 11, 23, 23, 30, tzinfo=UTC), "00:30:00"),  # today in the reader's zone, yesterday in UTC
    ],
)
def test_a_time_of_day_is_the_readers(at: datetime, words: str) -> None:
    assert numbers.time_of_day(at, NOW, CET) == words


def test_a_date_is_written_today_too_where_it_is_asked_for() -> None:
    assert numbers.time_of_day(NOW, NOW, CET, date=True) == "Tue 24 Nov 14:31"


def test_without_a_reader_a_time_is_a_utc_stamp() -> None:
    assert numbers.moment(NOW, NOW, None) == "2026-11-24T13:31:50Z"
    assert numbers.about(NOW, NOW, None) == "13:31Z"
    assert numbers.about(NOW, NOW, CET) == "14:31"
    assert numbers.about(NOW + timedelta(days=1), NOW, CET) == "Wed 25 Nov 14:31"


@pytest.mark.parametrize(("minutes", "words"), [(60, "UTC+1"), (0, "UTC"), (-210, "UTC-3:30"), (345, "UTC+5:45")])
def test_a_zone_is_named_by_its_offset(minutes: int, words: str) -> None:
    assert numbers.zone_words(NOW, timezone(timedelta(minutes=minutes))) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (2_100_000, "2.1 MB"), (999_999, "1.0 MB"), (9_960_000, "10 MB"), (41e9, "41 GB")],
)
def test_bytes_have_decimal_units(size: int, words: str) -> None:
    assert numbers.bytes_words(size) == words


@pytest.mark.parametrize(
    ("value", "limit", "words"),
    [
        (14.2, 10, "14.2%"),
        (10.04, 10, "10.04%"),
        (9.96, 10, "9.96%"),
        (10.0, 10, "10.0%"),
        (0, 10, "0%"),
        (0.004, 10, "0.004%"),
        (0.4, None, "0.4%"),
        (10.0000001, 10, "10.0000001%"),
    ],
)
def test_a_rate_has_the_digits_that_its_limit_asks_for(value: float, limit: float | None, words: str) -> None:
    assert numbers.percent(value, limit) == words


@pytest.mark.parametrize(
    ("value", "limit", "words"),
    [
        (431.4, 5000, "431ms"),
        (2410, 4000, "2.41s"),
        (5310, 5000, "5.31s"),
        (5003, 5000, "5.003s"),
        (999.7, None, "1.00s"),
        (500.3, 500, "500.3ms"),
        (0, None, "0ms"),
        (0.3, None, "0.3ms"),
    ],
)
def test_a_response_time_is_in_ms_below_a_second(value: float, limit: float | None, words: str) -> None:
    assert numbers.milliseconds_words(value, limit) == words


def test_a_metrics_name_tells_its_unit() -> None:
    cases = [("cls", 0.08), ("lcp", 2360), ("errorRate", 0.4), ("consecutiveFailures", 2), ("cart_total", 1204)]
    assert [numbers.metric_value(name, value) for name, value in cases] == ["0.08", "2.36s", "0.4%", "2", "1,204"]


def test_no_data_is_none_and_never_a_zero() -> None:
    for missing in (None, float("nan"), float("inf")):
        assert numbers.value_with_unit(missing, Unit.PERCENT) == "none"
    assert numbers.latency_words(None) == "none"


def test_a_column_of_shares_has_the_same_decimals() -> None:
    assert numbers.column_of_percentages([10_000, 3_000, 750, 0]) == ["100.0%", "30.0%", "7.5%", "0.0%"]
    assert numbers.column_of_percentages([10_000, 0]) == ["100%", "0%"]
    assert numbers.column_of_percentages([1]) == ["0.01%"]
    assert numbers.column_of_percentages([]) == []


def test_counts_have_their_thousands_apart_and_the_right_number() -> None:
    assert numbers.counted(1, "trigger") == "1 trigger"
    assert numbers.counted(1204, "request") == "1,204 requests"
    assert numbers.share_words(7.5) == "7.5%"


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_shown_value_is_never_on_the_other_side_of_its_limit(value: float, limit: float) -> None:
    shown = float(numbers.number_words(value, limit).replace(",", ""))
    if abs(value - limit) > 1e-6 * max(1, limit):
        assert (shown > limit, shown < limit) == (value > limit, value < limit)


def test_samples_are_shown_against_those_that_are_wanted_until_they_are_there() -> None:
    said = [numbers.out_of_words(count, 1_200) for count in (0, 4, 1_199, 1_200, 5_000)]
    assert said == ["0", "4 of 1,200", "1,199 of 1,200", "1,200", "5,000"]
