"""Distinct users since a step began, their first events, and the salts that die with it."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from telemetry_builders import EDGE, HOUR_AGO, NOW, arms, ask, exposer, number, request, store

from deployguard.guard.values import Exposure, Population
from deployguard.telemetry import users
from deployguard.telemetry.exposer import Exposer, Step
from deployguard.telemetry.metrics import MetricStore
from support.samples import add as put

USERS = [f"u{n}" for n in range(100)]
DAY = timedelta(days=1)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "prod" / "metrics.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def stepped(minutes: int, revision: int, percentage: int = 5_000) -> Exposer:
    """The flag in a step that began so many minutes ago, in a rollout that began an hour ago."""
    since = EDGE - timedelta(minutes=minutes)
    found = exposer({"f": percentage}, anchor=since, revision=revision)
    return replace(found, steps={"f": Step(since, HOUR_AGO, percentage)})


def add(metrics: MetricStore, rules: Exposer, people: list[str], **kept: object) -> None:
    put(metrics, [request(5, user=user, **kept) for user in people], source="log", exposer=rules, now=NOW)


def exposed(metrics: MetricStore, rules: Exposer) -> Exposure:
    return metrics.exposed([("f", "f", rules.steps["f"].since)])["f"]


def test_users_are_counted_once_and_requests_each_time(tmp_path: Path) -> None:
    metrics, rules = store(tmp_path), stepped(60, 1)
    on = sum(1 for user in USERS if dict(arms(rules, user))["f"])
    for _ in range(3):
        add(metrics, rules, USERS)
    assert exposed(metrics, rules) == Exposure(users=on, requests=3 * on)
    assert ask(metrics, flag="f", population=Population.OTHERS).users == 100 - on
    assert ask(metrics).users == 100


def test_a_new_step_counts_anew_under_a_new_salt(tmp_path: Path) -> None:
    metrics, first = store(tmp_path), stepped(60, 1)
    add(metrics, first, USERS)
    before = rows(tmp_path, "SELECT salt FROM scopes WHERE flag = 'f'")
    hashes = set(rows(tmp_path, "SELECT hash FROM users JOIN scopes ON scope = id WHERE flag = 'f'"))
    second = stepped(1, 2)
    add(metrics, second, USERS[:10])
    after = rows(tmp_path, "SELECT salt FROM scopes WHERE flag = 'f'")
    assert len(before) == len(after) == 1
    assert before != after
    assert not hashes & set(rows(tmp_path, "SELECT hash FROM users JOIN scopes ON scope = id WHERE flag = 'f'"))
    assert 0 < exposed(metrics, second).users < 10
    assert exposed(metrics, replace(first, steps={"f": Step(NOW, HOUR_AGO, 0)})) == Exposure()


def test_a_reader_of_an_older_state_ends_no_step(tmp_path: Path) -> None:
    metrics, old, new = store(tmp_path), stepped(60, 1), stepped(1, 2)
    add(metrics, new, USERS)
    before = exposed(metrics, new)
    add(metrics, old, USERS)
    add(metrics, exposer({}, revision=1), USERS)
    assert exposed(metrics, new) == before
    assert rows(tmp_path, "SELECT count(*) FROM scopes WHERE flag = 'f'") == [(1,)]


def test_the_salt_of_a_flag_that_is_guarded_no_more_is_deleted(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, stepped(60, 1), USERS, status=500)
    salts = rows(tmp_path, "SELECT salt FROM scopes WHERE flag = 'f' UNION SELECT salt FROM lives")
    add(metrics, exposer({}, revision=2), USERS)
    metrics.close()
    assert rows(tmp_path, "SELECT flag FROM scopes") == [("",)]
    assert rows(tmp_path, "SELECT count(*) FROM firsts") == [(0,)]
    kept = (tmp_path / "prod" / "metrics.sqlite").read_bytes()
    assert not any(bytes(salt) in kept for (salt,) in salts)


def test_everyones_users_are_counted_by_day_and_two_days_are_kept(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    for day in range(4):
        at = NOW + day * DAY
        samples = [request(5, user=user)._replace(time=at) for user in USERS[: 40 + day]]
        put(metrics, samples, source="log", exposer=None, now=at)
    assert ask(metrics, now=NOW + 3 * DAY).users == 43
    assert rows(tmp_path, "SELECT count(*) FROM scopes") == [(2,)]


def test_each_users_first_events_are_logged_with_the_arms_they_were_in(tmp_path: Path) -> None:
    metrics, rules = store(tmp_path), stepped(60, 1, 3_000)
    for status, took in ((200, 10.0), (500, 20.0), (500, 30.0)):
        add(metrics, rules, USERS, status=status, duration_ms=took)
    put(metrics, [number(5, "lcp", 900.0, USERS[0])], source="beacons", exposer=rules, now=NOW)
    put(metrics, [number(5, "lcp", 950.0, USERS[0])], source="beacons", exposer=rules, now=NOW)
    found = rows(
        tmp_path,
        "SELECT metric, e.text, value, p.text, count(*) FROM firsts"
        " JOIN words e ON exposure = e.id JOIN words p ON endpoint = p.id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2",
    )
    on = sum(1 for user in USERS if dict(arms(rules, user))["f"])
    first_of_all = "on" if dict(arms(rules, USERS[0]))["f"] else "off"
    assert found == [
        ("errorRate", "f=off/3000", None, "/", 100 - on),
        ("errorRate", "f=on/3000", None, "/", on),
        ("lcp", f"f={first_of_all}/3000", 900.0, "/", 1),
        ("responseTime", "f=off/3000", 10.0, "/", 100 - on),
        ("responseTime", "f=on/3000", 10.0, "/", on),
    ]


def test_the_guard_knows_a_user_again_in_the_next_step_of_the_rollout(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, stepped(60, 1, 3_000), USERS, duration_ms=10.0)
    add(metrics, stepped(1, 2, 5_000), USERS, duration_ms=10.0)
    counts = rows(tmp_path, "SELECT count(*), count(DISTINCT hash), count(DISTINCT since) FROM firsts")
    assert counts == [(200, 100, 2)]


def test_many_users_are_thinned_by_hash_and_counts_are_scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MOST_KEPT", 400)
    monkeypatch.setattr(users, "MOST_FIRSTS", 400)
    metrics, rules = store(tmp_path), stepped(60, 1)
    for part in range(10):
        add(metrics, rules, [f"u{part}-{n}" for n in range(200)], duration_ms=1.0)
    assert rows(tmp_path, "SELECT max(users) FROM met")[0][0] <= 400
    assert rows(tmp_path, "SELECT count(*) FROM firsts")[0][0] <= 400
    assert ask(metrics).users == pytest.approx(2_000, rel=0.2)
    assert exposed(metrics, rules).users == pytest.approx(1_000, rel=0.25)
