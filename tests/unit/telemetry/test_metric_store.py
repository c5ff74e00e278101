"""Samples in, readings out."""

from datetime import timedelta
from pathlib import Path

import pytest
from telemetry_builders import EDGE, HOUR_AGO, NOW, ago, arms, ask, exposer, number, request, store

from deployguard.guard.values import Population, SampleKind
from deployguard.telemetry.endpoints import MOST_ENDPOINTS, OTHER
from support.samples import RequestSample, add

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def test_requests_are_counted_with_what_is_bad_among_them(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    statuses = [200, 301, 404, 499, 500, 503, 0, None]
    add(metrics, [request(5, status=status) for status in statuses], source="log", exposer=None, now=NOW)
    reading = ask(metrics)
    assert (reading.count, reading.bad) == (8, 4)


def test_times_are_summed_and_kept_as_a_histogram_where_there_are_any(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    times = [100.0, 200.0, 300.0, None]
    add(metrics, [request(5, duration_ms=took) for took in times], source="log", exposer=None, now=NOW)
    reading = ask(metrics)
    assert (reading.count, reading.histogram.count, reading.total, reading.largest) == (4, 3, 600.0, 300.0)
    assert reading.histogram.percentile(0.5) == pytest.approx(200.0, rel=0.01)


def test_the_open_bucket_counts_and_what_lies_before_the_window_does_not(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(0), request(301), request(320)], source="log", exposer=None, now=NOW)
    reading = ask(metrics)
    assert reading.count == 2  # the bucket that holds the window's begin is whole
    assert reading.start == EDGE - timedelta(minutes=5)
    assert (reading.end, reading.newest) == (NOW, NOW)


def test_a_sample_at_the_very_edge_of_now_counts(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [RequestSample(EDGE, "/", 200)], source="log", exposer=None, now=EDGE)
    assert ask(metrics, now=EDGE).count == 1


@pytest.mark.parametrize(("offset", "count"), [(0, 2), (1, 1), (10, 1), (11, 0)])
def test_nothing_before_since_is_evidence_not_even_of_its_own_bucket(tmp_path: Path, offset: int, count: int) -> None:
    metrics = store(tmp_path)
    samples = [RequestSample(HOUR_AGO + timedelta(seconds=at), "/", 200) for at in (9, 19)]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    since = HOUR_AGO + timedelta(seconds=offset)
    assert ask(metrics, since=since, window=DAY).count == count


def test_a_window_with_too_few_samples_grows_backwards_bucket_by_bucket(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(at) for at in (5, 400, 400, 500, 600, 700)], source="log", exposer=None, now=NOW)
    reading = ask(metrics, at_least=3)
    assert reading.count == 3
    assert ago(410) < reading.start <= ago(400)
    assert ask(metrics, at_least=4).count == 4
    assert ask(metrics, at_least=1).count == 1


def test_it_grows_no_further_than_since(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(at) for at in (5, 400, 3_590, 3_700)], source="log", exposer=None, now=NOW)
    reading = ask(metrics, at_least=100)
    assert (reading.count, reading.start) == (3, HOUR_AGO)


def test_an_empty_window_stays_empty(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(400)], source="log", exposer=None, now=NOW)
    reading = ask(metrics, at_least=100)
    assert (reading.count, reading.newest) == (0, None)


def test_a_users_samples_count_for_their_arm_and_sums_never_exceed_all(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(5, user=f"u{n}", status=500 if n % 7 == 0 else 200) for n in range(400)]
    samples += [request(5) for _ in range(50)]
    counted = add(metrics, samples, source="log", exposer=exposer(), now=NOW)
    assert (counted.requests, counted.with_user) == (450, 400)
    everyone = ask(metrics)
    exposed, others = (
        ask(metrics, flag="f", population=population) for population in (Population.EXPOSED, Population.OTHERS)
    )
    assert everyone.count == 450
    assert exposed.count + others.count == 400
    assert exposed.bad + others.bad == everyone.bad
    assert 150 < exposed.count < 250
    assert exposed.users == exposed.count
    assert everyone.users == 400


