"""A bounded memory of what a function answered: a look into it costs no call of ours."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 20_000


class Remembered(dict[K, V]):
    """`remembered[key]` is `read(key)`, asked once for each key. When it is full it begins anew."""

    __slots__ = ("_most", "_read")

    def __init__(self, read: Callable[[K], V], most: int = MOST) -> None:
        super().__init__()
        self._read = read
        self._most = most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        found = self[key] = self._read(key)
        return found
