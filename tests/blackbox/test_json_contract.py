"""`--output json` and `yaml` of every command, held to the contract: keys, types, units, camelCase."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from support.command import Folder

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HOLD = re.compile(r"\d+(ms|s|m|h|d|w)")


def text(value: object) -> bool:
    return isinstance(value, str)


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def yes_or_no(value: object) -> bool:
    return isinstance(value, bool)


def percentage(value: object) -> bool:
    return number(value) and 0 <= value <= 100  # type: ignore[operator]


def moment(value: object) -> bool:
    return isinstance(value, str) and bool(TIME.fullmatch(value)) and datetime.fromisoformat(value).tzinfo is not None


def hold(value: object) -> bool:
    return isinstance(value, str) and bool(HOLD.fullmatch(value))


def listed(value: object) -> bool:
    return isinstance(value, list)


def mapping(value: object) -> bool:
    return isinstance(value, dict)


def maybe(kind: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or kind(value)


FLAG = {
    "flagId": text, "description": text, "enabled": yes_or_no, "percentage": percentage, "seed": text,
    "phase": maybe(text), "rollout": maybe(text), "strategy": maybe(text), "step": maybe(whole),
    "steps": maybe(whole), "nextStepAt": maybe(moment), "waitsFor": maybe(text), "requires": listed,
    "tags": listed, "orphaned": yes_or_no, "reason": maybe(text), "rollbackId": maybe(text),
    "guardedUntil": maybe(moment), "updatedAt": maybe(moment), "updatedBy": maybe(text),
}  # fmt: skip
ROLLOUT = {
    "rollout": text, "riders": listed, "phase": text, "step": maybe(whole), "steps": listed, "percentage": percentage,
    "enteredAt": moment, "nextStepAt": maybe(moment), "waitsFor": maybe(text), "exposed": maybe(mapping),
    "verdicts": listed,
}  # fmt: skip
VERDICT = {
    "trigger": text, "rollout": maybe(text), "flagId": maybe(text), "population": text, "verdict": text,
    "cause": maybe(text), "rule": text, "value": maybe(number), "threshold": maybe(lambda _: True), "samples": whole,
    "needed": whole, "readyAt": maybe(moment), "window": maybe(mapping),
}  # fmt: skip
CONTROLLER = {"name": text, "host": text, "pid": whole, "via": text, "lastTickAt": moment}
CHANGE = {"flagId": text, "from": mapping, "to": mapping}
POSITION = {"enabled": yes_or_no, "percentage": percentage}


def holds(document: Any, shape: dict[str, Callable[[object], bool]], where: str) -> None:
    """Every key of `shape` is there with its type; and every key anywhere is camelCase."""
    for key, kind in shape.items():
        assert key in document, f"{where}: no {key} in {sorted(document)}"
        assert kind(document[key]), f"{where}.{key}: {document[key]!r}"


def camel(document: Any, where: str, *, free: Iterable[str] = ()) -> None:
    """Keys are camelCase, but below `free`, whose keys are people's names."""
    if isinstance(document, dict):
        for key, value in document.items():
            if where.rpartition(".")[2] not in free:
                assert re.fullmatch(r"[a-z][A-Za-z0-9]*", key), f"{where}: {key}"
            camel(value, f"{where}.{key}", free=free)
    elif isinstance(document, list):
        for item in document:
            camel(item, where, free=free)


NAMES = ("requires", "requirements", "npmScripts", "flags", "strategies", "triggers", "environments", "attributes")


