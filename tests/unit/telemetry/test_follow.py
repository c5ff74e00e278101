"""An access log followed: no line is lost and none is counted twice."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_folder import LogFolder
from telemetry_builders import HOUR_AGO, NOW, arms, ask, environment, exposer, json_line, json_log, store

from deployguard.config.values import Source, SourceType
from deployguard.telemetry.batch import Counted
from deployguard.telemetry.follow import read_new
from deployguard.telemetry.lines import LONGEST
from deployguard.telemetry.logfile import Mark
from deployguard.telemetry.logformat import COMBINED
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.rotation import Position, find_files

MINUTE = timedelta(minutes=1)


class Reader:
    """A controller's part: one look at a time, ten seconds apart."""

    def __init__(self, log: LogFolder, source: Source | None = None) -> None:
        self.log = log
        self.source = source or json_log()
        self.metrics = store(log.folder)
        self.now = NOW

    def look(self, *, after: timedelta = timedelta(seconds=10), most_bytes: int = 32_000_000) -> Counted:
        self.now += after
        return read_new(self.source, self.metrics, None, self.now, root=self.log.folder, most_bytes=most_bytes)

    def counted(self) -> list[str]:
        """The paths of the lines that were counted, each as often as it was."""
        rows = self.metrics.endpoints(HOUR_AGO - timedelta(days=1), self.now)
        return sorted(row.endpoint for row in rows for _ in range(row.requests))

    def assert_complete(self) -> None:
        assert self.counted() == sorted(self.log.written)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(LogFolder(tmp_path))
    yield found
    found.metrics.close()


def test_lines_are_counted_once_as_they_come(reader: Reader) -> None:
    reader.log.write("a", "b")
    assert reader.look().requests == 2
    assert reader.look().requests == 0
    reader.log.write("c")
    assert reader.look().requests == 1
    reader.assert_complete()


def test_a_restarted_reader_goes_on_where_the_last_one_stopped(reader: Reader) -> None:
    reader.log.write("a", "b")
    reader.look()
    reader.log.write("c")
    again = Reader(reader.log)
    assert again.look().requests == 1
    again.assert_complete()
    again.metrics.close()


def test_a_file_that_is_not_there_yet_is_an_error_until_it_is(reader: Reader) -> None:
    missing = f"no such file or directory: {reader.log.path}"
    assert reader.look().error == missing
    state = reader.metrics.source_states(environment([reader.source]), reader.now)["app"]
    assert (state.connected, state.error) == (True, missing)
    reader.log.write("a")
    assert reader.look().error is None
    assert reader.metrics.source_states(environment([reader.source]), reader.now)["app"].error is None
    reader.assert_complete()


def test_a_line_without_its_end_waits_for_it(reader: Reader) -> None:
    reader.log.write("a")
    rest = reader.log.write_part("b")
    assert reader.look().requests == 1
    assert reader.look().requests == 0
    reader.log.write_rest(rest)
    assert reader.look().requests == 1
    reader.assert_complete()


@pytest.mark.parametrize("create", [True, False])
def test_a_log_that_is_renamed_is_read_to_its_end(reader: Reader, create: bool) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.write("b")
    reader.log.rename(create=create)
    if create:
        reader.log.write("c")
    assert reader.look().error is None
    reader.log.write("d")
    reader.look()
    reader.assert_complete()


