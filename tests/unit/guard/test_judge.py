"""Verdicts: each cause of inconclusive, exact comparison, early fails, populations, day one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from deployguard.config.condition import Condition, Op
from deployguard.config.values import Environment, HealthCheck, Targeting, Trigger
from deployguard.guard.histogram import Histogram
from deployguard.guard.judge import judge
from deployguard.guard.questions import questions
from deployguard.guard.units import guarded
from deployguard.guard.values import (
    CheckRound,
    Evidence,
    Question,
    Reading,
    Rounds,
    RoundsQuestion,
    SampleKind,
    SourceState,
    Verdict,
)
from deployguard.state import Edit, Release, ReleasePhase, State
from support.play import CHECKS, ERRORS, HEAVY_FLAG, NGINX, OTHER_FLAG, ROLLBACK, SLOW, VITALS, Play, prod
from support.world import START, histogram_of

NOW = START + timedelta(hours=1)
LOG = SourceState(name="nginx", kinds=("request",), connected=True, newest=NOW, with_user=100, samples=100)
BEACONS = SourceState(name="vitals", kinds=("lcp",), connected=True, newest=NOW, with_user=100, samples=100)
OK = {name: CheckRound(check=name, ok=True, at=NOW) for name in ("homepage", "api")}
DEPLOY = Release(id="r-1", version=None, by="ci", phase=ReleasePhase.RUNNING, started_at=NOW, deploying=True)


def only(when: Condition, **more: Any) -> Environment:
    sources = more.pop("sources", {"nginx": NGINX})
    checks = {"checks": more.pop("checks")} if "checks" in more else {}
    return prod(triggers={"t": Trigger(name="t", when=when, then=(ROLLBACK,), **more)}, sources=sources, **checks)


def requests(count: int, bad: int = 0, ms: float = 200.0, **more: Any) -> Reading:
    histogram = histogram_of([ms]) if count else Histogram()
    bins = dict.fromkeys(histogram.bins, count)
    values = {"users": count, "newest": NOW if count else None, "rate_per_s": 1.0, **more}
    return Reading(NOW - timedelta(minutes=5), NOW, count, bad, count * ms, ms, Histogram(bins), **values)


def verdicts(
    environment: Environment,
    reading: Callable[[Question], Reading] = lambda _: requests(1000),
    *,
    rounds: Callable[[RoundsQuestion], Rounds] = lambda _: Rounds(10, 0, NOW),
    state: State | None = None,
    now: datetime = NOW,
    **more: Any,
) -> dict[str, Verdict]:
    """The verdicts of one trigger for one rollout at 5 %, by population."""
    if state is None:
        play = Play(environment=environment)
        play.start(HEAVY_FLAG)
        state = play.state
    asked = questions(state, environment, now)
    evidence = Evidence(
        readings={question: reading(question) for question in asked.samples},
        rounds={question: rounds(question) for question in asked.rounds},
        checks=more.pop("round", OK),
        sources=more.pop("sources", {"nginx": LOG, "vitals": BEACONS}),
        **more,
    )
    found = judge(guarded(state, environment, now), evidence, environment, state, now)
    return {verdict.population: verdict for verdict in found}


def deploying() -> State:
    play = Play()
    play.start(HEAVY_FLAG)
    return Edit(play.state).put_record(DEPLOY).state


NO_CHECKS: dict[str, HealthCheck] = {}
SILENT = replace(LOG, silent_since=NOW - timedelta(minutes=6), newest=NOW - timedelta(minutes=6))
FAILING = {**OK, "api": replace(OK["api"], ok=False)}
QUIET = {"nginx": replace(LOG, newest=NOW - timedelta(minutes=6)), "vitals": BEACONS}
nothing = lambda _: requests(0)  # noqa: E731  # a row of the table below
one_side = lambda question: requests(0 if question.flag else 500)  # noqa: E731
few = lambda _: requests(31)  # noqa: E731

CAUSES: dict[str, tuple[dict[str, Any], str | None, bool]] = {
    "no source gives a vital": ({"environment": only(VITALS), "sources": {"nginx": LOG}}, "not_connected", False),
    "no source gives a required vital": (
        {"environment": only(VITALS, required=True), "sources": {"nginx": LOG}},
        "not_connected",
        True,
    ),
    "no request source and no check": (
        {"environment": only(ERRORS, sources={}, checks=NO_CHECKS), "sources": {}},
        "not_connected",
        False,
    ),
    "no check": ({"environment": only(CHECKS, checks=NO_CHECKS)}, "not_connected", False),
    "no such check": ({"environment": only(replace(CHECKS, argument="pay"))}, "not_connected", False),
    "checks while this machine is offline": ({"environment": only(CHECKS), "offline": True}, "watcher_offline", True),
    "nothing to read while offline": (
        {"environment": only(ERRORS), "reading": nothing, "offline": True},
        "watcher_offline",
        True,
    ),
    "offline, but the log says enough": ({"environment": only(ERRORS), "offline": True}, None, True),
    "a source with an error": (
        {"environment": only(ERRORS), "sources": {"nginx": replace(LOG, error="gone")}},
        "source_down",
        True,
    ),
    "a silent log while checks pass": (
        {"environment": only(ERRORS), "reading": nothing, "sources": {"nginx": SILENT}},
        "source_down",
        True,
    ),
    "a silent log while a check fails": (
        {"environment": only(ERRORS), "reading": nothing, "sources": {"nginx": SILENT}, "round": FAILING},
        "no_traffic",
        True,
    ),
    "a log silent for just the window": (
        {"environment": only(ERRORS), "sources": {"nginx": replace(LOG, silent_since=NOW - timedelta(minutes=5))}},
        None,
        True,
    ),
    "checks while a deploy runs": ({"environment": only(CHECKS), "state": deploying()}, "deploying", True),
    "errors while a deploy runs": ({"environment": only(ERRORS), "state": deploying()}, None, True),
    "offline comes before deploying": (
        {"environment": only(CHECKS), "state": deploying(), "offline": True},
        "watcher_offline",
        True,
    ),
    "no request in the window": (
        {"environment": only(ERRORS), "reading": nothing, "sources": QUIET},
        "no_traffic",
        True,
    ),
    "requests, but none since the anchor yet": (
        {"environment": only(ERRORS), "reading": nothing, "now": START + timedelta(seconds=5)},
        "too_few",
        True,
    ),
    "no vital in the window": ({"environment": only(VITALS), "reading": nothing}, "stale", True),
    "no round for longer than the window": (
        {"environment": only(CHECKS), "rounds": lambda _: Rounds(9, 0, NOW - timedelta(minutes=6))},
        "stale",
        True,
    ),
    "no round since the anchor": (
        {"environment": only(CHECKS), "rounds": lambda _: Rounds(), "now": START + timedelta(seconds=5)},
        "too_few",
        True,
    ),
    "fewer samples than needed": ({"environment": only(ERRORS), "reading": few}, "too_few", True),
    "fewer users than needed": (
        {"environment": only(VITALS, min_users=20), "reading": lambda _: requests(500, users=19)},
        "too_few",
        True,
    ),
    "as many users as needed": (
        {"environment": only(VITALS, min_users=20), "reading": lambda _: requests(500, users=20)},
        None,
        True,
    ),
    "samples without ids count no users": (
        {"environment": only(VITALS, min_users=20), "reading": lambda _: requests(500, users=0)},
        None,
        True,
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_everyone_is_inconclusive_by_the_first_cause_that_holds(case: str) -> None:
    asked, cause, holds = CAUSES[case]
    verdict = verdicts(**asked)["all"]
    assert verdict.cause == cause
    assert verdict.verdict == ("pass" if cause is None else "inconclusive")
    assert verdict.holds is holds


def test_traffic_in_which_nobody_has_the_flag_is_no_exposure() -> None:
    found = verdicts(only(ERRORS), one_side)
    assert [found[side].cause for side in ("all", "exposed", "others")] == [None, "no_exposure", "no_exposure"]
    assert found["exposed"].holds
    assert not found["others"].holds


def test_until_everyone_s_samples_would_do_it_is_too_early_to_say_that_nobody_was_split() -> None:
    found = verdicts(only(ERRORS), lambda question: requests(0 if question.flag else 99))
    assert found["exposed"].cause == "too_few"


@pytest.mark.parametrize(
    ("source", "log", "split"),
    [
        (NGINX, LOG, True),
        (NGINX, replace(LOG, with_user=0), True),  # the format has the id, so its absence is a fault
        (replace(NGINX, format="combined"), replace(LOG, with_user=0), False),
        (replace(NGINX, format="json", fields={"user": "uid"}), replace(LOG, with_user=0), True),
        (replace(NGINX, format="combined"), LOG, True),
    ],
)
def test_its_users_are_compared_where_ids_are_known(source: Any, log: SourceState, split: bool) -> None:
    found = verdicts(only(ERRORS, sources={"nginx": source}), sources={"nginx": log})
    assert set(found) == ({"all", "exposed", "others"} if split else {"all"})


@pytest.mark.parametrize(("percentage", "split"), [(1, True), (9_999, True), (10_000, False)])
def test_its_users_are_compared_strictly_between_0_and_100(percentage: int, split: bool) -> None:
    environment = only(ERRORS)
    play = Play(environment=environment)
    play.by_hand("set", HEAVY_FLAG, percentage=percentage)  # type: ignore[arg-type]
    assert ("exposed" in verdicts(environment, state=play.state)) is split


@pytest.mark.parametrize(
    ("count", "bad", "result"),
    [
        (1000, 100, "pass"),  # 10.0 % does not fail > 10%
        (1000, 101, "fail"),
        (100, 10, "pass"),
        (99, 10, "inconclusive"),  # the missing one could be good: 10 of 100
        (99, 11, "fail"),  # it could not save it
        (11, 11, "fail"),
        (10, 10, "inconclusive"),
        (99, 0, "inconclusive"),  # nothing passes early
        (10**15, 10**14, "pass"),
        (10**15, 10**14 + 1, "fail"),
    ],
)
def test_rates_are_compared_on_exact_counts(count: int, bad: int, result: str) -> None:
    verdict = verdicts(only(ERRORS), lambda _: requests(count, bad))["all"]
    assert verdict.verdict == result
    assert (verdict.samples, verdict.bad, verdict.needed, verdict.threshold) == (count, bad, 100, 10.0)


def test_too_few_says_when_about_there_will_be_enough() -> None:
    verdict = verdicts(only(ERRORS), lambda _: requests(40, rate_per_s=0.5))["all"]
    assert verdict.ready_at == NOW + timedelta(seconds=120)


def test_a_check_that_fails_twice_in_a_row_fails_the_rule_and_is_named() -> None:
    def rounds(question: RoundsQuestion) -> Rounds:
        return Rounds(10, 2, NOW) if question.check == "api" else Rounds(10, 0, NOW)

    verdict = verdicts(only(CHECKS), rounds=rounds)["all"]
    assert (verdict.verdict, verdict.value, verdict.detail) == ("fail", 2.0, "api")
    named = replace(CHECKS, argument="homepage")
    assert verdicts(only(named), rounds=rounds)["all"].verdict == "pass"


def test_a_failing_source_does_not_hide_harm_that_the_samples_prove() -> None:
    down = {"nginx": replace(LOG, error="gone")}
    assert verdicts(only(ERRORS), lambda _: requests(1000, 500), sources=down)["all"].verdict == "fail"


def test_availability_is_the_share_of_rounds_that_passed() -> None:
    availability = Condition(name="availability", op=Op.LT, value=99.0, text="availability < 99%")
    environment = only(availability, min_samples=0)

    def probes(question: Question) -> Reading:
        assert question.kind is SampleKind.PROBE
        return requests(100, 2)

    verdict = verdicts(environment, probes)["all"]
    assert (verdict.verdict, verdict.value, verdict.source) == ("fail", 98.0, "probes")
    assert verdicts(environment, lambda _: requests(100, 1))["all"].verdict == "pass"
    assert verdicts(environment, lambda _: requests(100, 2), state=deploying())["all"].cause == "deploying"


def test_on_day_one_an_endpoint_is_judged_by_the_check_that_asks_it() -> None:
    environment = only(replace(ERRORS, argument="/api/health"), sources={})
    asked: list[str | None] = []

    def reading(question: Question) -> Reading:
        asked.append(question.endpoint)
        return requests(200, 30 if question.kind is SampleKind.PROBE else 0)

    verdict = verdicts(environment, reading, sources={})["all"]
    assert (verdict.source, verdict.verdict, verdict.samples) == ("checks", "fail", 200)
    assert "api" in asked
    other = only(replace(ERRORS, argument="/checkout/*"), sources={})
    assert verdicts(other, sources={})["all"].cause == "not_connected"


def test_requests_that_were_imported_take_the_place_of_the_checks() -> None:
    imported = SourceState(name="import", kinds=("request",), connected=True, newest=NOW)
    verdict = verdicts(only(ERRORS, sources={}), sources={"import": imported})["all"]
    assert (verdict.source, verdict.samples) == ("requests", 1000)


def test_a_count_waits_for_a_whole_window_and_may_be_too_high_before() -> None:
    counted = Condition(name="responseTime", function="count", op=Op.LT, value=600.0, text="count(responseTime) < 600")
    high = replace(counted, op=Op.GT)
    early = START + timedelta(minutes=2)
    assert verdicts(only(counted), lambda _: requests(500), now=early)["all"].cause == "too_few"
    assert verdicts(only(counted), lambda _: requests(500))["all"].verdict == "fail"
    assert verdicts(only(high), lambda _: requests(700), now=early)["all"].verdict == "fail"
    assert verdicts(only(high), lambda _: requests(500))["all"].verdict == "pass"


def test_a_rate_is_a_second() -> None:
    rate = Condition(name="responseTime", function="rate", op=Op.LT, value=2.0, text="rate(responseTime) < 2")
    verdict = verdicts(only(rate), lambda _: requests(450))["all"]
    assert (verdict.value, verdict.verdict) == (1.5, "fail")


@pytest.mark.parametrize(("ms", "result"), [(5000.0, "pass"), (5000.1, "fail"), (4000.0, "pass")])
def test_an_average_is_compared_by_its_sum_and_count(ms: float, result: str) -> None:
    assert verdicts(only(SLOW), lambda _: requests(1000, ms=ms))["all"].verdict == result


def test_an_average_never_fails_early() -> None:
    assert verdicts(only(SLOW), lambda _: requests(99, ms=90_000.0))["all"].verdict == "inconclusive"


def test_requests_without_a_duration_are_in_no_average() -> None:
    reading = replace(requests(300, ms=6_000.0), count=1000)
    verdict = verdicts(only(SLOW), lambda _: reading)["all"]
    assert (verdict.samples, verdict.value, verdict.verdict) == (300, 6000.0, "fail")


def test_nothing_was_answered_is_nothing_seen() -> None:
    environment = only(ERRORS)
    play = Play(environment=environment)
    play.start(HEAVY_FLAG)
    found = judge(guarded(play.state, environment, NOW), Evidence(), environment, play.state, NOW)
    assert {verdict.cause for verdict in found} == {"no_traffic"}


RIDERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"lead"}),
    ({"own_seed": True}, {"lead", "rider"}),
    ({"targeting": Targeting(countries=frozenset({"DZ"}))}, {"lead", "rider"}),
    ({"requires": ("lead", OTHER_FLAG)}, {"lead", "rider"}),
]


@pytest.mark.parametrize(("rider", "compared"), RIDERS)
def test_flags_of_one_seed_percentage_targeting_and_requirements_are_compared_as_one(
    rider: dict[str, Any], compared: set[str]
) -> None:
    flags = dict(prod().flags) | {"rider": replace(prod().flags["rider"], **rider)}
    environment = replace(only(ERRORS), flags=flags)
    play = Play(environment=environment)
    play.start("lead")
    asked = questions(play.state, environment, NOW)
    assert {question.flag for question in asked.samples if question.flag} == compared


def test_the_window_of_a_count_never_grows() -> None:
    counted = Condition(name="lcp", function="count", op=Op.LT, value=600.0, text="count(lcp) < 600")
    for environment, least in ((only(counted, min_samples=100), 0), (only(VITALS, min_samples=70), 70)):
        play = Play(environment=environment)
        play.start(HEAVY_FLAG)
        assert {question.at_least for question in questions(play.state, environment, NOW).samples} == {least}
