"""Old buckets become wider and keep what they count; merging in any order gives the same."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry_builders import NOW, ask, exposer, store

from deployguard.guard.values import Population, Reading
from deployguard.telemetry.bins import pack, unpack_into
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.samples import RequestSample

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
        metrics.add([RequestSample(at, "/", 200, 5.0)], source="log", exposer=None, now=at)
    assert widths(tmp_path) == [(10, 10)]
    metrics.roll_up(NOW, KEPT)
    assert widths(tmp_path) == [(10, 2), (60, 4), (3600, 4)]
    metrics.roll_up(NOW + 2 * DAY, KEPT)
    assert widths(tmp_path) == [(60, 6), (3600, 2)]  # the oldest has gone


def test_a_late_sample_joins_the_bucket_that_covers_its_time_by_now(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    old = NOW - 8 * DAY
    metrics.add([RequestSample(old, "/", 200)], source="log", exposer=None, now=old)
    metrics.roll_up(NOW, KEPT)
    metrics.add([RequestSample(old, "/", 500)], source="log", exposer=None, now=NOW)
    assert widths(tmp_path) == [(3600, 2)]
    assert ask(metrics, since=LONG_AGO, window=30 * DAY).bad == 1


def test_what_is_older_than_is_kept_goes_and_frees_its_endpoint(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add([RequestSample(NOW - 6 * DAY, "/old", 200)], source="log", exposer=None, now=NOW - 6 * DAY)
    metrics.add([RequestSample(NOW, "/new", 200)], source="log", exposer=None, now=NOW)
    metrics.roll_up(NOW, 5 * DAY)
    assert [row.endpoint for row in metrics.endpoints(LONG_AGO, NOW)] == ["/new"]
    assert ask(metrics, since=LONG_AGO, window=40 * DAY).count == 1


samples_of = st.lists(
    st.tuples(
        st.integers(0, 20 * 86_400),  # seconds ago
        st.sampled_from(["/", "/a", "/b/1"]),
        st.sampled_from([200, 404, 500, None]),
        st.one_of(st.none(), st.floats(0, 60_000, allow_nan=False)),
        st.one_of(st.none(), st.sampled_from([f"u{n}" for n in range(20)])),
    ),
    max_size=40,
)


@settings(max_examples=40)
@given(found=samples_of, parts=st.integers(1, 4), seed=st.randoms(use_true_random=False))
def test_counts_stay_through_roll_ups_and_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[int, str, int | None, float | None, str | None]],
    parts: int, seed: object,
) -> None:  # fmt: skip
    rules = exposer(anchor=LONG_AGO)
    made = [RequestSample(NOW - timedelta(seconds=ago), *rest) for ago, *rest in found]
    shuffled = list(made)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = store(tmp_path_factory.mktemp("one")), store(tmp_path_factory.mktemp("other"))
    one.add(made, source="log", exposer=rules, now=NOW)
    for part in range(parts):  # later ones find the store rolled up
        other.add(shuffled[part::parts], source="log", exposer=rules, now=NOW)
        other.roll_up(NOW, KEPT)
    before = everything(one)
    assert everything(other) == before
    everyone, exposed, others = (reading[:2] for reading in before)
    assert all(a + b <= c for a, b, c in zip(exposed, others, everyone, strict=True))
    one.roll_up(NOW, KEPT)
    assert everything(one) == before
    one.roll_up(NOW, KEPT)
    assert everything(one) == before
    one.close()
    other.close()


@given(st.dictionaries(st.integers(-(1 << 15), (1 << 15) - 1), st.integers(1, 1 << 31), max_size=50))
def test_packed_bins_come_back_and_add_up(bins: dict[int, int]) -> None:
    out: dict[int, int] = {}
    unpack_into(out, pack(bins))
    assert out == bins
    unpack_into(out, pack(bins))
    assert out == {index: 2 * count for index, count in bins.items()}
