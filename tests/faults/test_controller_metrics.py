"""The metric store is lost in every way while somebody watches: the controller goes on with what it can see."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from deployguard.operations import moves
from deployguard.operations.protocol import Ask
from deployguard.operations.watch import Watch
from deployguard.rollout.moves import MoveKind
from support.application import Stage, stage
from support.disk import small_disk


def begone(path: Path) -> Callable[[], None]:
    for file in path.parent.glob("metrics.sqlite*"):
        file.unlink()
    return lambda: None


def a_folder(path: Path) -> Callable[[], None]:
    begone(path)
    path.mkdir()
    return path.rmdir


def garbage(path: Path) -> Callable[[], None]:
    begone(path)
    path.write_bytes(b"what is this? " * 999)
    return lambda: None


def scribbled(path: Path) -> Callable[[], None]:
    with path.open("r+b") as file:
        file.write(b"\xff" * 4096)
    return lambda: None


def newer(path: Path) -> Callable[[], None]:
    begone(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return path.unlink


def locked(path: Path) -> Callable[[], None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


@pytest.mark.parametrize(
    ("lose", "said", "unseen"),
    [
        (begone, None, False),
        (a_folder, "unable to open database file", True),
        (garbage, None, True),
        # What sqlite holds beside the file, or lets be read all the same, is no loss.
        (scribbled, None, False),
        (newer, "version 99", True),
        (locked, "database is locked", False),
    ],
)
def test_a_lost_metric_store_stops_no_round_and_is_told(
    tmp_path: Path, lose: Callable[[Path], Callable[[], None]], said: str | None, *, unseen: bool
) -> None:
    with stage(tmp_path) as play:
        session, watch = play.session(), play.watch()
        moves.move(session, Ask(move=MoveKind.START, flag="hero"))
        play.plays(watch, 1)
        before = session.store.read()
        found = lose(tmp_path / "state" / "prod" / "metrics.sqlite")
        play.clock.passes(seconds=10)
        began = time.perf_counter()
        ticked = watch.tick()
        assert time.perf_counter() - began < 15, "waited for once, not by every question"
        assert ticked.acted
        assert (ticked.trouble is None) if said is None else (said in (ticked.trouble or "")), ticked.trouble
        lost = [event.data["source"] for event in session.store.events() if event.type == "source.lost"]
        assert lost == ["metrics"] * unseen
        assert session.store.read().flags == before.flags, "no data is never good news"
        takes_back_again(play, watch, found)


def takes_back_again(play: Stage, watch: Watch, found: Callable[[], None]) -> None:
    """What came back is seen again, whatever happened meanwhile."""
    found()
    play.app.breaks.add("hero")
    session = play.session()
    assert play.plays(watch, 10, until=lambda: not session.store.read().flags["hero"].enabled)


def test_a_disk_that_fills_up_during_a_tick_costs_figures_and_nothing_else(tmp_path: Path) -> None:
    with small_disk("2m") as disk, stage(tmp_path) as play:
        (tmp_path / "state").symlink_to(disk)
        session, watch = play.session(), play.watch()
        moves.move(session, Ask(move=MoveKind.START, flag="hero"))
        play.plays(watch, 1)
        before = session.store.read()
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        play.app.visit(3_000)
        play.clock.passes(seconds=10)
        ticked = watch.tick()
        assert ticked.acted
        assert ticked.trouble is not None
        assert session.store.read().flags == before.flags
        takes_back_again(play, watch, filler.unlink)
