"""What fault tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.disk import small_disk


@pytest.fixture
def tmpfs() -> Iterator[Path]:
    """A disk of 64 KB."""
    with small_disk("64k") as folder:
        yield folder
