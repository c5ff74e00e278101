"""Spark lines and figures by endpoint."""

from datetime import timedelta
from pathlib import Path

import pytest
from telemetry_builders import EDGE, NOW, ago, arms, exposer, number, request, store

from deployguard.config.grammar import parse_condition
from deployguard.guard.values import CheckRound, Population
from support.samples import add

TEN = timedelta(minutes=10)


def test_a_line_has_the_conditions_value_in_each_span_and_gaps_where_nothing_was(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(at, status=500 if at > 480 else 200) for at in range(405, 595, 10)]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    line = metrics.series(parse_condition("errorRate > 10%"), since=NOW - TEN, until=NOW, points=5)
    assert line == (pytest.approx(100.0), pytest.approx(0.0), None, None, None)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("avg(responseTime) > 5s", 200.0),
        ("max(responseTime) > 5s", 300.0),
        ("count(responseTime) > 5", 3.0),
        ("avg(responseTime, '/a') > 5s", 150.0),
        ("p75(lcp) > 4s", 900.0),
        ("errorRate('/b') > 5%", 0.0),
    ],
)
def test_any_rule_has_a_line(tmp_path: Path, rule: str, value: float) -> None:
    metrics = store(tmp_path)
    samples = [request(5, path, duration_ms=took) for path, took in (("/a", 100.0), ("/a", 200.0), ("/b", 300.0))]
    add(metrics, [*samples, number(5, "lcp", 900.0)], source="log", exposer=None, now=NOW)
    line = metrics.series(parse_condition(rule), since=NOW - TEN, until=NOW, points=2)
    assert line == (None, pytest.approx(value, rel=0.01))


def test_a_line_is_drawn_for_one_population(tmp_path: Path) -> None:
    metrics, rules = store(tmp_path), exposer()
    on = {f"u{n}": dict(arms(rules, f"u{n}"))["f"] for n in range(50)}
    samples = [request(5, status=500 if on[user] else 200, user=user) for user in on]
    add(metrics, samples, source="log", exposer=rules, now=NOW)
    rule = parse_condition("errorRate > 10%")
    for population, value in ((Population.EXPOSED, 100.0), (Population.OTHERS, 0.0)):
        line = metrics.series(rule, flag="f", population=population, since=NOW - TEN, until=NOW, points=1)
        assert line == (value,)


def test_failed_rounds_have_a_line_too(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    rounds = [CheckRound(check="api", ok=at in (590, 5), at=ago(at)) for at in (590, 560, 530, 90, 5)]
    metrics.add_rounds(rounds, NOW)
    rule = parse_condition("consecutiveFailures >= 2")
    assert metrics.series(rule, since=NOW - TEN, until=NOW, points=3) == (2.0, None, 3.0)


def test_where_no_request_was_ever_seen_the_checks_have_the_line(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add_rounds([CheckRound(check="api", ok=False, at=ago(5), latency_ms=9)], NOW)
    rule = parse_condition("errorRate > 10%")
    assert metrics.series(rule, since=NOW - TEN, until=NOW, points=1) == (100.0,)
    add(metrics, [request(5)], source="log", exposer=None, now=NOW)
    assert metrics.series(rule, since=NOW - TEN, until=NOW, points=1) == (0.0,)


@pytest.mark.parametrize(("points", "minutes", "line"), [(0, 1, ()), (3, 0, (None,) * 3), (2, -1, (None,) * 2)])
def test_a_line_of_nothing_is_gaps(tmp_path: Path, points: int, minutes: int, line: tuple[None, ...]) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(5)], source="log", exposer=None, now=NOW)
    since = NOW - timedelta(minutes=minutes)
    assert metrics.series(parse_condition("errorRate > 1%"), since=since, until=NOW, points=points) == line


def test_endpoints_have_requests_errors_and_times_the_busiest_first_other_last(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(5, None) for _ in range(9)]
    samples += [request(5, "/b", 500 if n == 0 else 200, duration_ms=100.0 * n) for n in range(4)]
    samples += [request(5, "/a"), request(3_000, "/old")]
    add(metrics, samples, source="log", exposer=None, now=NOW)
    rows = metrics.endpoints(EDGE - TEN, NOW)
    assert [(row.endpoint, row.requests, row.errors) for row in rows] == [
        ("/b", 4, 25.0),
        ("/a", 1, 0.0),
        ("other", 9, 0.0),
    ]
    assert rows[0].average_ms == 150.0
    assert rows[0].p95_ms == pytest.approx(300.0, rel=0.01)
    assert (rows[1].average_ms, rows[1].p95_ms) == (None, None)
