"""Every way to be refused: its code, its exit code, its six lines, and that nothing was changed."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from support.command import Folder, Ran, wait_for

KEYS = {"code", "message", "where", "found", "wanted", "now", "allowed", "next", "errors"}
LABELS = ("where", "found", "wanted", "now", "allowed now")


def well_told(ran: Ran) -> None:
    """One style: the code in brackets, the lines in their order, the result's stream empty."""
    first, *rest = ran.err.splitlines()
    assert re.match(r"(error|refused)\[[a-z-]+\]: \S", first), ran
    assert ran.out == "", "an error is no result"
    found = [label for line in rest for label in LABELS if line.startswith(f"  {label}")]
    assert found == sorted(found, key=LABELS.index), ran
    assert f"(exit {ran.code})" in ran.err, "what it left, with the exit code"


def as_document(error: dict[str, Any]) -> None:
    assert set(error) <= KEYS
    for offer in (*error.get("allowed", ()), *error.get("next", ())):
        assert offer["command"].startswith("deployguard ")


CASES = [
    # words, exit code, code, what the message or a line must hold
    (("nope",), 2, "usage", "there is no command nope"),
    (("rolout", "status"), 2, "usage", "nearest: rollout"),
    (("--nope",), 2, "usage", "--nope"),
    (("rollout", "strat"), 2, "usage", "nearest: start"),
    (("rollout", "start"), 2, "usage", "FLAG"),
    (("rollout", "start", "a", "b"), 2, "usage", "b"),
    (("watch", "--onec"), 2, "usage", "--once"),
    (("--env",), 2, "usage", "--env VALUE"),
    (("feature-flags", "set", "checkout", "5", "--env", ""), 2, "usage", "--env is empty"),
    (("--env=", "rollback", "emergency"), 2, "usage", "--env is empty"),
    (("--state", " ", "rollback", "emergency"), 2, "usage", "--state is empty"),
    (("deploy", ""), 2, "unknown-environment", '""'),
    (("--env", "dev", "--env", "prod", "feature-flags", "status"), 2, "usage", '"dev" and "prod"'),
    (("deploy", "dev", "--env", "prod"), 2, "usage", '"dev" and "prod"'),
    (("--output", "jsno", "feature-flags", "status"), 2, "usage", "nearest: json"),
    (("feature-flags", "status", "--env", "prd"), 2, "unknown-environment", "nearest: prod"),
    (("deploy", "prd"), 2, "unknown-environment", "nearest: prod"),
    (("feature-flags", "show", "chekout"), 2, "unknown-flag", "nearest: checkout"),
    (("rollout", "start", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("rollout", "status", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("rollout", "plan", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("rollback", "manual", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("gate", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("feature-flags", "evaluate", "homepag", "--user", "u"), 2, "unknown-flag", "nearest: homepage"),
    (("feature-flags", "history", "homepag"), 2, "unknown-flag", "nearest: homepage"),
    (("feature-flags", "target", "homepag", "--allow-user", "u"), 2, "unknown-flag", "nearest: homepage"),
    (("deploy", "prod", "--retry", "homepag", "--yes"), 2, "unknown-flag", "nearest: homepage"),
    (("feature-flags", "set", "checkout", "NaN"), 2, "out-of-range", '"NaN"'),
    (("feature-flags", "set", "checkout", "5O"), 2, "out-of-range", '"5O"'),
    (("feature-flags", "set", "checkout", "101"), 2, "out-of-range", '"101"'),
    (("feature-flags", "set", "checkout", "100.01"), 2, "out-of-range", '"100.01"'),
    (("feature-flags", "set", "checkout", "1.234"), 2, "out-of-range", '"1.234"'),
    (("feature-flags", "set", "checkout", "--percentage", "-1"), 2, "out-of-range", '"-1"'),
    (("feature-flags", "set", "checkout", "-1"), 2, "out-of-range", '"-1"'),
    (("feature-flags", "set", "checkout", "-0.5%"), 2, "out-of-range", '"-0.5%"'),
    (("feature-flags", "set", "checkout", "1e1"), 2, "out-of-range", '"1e1"'),
    (("feature-flags", "set", "checkout", "٥"), 2, "out-of-range", '"٥"'),
    (("feature-flags", "set", "checkout", ""), 2, "out-of-range", '""'),
    (("feature-flags", "set", "checkout"), 2, "usage", "25, 25% or --percentage 25"),
    (("feature-flags", "set", "checkout", "5", "--percentage", "6"), 2, "usage", '"5" and "6"'),
    (("feature-flags", "target", "checkout"), 2, "usage", "--allow-user"),
    (("feature-flags", "target", "checkout", "--rule", "plan is pro"), 2, "syntax", "contains startsWith"),
    (("feature-flags", "evaluate", "checkout", "--attribute", "pro"), 2, "usage", "plan=pro"),
    (("feature-flags", "evaluate", "checkout", "--users", "none.txt"), 2, "usage", "none.txt"),
    (("feature-flags", "stale", "--older-than", "30"), 2, "unit-missing", '"30s" is 30 seconds'),
    (("feature-flags", "stale", "--older-than", "soon"), 2, "out-of-range", "a duration with a unit"),
    (("feature-flags", "history", "--limit", "0"), 2, "usage", "--limit"),
    (("feature-flags", "import", "none.json"), 2, "usage", "none.json"),
    (("feature-flags", "import", "-"), 2, "syntax", "no JSON"),
    (("feature-flags", "export", "--format", "flagd"), 2, "usage", "deployguard"),
    (("feature-flags", "forget", "checkout"), 1, "not-allowed-now", "checkout"),
    (("watch", "--interval", "10"), 2, "unit-missing", '"10s" is 10 seconds'),
    (("watch", "--once", "--for", "1h"), 2, "usage", "exclude each other"),
    (("gate", "--timeout", "0s"), 2, "out-of-range", '"0s"'),
    (("gate", "--step", "0"), 2, "usage", "--step"),
    (("deploy", "prod", "--version", "1.0; rm -rf"), 2, "out-of-range", "1.0; rm -rf"),
    (("rollout", "resume", "homepage"), 1, "not-allowed-now", "homepage"),
    (("rollback", "undo"), 1, "not-allowed-now", ""),
    (("rollback", "undo", "rb-9"), 1, "not-allowed-now", "rb-9"),
    (("report", "show", "r-9"), 2, "usage", "r-9"),
    (("report", "show"), 1, "not-allowed-now", ""),
    (("report", "show", "--format", "html"), 2, "usage", "markdown"),
    (("monitoring", "import", "none.jsonl"), 2, "usage", "none.jsonl"),
    (("monitoring", "forget", "nothing"), 2, "usage", "nothing"),
    (("state", "restore", "none.tar"), 2, "usage", "none.tar"),
    (("alerts", "test"), 2, "usage", "WEBHOOK_URL"),
    (("init",), 2, "usage", "--force"),
]


@pytest.mark.parametrize(("words", "code", "name", "holds"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_each_error_has_its_code_and_says_what_was_found_and_wanted(
    dg: Folder, words: tuple[str, ...], code: int, name: str, holds: str
) -> None:
    before = dg.config.read_bytes()
    ran = dg(*words, code=code)
    well_told(ran)
    assert f"[{name}]: " in ran.err, ran
    # A line end may stand between the words.
    assert holds.replace(" ", "") in re.sub(r"\s+", "", ran.err), ran
    assert not dg.state().exists() or not (dg.state() / "state.json").exists(), "nothing was changed"
    assert dg.config.read_bytes() == before


def test_json_that_nests_too_deep_is_refused_like_any_that_is_wrong(dg: Folder) -> None:
    (dg.path / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    error = dg.error("feature-flags", "import", "deep.json", code=2)
    assert (error["code"], error["where"], error["found"]) == ("syntax", "deep.json", "JSON that nests too deep")
    dg("feature-flags", "evaluate", "checkout", "--user", "u", "--attribute", "a=" + "[" * 20_000)
    before = dg.config.read_bytes()
    (dg.path / "package.json").write_text("[" * 100_000)
    assert dg.error("init", "--force", "--npm", code=2)["found"] == "JSON that nests too deep"
    assert dg.config.read_bytes() == before, "a refusal has written nothing"
    assert not (dg.path / ".gitignore").exists()


def test_a_gate_does_not_wait_for_a_step_that_never_comes(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    error = dg.error("gate", "homepage", "--step", "9", code=2)
    assert (error["code"], error["wanted"]) == ("out-of-range", "a step from 1 to 3")


@pytest.mark.parametrize(
    ("words", "code", "name", "keys"),
    [
        (("rollout", "start", "homepag"), 2, "unknown-flag", {"where", "found", "wanted", "now", "next"}),
        (("rollout", "resume", "homepage"), 1, "not-allowed-now", {"found", "now", "allowed"}),
        (("feature-flags", "set", "checkout", "5O"), 2, "out-of-range", {"where", "found", "wanted", "now"}),
        (("nope",), 2, "usage", {"where", "found", "wanted", "now", "next"}),
    ],
)
def test_the_same_error_as_a_document(dg: Folder, words: tuple[str, ...], code: int, name: str, keys: set[str]) -> None:
    ran = dg(*words, "--output", "json", code=code)
    as_document(ran.error)
    assert ran.error["code"] == name
    assert keys <= set(ran.error)
    assert ran.err == "", "a program reads one stream"


def test_an_offered_command_of_a_refusal_works_as_pasted(dg: Folder) -> None:
    error = dg.error("rollout", "resume", "homepage", code=1)
    commands = [offer["command"] for offer in error["allowed"]]
    assert "deployguard rollout start homepage --env prod" in commands
    for command in commands:
        assert "--env prod" in command
    dg(*commands[commands.index("deployguard rollout start homepage --env prod")].split()[1:])
    nearest = dg.error("rollout", "pause", "homepag", code=2)["next"][0]["command"]
    dg(*nearest.split()[1:])


def test_a_refusal_of_an_undo_names_who_changed_what(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "50")
    dg("feature-flags", "set", "homepage", "50")
    dg("rollback", "emergency", "--env", "prod")
    dg("feature-flags", "set", "checkout", "10", "--by", "ali", "--reason", "staff only", "--force")
    ran = dg("rollback", "undo", code=5)
    well_told(ran)
    assert "refused[changed-since]" in ran.err
    assert "checkout 0% → 10% by ali" in ran.err.replace("\n          ", " ")
    assert "--force --env prod" in ran.err or "--env prod --force" in ran.err
    assert dg.json("feature-flags", "status")["flags"][0]["percentage"] == 0
    undone = dg.json("rollback", "undo", "--force")
    assert [row["flagId"] for row in undone["leftAlone"]] == ["checkout"]


def test_nothing_may_rise_while_a_trigger_fails(live: Folder) -> None:
    live("rollout", "start", "checkout")
    live("rollout", "pause", "checkout")
    # A window starts at the first edge of ten seconds behind the start: nothing older is evidence.
    began = datetime.now(UTC).timestamp()
    wait_for(lambda: datetime.now(UTC).timestamp() > (began // 10 + 1) * 10 + 0.1, "the next bucket")
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    sample = {"type": "request", "time": now, "endpoint": "/", "status": 500, "durationMs": 9}
    imported = live.json(
        "monitoring", "import", "-", stdin="\n".join(json.dumps({**sample, "user": f"u{n}"}) for n in range(300))
    )
    assert (imported["accepted"], imported["withUser"], imported["requests"]) == (300, 300, 300)
    error = live.error("feature-flags", "set", "checkout", "60", code=1)
    assert error["code"] == "trigger-fails"
    assert "errorRate (100.0%) > 10%" in error["found"]
    assert any("--force" in offer["command"] for offer in error["allowed"])
    assert "--force" not in error["allowed"][0]["command"], "the careful one first"
    live("feature-flags", "set", "checkout", "4")
    live("feature-flags", "set", "checkout", "60", "--force")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "syntax"),
        ("{", "syntax"),
        ('{"schemaVersion": 1, "schemaVersion": 1}', "duplicate-key"),
        ("[]", "wrong-type"),
        ("\x00\x01", "syntax"),
        ('{"schemaVersion": 1, "flagz": {}}', "unknown-key"),
    ],
)
def test_a_broken_config_is_refused_with_its_place(empty: Folder, text: str, name: str) -> None:
    empty.config.write_text(text, encoding="utf-8")
    ran = empty("config", "validate", code=2)
    assert f"error[{name}] deployment-config.json" in ran.err, ran
    assert "(exit 2)" in ran.err
    error = empty.error("config", "validate", code=2)
    assert name in [one["code"] for one in error["errors"]]
    for one in error["errors"]:
        assert one["where"]["file"] == "deployment-config.json"
    empty("feature-flags", "set", "checkout", "5", code=2)
    assert not empty.state().exists()


def test_all_errors_of_a_config_come_at_once_with_line_and_column(dg: Folder) -> None:
    document = json.loads(dg.config.read_text())
    document["flags"]["hero"]["requires"] = ["homepge"]
    document["healthChecks"]["home"]["every"] = 30
    document["triggers"]["high-error-rate"]["when"] = "errorrate > 10%"
    document["environments"]["prod"]["strategy"] = "gradul"
    dg.config.write_text(json.dumps(document, indent=2))
    error = dg.error("config", "validate", code=2)
    codes = [one["code"] for one in error["errors"]]
    assert codes == ["unknown-flag", "unit-missing", "unknown-metric", "unknown-strategy"]
    lines = dg.config.read_text().splitlines()
    for one, text in zip(error["errors"], ("homepge", "30", "errorrate", "gradul"), strict=True):
        where = one["where"]
        assert text in lines[where["line"] - 1][where["column"] - 1 :]
        assert one["wanted"]
    ran = dg("config", "validate", code=2)
    assert "4 errors in deployment-config.json. Nothing was changed. (exit 2)" in ran.err
    assert ran.err.count("^^") >= 4 - 1


def test_a_cycle_and_a_huge_file_are_refused(dg: Folder) -> None:
    document = json.loads(dg.config.read_text())
    document["flags"]["homepage"]["requires"] = ["hero"]
    dg.config.write_text(json.dumps(document))
    assert "cycle" in [one["code"] for one in dg.error("config", "validate", code=2)["errors"]]
    with dg.config.open("wb") as file:
        file.write(b'{"schemaVersion": 1, "x": "')
        file.truncate(50_000_000)
    assert "50,000,000 bytes" in dg("config", "validate", code=2).err


def test_no_config_names_init(empty: Folder) -> None:
    ran = empty("feature-flags", "status", code=2)
    well_told(ran)
    assert "error[no-config]" in ran.err
    assert "next: deployguard init" in ran.err
    ran = empty("--config", "other.json", "feature-flags", "status", code=2)
    assert "other.json" in ran.err


def test_with_a_broken_config_emergency_status_and_undo_still_work(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "50")
    dg("feature-flags", "set", "legacy_api", "100")
    dg.config.write_text("{ broken", encoding="utf-8")
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 50
    ran = dg("rollback", "emergency")
    assert "the config cannot be read" in ran.err
    assert "left on  legacy_api" in ran.out
    assert dg.json("rollback", "undo")["flags"][0]["to"]["percentage"] == 50
    assert dg.error("feature-flags", "set", "checkout", "1", code=2)["code"] == "syntax"
    dg.config.unlink()
    assert dg.json("rollback", "emergency")["flags"][0]["flagId"] == "checkout"


def test_a_secret_is_never_shown(dg: Folder) -> None:
    document = json.loads(dg.config.read_text())
    document["healthChecks"]["home"]["headers"] = {"Authorization": "Bearer ${HEALTH_TOKEN}"}
    dg.config.write_text(json.dumps(document))
    secret = {"HEALTH_TOKEN": "s3cret-token-value"}
    assert "s3cret" not in dg("config", "show", env=secret).out
    error = dg.error("config", "validate", code=2)
    assert "HEALTH_TOKEN" in json.dumps(error)


def test_a_variable_that_is_unset_stops_commands_but_not_an_emergency(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "50")
    document = json.loads(dg.config.read_text())
    document["environments"]["prod"]["baseUrl"] = "${NOT_SET}"
    dg.config.write_text(json.dumps(document))
    dg("feature-flags", "set", "checkout", "5", code=2)
    dg("feature-flags", "status")
    assert dg.json("rollback", "emergency")["rollbackId"] == "rb-1"


def test_a_variable_that_names_no_environment_never_means_prod(dg: Folder) -> None:
    error = dg.error("feature-flags", "set", "checkout", "5", code=2, env={"DEPLOYGUARD_ENVIRONMENT": ""})
    assert (error["code"], error["found"]) == ("unknown-environment", '""')
    dg("rollback", "emergency", code=2, env={"DEPLOYGUARD_ENVIRONMENT": ""})
    assert not dg.state().exists()
    dg("feature-flags", "status", "--env", "prod", env={"DEPLOYGUARD_ENVIRONMENT": ""})
    dg("deploy", "prod", "--dry-run", "--yes", code=None, env={"DEPLOYGUARD_ENVIRONMENT": ""})


@pytest.mark.parametrize("name", [".", "..", "../outside", "./prod"])
def test_an_environment_is_never_a_path(live: Folder, name: str) -> None:
    live("feature-flags", "set", "checkout", "50")
    before = sorted(str(path) for path in live.path.parent.rglob("*"))
    error = live.error("--env", name, "--config", "nowhere.json", "rollback", "emergency", code=2)
    assert error["code"] == "unknown-environment"
    assert sorted(str(path) for path in live.path.parent.rglob("*")) == before
