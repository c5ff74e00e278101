"""`deploy` as a program: real commands, a real application, real signals."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Folder, Site, small_config, wait_for
from support.disk import small_disk

SECRET = "hunter2-hunter2"


@pytest.fixture
def shop(live: Folder, site: Site) -> Folder:
    """A folder whose deploys need no question."""
    deploys(live, site, [])
    return live


def deploys(folder: Folder, site: Site | None, commands: list[Any], **changes: Any) -> None:
    """The commands of prod; its rollback command writes a line into `rolled`."""
    document = small_config(site.url if site else "http://127.0.0.1:9")
    document["environments"]["prod"] |= {
        "deploy": commands,
        "rollback": [{"shell": "echo back >> rolled"}],
        "confirm": "no",
        "stable": "0s",
        **changes,
    }
    folder.config.write_text(json.dumps(document), encoding="utf-8")


def flag_of(folder: Folder, key: str) -> dict[str, Any]:
    status = folder.json("feature-flags", "status")
    return next(flag for flag in status["flags"] if flag["flagId"] == key)


def rolled(folder: Folder) -> int:
    """How often the rollback command ran."""
    file = folder.path / "rolled"
    return len(file.read_text().splitlines()) if file.exists() else 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has reaped yet is dead, too.
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return stat.exists()


def pid_in(folder: Folder, name: str = "pid") -> int:
    file = folder.path / name
    wait_for(lambda: file.exists() and file.read_text().strip().isdigit(), f"the command writes {name}")
    return int(file.read_text())


SLEEPS = {"shell": "sleep 300 & echo $! > child; echo $$ > pid; wait"}
"""A command with a grandchild that neither ends by itself."""


@contextlib.contextmanager
def running(folder: Folder, *words: str) -> "Iterator[subprocess.Popen[str]]":
    process = folder.start("deploy", "prod", "--version", "2.0", *words)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for name in ("pid", "child"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder.path / name).read_text()), signal.SIGKILL)


def test_a_deploy_streams_masked_output_keeps_it_starts_the_rollouts_and_writes_its_report(
    shop: Folder, site: Site
) -> None:
    deploys(shop, site, [{"shell": "echo token $DEPLOY_TOKEN; echo version $DEPLOYGUARD_VERSION"}])
    ran = shop("deploy", "prod", "--version", "2.0", "--output", "json", env={"DEPLOY_TOKEN": SECRET})
    assert "│ version 2.0" in ran.err
    assert "│ token" in ran.err
    done = ran.json
    assert (done["outcome"], done["releaseId"]) == ("succeeded", "r-1")
    assert [row["rollout"] for row in done["rollouts"]] == ["homepage", "checkout"]
    assert done["next"][0]["percentage"] == 30
    assert done["watchedBy"] is None
    report = Path(done["report"])
    assert json.loads(report.read_text())["release"] == "r-1"
    assert report.with_suffix(".html").exists()
    kept = json.loads(report.read_text())["commands"][0]["output"]
    assert "version 2.0" in Path(kept).read_text()
    for file in shop.state().rglob("*"):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in ran.err
    assert flag_of(shop, "homepage")["percentage"] == 5
    assert rolled(shop) == 0


def test_a_command_that_fails_is_rolled_back_and_no_flag_moves(shop: Folder, site: Site) -> None:
    deploys(shop, site, ["true", {"shell": "echo out of memory; exit 7"}, "true"])
    error = shop.error("deploy", "prod", "--version", "2.0", code=1)
    assert error["code"] == "command-failed"
    assert "exit 7" in error["found"]
    assert "out of memory" in error["found"]
    assert "command 2 of 3" in error["where"]
    assert rolled(shop) == 1
    assert flag_of(shop, "homepage")["percentage"] == 0
    report = shop.json("report", "show", "--format", "json")
    assert report["outcome"] == "failed"
    assert [(c["kind"], c["exitCode"]) for c in report["commands"]] == [("deploy", 0), ("deploy", 7), ("rollback", 0)]


def test_a_program_that_is_not_there_stops_it_before_anything_runs(shop: Folder, site: Site) -> None:
    deploys(shop, site, [{"shell": "touch ran"}, "no-such-program --now"])
    error = shop.error("deploy", "prod", code=1)
    assert error["code"] == "preflight-failed"
    assert "no-such-program" in error["found"]
    assert not (shop.path / "ran").exists()
    assert not (shop.path / "state").exists()


def test_a_command_that_takes_too_long_is_ended_with_all_its_children(shop: Folder, site: Site) -> None:
    deploys(shop, site, [SLEEPS | {"timeout": "1s"}])
    error = shop.error("deploy", "prod", code=1)
    assert "timed out after 1s" in error["found"]
    child = pid_in(shop, "child")
    wait_for(lambda: not alive(child), "the grandchild ends")
    assert rolled(shop) == 1


def test_a_second_deploy_is_refused_and_an_emergency_ends_the_first_one(shop: Folder, site: Site) -> None:
    deploys(shop, site, [SLEEPS])
    with running(shop, "--output", "json") as first:
        pid = pid_in(shop)
        error = shop.error("deploy", "prod", code=5)
        assert error["code"] == "deploy-running"
        assert f"pid {first.pid}" in error["found"]
        assert "r-1 (2.0)" in error["found"]
        shown = shop.json("report", "show", "r-1", "--format", "json")
        assert shown["outcome"] == "running"
        assert [(run["kind"], run["exitCode"], run["error"]) for run in shown["commands"]] == [("deploy", None, None)]
        assert "runs now" in shop("report", "show", "r-1").out
        taken = shop.json("rollback", "emergency")
        assert taken["aborting"] == "r-1"
        out, _err = first.communicate(timeout=60)
        assert first.returncode == 3
        assert json.loads(out)["error"]["code"] == "taken-back"
        assert "every flag is off" in json.loads(out)["error"]["now"]
    assert not alive(pid)
    assert not alive(pid_in(shop, "child"))
    assert rolled(shop) == 1, "once, by the deploy"
    assert shop.json("report", "show", "r-1", "--format", "json")["outcome"] == "aborted"
    shop("deploy", "prod", "--dry-run")  # nothing stands in the way of the next one


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_deploy_ends_its_command_rolls_back_and_closes_its_release(
    shop: Folder, site: Site, number: int, code: int
) -> None:
    deploys(shop, site, [SLEEPS])
    with running(shop) as process:
        pid = pid_in(shop)
        process.send_signal(number)
        _out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert "interrupted" in err
        assert "Traceback" not in err
    assert not alive(pid)
    assert rolled(shop) == 1
    report = shop.json("report", "show", "r-1", "--format", "json")
    assert report["outcome"] == "failed"
    assert [c["kind"] for c in report["commands"]] == ["deploy", "rollback"]


def test_a_reader_who_has_gone_ends_no_deploy(shop: Folder, site: Site) -> None:
    deploys(shop, site, [{"shell": "for i in $(seq 60); do echo line $i; sleep 0.01; done; echo $? > ran"}])
    with running(shop) as process:
        assert process.stderr is not None
        while "line 1" not in process.stderr.readline():
            pass
        process.stderr.close()
        process.wait(60)
    assert (shop.path / "ran").exists()
    assert rolled(shop) == 0
    assert shop.json("report", "show", "r-1", "--format", "json")["commands"][0]["exitCode"] == 0
    assert flag_of(shop, "homepage")["percentage"] == 5


def test_a_full_disk_keeps_no_rollback_command_from_running(shop: Folder, site: Site) -> None:
    with small_disk("300k") as disk:
        rollback = [{"shell": f"echo {number} >> rolled"} for number in (1, 2, 3)]
        deploys(shop, site, [{"shell": f"cp /dev/zero {disk}/fills; exit 3"}], rollback=rollback)
        shop.environ["DEPLOYGUARD_STATE"] = str(disk)
        error = shop.error("deploy", "prod", "--version", "2.0", code=1)
        assert error["code"] == "command-failed"
        assert "not written down" in error["now"]
        assert "no space left on device" in error["now"]
        assert rolled(shop) == 3
        (disk / "fills").unlink()
        assert "it had rolled back" in shop("rollback", "emergency").err
        assert rolled(shop) == 3, "not a second time"
        assert shop.json("report", "show", "r-1", "--format", "json")["outcome"] == "aborted"


def test_an_offer_to_ask_again_loses_nothing_of_what_was_asked(shop: Folder, site: Site) -> None:
    shop("feature-flags", "set", "checkout", "40")
    shop("rollback", "manual", "checkout")
    asked = ("deploy", "prod", "--version", "2.0", "--retry", "checkout", "--watch")
    whole = f"deployguard {' '.join(asked)}"
    ran = shop(*asked, "--dry-run")
    assert f"next: {whole}\n" in ran.out + ran.err
    deploys(shop, site, [], confirm="name")
    assert shop.error(*asked, code=1)["next"][0]["command"] == f"{whole} --yes"
    site.mode = "failing"
    assert shop.error(*asked, "--yes", code=1)["next"][-1]["command"] == f"{whole} --force"


def test_what_was_taken_back_stays_off_until_it_is_retried(shop: Folder, site: Site) -> None:
    shop("deploy", "prod")
    shop("rollback", "manual", "homepage")
    again = shop.json("deploy", "prod")
    assert again["rollouts"] == []
    assert [row["flagId"] for row in again["off"]] == ["homepage"]
    assert shop.error("deploy", "prod", "--retry", "checkout", code=1)["code"] == "not-allowed-now"
    assert shop.error("deploy", "prod", "--retry", "chekout", code=2)["code"] == "unknown-flag"
    retried = shop.json("deploy", "prod", "--retry", "all")
    assert [(row["rollout"], row["riders"]) for row in retried["rollouts"]] == [("homepage", ["hero"])]


def test_a_flag_that_stood_by_hand_and_was_taken_back_is_not_started_by_a_deploy(shop: Folder) -> None:
    shop("feature-flags", "set", "checkout", "40")
    shop("rollback", "manual", "checkout")
    plan = shop.json("deploy", "prod", "--dry-run")
    assert [row["rollout"] for row in plan["starts"]] == ["homepage"]
    assert [row["flagId"] for row in plan["off"]] == ["checkout"]
    started = shop.json("deploy", "prod", "--retry", "checkout")
    assert {row["rollout"] for row in started["rollouts"]} == {"homepage", "checkout"}


def test_a_dry_run_changes_no_byte(shop: Folder, site: Site) -> None:
    deploys(shop, site, [{"shell": "touch ran"}])
    shop("feature-flags", "set", "checkout", "10")

    def bytes_of() -> dict[str, str]:
        return {
            str(file.relative_to(shop.path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in shop.path.rglob("*")
            if file.is_file()
        }

    before = bytes_of()
    plan = shop.json("deploy", "prod", "--version", "3.0", "--dry-run")
    assert [row["rollout"] for row in plan["starts"]] == ["homepage"]
    assert bytes_of() == before


@pytest.mark.parametrize(
    ("confirm", "typed", "deployed"),
    [
        ("name", "prod\n", True),
        ("name", "staging\n", False),
        ("name", "y\n", False),
        ("name", "", False),
        ("name", None, False),
        ("yes", "yes\n", True),
        ("yes", "prod\n", False),
    ],
)
def test_it_asks_as_the_environment_says(
    shop: Folder, site: Site, confirm: str, typed: str | None, deployed: bool
) -> None:
    deploys(shop, site, [], confirm=confirm)
    ran = shop("deploy", "prod", stdin=typed, code=0 if deployed else 1)
    assert ("Type " in ran.err) or typed is None
    assert (shop.path / "state").exists() is deployed
    if not deployed:
        assert "--yes" in ran.err


def test_without_commands_checks_or_an_application_that_answers_the_rollouts_start(dg: Folder) -> None:
    deploys(dg, None, [])
    assert dg.error("deploy", "prod", code=1)["code"] == "preflight-failed"
    document = json.loads(dg.config.read_text())
    document["healthChecks"] = {}
    document["triggers"] = {"errors": document["triggers"]["high-error-rate"]}
    dg.config.write_text(json.dumps(document))
    done = dg.json("deploy", "prod")
    assert [row["rollout"] for row in done["rollouts"]] == ["homepage", "checkout"]


def test_deploy_watch_stays_until_every_rollout_is_through(shop: Folder, site: Site) -> None:
    quick(shop, site)
    ran = shop("deploy", "prod", "--watch", "--output", "json", code=0)
    assert [flag_of(shop, key)["phase"] for key in ("homepage", "checkout")] == ["completed", "completed"]
    assert "rollout.completed" in ran.out


@pytest.mark.parametrize(("then", "code", "phase"), [("rollback", 3, "rolled_back"), ("reduce by 50%", 1, "paused")])
def test_deploy_watch_says_by_its_exit_code_what_became_of_it(
    shop: Folder, site: Site, then: str, code: int, phase: str
) -> None:
    quick(shop, site, hold="60s", then=then)
    process = shop.start("deploy", "prod", "--watch")
    wait_for((shop.state() / "controller.lock").exists, "the watch begins")
    site.mode = "failing"
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Nothing is watching" not in (out + err).partition("controller.started")[0], "it watches itself"
    assert flag_of(shop, "homepage")["phase"] == phase


def quick(folder: Folder, site: Site, *, hold: str = "1s", then: str = "reduce by 50%") -> None:
    """A strategy of seconds, judged by health checks alone."""
    deploys(folder, site, [])
    document = json.loads(folder.config.read_text())
    document["strategies"]["gradual"] = [f"50% for {hold}", "100%"]
    document["healthChecks"]["home"]["every"] = "1s"
    document["triggers"] = {"checks": {"when": "consecutiveFailures >= 1", "then": then}}
    folder.config.write_text(json.dumps(document))