def test_each_flag_has_its_own_arms(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    rules = exposer({"f": 2_500, "g": 7_500})
    users = [f"u{n}" for n in range(300)]
    add(metrics, [request(5, user=user) for user in users], source="log", exposer=rules, now=NOW)
    for flag in ("f", "g"):
        on = sum(1 for user in users if dict(arms(rules, user))[flag])
        assert ask(metrics, flag=flag, population=Population.EXPOSED).count == on
        assert ask(metrics, flag=flag, population=Population.OTHERS).count == 300 - on


def test_samples_older_than_a_flags_anchor_are_in_no_arm(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    anchored = exposer(anchor=EDGE - MINUTE)
    add(
        metrics,
        [request(at, user=f"u{n}") for n in range(40) for at in (5, 90)],
        source="log",
        exposer=anchored,
        now=NOW,
    )
    arms = [
        ask(metrics, flag="f", population=population).count for population in (Population.EXPOSED, Population.OTHERS)
    ]
    assert (ask(metrics).count, sum(arms)) == (80, 40)


def test_an_endpoint_is_asked_for_by_its_name_or_by_a_pattern(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    paths = ["/lofts/1", "/lofts/2?x", "/checkout/pay", "/checkout/card", "/", "/checkout"]
    rules = exposer(endpoints=("/lofts/:id",))
    add(metrics, [request(5, path) for path in paths], source="log", exposer=rules, now=NOW)
    wanted = {"/lofts/:id": 2, "/checkout/*": 2, "/checkout": 1, "/checkout/pay": 1, "/lofts/1": 0, "/nowhere": 0}
    assert {path: ask(metrics, endpoint=path).count for path in wanted} == wanted


def test_a_pattern_that_covers_several_endpoints_grows_over_all_of_them(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(5, "/a/1"), request(400, "/a/2"), request(500, "/a/1"), request(600, "/a/2"), request(400, "/b")]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    assert ask(metrics, endpoint="/a/*", at_least=3).count == 3


def test_it_grows_by_whole_buckets(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(5, "/a/1"), *(request(400, f"/a/{n}") for n in range(6)), request(500, "/a/1")]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    assert ask(metrics, endpoint="/a/*", at_least=2).count == 7


def test_at_most_two_hundred_endpoints_are_told_apart_the_busiest_of_them(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(5, f"/{n}") for n in range(MOST_ENDPOINTS + 50)]
    samples += [request(5, "/busy") for _ in range(3)]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    add(metrics, [request(5, f"/late/{n}") for n in range(10)], source="log", exposer=None, now=NOW)
    figures = {row.endpoint: row.requests for row in metrics.endpoints(HOUR_AGO, NOW)}
    assert len(figures) == MOST_ENDPOINTS + 1
    assert figures["/busy"] == 3
    assert figures[OTHER] == 51 + 10
    assert sum(figures.values()) == ask(metrics).count == MOST_ENDPOINTS + 63


def test_a_listed_endpoint_is_kept_apart_however_many_there_are(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    listed = exposer(endpoints=("/checkout/*",))
    add(metrics, [request(5, f"/{n}") for n in range(300)], source="log", exposer=listed, now=NOW)
    add(metrics, [request(5, "/checkout/pay")], source="log", exposer=listed, now=NOW)
    assert ask(metrics, endpoint="/checkout/*").count == 1


def test_late_samples_go_to_their_bucket_and_impossible_ones_are_dropped_and_counted(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(5)], source="log", exposer=None, now=NOW)
    late = [request(250), request(-59), request(-61), request(31 * 86_400)]
    counted = add(metrics, late, source="log", exposer=None, now=NOW)
    assert (counted.accepted, counted.dropped_future, counted.dropped_old) == (2, 1, 1)
    assert ask(metrics).count == 2  # that of the next minute comes into view with its time
    assert ask(metrics, now=NOW + MINUTE, window=10 * MINUTE).count == 3


def test_numbers_are_read_by_name(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [number(5, "lcp", 2_000.0 + n, user=f"u{n}") for n in range(60)] + [number(5, "cls", 0.0)]
    add(metrics, samples, source="beacons", exposer=exposer(), now=NOW)
    lcp = ask(metrics, kind=SampleKind.NUMBER, metric="lcp")
    assert (lcp.count, lcp.users) == (60, 60)
    exposed = ask(metrics, kind=SampleKind.NUMBER, metric="lcp", flag="f", population=Population.EXPOSED)
    assert 0 < exposed.count < 60
    cls = ask(metrics, kind=SampleKind.NUMBER, metric="cls")
    assert (cls.count, cls.users, cls.histogram.percentile(0.75)) == (1, 0, 0.0)
    assert metrics.number("lcp", ago(60), NOW).count == 60
    assert ask(metrics).count == 0


def test_the_rate_is_that_of_the_last_minute_with_samples(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(at / 2) for at in range(240)], source="log", exposer=None, now=NOW)
    assert ask(metrics).rate_per_s == pytest.approx(2.0, rel=0.1)


def test_two_stores_on_one_file_see_each_others_samples(tmp_path: Path) -> None:
    one, two = store(tmp_path), store(tmp_path)
    add(one, [request(5)], source="log", exposer=None, now=NOW)
    add(two, [request(5)], source="log", exposer=None, now=NOW)
    assert ask(one).count == ask(two).count == 2


def test_the_position_is_written_with_the_samples(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    assert metrics.position("log") is None
    add(metrics, [request(5)], source="log", exposer=None, now=NOW, position={"offset": 7})
    assert metrics.position("log") == {"offset": 7}
    assert metrics.position("other") is None


def test_nobodys_id_or_address_is_in_the_file(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    user = "somebody@example.com"
    samples = [request(5, user=user, status=500, duration_ms=7.0), number(5, "lcp", 2_000.0, user)]
    add(metrics, samples, source="log", exposer=exposer(), now=NOW)
    metrics.close()
    assert all(user.encode() not in file.read_bytes() for file in (tmp_path / "prod").iterdir())