def test_status_has_every_field_before_and_after_a_rollout_starts(dg: Folder) -> None:
    before = dg.json("feature-flags", "status")
    assert before["environment"] == "prod"
    assert before["revision"] == 0
    assert before["controller"] is None
    assert [row["flagId"] for row in before["flags"]] == ["homepage", "hero", "checkout", "legacy_api"]
    dg("rollout", "start", "homepage", "--by", "maria", "--reason", "spring")
    after = dg.json("feature-flags", "status")
    camel(after, "status")
    for row in (*before["flags"], *after["flags"]):
        holds(row, FLAG, row["flagId"])
    lead, rider, alone, _ = after["flags"]
    assert (lead["phase"], lead["rollout"], lead["step"], lead["steps"]) == ("progressing", "homepage", 1, 3)
    assert (lead["percentage"], lead["enabled"], lead["waitsFor"]) == (5, True, "hold")
    assert (rider["rollout"], rider["seed"], rider["requires"]) == ("homepage", "homepage", ["homepage"])
    assert (alone["phase"], alone["rollout"], alone["step"], alone["nextStepAt"]) == (None, None, None, None)
    assert lead["updatedBy"].startswith("maria")
    assert dg("feature-flags", "list", "--output", "json").json["flags"] == dg.json("feature-flags", "status")["flags"]


def test_a_fraction_of_a_percent_is_a_number(dg: Folder) -> None:
    moved = dg.json("feature-flags", "set", "checkout", "12.34")
    holds(moved["flags"][0], CHANGE, "set")
    holds(moved["flags"][0]["to"], POSITION, "set.to")
    assert moved["flags"][0]["to"] == {"enabled": True, "percentage": 12.34}
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 12.34