def test_a_server_may_go_on_writing_to_the_renamed_file_for_a_while(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    rest = reader.log.write_part("b")
    reader.log.rename()
    reader.look()
    reader.log.write_rest(rest, reader.log.numbered(1))
    reader.log.write("c")
    reader.look()
    reader.assert_complete()


def test_what_a_renamed_file_ends_with_is_a_line_after_a_minute(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.write_rest(json_line("b").rstrip(b"\n"))
    reader.log.written.append("/b")
    reader.log.rename()
    reader.log.write("c")
    assert reader.look().requests == 1
    assert reader.look(after=MINUTE).requests == 1
    assert reader.look().requests == 0
    reader.assert_complete()


def test_a_log_that_is_copied_and_truncated_is_read_to_its_end_in_the_copy(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.write("b")
    reader.log.copy_and_truncate()
    reader.log.write("c", "d", "e")
    reader.look()
    reader.assert_complete()


def test_a_truncation_without_a_copy_loses_only_what_was_not_read(reader: Reader) -> None:
    reader.log.write("a", "b")
    reader.look()
    os.truncate(reader.log.path, 0)
    reader.look()
    reader.log.write("c", "d", "e")
    reader.look()
    reader.assert_complete()


def test_a_truncated_log_that_has_outgrown_the_old_one_is_noticed(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    os.truncate(reader.log.path, 0)
    reader.log.write("b", "c", "d", "e")
    assert reader.look().requests == 4
    reader.assert_complete()


def test_a_writer_that_goes_on_behind_a_truncation_leaves_a_hole_that_is_passed_over(reader: Reader) -> None:
    with reader.log.path.open("wb") as file:  # not in append mode
        file.write(json_line("a") * 2)
        file.flush()
        reader.look()
        os.truncate(reader.log.path, 0)
        file.write(json_line("b"))
        file.flush()
        assert reader.look().requests == 1
    assert reader.counted() == ["/a", "/a", "/b"]


def test_several_rotations_between_two_looks_lose_nothing(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    for name in ("b", "c", "d"):
        reader.log.write(name)
        reader.log.rename()
    reader.log.write("e")
    for name in ("f", "g"):
        reader.log.write(name)
        reader.log.copy_and_truncate()
    reader.log.write("h")
    reader.look()
    reader.assert_complete()


def test_a_file_that_was_read_is_not_read_again_when_its_place_is_forgotten(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.rename()
    for _ in range(5):
        reader.look(after=MINUTE)
    os.utime(reader.log.numbered(1))  # touched, as by a backup
    reader.log.rename()
    reader.log.write("b")
    reader.look()
    reader.assert_complete()


def test_old_logs_and_compressed_ones_are_left_alone(reader: Reader) -> None:
    reader.log.write("old")
    reader.log.rename()
    reader.log.write("older")
    reader.log.rename()
    reader.log.compress(1)
    (reader.log.folder / "access.log.bak").write_bytes(json_line("copy"))
    (reader.log.folder / "access.log.error").write_bytes(json_line("error"))
    reader.log.write("new")
    reader.look()
    reader.log.write("newer")
    reader.log.rename()
    reader.log.compress(1)
    reader.log.write("newest")
    reader.look()
    assert reader.counted() == ["/new", "/newest"]


def test_a_dated_name_is_a_rotated_log_too(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.write("b")
    reader.log.path.rename(reader.log.folder / "access-20261124.log")
    reader.log.write("c")
    reader.look()
    reader.assert_complete()


def test_a_log_behind_a_link_is_followed_when_the_link_moves(tmp_path: Path) -> None:
    reader = Reader(LogFolder(tmp_path), json_log("current.log"))
    link = tmp_path / "current.log"
    for number, name in enumerate(("a", "b", "c")):
        target = tmp_path / f"current-2026112{number}.log"
        target.write_bytes(json_line(name))
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        reader.look()
    assert reader.counted() == ["/a", "/b", "/c"]
    reader.metrics.close()


def test_one_look_reads_a_bounded_part_and_the_next_ones_the_rest(reader: Reader) -> None:
    names = [f"{n:05}" for n in range(6_000)]
    reader.log.write(*names)
    first = reader.look(most_bytes=200_000)
    assert 0 < first.requests < 3_000
    assert first.left > 0
    total = first.requests
    for _ in range(10):
        total += reader.look(most_bytes=200_000).requests
    assert total == len(names)


def test_a_log_met_for_the_first_time_is_read_from_near_its_end(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deployguard.telemetry import rotation

    monkeypatch.setattr(rotation, "FIRST_READ", 250)
    reader.log.write(*(f"{n}" for n in range(50)))
    assert 1 <= reader.look().requests <= 3


ODD = [b"hello\n", b"\x00\xff\xfe\n", b"x" * 1_000_000 + b"\n", b"{}\n", b'{"ts":1}\n', b"[" * 50_000 + b"\n"]


@pytest.mark.parametrize("odd", ODD)
def test_lines_that_are_none_are_skipped_and_the_others_count(reader: Reader, odd: bytes) -> None:
    reader.log.write("a")
    reader.log.write_rest(odd + b"\n\r\n")
    reader.log.write("b")
    counted = reader.look()
    old = int(odd == ODD[4])  # a line, and very old
    assert (counted.requests, counted.skipped, counted.dropped_old) == (2, 1 - old, old)
    assert bool(counted.reason) is not bool(old)
    reader.assert_complete()


def test_a_line_longer_than_a_whole_look_is_skipped(reader: Reader) -> None:
    reader.log.write("a")
    reader.log.write_rest(b"x" * (10 * LONGEST) + b"\n")
    reader.log.write("b")
    total = Counted()
    for _ in range(15):
        total += reader.look(most_bytes=LONGEST)
    assert (total.requests, total.skipped) == (2, 1)
    reader.assert_complete()


def test_a_format_that_fits_no_line_is_the_sources_error(reader: Reader) -> None:
    reader.source = replace(reader.source, format=COMBINED, fields={})
    reader.log.write(*(f"{n}" for n in range(20)))
    said = "not one of 20 lines is a request: a line that does not fit the format"
    assert reader.look().error == said
    reader.look()
    assert reader.metrics.source_states(environment([reader.source]), reader.now)["app"].error == said
    reader.source = json_log()
    reader.log.write("good")
    reader.look()
    assert reader.metrics.source_states(environment([reader.source]), reader.now)["app"].error is None


def test_a_format_that_cannot_tell_a_request_is_the_sources_error(reader: Reader) -> None:
    reader.source = replace(reader.source, format="$remote_addr", fields={})
    assert "has no time" in (reader.look().error or "")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_an_error_and_never_waits(reader: Reader, kind: str) -> None:
    if kind == "folder":
        reader.log.path.mkdir()
    else:
        os.mkfifo(reader.log.path)
        assert stat.S_ISFIFO(reader.log.path.stat().st_mode)
    assert "not a regular file" in (reader.look().error or "")


def test_a_log_that_is_gone_for_good_is_an_error_after_a_while(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.path.unlink()
    assert reader.look().error is None  # it may be in the middle of a rotation
    assert "no such file" in (reader.look(after=2 * MINUTE).error or "")
    reader.log.write("b")
    assert reader.look().error is None
    reader.assert_complete()


def test_two_readers_of_one_log_count_each_line_once(reader: Reader) -> None:
    other = Reader(reader.log)
    for number in range(20):
        reader.log.write(f"{number}")
        (reader if number % 3 else other).look()
    reader.assert_complete()
    other.metrics.close()


def test_lines_read_by_another_process_meanwhile_are_dropped(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.log.write("a", "b")
    other = Reader(reader.log)
    stale = other.metrics.position("app")
    reader.look()
    monkeypatch.setattr(MetricStore, "position", lambda *_: stale)
    assert other.look().requests == 0
    monkeypatch.undo()
    reader.assert_complete()
    other.metrics.close()


def test_a_real_log_format_is_exposed_by_its_cookie(tmp_path: Path) -> None:
    spelling = COMBINED + " $request_time $cookie_dg_id"
    source = Source(name="nginx", type=SourceType.ACCESS_LOG, path="access.log", format=spelling)
    metrics, rules = store(tmp_path), exposer(endpoints=("/lofts/:id",))
    at = f"{NOW:%d/%b/%Y:%H:%M:%S} +0000"
    lines = [f'1.2.3.4 - - [{at}] "GET /lofts/{n} HTTP/1.1" 200 5 "-" "-" 0.1 u{n}\n' for n in range(40)]
    (tmp_path / "access.log").write_text("".join(lines) + lines[0].replace("u0", "-"))
    counted = read_new(source, metrics, rules, NOW, root=tmp_path)
    assert (counted.requests, counted.with_user, counted.skipped) == (41, 40, 0)
    on = sum(1 for n in range(40) if dict(arms(rules, f"u{n}"))["f"])
    assert metrics.exposed([("f", "f", HOUR_AGO)])["f"].requests == on
    assert ask(metrics, endpoint="/lofts/:id").count == 41
    metrics.close()


def test_the_position_holds_no_word_of_the_log(reader: Reader) -> None:
    reader.log.write("somebody")
    reader.look()
    kept = json.dumps(reader.metrics.position("app"))
    assert "somebody" not in kept


STEPS = st.lists(
    st.one_of(
        st.integers(1, 3).map(lambda n: ("write", n)),
        st.sampled_from([("look", 0), ("look", 0), ("rename", 1), ("rename", 0), ("copy", 0)]),
        st.sampled_from([("part", 0), ("restart", 0), ("later", 0)]),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=120)
@given(STEPS)
def test_random_appends_rotations_and_truncations_lose_and_double_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    log = LogFolder(tmp_path_factory.mktemp("log"))
    reader, number, rest = Reader(log), 0, b""
    log.rename()
    reader.look()  # what was rotated before the first look is history
    for step, many in steps:
        if rest and step in ("write", "rename", "copy", "part"):
            log.write_rest(rest)  # a server ends its line before anything else happens to the file
            rest = b""
        if step == "write":
            log.write(*(f"{number + n}" for n in range(many)))
            number += many
        elif step == "part":
            rest = log.write_part(f"{number}")
            number += 1
        elif step == "rename":
            log.rename(create=bool(many))
        elif step == "copy":
            log.copy_and_truncate()
        elif step == "restart":
            reader.metrics.close()
            now, reader = reader.now, Reader(log)
            reader.now = now
        else:
            reader.look(after=MINUTE if step == "later" else timedelta(seconds=10))
    if rest:
        log.write_rest(rest)
    reader.look()
    reader.look(after=2 * MINUTE)
    reader.assert_complete()
    reader.metrics.close()


def test_an_inode_that_came_back_does_not_make_a_copy_of_what_was_read_an_unread_file(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    reader.log.copy_and_truncate()
    copy = reader.log.numbered(1).stat()
    kept = reader.metrics.position("app") or {}
    empty = Mark(inode=copy.st_ino, device=copy.st_dev, retired_at=int(reader.now.timestamp() * 1_000_000))
    before = Position.from_json({"marks": [empty.to_json(), *kept["marks"]], "done": []})
    with ExitStack() as stack:
        files = find_files(reader.log.path, before, reader.now, stack)
        assert [(mark.offset, file.path.name) for mark, file in files.open] == [
            (len(json_line("a")), "access.log.1"),
            (0, "access.log"),
        ]


def test_an_inode_of_an_empty_file_that_was_let_go_does_not_hide_an_unread_one(reader: Reader) -> None:
    reader.log.write("a")
    reader.look()
    for name in ("b", "c"):
        reader.log.write(name)
        reader.log.rename()
    unread = reader.log.numbered(1).stat()  # with c; b stands behind a in .2
    kept = reader.metrics.position("app") or {}
    empty = Mark(inode=unread.st_ino, device=unread.st_dev, retired_at=0)
    before = Position.from_json({"marks": kept["marks"], "done": [empty.to_json()]})
    with ExitStack() as stack:
        files = find_files(reader.log.path, before, reader.now, stack)
        assert [file.path.name for _, file in files.open] == ["access.log.2", "access.log.1", "access.log"]
