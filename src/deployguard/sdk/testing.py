"""A pytest plugin: flags on and off for one test, in every `Client` of the process.

    def test_the_new_checkout(deployguard_flags):
        deployguard_flags.set(new_checkout=True)        # until the test ends
        with deployguard_flags(express_pay=False):      # until the block ends
            ...

A key that is no Python name goes in as a mapping: `deployguard_flags.set({"new-checkout": True})`. Whatever is not
named is decided as in production. pytest loads this module in every run: it imports nothing heavy.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from deployguard.sdk import forced


class FlagOverrides:
    """What the fixture hands out. Inner blocks win over outer ones, blocks over `set`."""

    def __init__(self) -> None:
        self._own: dict[str, bool] = {}

    @contextmanager
    def __call__(self, flags: Mapping[str, bool] | None = None, /, **named: bool) -> Iterator[None]:
        """Override these flags inside a `with` block."""
        layer = _checked(flags, named)
        forced.push(layer)
        try:
            yield
        finally:
            forced.pop(layer)

    def set(self, flags: Mapping[str, bool] | None = None, /, **named: bool) -> None:
        """Override these flags until the test ends, beside those set before."""
        self._own.update(_checked(flags, named))
        forced.refresh()

    def clear(self) -> None:
        """Drop what `set` did."""
        self._own.clear()
        forced.refresh()


def _checked(flags: Mapping[str, bool] | None, named: Mapping[str, bool]) -> dict[str, bool]:
    out = {**(flags or {}), **named}
    for key, value in out.items():
        if not isinstance(value, bool):
            raise TypeError(f"flag {key} is overridden with True or False, not with {value!r}")
    return out


@pytest.fixture
def deployguard_flags() -> Iterator[FlagOverrides]:
    """Override feature flags of deployguard for this test."""
    overrides = FlagOverrides()
    forced.push(overrides._own)  # noqa: SLF001  # the fixture and its value are one
    yield overrides
    forced.pop(overrides._own)  # noqa: SLF001
