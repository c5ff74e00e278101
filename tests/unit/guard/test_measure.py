"""A rule against samples: percentiles by counts, early fails, the other direction."""

from datetime import timedelta

import pytest

from deployguard.config.condition import Condition, Op
from deployguard.guard.histogram import GAMMA
from deployguard.guard.measure import Measured, compare, limit_of, measure
from deployguard.guard.values import Reading
from support.world import START, histogram_of

WINDOW = timedelta(minutes=5)


def reading(values: list[float], bad: int = 0) -> Reading:
    return Reading(START, START + WINDOW, len(values), bad, sum(values), max(values, default=0.0), histogram_of(values))


def measured(condition: Condition, values: list[float], needed: int = 50, bad: int = 0) -> Measured:
    return measure(condition, reading(values, bad), needed, WINDOW)


P75 = Condition(name="lcp", function="p75", op=Op.GT, value=4000.0, text="p75(lcp) > 4s")


@pytest.mark.parametrize(
    ("slow", "fast", "met", "certain"),
    [
        (13, 37, True, True),  # of 50 the 38th is the p75: 13 above means it lies above
        (12, 38, False, False),
        (13, 0, True, True),  # 37 missing ones could all be fast, and it would still fail
        (12, 0, True, False),
        (26, 74, True, True),
        (25, 75, False, False),
    ],
)
def test_a_percentile_fails_by_how_many_lie_beyond_the_limit(slow: int, fast: int, met: bool, certain: bool) -> None:
    found = measured(P75, [9000.0] * slow + [1000.0] * fast)
    assert (found.met, found.certain) == (met, certain)


def test_a_value_on_the_limit_is_not_beyond_it_whatever_its_bin_stands_for() -> None:
    for limit in (4000.0, 5000.0, 2500.0, 123.4):
        condition = Condition(name="lcp", function="p75", op=Op.GT, value=limit, text="")
        found = measured(condition, [limit] * 100)
        assert not found.met
        assert found.value is not None
        assert found.value <= limit


def test_a_limit_on_a_bin_s_edge_is_exact() -> None:
    edge = GAMMA**400
    condition = Condition(name="lcp", function="p50", op=Op.GT, value=edge, text="")
    assert measured(condition, [edge] * 50 + [edge * 1.0001] * 51).met
    assert not measured(condition, [edge] * 51 + [edge * 1.0001] * 50).met


@pytest.mark.parametrize(("low", "met", "certain"), [(25, True, True), (24, True, False)])
def test_a_percentile_may_be_too_low(low: int, met: bool, certain: bool) -> None:
    condition = Condition(name="lcp", function="p50", op=Op.LT, value=100.0, text="")
    found = measured(condition, [10.0] * low)
    assert (found.met, found.certain) == (met, certain)


def test_the_largest_is_exact() -> None:
    condition = Condition(name="lcp", function="max", op=Op.GT, value=100.0, text="")
    assert measured(condition, [100.0, 3.0]).met is False
    found = measured(condition, [100.001, 3.0])
    assert (found.met, found.certain, found.value) == (True, True, 100.001)


@pytest.mark.parametrize(
    ("op", "bad", "met"), [(Op.GE, 10, True), (Op.GT, 10, False), (Op.LT, 9, True), (Op.LE, 10, True)]
)
def test_each_comparison_is_what_it_says(op: Op, bad: int, met: bool) -> None:
    condition = Condition(name="errorRate", op=op, value=10.0, text="")
    assert measured(condition, [1.0] * 100, bad=bad).met is met


def test_a_share_that_must_not_be_low_can_be_saved_by_good_ones() -> None:
    condition = Condition(name="availability", op=Op.LT, value=99.0, text="")
    assert not measured(condition, [1.0] * 10, needed=100, bad=1).certain  # 99 of 100
    assert measured(condition, [1.0] * 10, needed=100, bad=2).certain


def test_a_limit_is_the_decimal_as_written() -> None:
    condition = Condition(name="errorRate", op=Op.GT, value=0.1, text="errorRate > 0.1%")
    assert limit_of(condition) * 10 == 1
    assert not compare(condition, limit_of(condition))
    assert not measured(condition, [1.0] * 1000, bad=1).met


def test_a_limit_must_be_a_number() -> None:
    with pytest.raises(TypeError):
        limit_of(Condition(name="errorRate", op=Op.EQ, value="x", text=""))
    with pytest.raises(TypeError):
        limit_of(Condition(name="errorRate", op=Op.EQ, value=True, text=""))


@pytest.mark.parametrize("function", [None, "avg", "max", "p75", "count", "rate"])
def test_of_no_samples_nothing_is_met(function: str | None) -> None:
    name = "errorRate" if function is None else "lcp"
    found = measured(Condition(name=name, function=function, op=Op.GT, value=1.0, text=""), [])
    assert (found.samples, found.met, found.certain) == (0, False, False)
