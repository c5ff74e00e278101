"""Rounds of health checks: the last one, and failures in a row since an anchor."""

import random
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from telemetry_builders import HOUR_AGO, NOW, ago, ask, store

from deployguard.guard.values import CheckRound, Questions, Rounds, RoundsQuestion, SampleKind
from deployguard.telemetry.metrics import MetricStore

DAY = timedelta(days=1)


def found(seconds_ago: float, *, ok: bool, check: str = "api", **kept: object) -> CheckRound:
    return CheckRound(check=check, ok=ok, at=ago(seconds_ago), latency_ms=40, **kept)  # type: ignore[arg-type]


def asked(metrics: MetricStore, since: datetime = HOUR_AGO, check: str = "api", now: datetime = NOW) -> Rounds:
    question = RoundsQuestion(check, since)
    return metrics.answer(Questions((), (question,)), now)[1][question]


def test_failures_in_a_row_are_counted_and_one_success_ends_them(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    expected = []
    for number, ok in enumerate([True, False, False, True, False, False, False]):
        metrics.add_rounds([found(300 - number * 30, ok=ok)], NOW)
        expected.append(asked(metrics).consecutive)
    assert expected == [0, 1, 2, 0, 1, 2, 3]
    assert asked(metrics) == Rounds(total=7, consecutive=3, newest=ago(120))


def test_only_failures_since_the_anchor_count(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add_rounds([found(at, ok=False) for at in (300, 200, 100)], NOW)
    assert asked(metrics, ago(200)).consecutive == 2
    assert asked(metrics, ago(50)) == Rounds()
    assert asked(metrics, now=ago(150)).consecutive == 2


def test_checks_are_counted_apart(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add_rounds([found(20, ok=False), found(10, ok=True, check="homepage")], NOW)
    assert (asked(metrics).consecutive, asked(metrics, check="homepage").consecutive) == (1, 0)
    assert asked(metrics, check="search") == Rounds()


def test_the_last_round_comes_back_as_it_was(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    last = found(10, ok=False, status=503, why="status", detail="503\nbusy", tries=2, consecutive=2)
    metrics.add_rounds([found(40, ok=False), last, found(5, ok=True, check="homepage")], NOW)
    rounds = metrics.last_rounds()
    assert rounds["api"] == last
    assert set(rounds) == {"api", "homepage"}


def test_rounds_that_come_late_take_their_place(tmp_path: Path) -> None:
    rng = random.Random(5)
    for attempt in range(20):
        metrics = store(tmp_path / str(attempt))
        rounds = [found(300 - at * 10, ok=rng.random() < 0.4) for at in range(20)]
        for one in rng.sample(rounds, len(rounds)):
            metrics.add_rounds([one], NOW)
        streak = 0
        for one in rounds:
            streak = 0 if one.ok else streak + 1
        assert asked(metrics) == Rounds(total=20, consecutive=streak, newest=rounds[-1].at)


def test_rounds_are_samples_too_by_check_and_together(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add_rounds([found(20, ok=False), found(10, ok=True), found(10, ok=True, check="/odd/*")], NOW)
    probes = ask(metrics, kind=SampleKind.PROBE, metric="probe")
    assert (probes.count, probes.bad, probes.total) == (3, 1, 120.0)
    assert ask(metrics, kind=SampleKind.PROBE, metric="probe", endpoint="api").count == 2
    assert ask(metrics, kind=SampleKind.PROBE, metric="probe", endpoint="/odd/*").count == 1


def test_rounds_of_the_future_and_of_long_ago_are_dropped(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    assert metrics.add_rounds([found(-61, ok=True), found(31 * 86_400, ok=True), found(1, ok=True)], NOW) == 1
    assert asked(metrics, NOW - 100 * DAY).total == 1


def test_old_rounds_go_and_old_answers_are_shortened(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.add_rounds(
        [found(29 * 86_400, ok=True), found(3 * 86_400, ok=False, detail="x"), found(60, ok=False, detail="y")], NOW
    )
    metrics.roll_up(NOW, 7 * DAY)
    assert metrics.last_rounds()["api"].detail == "y"
    with closing(sqlite3.connect(tmp_path / "prod" / "metrics.sqlite")) as connection:
        assert connection.execute("SELECT detail FROM rounds ORDER BY at").fetchall() == [(None,), ("y",)]
    assert asked(metrics, NOW - 30 * DAY) == Rounds(total=2, consecutive=2, newest=ago(60))
