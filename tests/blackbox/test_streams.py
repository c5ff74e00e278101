"""What the command does with its streams, its terminal and its interrupts."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.command import COMMAND, Folder, wait_for

HOSTILE = "\x1b[31m[bold]x[/bold]\x1b]0;owned\x07\r\x9b2J\u202e:100:"


def test_global_options_stand_before_and_after_the_command(dg: Folder) -> None:
    wanted = dg("feature-flags", "status", "--env", "dev", "--output", "json").json
    assert wanted["environment"] == "dev"
    for words in (
        ("--env", "dev", "--output", "json", "feature-flags", "status"),
        ("--env=dev", "feature-flags", "--output=json", "status"),
    ):
        found = dg(*words).json
        assert {**found, "at": 0} == {**wanted, "at": 0}
    by_variable = dg(
        "feature-flags", "status", env={"DEPLOYGUARD_ENVIRONMENT": "dev", "DEPLOYGUARD_OUTPUT": "json"}
    ).json
    assert {**by_variable, "at": 0} == {**wanted, "at": 0}
    assert (
        dg.json("--env", "prod", "feature-flags", "status", env={"DEPLOYGUARD_ENVIRONMENT": "dev"})["environment"]
        == "prod"
    ), "the line beats the variable"


def test_config_and_state_are_found_from_another_folder(dg: Folder, tmp_path: Path) -> None:
    dg("feature-flags", "set", "checkout", "25")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = dg.json("--config", str(dg.config), "feature-flags", "status", cwd=elsewhere)
    assert found["flags"][2]["percentage"] == 25
    other = dg.json("--config", str(dg.config), "--state", "mine", "feature-flags", "status", cwd=elsewhere)
    assert other["flags"][2]["percentage"] == 0
    assert not (elsewhere / "mine").exists(), "reading creates nothing"
    found = dg.json(
        "feature-flags", "status", cwd=elsewhere,
        env={"DEPLOYGUARD_CONFIG": str(dg.config), "DEPLOYGUARD_STATE": str(dg.path / "state")},
    )  # fmt: skip
    assert found["flags"][2]["percentage"] == 25


def test_help_and_version_need_no_config(empty: Folder) -> None:
    empty.cold = True
    assert empty("--version").out.startswith("deployguard 0.")
    root = empty("--help").out
    assert root == empty().out == empty("help").out
    for group in ("feature-flags", "rollout", "rollback", "monitoring", "report", "state", "config", "alerts"):
        page = empty(group, "--help").out
        assert page == empty(group).out
        assert page.startswith(f"usage: deployguard {group} COMMAND")
        assert group in root
    for name in ("init", "doctor", "demo", "deploy", "watch", "gate"):
        assert empty(name, "--help").out.startswith(f"usage: deployguard {name}")
        assert f"\n  {name}" in root


def test_every_help_page_fits_its_width_and_cuts_nothing(empty: Folder) -> None:
    for words in (
        ("--help",),
        ("feature-flags", "--help"),
        ("deploy", "--help"),
        ("feature-flags", "target", "--help"),
    ):
        page = empty(*words, env={"COLUMNS": "80"}).out
        assert max(map(len, page.splitlines())) <= 80
        assert "..." not in page


def test_a_reader_that_has_gone_is_no_error(dg: Folder) -> None:
    for words in (("feature-flags", "status"), ("feature-flags", "status", "--output", "json"), ("config", "show")):
        # A pipe whose reading end is closed before anything is written.
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [str(COMMAND), *words], cwd=dg.path, env=dg.environ, stdout=writing, stderr=subprocess.PIPE, check=False
        )
        os.close(writing)
        assert done.returncode == 141
        assert b"Traceback" not in done.stderr
        assert b"Broken" not in done.stderr


def test_what_changes_is_done_although_nobody_reads_it(dg: Folder) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    subprocess.run(
        [str(COMMAND), "feature-flags", "set", "checkout", "25"],
        cwd=dg.path, env=dg.environ, stdout=writing, stderr=writing, check=False,
    )  # fmt: skip
    os.close(writing)
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 25


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_break_nothing(dg: Folder, closed: str) -> None:
    for words, code in (("feature-flags set checkout 25 --output json", 0), ("feature-flags import -", 2)):
        line = f"exec {COMMAND} {words} {closed}"
        done = subprocess.run(["sh", "-c", line], cwd=dg.path, env=dg.environ, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr
        assert done.returncode == code, done


def test_a_deploy_that_cannot_ask_names_yes(live: Folder) -> None:
    for ran in (
        live("deploy", "prod", code=1),
        live("deploy", "prod", code=1, stdin=None),
        live("deploy", "prod", code=1, stdin="y\n"),
    ):
        assert "refused[declined]" in ran.err
        assert "deployguard deploy prod --yes" in ran.err
        assert "nothing was run or changed (exit 1)" in ran.err
    assert not live.state().exists()
    assert "PLAN" in live("deploy", "prod", stdin="prod\n").out


def test_colour_only_where_it_is_wanted(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    words = ("feature-flags", "status")
    plain = dg(*words)
    assert "\x1b" not in plain.out + plain.err
    assert "\x1b[" in dg(*words, env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in dg(*words, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out.replace("\x1b[1m", "").replace(
        "\x1b[2m", ""
    ).replace("\x1b[0m", "")
    dumb = dg(*words, env={"TERM": "dumb"})
    assert (dumb.out + dumb.err).isascii()
    assert "> homepage" in dumb.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_that_cannot_carry_the_symbols_gets_ascii(dg: Folder, encoding: str) -> None:
    flags = {"checkout": {"description": "Schöne Kasse 日本 ✓"}}
    dg.cold = True
    dg.write_config(flags=flags)
    environ = {"PYTHONIOENCODING": encoding}
    ran = dg("feature-flags", "show", "checkout", env=environ)
    assert "o off" in ran.out
    assert "\\u65e5" in ran.out, "an escape, where the stream cannot carry a character"
    for output in ("json", "yaml"):
        ran = dg("feature-flags", "status", "--output", output, env=environ)
        assert ran.out.isascii()
        assert ran.yaml["flags"][0]["description"] == "Schöne Kasse 日本 ✓", "escaped, and whole"


def test_the_plain_locale_carries_all(dg: Folder) -> None:
    """Python reads and writes UTF-8 where the locale is C."""
    dg.write_config(flags={"checkout": {"description": "Schöne Kasse"}})
    for environ in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "nonsense"}):
        assert "Kasse" in dg("feature-flags", "show", "checkout", env=environ).out


def test_names_and_reasons_cannot_move_the_cursor_or_become_markup(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "25", "--by", HOSTILE, "--reason", HOSTILE)
    dg("rollback", "emergency", "--reason", HOSTILE, "--by", HOSTILE)
    runs = [
        dg(*words, code=None, env={"FORCE_COLOR": "1"} if number % 2 else {})
        for number, words in enumerate(
            (
                ("feature-flags", "show", "checkout"),
                ("feature-flags", "history"),
                ("rollback", "history"),
                ("feature-flags", "status"),
                ("rollout", "start", HOSTILE),
                (HOSTILE,),
                ("feature-flags", "set", "checkout", HOSTILE),
                ("feature-flags", "evaluate", "checkout", "--user", HOSTILE),
                ("--env", HOSTILE, "feature-flags", "status"),
                ("--output", HOSTILE, "feature-flags", "status"),
                ("--config", HOSTILE, "feature-flags", "status"),
                ("report", "show", HOSTILE),
                ("deploy", "prod", "--version", HOSTILE),
                ("feature-flags", "target", "checkout", "--rule", HOSTILE),
            )
        )
    ]
    for ran in runs:
        text = ran.out + ran.err
        for bad in ("\x1b[31m[bold]", "\x1b]0;", "\r", "\x9b", "\u202e", "\x07", "\U0001f4af"):
            assert bad not in text, ran
    assert "[bold]x[/bold]" in runs[0].out, "what stands in brackets is shown as it is"


def test_bytes_that_are_no_utf_8_are_taken_as_words(dg: Folder) -> None:
    done = subprocess.run(
        [str(COMMAND).encode(), b"feature-flags", b"set", b"checkout", b"25", b"--reason", b"\xff\xfe caf\xe9"],
        cwd=dg.path, env=dg.environ, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert dg.json("state", "verify")["findings"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_with_its_code_and_without_a_traceback(dg: Folder, sent: int, code: int) -> None:
    dg("rollout", "start", "homepage")
    process = dg.start("watch")
    lock = dg.state() / "controller.lock"
    wait_for(lambda: lock.exists() and lock.stat().st_size > 0, "the controller's lock")
    wait_for(lambda: dg.json("feature-flags", "status")["controller"] is not None, "the first tick")
    process.send_signal(sent)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, (out, err)
    assert "Traceback" not in out + err
    assert "controller.stopped" in out


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(live: Folder, width: int) -> None:
    live("rollout", "start", "homepage")
    live("feature-flags", "set", "checkout", "12.34")
    for words in (
        ("feature-flags", "status"),
        ("feature-flags", "show", "homepage"),
        ("rollout", "status"),
        ("rollout", "plan", "checkout"),
        ("monitoring", "status"),
        ("rollout", "resume", "homepage"),
        ("deploy", "prod", "--dry-run"),
    ):
        ran = live(*words, code=None, env={"COLUMNS": str(width)})
        for line in (ran.out + ran.err).splitlines():
            command = line.strip().removeprefix("next: ").removeprefix("or: ").startswith("deployguard ")
            assert len(line) <= width or command, f"{len(line)} of {width}: {line!r}"


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_was_done_stands_although_its_answer_has_no_room(dg: Folder, unbuffered: str) -> None:
    def ran(*words: str) -> tuple[int, str]:
        with FULL.open("wb") as full:
            done = subprocess.run(
                [str(COMMAND), *words], cwd=dg.path, env={**dg.environ, "PYTHONUNBUFFERED": unbuffered},
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert "error[" not in done.stderr, "nothing is refused and nothing of ours is broken"
        return done.returncode, done.stderr

    code, said = ran("feature-flags", "set", "checkout", "25")
    assert code == 0
    assert "No space left on device" in said
    assert "what was asked is done, and it stands (exit 0)" in said
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 25
    assert ran("rollback", "emergency", "--output", "json")[0] == 0
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 0
    for words in (("feature-flags", "status"), ("feature-flags", "export"), ("config", "show"), ("--help",)):
        code, said = ran(*words)
        assert code == 1, "a lost answer must not look like an answer"
        assert "nothing was changed (exit 1)" in said


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_words_for_people_that_have_no_room_end_nothing(live: Folder) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [str(COMMAND), "deploy", "prod", "--yes", "--output", "json"],
            cwd=live.path, env=live.environ, stdout=subprocess.PIPE, stderr=full, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert b'"outcome"' in done.stdout


def test_no_terminal_is_nought_columns_wide(dg: Folder) -> None:
    for columns in ("0", "-1", "wide"):
        assert "homepage" in dg("feature-flags", "status", env={"COLUMNS": columns, "LINES": "0"}).out
