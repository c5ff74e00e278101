"""The histogram's promises: bins by value, percentiles within 1 %, counts above an edge exact."""

import math

from hypothesis import given
from hypothesis import strategies as st

from deployguard.guard.histogram import GAMMA, ZERO_BIN, Histogram, bin_of, middle_of
from support.world import histogram_of

VALUES = st.floats(min_value=1e-6, max_value=1e12, allow_nan=False)
LISTS = st.lists(VALUES, min_size=1, max_size=60)


@given(st.integers(min_value=-600, max_value=1400))
def test_an_edge_belongs_to_the_bin_below_it(index: int) -> None:
    assert bin_of(GAMMA**index) == index
    assert bin_of(GAMMA**index * 1.000001) == index + 1


@given(VALUES)
def test_a_bin_stands_for_its_values_within_1_percent(value: float) -> None:
    assert abs(middle_of(bin_of(value)) - value) <= value * 0.0100001


@given(VALUES, VALUES)
def test_a_greater_value_is_in_no_lower_bin(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bin_of(low) <= bin_of(high)


@given(st.floats(max_value=0, allow_nan=False, allow_infinity=False))
def test_zero_and_below_have_a_bin_of_their_own(value: float) -> None:
    assert bin_of(value) == ZERO_BIN
    assert middle_of(bin_of(value)) == 0.0


@given(LISTS, st.integers(min_value=1, max_value=100))
def test_a_percentile_is_within_1_percent_of_the_nearest_rank(values: list[float], percent: int) -> None:
    exact = sorted(values)[max(1, math.ceil(percent * len(values) / 100)) - 1]
    found = histogram_of(values).percentile(percent / 100)
    assert found is not None
    assert abs(found - exact) <= exact * 0.0100001


@given(LISTS, st.integers(min_value=-600, max_value=1400))
def test_counts_above_a_bin_s_edge_are_exact(values: list[float], index: int) -> None:
    edge = GAMMA**index
    clear = [value for value in values if not math.isclose(value, edge, rel_tol=1e-8)]
    above = sum(count for bin_, count in histogram_of(clear).bins.items() if bin_ > index)
    assert above == sum(1 for value in clear if value > edge)


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None
