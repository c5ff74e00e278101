"""A rule with its value in place, and why verdicts wait."""

from datetime import timedelta

import pytest
from tales import CET, LCP_WAITS, NOW, OTHERS, settings, verdict

from deployguard.codec import to_json
from deployguard.config.grammar import parse_condition
from deployguard.guard.values import Cause, Population, Result, Verdict
from deployguard.story import verdicts

DAY_ONE = "from 120 health checks; no request source configured"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "errorRate (14.2%) > 10% among 1,204 requests of its users"),
        ({"value": 10.04}, "errorRate (10.04%) > 10% among 1,204 requests of its users"),
        ({"population": Population.ALL}, "errorRate (14.2%) > 10% among 1,204 requests of everyone"),
        (
            {"rule": "errorRate('/a>b/*') > 2%", "threshold": 2.0, "samples": 1},
            "errorRate('/a>b/*') (14.2%) > 2% among 1 request of its users",
        ),
        (
            {"rule": "avg(responseTime) > 5s", "value": 5310.0, "threshold": 5000.0, "samples": 2804},
            "avg(responseTime) (5.31s) > 5s among 2,804 requests of its users",
        ),
        (
            {"rule": "p75(lcp) > 4s", "value": 4630.0, "threshold": 4000.0, "samples": 212, "source": "vitals"},
            "p75(lcp) (4.63s) > 4s among 212 page views of its users",
        ),
        (
            {"rule": "consecutiveFailures >= 2", "value": 2.0, "threshold": 2.0, "source": "probes", "detail": "api"},
            "consecutiveFailures (2) >= 2 of check api",
        ),
        (
            {"population": Population.ALL, "source": "checks", "samples": 120, "detail": DAY_ONE},
            f"errorRate (14.2%) > 10% ({DAY_ONE})",
        ),
        ({"value": None, "samples": 0}, "errorRate > 10% among 0 requests of its users"),
        ({"rule": "no comparison"}, "no comparison among 1,204 requests of its users"),
    ],
)
def test_a_rule_stands_with_its_value_population_and_samples(changes: dict[str, object], words: str) -> None:
    assert verdicts.rule_words(verdict(**changes)) == words


def test_the_contrast_names_the_others_and_the_failures() -> None:
    assert verdicts.evidence_words(verdict(), OTHERS) == (
        "errorRate (14.2%) > 10% among 1,204 requests of its users; 0.4% among the others; 171 of its requests failed"
    )


def test_where_the_others_fail_too_it_says_that_they_are_equally_hurt() -> None:
    hurt = verdict(population=Population.OTHERS, value=13.9)
    said = verdicts.evidence_words(verdict(), hurt)
    assert said.endswith("; 13.9% among the others; users without it are equally hurt")


def test_one_failure_is_singular() -> None:
    assert verdicts.evidence_words(verdict(bad=1), None).endswith("; 1 of its requests failed")
    assert verdicts.evidence_words(verdict(bad=1, population=Population.ALL), None).endswith("; 1 request failed")


def test_a_verdict_comes_back_from_its_json_even_with_fields_of_a_later_version() -> None:
    assert verdicts.verdict_of(to_json(verdict()) | {"eValue": 412}) == verdict()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"rule": "x > 1"},
        to_json(verdict()) | {"population": "moon"},
        to_json(verdict()) | {"samples": 10**400},
        to_json(LCP_WAITS) | {"readyAt": "2026-11-24T13:00:00"},
        to_json(LCP_WAITS) | {"readyAt": "0001-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_verdict_is_none(data: object) -> None:
    assert verdicts.verdict_of(data) is None


def test_both_sides_of_a_condition_are_words() -> None:
    condition = parse_condition("errorRate('/checkout/*') > 2%")
    assert (verdicts.metric_words(condition), verdicts.limit_words(condition)) == ("errorRate('/checkout/*')", "> 2%")
    condition = parse_condition("avg(responseTime) > 5s")
    assert (verdicts.metric_words(condition), verdicts.limit_words(condition)) == ("avg(responseTime)", "> 5s")


def waits(cause: Cause, **changes: object) -> Verdict:
    return verdict(verdict=Result.INCONCLUSIVE, cause=cause, value=None, samples=0, bad=None, **changes)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (LCP_WAITS, "31 of 50 samples, ready about 14:40"),
        (waits(Cause.TOO_FEW, detail="12 of 20 users"), "12 of 20 users"),
        (waits(Cause.NO_TRAFFIC), "no request for 5m"),
        (waits(Cause.NO_EXPOSURE), "traffic, but nobody was split: wrong user id, or the code does not ask"),
        (waits(Cause.SOURCE_DOWN, detail="nginx: no such file"), "nginx: no such file"),
        (waits(Cause.STALE, rule="p75(lcp) > 4s"), "no new sample for 5m"),
        (waits(Cause.DEPLOYING), "a deploy is running"),
        (waits(Cause.WATCHER_OFFLINE), "this machine is offline"),
        (waits(Cause.NOT_CONNECTED, rule="p75(lcp) > 4s"), "cannot see web vitals"),
        (verdict(), ""),
    ],
)
def test_a_cause_says_what_is_missing_and_when_it_is_there(found: Verdict, words: str) -> None:
    assert verdicts.cause_words(found, CET) == words


def test_an_estimate_that_has_passed_is_not_shown() -> None:
    ready = LCP_WAITS.ready_at
    assert ready is not None
    assert verdicts.cause_words(LCP_WAITS, CET, ready) == "31 of 50 samples"
    assert verdicts.cause_words(LCP_WAITS, CET, ready + timedelta(hours=2)) == "31 of 50 samples"


def test_a_failure_on_few_samples_says_why_it_did_not_wait_for_more() -> None:
    few = verdict(samples=40, needed=100, bad=11)
    assert verdicts.early_words(few) == "fails before 100 samples, as the missing ones could not save it"
    assert verdicts.early_words(verdict()) is None
    assert verdicts.early_words(LCP_WAITS) is None


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("errorRate > 10%", "requests"),
        ("errorRate('/x, y') > 10%", "requests"),
        ("p75(lcp) > 4s", "web vitals"),
        ("p75(lcp, '/lofts') > 4s", "web vitals"),
        ("consecutiveFailures >= 2", "health checks"),
        ("avg(cart_total) > 4", "cart_total"),
    ],
)
def test_what_a_metric_is_read_from_has_a_word(metric: str, words: str) -> None:
    assert verdicts.metric_name_words(verdict(rule=metric)) == words


def test_every_metric_has_a_line_that_connects_it() -> None:
    lines = {name: verdicts.connecting_line(name, settings()) for name in ("lcp", "errorRate", "availability", "cart")}
    assert "monitoring import" in lines["lcp"]
    assert "accessLog" in lines["errorRate"]
    assert "healthChecks" in lines["availability"]
    assert '"cart"' in lines["cart"]


def test_a_later_moment_dates_the_estimate() -> None:
    assert verdicts.cause_words(LCP_WAITS, CET, NOW - timedelta(days=2)).endswith("Tue 24 Nov 14:40")
