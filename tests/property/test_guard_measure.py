"""Comparison and early fails against the plain definition, over all small counts."""

import math
from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from deployguard.config.condition import Condition, Op
from deployguard.guard.measure import measure
from deployguard.guard.values import Reading
from support.world import START, histogram_of

OPS = st.sampled_from([Op.GT, Op.GE, Op.LT, Op.LE])
COMPARE = {Op.GT: "__gt__", Op.GE: "__ge__", Op.LT: "__lt__", Op.LE: "__le__"}
WINDOW = timedelta(minutes=5)


@given(OPS, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 1000))
def test_a_share_fails_early_exactly_where_no_outcome_of_the_missing_samples_saves_it(
    op: Op, bad: int, good: int, missing: int, limit: int
) -> None:
    count = bad + good
    if count == 0:
        return
    condition = Condition(name="errorRate", op=op, value=limit / 10, text="")
    reading = Reading(START, START, count, bad)
    found = measure(condition, reading, count + missing, WINDOW)

    def fails(errors: int, total: int) -> bool:
        return bool(getattr(Fraction(100 * errors, total), COMPARE[op])(Fraction(limit, 10)))

    assert found.met is fails(bad, count)
    assert found.certain is all(fails(bad + more, count + missing) for more in range(missing + 1))


@given(
    st.sampled_from([Op.GT, Op.LT]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from([50, 75, 90, 95, 99]),
)
def test_a_percentile_fails_early_exactly_where_no_missing_value_saves_it(
    op: Op, low: int, high: int, missing: int, percent: int
) -> None:
    if low + high == 0:
        return
    condition = Condition(name="lcp", function=f"p{percent}", op=op, value=1000.0, text="")

    def fails(lows: int, highs: int) -> bool:
        rank = max(1, math.ceil(percent * (lows + highs) / 100))
        return (rank > lows) if op is Op.GT else (rank <= lows)

    values = [10.0] * low + [90_000.0] * high
    reading = Reading(START, START, len(values), 0, sum(values), max(values), histogram_of(values))
    found = measure(condition, reading, len(values) + missing, WINDOW)
    assert found.met is fails(low, high)
    assert found.certain is all(fails(low + more, high + missing - more) for more in range(missing + 1))
