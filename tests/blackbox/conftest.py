"""The installed command in a fresh folder, and an application that can be turned bad."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Folder, Site, serving


@pytest.fixture
def empty(tmp_path: Path) -> Folder:
    """A folder without a config."""
    home, project, temporary = tmp_path / "home", tmp_path / "project", tmp_path / "tmp"
    for folder in (home, project, temporary):
        folder.mkdir()
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "USER": "tester",
        "LOGNAME": "tester",
    }
    return Folder(project, environ)


@pytest.fixture
def dg(empty: Folder) -> Folder:
    """A folder with the small config, whose application answers nothing."""
    empty.write_config()
    return empty


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def live(empty: Folder, site: Site) -> Folder:
    """A folder whose application answers."""
    empty.write_config(site.url)
    return empty
