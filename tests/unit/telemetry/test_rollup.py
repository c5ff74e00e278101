"""Old buckets become wider and keep what they count; merging in any order gives the same."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry_builders import NOW, ask, exposer, store

from deployguard.guard.values import CheckRound, Population, Question, Questions, Reading, SampleKind
from deployguard.telemetry.buckets import pack, unpack_into
from deployguard.telemetry.metrics import MetricStore
from support.samples import RequestSample, add

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONG_AGO = NOW - 40 * DAY
KEPT = 30 * DAY


def widths(folder: Path) -> list[tuple[int, int]]:
    connection = sqlite3.connect(folder / "prod" / "metrics.sqlite")
    try:
        return connection.execute("SELECT width, count(*) FROM buckets GROUP BY width ORDER BY width").fetchall()
    finally:
        connection.close()


def everything(metrics: MetricStore) -> tuple[object, ...]:
    return tuple(
        figures(ask(metrics, since=LONG_AGO, window=50 * DAY, flag=flag, population=population))
        for flag, population in ((None, Population.ALL), ("f", Population.EXPOSED), ("f", Population.OTHERS))
    )


def figures(reading: Reading) -> tuple[object, ...]:
    total = round(reading.total, 3)
    return reading.count, reading.bad, total, reading.largest, dict(reading.histogram.bins), reading.newest


def test_a_bucket_is_ten_seconds_then_a_minute_then_an_hour(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    ages = [timedelta(hours=1), 2 * DAY + HOUR, 3 * DAY, 8 * DAY, 29 * DAY]
    for age in ages:  # as they happened
        at = NOW - age
        add(metrics, [RequestSample(at, "/", 200, 5.0)], source="log", exposer=None, now=at)
    assert widths(tmp_path) == [(10, 10)]
    metrics.roll_up(NOW, KEPT)
    assert widths(tmp_path) == [(10, 2), (60, 4), (3600, 4)]
    metrics.roll_up(NOW + 2 * DAY, KEPT)
    assert widths(tmp_path) == [(60, 6), (3600, 2)]  # the oldest has gone


def test_a_late_sample_joins_the_bucket_that_covers_its_time_by_now(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    old = NOW - 8 * DAY
    add(metrics, [RequestSample(old, "/", 200)], source="log", exposer=None, now=old)
    metrics.roll_up(NOW, KEPT)
    add(metrics, [RequestSample(old, "/", 500)], source="log", exposer=None, now=NOW)
    assert widths(tmp_path) == [(3600, 2)]
    assert ask(metrics, since=LONG_AGO, window=30 * DAY).bad == 1


def test_what_is_older_than_is_kept_goes_and_frees_its_endpoint(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [RequestSample(NOW - 6 * DAY, "/old", 200)], source="log", exposer=None, now=NOW - 6 * DAY)
    add(metrics, [RequestSample(NOW, "/new", 200)], source="log", exposer=None, now=NOW)
    metrics.roll_up(NOW, 5 * DAY)
    assert [row.endpoint for row in metrics.endpoints(LONG_AGO, NOW)] == ["/new"]
    assert ask(metrics, since=LONG_AGO, window=40 * DAY).count == 1


samples_of = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 3, 8, 19]).map(lambda days: days * 86_400),
        st.integers(0, 90),  # seconds: several in one bucket, one minute, one hour
        st.sampled_from(["/", "/a", "/b/1"]),
        st.sampled_from([200, 404, 500, None]),
        st.one_of(st.none(), st.floats(0, 60_000, allow_nan=False)),
        st.one_of(st.none(), st.sampled_from([f"u{n}" for n in range(20)])),
    ),
    max_size=40,
)


@settings(max_examples=25)
@given(found=samples_of, parts=st.integers(1, 4), random=st.randoms(use_true_random=False))
def test_counts_stay_through_roll_ups_and_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[tuple[int, int, str, int | None, float | None, str | None]],
    parts: int,
    random: Random,
) -> None:
    rules = exposer(anchor=LONG_AGO)
    made = [RequestSample(NOW - timedelta(seconds=ago + more), *rest) for ago, more, *rest in found]
    shuffled = list(made)
    random.shuffle(shuffled)
    live, late = store(tmp_path_factory.mktemp("live")), store(tmp_path_factory.mktemp("late"))
    for sample in sorted(made, key=lambda one: one.time):  # each at its time, so into the finest bucket
        add(live, [sample], source="log", exposer=rules, now=sample.time)
    for part in range(parts):  # long after their time, into a store that is rolled up meanwhile
        add(late, shuffled[part::parts], source="log", exposer=rules, now=NOW)
        late.roll_up(NOW, KEPT)
    before = everything(live)
    assert everything(late) == before
    everyone, exposed, others = (reading[:2] for reading in before)
    assert all(a + b <= c for a, b, c in zip(exposed, others, everyone, strict=True))
    for now in (NOW - 5 * DAY, NOW, NOW):
        live.roll_up(now, KEPT)
        assert everything(live) == before
    live.close()
    late.close()


def test_a_clock_that_jumped_ahead_and_back_costs_no_count(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    for ahead in (3 * DAY, timedelta(0), 3 * DAY):
        add(metrics, [RequestSample(NOW, "/", 500, 5.0)], source="log", exposer=None, now=NOW)
        metrics.roll_up(NOW + ahead, KEPT)
    assert widths(tmp_path) == [(60, 2)]
    reading = ask(metrics, since=LONG_AGO, window=50 * DAY)
    assert (reading.count, reading.bad, reading.total, reading.histogram.count) == (3, 3, 15.0, 3)


@given(st.dictionaries(st.integers(-(1 << 15), (1 << 15) - 1), st.integers(1, 1 << 31), max_size=50))
def test_packed_bins_come_back_and_add_up(bins: dict[int, int]) -> None:
    out: dict[int, int] = {}
    unpack_into(out, pack(bins))
    assert out == bins
    unpack_into(out, pack(bins))
    assert out == {index: 2 * count for index, count in bins.items()}


def test_what_is_dated_later_than_a_clock_that_was_set_back_is_no_evidence_when_that_time_comes(tmp_path: Path) -> None:
    yesterday, noon = NOW - timedelta(days=1), NOW
    with MetricStore(tmp_path / "metrics.sqlite") as metrics:
        bad = [RequestSample(time=noon, endpoint="/", status=500, duration_ms=1.0, user=None)]
        add(metrics, bad, source="nginx", exposer=None, now=noon)
        metrics.add_rounds([CheckRound(check="api", ok=False, at=noon)], noon)
        old = [RequestSample(time=yesterday, endpoint="/", status=200, duration_ms=1.0, user=None)]
        add(metrics, old, source="nginx", exposer=None, now=yesterday)

        metrics.forget_after(yesterday)

        asked = Question(SampleKind.REQUEST, "request", yesterday - timedelta(minutes=1), timedelta(days=3))
        readings, _ = metrics.answer(Questions(samples=(asked,)), noon)
        assert (readings[asked].count, readings[asked].bad) == (1, 0)
        assert metrics.last_rounds() == {}
