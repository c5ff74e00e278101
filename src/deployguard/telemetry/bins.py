"""A histogram's bins as bytes: what a bucket of the metric store keeps. Merging two is addition.

First every bin's number as a signed 16-bit integer, then every count as an unsigned 32-bit one, little-endian.
"""

import struct
from collections.abc import Mapping

_ENTRY = 6  # bytes a bin takes
_LOWEST, _HIGHEST = -(1 << 15), (1 << 15) - 1
_MOST = (1 << 32) - 1


def pack(bins: Mapping[int, int]) -> bytes:
    """Bins beyond 16 bits (no time or vital comes near) are held to the last one; so are counts beyond 32."""
    numbers = [min(max(index, _LOWEST), _HIGHEST) for index in bins]
    counts = [min(count, _MOST) for count in bins.values()]
    return struct.pack(f"<{len(numbers)}h{len(counts)}I", *numbers, *counts)


def unpack_into(bins: dict[int, int], blob: bytes | None) -> None:
    """Add a packed histogram to `bins`."""
    if not blob:
        return
    many = len(blob) // _ENTRY
    values = struct.unpack(f"<{many}h{many}I", blob)
    for index, count in zip(values[:many], values[many:], strict=True):
        bins[index] = bins.get(index, 0) + count
