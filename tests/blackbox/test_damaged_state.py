"""A state that is not what was written: every command but an emergency refuses it, and nothing is overwritten."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from support.command import COMMAND, Folder, Ran

CHANGING = (
    ("feature-flags", "set", "checkout", "5"),
    ("rollout", "start", "homepage"),
    ("rollback", "manual", "checkout"),
    ("rollback", "undo"),
    ("deploy", "prod", "--yes"),
    ("watch", "--once"),
)
READING = (
    ("feature-flags", "status"),
    ("feature-flags", "show", "checkout"),
    ("rollout", "status"),
    ("rollback", "history"),
    ("gate",),
    ("report", "list"),
    ("feature-flags", "evaluate", "checkout", "--user", "u"),
)


@pytest.fixture
def used(live: Folder) -> Folder:
    live("feature-flags", "set", "checkout", "50")
    return live


def refused(ran: Ran, code: str = "state-damaged") -> None:
    assert ran.code == 5, ran
    assert ran.error["code"] == code, ran
    assert "(exit 5)" in ran.error["now"]


@pytest.mark.parametrize("damage", ["cut", "edited", "flipped", "empty", "not json"])
def test_every_command_but_an_emergency_refuses_a_damaged_state(used: Folder, damage: str) -> None:
    state = used.state() / "state.json"
    raw = state.read_bytes()
    broken = {
        "cut": raw[: len(raw) // 2],
        "edited": raw.replace(b'"percentage":5000', b'"percentage":9000'),
        "flipped": raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
        "empty": b"",
        "not json": b"hello\n",
    }[damage]
    assert broken != raw
    state.write_bytes(broken)
    words = (*CHANGING, *READING) if damage == "edited" else (CHANGING[0], READING[0])
    for line in words:
        refused(used(*line, "--output", "json", code=5))
    assert state.read_bytes() == broken, "it is never overwritten"
    asides = list(used.state().glob("state.json.damaged-*"))
    assert [one.read_bytes() for one in asides] == [broken], "copied aside once"
    shown = used("feature-flags", "status", code=5).err
    assert "error[state-damaged]" in shown
    assert "rollback emergency --env prod  # works without it" in shown
    done = used.json("rollback", "emergency")
    assert [row["flagId"] for row in done["flags"]] == ["checkout"]
    assert used.json("feature-flags", "status")["flags"][2]["enabled"] is False
    assert used("state", "verify").code == 0


def test_a_damaged_log_is_told_and_a_backup_brings_all_back(used: Folder) -> None:
    saved = used.json("state", "backup")["file"]
    log = used.state() / "audit.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0].replace(b"checkout", b"chackout"), *lines[1:]]))
    ran = used("state", "verify", code=5)
    assert "✗" in ran.out
    used("state", "restore", saved)
    used("state", "verify")
    assert used.json("feature-flags", "status")["flags"][2]["percentage"] == 50


def test_a_newer_state_is_left_alone(used: Folder) -> None:
    state = used.state() / "state.json"
    body = state.read_bytes().replace(b'{"schemaVersion":1,', b'{"schemaVersion":9,', 1).rpartition(b'"checksum":"')[0]
    before = body + b'"checksum":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    state.write_bytes(before)
    for words in (("feature-flags", "status"), ("feature-flags", "set", "checkout", "1"), ("rollback", "emergency")):
        refused(used(*words, "--output", "json", code=5), "state-newer")
    assert state.read_bytes() == before


def test_reading_creates_nothing(dg: Folder) -> None:
    for words in (*READING, ("monitoring", "status"), ("doctor",), ("state", "verify"), ("rollout", "plan")):
        dg(*words, code=None)
    assert sorted(path.name for path in dg.path.iterdir()) == ["deployment-config.json"]


@pytest.mark.parametrize("what", ["state", "state/prod"])
def test_a_file_where_a_folder_should_be(dg: Folder, what: str) -> None:
    path = dg.path / what
    path.parent.mkdir(exist_ok=True)
    path.write_text("not a folder")
    for words in (("feature-flags", "set", "checkout", "5"), ("rollback", "emergency"), ("feature-flags", "status")):
        error = dg.error(*words, code=5)
        assert what.split("/", maxsplit=1)[0] in json.dumps(error)
    assert path.read_text() == "not a folder"


def test_a_folder_that_cannot_be_written_is_still_read(used: Folder) -> None:
    """Root writes everywhere: there, the capability that allows it is dropped for the command."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("AS ROOT AND WITHOUT setpriv: a read-only state folder is not tested here")
        drop = "-dac_override,-dac_read_search"
        prefix = [setpriv, f"--bounding-set={drop}", f"--inh-caps={drop}"]
    used.state().chmod(0o500)
    for path in used.state().iterdir():
        path.chmod(0o400)
    try:
        for words, code in (
            (("feature-flags", "status"), 0),
            (("feature-flags", "set", "checkout", "6"), 5),
            (("rollback", "emergency"), 5),
        ):
            done = subprocess.run(
                [*prefix, str(COMMAND), *words, "--output", "json"],
                cwd=used.path, env=used.environ, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == code, (words, done)
            assert "Traceback" not in done.stderr
            if code:
                error = json.loads(done.stdout)["error"]
                assert error["code"] == "state-locked"
                assert "(exit 5)" in error["now"]
    finally:
        used.state().chmod(0o700)
        for path in used.state().iterdir():
            path.chmod(0o600)
    assert used.json("feature-flags", "status")["flags"][2]["percentage"] == 50


def test_the_metric_store_may_be_damaged_or_gone(used: Folder) -> None:
    used("watch", "--once")
    store = used.state() / "metrics.sqlite"
    assert store.exists()
    store.write_bytes(b"this is no database" * 100)
    for path in used.state().glob("metrics.sqlite-*"):
        path.unlink()
    used("feature-flags", "status")
    done = used.json("rollback", "emergency")
    assert [row["flagId"] for row in done["flags"]] == ["checkout"]
