"""What keeps the tool itself in order: doctor, reports, notices, `init` and `state` where a disk or a user says no."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support.command import COMMAND, Folder, Site

LINE = '127.0.0.1 - - [24/Nov/2026:14:31:50 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8"\n'


def findings(folder: Folder, **options: object) -> dict[str, dict[str, str]]:
    told = folder.json("doctor", code=1, **options)["findings"]
    return {finding["subject"]: finding for finding in told}


def test_doctor_asks_the_checks_itself(live: Folder, site: Site) -> None:
    assert findings(live)["checks"]["found"] == "home pass"
    site.mode = "failing"
    found = findings(live)["check"]
    assert (found["level"], found["command"]) == ("mend", "deployguard monitoring check --env prod")
    assert "status (503) == 200" in found["found"]


def test_doctor_looks_into_a_log_that_nobody_has_read(live: Folder, site: Site) -> None:
    live.write_config(site.url, sources={"nginx": {"type": "accessLog", "path": "access.log", "format": "combined"}})
    assert findings(live)["source"]["found"] == "nginx: access.log is not there"
    log = live.path / "access.log"
    log.write_text("")
    assert findings(live)["source"]["found"] == "nginx: access.log has no line yet"
    log.write_text(LINE)
    assert findings(live)["source"]["found"] == "nginx: access.log has lines, and none was counted yet"


@pytest.mark.parametrize("secret", ["é", "bad!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_secret_that_is_none_is_said_with_one_that_would_be(live: Folder, secret: str) -> None:
    found = findings(live, env={"WEBHOOK_URL": "http://127.0.0.1:9/hook", "WEBHOOK_SECRET": secret})
    if secret.startswith("whsec_"):
        assert "alerts" not in found
        return
    assert found["alerts"]["level"] == "mend"
    assert "echo whsec_$(openssl rand -base64 32)" in found["alerts"]["found"]


def test_a_test_notice_that_cannot_be_signed_says_what_a_secret_is(live: Folder) -> None:
    env = {"WEBHOOK_URL": "http://127.0.0.1:9/hook", "WEBHOOK_SECRET": "é"}
    assert "openssl rand" in live("alerts", "test", env=env, code=1).out


def test_a_test_notice_without_a_channel_says_where_to_look(dg: Folder) -> None:
    error = dg.error("alerts", "test", code=2)
    assert [offer["command"] for offer in error["next"]] == ["deployguard doctor --env prod"]
    env = {"WEBHOOK_URL": "http://127.0.0.1:9/hook"}
    error = dg.error("alerts", "test", "webhok", code=2, env=env)
    assert error["next"][0]["command"] == "deployguard alerts test webhook --env prod"


def test_no_report_before_a_deploy_is_a_refusal_of_the_state(dg: Folder) -> None:
    error = dg.error("report", "show", code=1)
    assert error["code"] == "not-allowed-now"
    assert error["allowed"][0]["command"] == "deployguard deploy prod --dry-run"
    assert dg.error("report", "show", "r-1", code=2)["code"] == "usage"


def test_a_ci_job_is_offered_its_summary_and_nobody_else(live: Folder) -> None:
    live("deploy", "prod", "--yes")
    assert "next: deployguard report show r-1 --env prod --format markdown\n" in live("report", "show").err
    assert '>> "$GITHUB_STEP_SUMMARY"' in live("report", "show", env={"GITHUB_STEP_SUMMARY": "summary.md"}).err


def test_a_state_folder_that_is_a_file_is_not_in_order(dg: Folder) -> None:
    (dg.path / "state").write_text("")
    assert "not a directory" in dg("state", "verify", code=5).out
    assert dg.error("state", "backup", code=5)["found"] == "not a directory"


def test_init_on_a_full_disk_keeps_the_config_that_stands(empty: Folder) -> None:
    empty("init")
    before = empty.config.read_bytes()
    # A limit on the size of a file is what a full disk is to a process; Python ignores the signal that comes with it.
    limited = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", limited, str(COMMAND), "init", "--force", "--output", "json"],
        cwd=empty.path,
        env={**empty.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # a module's cached code would be cut short, too
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2, ran
    assert json.loads(ran.stdout)["error"]["found"] == "file too large"
    assert empty.config.read_bytes() == before
    assert sorted(path.name for path in empty.path.iterdir()) == sorted(
        [".gitignore", "deployment-config.json", "deployment-config.schema.json"]
    )


def test_init_over_a_folder_is_one_clear_error(empty: Folder) -> None:
    empty.config.mkdir()
    error = empty.error("init", "--force", code=2)
    assert error["found"] == "is a directory"
    assert error["where"] == str(empty.path)


def test_a_state_that_may_not_be_read_is_one_clear_error(dg: Folder) -> None:
    dg("feature-flags", "set", "homepage", "5")
    dg.state().chmod(0)
    try:
        assert "permission denied" in bound(dg, "state", "verify", code=5).stdout
        found = json.loads(bound(dg, "state", "backup", "--output", "json", code=5).stdout)
        assert found["error"]["found"] == "permission denied"
    finally:
        dg.state().chmod(0o700)


def bound(folder: Folder, *words: str, code: int) -> "subprocess.CompletedProcess[str]":
    """Run as one whom permissions bind: root is, without the capability that frees it."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("AS ROOT AND WITHOUT setpriv: an unreadable state folder is not tested here")
        drop = "-dac_override,-dac_read_search"
        prefix = [setpriv, f"--bounding-set={drop}", f"--inh-caps={drop}"]
    ran = subprocess.run(
        [*prefix, str(COMMAND), *words],
        cwd=folder.path,
        env=folder.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran
    return ran


def test_after_a_target_the_offer_shows_whom_it_means(dg: Folder) -> None:
    ran = dg("feature-flags", "target", "checkout", "--allow-group", "staff")
    assert "next: deployguard feature-flags show checkout --env prod" in ran.err


def test_a_restore_names_the_file_and_the_revision_that_it_made(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "25")
    dg("state", "backup", "b.tar")
    dg("feature-flags", "set", "checkout", "50")
    said = " ".join(dg("state", "restore", "b.tar").out.split())
    assert "prod stands as in b.tar again, now at revision 3; what stood there was set aside" in said
