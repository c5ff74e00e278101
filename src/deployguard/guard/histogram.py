"""A mergeable histogram with fixed logarithmic bins: percentiles within 1 %, merging is addition.

Bin i holds values in (GAMMA**(i-1), GAMMA**i] with GAMMA = 1.02, so the middle of a bin is within 1 % of any value in
it (the bound of DDSketch: Masson, Rim, Lee, VLDB 2019). Zero and below go to one bin of their own. Counts above a bin
edge are exact.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

GAMMA = 1.02
_LOG_GAMMA = math.log(GAMMA)
ZERO_BIN = -(1 << 15)


def bin_of(value: float) -> int:
    """The bin of a finite value."""
    return math.ceil(math.log(value) / _LOG_GAMMA - 1e-9) if value > 0 else ZERO_BIN


def middle_of(index: int) -> float:
    """The value that a bin stands for."""
    return 0.0 if index == ZERO_BIN else 2 * GAMMA**index / (GAMMA + 1)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bin; sparse."""

    bins: Mapping[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.bins.values())

    def percentile(self, share: float) -> float | None:
        """The value below which `share` (0 to 1) of the values lie; None of nothing. Nearest rank."""
        total = self.count
        if total == 0:
            return None
        rank = max(1, math.ceil(share * total - 1e-9))
        seen = 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen >= rank:
                return middle_of(index)
        raise AssertionError(total)