def test_rollout_status_and_plan(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    document = dg.json("rollout", "status")
    camel(document, "rollout status")
    holds(document, {"environment": text, "revision": whole, "rollouts": listed}, "rollout status")
    (row,) = document["rollouts"]
    holds(row, ROLLOUT, "rollout")
    assert row["riders"] == ["hero"]
    assert [(step["percentage"], step["hold"]) for step in row["steps"]] == [(5, "24h"), (30, "24h"), (100, None)]
    assert row["steps"][0]["name"] == "initial canary"
    for verdict in row["verdicts"]:
        holds(verdict, VERDICT, verdict["trigger"])
        assert verdict["population"] in ("all", "exposed", "others")
    assert dg.json("rollout", "status", "homepage")["rollouts"][0]["rollout"] == "homepage"
    plan = dg.json("rollout", "plan", "checkout", "--users", "4320")
    camel(plan, "plan", free=NAMES)
    (planned,) = plan["plans"]
    assert [step["percentage"] for step in planned["steps"]] == [5, 30, 100]
    assert all(moment(step["from"]) for step in planned["steps"])
    assert planned["total"] == "48h"


def test_null_without_a_rollout_and_when_taken_back(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    dg("rollout", "abort", "homepage")
    lead = dg.json("feature-flags", "status")["flags"][0]
    assert lead["phase"] == "rolled_back"
    assert (lead["step"], lead["steps"], lead["nextStepAt"]) == (None, None, None)
    assert lead["rollbackId"] == "rb-1"
    (row,) = dg.json("rollout", "status")["rollouts"]
    assert (row["phase"], row["step"], row["percentage"]) == ("rolled_back", None, 0)


def test_an_emergency_and_its_undo(dg: Folder) -> None:
    dg("feature-flags", "set", "legacy_api", "100")
    dg("rollout", "start", "homepage")
    document = dg.json("rollback", "emergency", "--reason", "checkout is down")
    camel(document, "emergency")
    holds(
        document,
        {"rollbackId": text, "environment": text, "revision": whole, "flags": listed, "leftOn": listed},
        "emergency",
    )
    assert [row["flagId"] for row in document["leftOn"]] == ["legacy_api"]
    for row in document["flags"]:
        holds(row, CHANGE, row["flagId"])
        assert row["to"] == {"enabled": False, "percentage": 0}
    again = dg.json("rollback", "emergency")
    assert (again["rollbackId"], again["flags"], again["revision"]) == (None, [], document["revision"])
    undone = dg.json("rollback", "undo")
    camel(undone, "undo")
    assert undone["undoes"] == document["rollbackId"]
    assert {row["flagId"]: row["to"]["percentage"] for row in undone["flags"]} == {"homepage": 5, "hero": 5}
    history = dg.json("rollback", "history")
    camel(history, "history")
    assert [row["rollbackId"] for row in history["rollbacks"]] == ["rb-2", "rb-1"]
    assert all(moment(row["at"]) for row in history["rollbacks"])


def test_one_user_and_many(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "50")
    shape = {
        "flagId": text, "targetingKey": maybe(text), "value": yes_or_no, "variant": text, "reason": text,
        "bucket": maybe(whole), "decidedBy": text,
    }  # fmt: skip
    answer = dg.json(
        "feature-flags", "evaluate", "checkout", "--user", "u-1", "--country", "DZ", "--attribute", "plan=pro"
    )
    camel(answer, "evaluate")
    holds(answer, shape, "evaluate")
    assert (answer["reason"], answer["decidedBy"], answer["variant"]) == (
        "SPLIT",
        "bucket",
        "on" if answer["value"] else "off",
    )
    many = dg(
        "feature-flags", "evaluate", "checkout", "--users", "-", "--output", "json", stdin="u-1\r\nu-2\n\nü-3\n"
    ).out.splitlines()
    lines = [json.loads(line) for line in many]
    assert [line["targetingKey"] for line in lines] == ["u-1", "u-2", "ü-3"]
    assert lines[0]["bucket"] == answer["bucket"]
    for line in lines:
        holds(line, shape, "line")
    (dg.path / "ids.txt").write_text("u-1\n", encoding="utf-8")
    assert dg.json("feature-flags", "evaluate", "checkout", "--users", "ids.txt")["bucket"] == answer["bucket"]
    nobody = dg.json("feature-flags", "evaluate", "checkout")
    assert (nobody["value"], nobody["reason"], nobody["decidedBy"]) == (False, "DEFAULT", "noTargetingKey")


def test_a_round_of_watch(live: Folder) -> None:
    live("rollout", "start", "homepage")
    document = live.json("watch", "--once")
    camel(document, "watch")
    holds(document, {"environment": text, "revision": whole, "verdicts": listed, "actions": listed}, "watch")
    assert {verdict["trigger"] for verdict in document["verdicts"]} == {"high-error-rate", "check-failures"}
    for verdict in document["verdicts"]:
        holds(verdict, VERDICT, verdict["trigger"])
        assert verdict["rule"] in ("errorRate > 10%", "consecutiveFailures >= 2")
        if verdict["window"]:
            assert moment(verdict["window"]["from"])
            assert moment(verdict["window"]["to"])
    controller = live.json("feature-flags", "status")["controller"]
    holds(controller, CONTROLLER, "controller")


def test_a_deploy_and_its_report(live: Folder) -> None:
    plan = live.json("deploy", "prod", "--version", "1.0.0", "--dry-run")
    camel(plan, "plan")
    assert plan["version"] == "1.0.0"
    assert not live.state().exists(), "a dry run writes nothing"
    document = live.json("deploy", "prod", "--version", "1.0.0", "--yes")
    camel(document, "deploy")
    shape = {
        "releaseId": text, "environment": text, "version": text, "outcome": text, "rollouts": listed, "next": listed,
        "watchedBy": maybe(mapping), "report": text,
    }  # fmt: skip
    holds(document, shape, "deploy")
    assert (document["releaseId"], document["outcome"], document["watchedBy"]) == ("r-1", "succeeded", None)
    assert [row["rollout"] for row in document["rollouts"]] == ["homepage", "checkout"]
    for step in document["next"]:
        holds(step, {"rollout": text, "percentage": percentage, "at": moment}, "next")
    assert document["next"][0]["percentage"] == 30
    reports = live.json("report", "list")
    camel(reports, "reports")
    assert reports["reports"][0]["releaseId"] == "r-1"
    shown = live.json("report", "show", "r-1")
    assert live("report", "show", "--format", "json").json["release"] == shown["release"] == "r-1"
    assert json.loads((live.path / document["report"]).read_text())["release"] == "r-1"
    assert live("report", "show", "--format", "markdown").out.replace("\\", "").startswith("## deployguard: prod 1.0.0")


@pytest.mark.parametrize(
    ("words", "code", "keys"),
    [
        (("config", "validate"), 0, ("file", "valid", "flags")),
        (("feature-flags", "show", "hero"), 0, ("flag", "history", "because")),
        (("feature-flags", "history"), 0, ("history",)),
        (("feature-flags", "stale"), 0, ("flags", "olderThan")),
        (("feature-flags", "target", "hero", "--allow-user", "u-1"), 0, ("flagId", "changed", "revision")),
        (("feature-flags", "disable", "hero"), 0, ("flagId", "changed")),
        (("monitoring", "check"), 1, ("environment", "at", "checks")),
        (("monitoring", "status"), 0, ("metrics", "endpoints", "window")),
        (("gate",), 0, ("result", "rollouts", "verdicts")),
        (("doctor",), 1, ("environment", "at", "findings")),
        (("state", "verify"), 0, ("environment", "findings")),
        (("report", "list"), 0, ("reports",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value and isinstance(value[0], str) else None,
)
def test_every_other_document_is_one_object_in_camel_case(
    dg: Folder, words: tuple[str, ...], code: int, keys: tuple[str, ...]
) -> None:
    document = dg.json(*words, code=code)
    assert isinstance(document, dict)
    for key in keys:
        assert key in document
    camel(document, " ".join(words), free=NAMES)


def test_yaml_says_the_same_as_json(dg: Folder) -> None:
    dg("rollout", "start", "homepage")
    ran = dg("rollout", "status", "--output", "yaml")
    found, wanted = ran.yaml, dg.json("rollout", "status")
    for document in (found, wanted):
        for row in document["rollouts"]:
            row.pop("heldFor"), row.pop("held"), row.pop("verdicts"), row.pop("lines")
        document.pop("at")
    assert found["rollouts"][0]["enteredAt"] == wanted["rollouts"][0]["enteredAt"], "a time stays text in YAML"
    assert found["rollouts"][0]["steps"] == wanted["rollouts"][0]["steps"]


def test_an_error_is_a_document_in_yaml_too(dg: Folder) -> None:
    ran = dg("rollout", "start", "nope", "--output", "yaml", code=2)
    assert ran.yaml["error"]["code"] == "unknown-flag"


def test_export_and_import_go_round(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "25")
    exported = dg("feature-flags", "export").out
    dg("feature-flags", "set", "checkout", "0")
    dg("feature-flags", "import", "-", stdin=exported)
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 25
    again = dg("feature-flags", "import", "-", "--output", "json", stdin=exported)
    assert again.json == {"environment": "prod", "moved": []}, "one document on stdout, however many flags"
    wanted = json.loads(exported)
    for key in ("checkout", "hero"):
        wanted["flags"][key] |= {"enabled": True, "percentage": 60}
    moved = dg("feature-flags", "import", "-", "--output", "json", stdin=json.dumps(wanted)).json["moved"]
    assert {one["flagId"]: [change["flagId"] for change in one["flags"]] for one in moved} == {
        "checkout": ["checkout"],
        "hero": ["hero"],
    }
    assert all([event["type"] for event in one["events"]] == ["flag.updated"] for one in moved)


def test_the_config_and_its_schema_are_documents(dg: Folder) -> None:
    shown = dg("config", "show").json
    assert shown["triggers"]["high-error-rate"]["window"] == "5m"
    assert dg("config", "show", "--output", "yaml").yaml == shown
    assert dg("config", "schema").json["$schema"].startswith("https://json-schema.org/")


def test_backup_and_restore(dg: Folder) -> None:
    dg("feature-flags", "set", "checkout", "25")
    saved = dg.json("state", "backup")
    camel(saved, "backup")
    dg("feature-flags", "set", "checkout", "50")
    dg.json("state", "restore", saved["file"])
    assert dg.json("feature-flags", "status")["flags"][2]["percentage"] == 25
    assert dg.json("state", "verify")["findings"]
