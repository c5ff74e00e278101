"""Parts of a config that stand alone: in the state, in an import, in one environment; and what variables do."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deployguard.config.build import (
    command_from_json,
    config_from_document,
    flag_from_json,
    flag_to_json,
    flags_from_document,
    targeting_from_json,
    targeting_to_json,
)
from deployguard.config.defaults import default_config
from deployguard.config.environ import unused_settings
from deployguard.config.parts import command_to_json
from deployguard.config.values import Command, Flag
from deployguard.errors import Code, DeployguardError, Place

DOCUMENT: dict[str, Any] = {
    "flags": {"a": {"description": "A"}, "b": {"requires": ["a"], "tags": ["heavy"]}, "c": {"permanent": True}},
    "strategies": {"s": ["5% for 1h", "100%"]},
    "healthChecks": {"api": {"url": "/", "headers": {"Authorization": "Bearer ${TOKEN}"}}},
    "triggers": {"t": {"when": "errorRate > 10%", "then": [{"run": "page ${WHO}"}], "window": "${WINDOW:-5m}"}},
    "alerts": {"ops": {"type": "webhook", "url": "${HOOK}", "secret": "${SECRET}"}},
    "environments": {
        "prod": {
            "baseUrl": "https://www.example.com",
            "strategy": "s",
            "deploy": ["push '${IMAGE}' --tag ${TAG:-latest}"],
            "flags": {"a": {"owner": "o"}, "c": {"permanent": False}},
        },
        "dev": {"baseUrl": "${DEV_URL}", "strategy": "s"},
    },
}
ENVIRON = {
    "TOKEN": "t0ken",
    "WHO": "ops",
    "HOOK": "https://hooks.example",
    "SECRET": "s",
    "IMAGE": "i",
    "DEV_URL": "http://d",
}


def test_a_variable_that_is_unset_is_an_error_that_names_it() -> None:
    with pytest.raises(DeployguardError) as caught:
        config_from_document(DOCUMENT, {**ENVIRON, "WHO": "x"} | {"HOOK": ""}, file="f.json")
    problems = caught.value.problem.errors
    assert [(p.code, p.where) for p in problems] == [(Code.WRONG_TYPE, Place("f.json", path="alerts.ops.url"))]
    with pytest.raises(DeployguardError) as caught:
        config_from_document(DOCUMENT, {})
    named = {str(problem.found) for problem in caught.value.problem.errors}
    assert named == {f"${{{name}}}, which is not set" for name in ENVIRON}


def test_read_leniently_what_no_longer_makes_sense_is_left_out() -> None:
    config = config_from_document(DOCUMENT, {}, lenient=True)
    assert list(config.environments) == ["prod"]  # dev has lost its address
    prod = config.environment("prod")
    assert prod.deploy[0].argv == ("push", "", "--tag", "latest")
    assert prod.checks["api"].headers == {"Authorization": "Bearer "}
    assert not prod.channels
    assert prod.triggers["t"].window == timedelta(minutes=5)
    assert config.document is DOCUMENT
    assert config.hash == config_from_document(DOCUMENT, ENVIRON).hash


def test_a_variable_never_becomes_a_second_word_or_a_command() -> None:
    hostile = {**ENVIRON, "IMAGE": "x'; rm -rf / #", "TAG": "a b", "WHO": "$(reboot)"}
    prod = config_from_document(DOCUMENT, hostile).environment("prod")
    assert prod.deploy[0].argv == ("push", "x'; rm -rf / #", "--tag", "a b")
    assert prod.deploy[0].text == "push '${IMAGE}' --tag ${TAG:-latest}"
    command = prod.triggers["t"].then[0].command
    assert command is not None
    assert command.argv == ("page", "$(reboot)")


def test_a_value_is_not_expanded_twice_and_a_key_never() -> None:
    document = {**DOCUMENT, "healthChecks": {"api": {"url": "/", "headers": {"x-one": "${TOKEN}"}}}}
    checks = config_from_document(document, {**ENVIRON, "TOKEN": "${HOOK}"}).environment("prod").checks
    assert checks["api"].headers == {"x-one": "${HOOK}"}
    with pytest.raises(DeployguardError):
        config_from_document({**DOCUMENT, "flags": {"${TOKEN}": {}}}, ENVIRON)


def test_an_empty_variable_takes_the_default_as_in_a_shell() -> None:
    prod = config_from_document(DOCUMENT, {**ENVIRON, "TAG": ""}).environment("prod")
    assert prod.deploy[0].argv[-1] == "latest"


def test_a_variable_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    environ = {**ENVIRON, "SECRET_FILE": str(tmp_path / "secret")}
    del environ["SECRET"]
    config = config_from_document(DOCUMENT, environ)
    assert config.environment("prod").channels["ops"].secret == "from a file"
    with pytest.raises(DeployguardError) as caught:
        config_from_document(DOCUMENT, {**environ, "SECRET_FILE": str(tmp_path / "none")})
    assert "SECRET_FILE" in str(caught.value.problem.found)


@pytest.mark.parametrize(
    ("alerts", "environ", "channels"),
    [
        ({}, {}, {}),
        ({}, {"WEBHOOK_URL": "https://h.example"}, {"webhook": ("https://h.example", None)}),
        ({}, {"WEBHOOK_URL": "https://h.example", "WEBHOOK_SECRET": "s"}, {"webhook": ("https://h.example", "s")}),
        (
            {"alerts": {"ops": {"type": "webhook", "url": "https://o.example"}}},
            {"WEBHOOK_URL": "https://h.example"},
            {"ops": ("https://o.example", None)},
        ),
    ],
)
def test_the_variables_make_a_channel_where_alerts_names_none(
    alerts: dict[str, Any], environ: dict[str, str], channels: dict[str, tuple[str, str | None]]
) -> None:
    document = json.loads(default_config(None)) | alerts
    made = config_from_document(document, environ).environment("prod").channels
    assert {name: (channel.url, channel.secret) for name, channel in made.items()} == channels


def test_the_webhook_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://h.example\n")
    environ = {"WEBHOOK_URL_FILE": str(tmp_path / "url")}
    made = config_from_document(json.loads(default_config(None)), environ).environment("prod").channels
    assert made["webhook"].url == "https://h.example"


def test_settings_that_do_nothing_yet_are_named() -> None:
    environ = {
        "SMTP_HOST": "h",
        "SMTP_PASS_FILE": "f",
        "SENTRY_DSN": "d",
        "VERCEL_ANALYTICS_ID": "v",
        "SMTP_TO": "",
        "PATH": "p",
    }
    assert unused_settings(environ) == ("SENTRY_DSN", "SMTP_HOST", "SMTP_PASS_FILE", "VERCEL_ANALYTICS_ID")


def test_flags_of_an_environment_are_read_alone_as_with_all_else() -> None:
    flags = flags_from_document(DOCUMENT, "prod", {})
    assert flags == dict(config_from_document(DOCUMENT, ENVIRON).environment("prod").flags)
    assert (flags["a"].owner, flags["a"].description, flags["c"].permanent) == ("o", "A", False)
    assert flags_from_document(DOCUMENT, "elsewhere")["c"].permanent


FLAG: dict[str, Any] = {
    "description": "d",
    "owner": "o",
    "expires": "2027-03-31",
    "tags": ["t"],
    "requires": ["elsewhere"],
    "targeting": {"allow": {"users": ["u"]}, "deny": {"groups": ["g"]}, "countries": ["DZ"], "rules": ["a == 1"]},
    "seed": "own",
    "private": True,
    "permanent": True,
}


@pytest.mark.parametrize("data", [{}, FLAG, {"tags": ["a", "b"]}])
def test_a_flag_is_written_as_it_was_read(data: dict[str, Any]) -> None:
    flag = flag_from_json("f", data)
    assert flag_to_json(flag) == data
    assert flag_from_json("f", flag_to_json(flag)) == flag


def test_a_flag_that_is_none_is_refused_with_all_errors() -> None:
    with pytest.raises(DeployguardError) as caught:
        flag_from_json("f", {"tags": 5, "requires": [5], "targeting": {"rules": ["?"]}, "x": 1})
    assert len(caught.value.problem.errors) == 4


def test_targeting_is_written_as_it_was_read() -> None:
    data = FLAG["targeting"]
    assert targeting_to_json(targeting_from_json(data)) == data
    assert targeting_to_json(Flag(key="x").targeting) == {}
    with pytest.raises(DeployguardError):
        targeting_from_json({"countrys": ["DZ"]})


def test_a_command_is_kept_unexpanded_and_read_back_with_the_variables_of_then() -> None:
    prod = config_from_document(DOCUMENT, ENVIRON).environment("prod")
    kept = command_to_json(prod.deploy[0])
    assert kept == {"run": "push '${IMAGE}' --tag ${TAG:-latest}"}
    assert command_from_json(kept, {"IMAGE": "new"}).argv == ("push", "new", "--tag", "latest")
    assert command_from_json("npm ci", {}).argv == ("npm", "ci")
    assert command_from_json({"shell": "echo $A ${B}"}, {}).shell == "echo $A ${B}"
    made = Command(argv=("echo", "a b"), timeout=timedelta(seconds=5), env={"A": "1"}, cwd="web")
    assert command_from_json(command_to_json(made), {}).argv == made.argv
    full = command_from_json({"run": "x", "timeout": "5s", "env": {"A": "${B}"}, "cwd": "web"}, {"B": "b"})
    assert (full.timeout, full.env, full.cwd) == (timedelta(seconds=5), {"A": "b"}, "web")
    assert command_to_json(full)["env"] == {"A": "${B}"}


def test_environments_share_what_none_of_them_overrides() -> None:
    config = config_from_document(DOCUMENT, ENVIRON)
    dev, prod = config.environment("dev"), config.environment("prod")
    assert dev.triggers["t"] is prod.triggers["t"]
    assert isinstance(dev.flags, Mapping)
    assert dev.flags["b"] is prod.flags["b"]
