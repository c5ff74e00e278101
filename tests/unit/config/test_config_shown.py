"""What others see of a config: the default that init writes, the schema, config show, differences, masked secrets."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deployguard.config.build import config_from_document
from deployguard.config.defaults import NPM_SCRIPTS, default_config
from deployguard.config.load import load_config
from deployguard.config.schema import schema
from deployguard.config.secrets import Masker, is_secret_name
from deployguard.config.show import differences, shown
from deployguard.errors import Code, DeployguardError

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT.parent / "shared" / "CONFIG.md"
ENVIRON = {"HEALTH_TOKEN": "health-token-1", "WEBHOOK_URL": "https://hooks.example.com/T1/B2", "WEBHOOK_SECRET": "sh"}

without_the_page = pytest.mark.skipif(
    not PAGE.is_file(), reason="the contract is not beside the repository (../shared/CONFIG.md)"
)


def _examples() -> list[str]:
    return re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_repositorys_own_example_is_what_init_writes() -> None:
    assert (ROOT / "deployment-config.json").read_text() == default_config(None)
    assert json.loads((ROOT / "deployment-config.schema.json").read_text()) == schema()


@without_the_page
def test_the_default_is_the_one_of_the_contract() -> None:
    assert default_config(None) == _examples()[0]


@without_the_page
def test_both_examples_of_the_contract_load_and_fit_the_schema(tmp_path: Path) -> None:
    for text in _examples():
        (tmp_path / "c.json").write_text(text)
        assert "prod" in load_config(tmp_path / "c.json", ENVIRON).environments
        jsonschema.Draft202012Validator(schema()).validate(json.loads(text))


@pytest.mark.parametrize(
    "url", ["https://shop.example", "http://localhost:8000/base", "https://" + "x" * 60 + ".example"]
)
def test_the_default_takes_the_applications_address(url: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(default_config(url + "/"))
    config = load_config(tmp_path / "c.json", {})
    assert config.environment("prod").base_url == url
    assert config.environment("dev").base_url == "http://localhost:3000"


def test_an_address_that_is_none_is_a_usage_error() -> None:
    for url in ("", "shop", 'https://x" , "a": "', "ftp://x.example", "https://a b"):
        with pytest.raises(DeployguardError) as caught:
            default_config(url)
        assert caught.value.problem.code is Code.USAGE


def test_the_source_systems_scripts_have_their_commands() -> None:
    assert list(NPM_SCRIPTS) == [
        "deploy:enhanced:dev",
        "deploy:enhanced:staging",
        "deploy:enhanced:prod",
        "monitoring:start",
        "monitoring:dashboard",
        "feature-flags:status",
        "rollback:emergency",
    ]
    assert NPM_SCRIPTS["deploy:enhanced:prod"] == "deployguard deploy prod"


def _default(**changes: Any) -> dict[str, Any]:
    return json.loads(default_config(None)) | changes


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        (_default(), True),
        (_default(guardFor="${GUARD}"), True),
        (_default(tigers={}), False),
        (_default(guardFor=48), False),
        (_default(guardFor="48"), False),
        (_default(strategies={"s": ["5% for 1h - x", {"percentage": "100%"}]}), True),
        (_default(strategies={"s": ["5"]}), False),
        (_default(strategies={"s": {"steps": []}}), False),
        (_default(flags={"a b": {}}), False),
        (_default(flags={"a": {"seed": "mine"}}), False),
        (_default(triggers={"t": {"when": "errorRate > 1%"}}), False),
        (_default(triggers={"t": {"when": "errorRate > 1%", "then": "explode"}}), False),
        (_default(triggers={"t": {"when": "errorRate", "then": "pause"}}), False),
        (_default(triggers={"t": {"when": "errorRate > 1%", "then": ["pause", {"run": "x"}]}}), True),
        (_default(triggers={"t": {"when": "errorRate > 1%", "then": {"run": "x", "shell": "y"}}}), False),
        (_default(environments={}) | {"flags": 5}, False),
    ],
)
def test_an_editor_and_the_check_agree(document: dict[str, Any], fits: bool) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert jsonschema.Draft202012Validator(schema()).is_valid(document) is fits
    if not fits:
        with pytest.raises(DeployguardError):
            config_from_document(document, {})


def test_every_key_of_the_schema_has_a_sentence_and_no_object_takes_more() -> None:
    objects = 0

    def walk(node: object) -> None:
        nonlocal objects
        if isinstance(node, dict):
            if "properties" in node:
                objects += 1
                assert node["additionalProperties"] is False
                assert all(len(value["description"]) > 5 for value in node["properties"].values())
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema())
    assert objects > 15


FULL = {
    "defaultEnvironment": "prod",
    "flags": {
        "a": {"tags": ["x"], "targeting": {"countries": ["DZ"], "rules": ["plan in ['a']"]}},
        "b": {"requires": ["a"]},
    },
    "strategies": {
        "s": ["5% for 1h - n", "50.25%"],
        "t": {"steps": ["100%"], "onInconclusive": "pause", "holdout": "1%"},
    },
    "sources": {
        "l": {"type": "accessLog", "path": "p", "format": "json", "fields": {"q": "q ms"}, "environments": ["prod"]}
    },
    "endpoints": ["/a/*"],
    "healthChecks": {"c": {"url": "/", "headers": {"Authorization": "Bearer ${HEALTH_TOKEN}"}}},
    "connectivity": "https://status.example",
    "triggers": {
        "t": {"when": "max(q) > 2s", "then": ["disable x", {"run": "notify-ops", "env": {"API_KEY": "inline-key-1"}}]}
    },
    "guardrails": {"alpha": "0.5%"},
    "alerts": {
        "o": {"type": "webhook", "url": "${WEBHOOK_URL}", "secret": "inline-secret-1", "environments": ["prod"]}
    },
    "environments": {
        "prod": {
            "baseUrl": "https://www.example.com",
            "strategy": "s",
            "confirm": "name",
            "deploy": ["npm ci", {"shell": "echo $X", "env": {"CI": "1"}}],
            "rollback": ["undo"],
            "triggers": {"t": {"window": "1m"}},
            "healthChecks": {"c": {"every": "1s"}},
            "flags": {"b": {"permanent": True}},
        }
    },
    "server": {"origins": ["https://www.example.com"]},
    "reports": "r",
}


def test_what_is_shown_has_everything_filled_in_and_reads_back_as_the_same_config() -> None:
    config = config_from_document(FULL, ENVIRON)
    tree = shown(config, ENVIRON)
    jsonschema.Draft202012Validator(schema()).validate(
        json.loads(json.dumps(tree).replace('"url": "***"', '"url": "https://x.example"'))
    )
    assert tree["triggers"]["t"]["minSamples"] == 100
    assert tree["environments"]["prod"]["triggers"]["t"]["window"] == "1m"
    assert tree["environments"]["prod"]["rollout"] == ["a"]
    text = json.dumps(tree)
    for secret in ("health-token-1", "hooks.example.com", "inline-secret-1", "inline-key-1"):
        assert secret not in text
    tree["alerts"] = FULL["alerts"]
    tree["healthChecks"]["c"]["headers"] = tree["environments"]["prod"]["healthChecks"]["c"]["headers"] = {
        "Authorization": "Bearer health-token-1"
    }
    for trigger in (tree["triggers"]["t"], tree["environments"]["prod"]["triggers"]["t"]):
        trigger["then"][1]["env"] = {"API_KEY": "inline-key-1"}
    again = config_from_document(tree, ENVIRON)
    assert again.environments == config.environments
    assert again.default_environment == "prod"


def test_a_channel_from_variables_is_shown_without_its_address() -> None:
    tree = shown(config_from_document(_default(), ENVIRON), ENVIRON)
    assert tree["alerts"] == {"webhook": {"type": "webhook", "url": "***", "secret": "***", "minSeverity": "info"}}
    assert tree["state"] == "./state"


def test_differences_name_path_old_and_new_without_secrets() -> None:
    old: dict[str, Any] = json.loads(json.dumps(FULL))
    new: dict[str, Any] = json.loads(json.dumps(FULL))
    new["triggers"]["t"]["when"] = "max(q) > 3s"
    new["alerts"]["o"]["secret"] = "inline-secret-2"
    new["healthChecks"]["c"]["headers"]["Authorization"] = "Bearer inline"
    new["triggers"]["t"]["then"][1]["env"]["API_KEY"] = "inline-key-2"
    new["flags"]["c"] = {}
    del new["flags"]["b"]
    new["guardFor"] = "1d"
    assert differences(old, new) == (
        "flags.b: removed",
        "flags.c: added",
        "healthChecks.c.headers.Authorization: *** → ***",
        'triggers.t.when: "max(q) > 2s" → "max(q) > 3s"',
        (
            'triggers.t.then: ["disable x", {"run": "notify-ops", "env": {"API_KEY": "***"}}] → '
            '["disable x", {"run": "notify-ops", "env": {"API_KEY": "***"}}]'
        ),
        "alerts.o.secret: *** → ***",
        'guardFor: none → "1d"',
    )
    assert differences(old, old) == ()


def test_a_name_with_a_dot_hides_its_secrets_too() -> None:
    def document(secret: str) -> dict[str, Any]:
        channel = {"type": "webhook", "url": f"https://h.example/{secret}", "secret": secret}
        check = {"url": "/", "headers": {"X.Key": secret}}
        page = {"run": "page", "env": {"API_KEY": secret}}
        return _default(
            alerts={"ops.eu": channel},
            healthChecks={"a.b": check},
            triggers={"t.u": {"when": "errorRate > 1%", "then": page}},
        )

    old, new = document("inline-secret-1"), document("inline-secret-2")
    assert differences(old, new) == (
        "healthChecks.a.b.headers.X.Key: *** → ***",
        "triggers.t.u.then.env.API_KEY: *** → ***",
        "alerts.ops.eu.url: *** → ***",
        "alerts.ops.eu.secret: *** → ***",
    )
    assert "inline-secret" not in str(shown(config_from_document(old, {}), {}))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("GITHUB_TOKEN", True),
        ("DB_PASS", True),
        ("DB_PASSWORD", True),
        ("SMTP_PASS_FILE", True),
        ("API_KEY", True),
        ("WEBHOOK_SECRET", True),
        ("WEBHOOK_URL", True),
        ("PATH", False),
        ("KEYBOARD", False),
        ("BYPASS_CHECKS", False),
        ("TOKENIZER", False),
    ],
)
def test_a_variables_name_says_whether_it_is_secret(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_secrets_are_masked_in_every_spelling(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('li"ne one\nsecond line\n')
    environ = {
        "A_TOKEN": "tök/en+1 &",
        "B_KEY_FILE": str(tmp_path / "k"),
        "C_PASS": "abcd",
        "D_SECRET": "true",
        "E_TOKEN": "ab",
        "USER": "maria",
    }
    mask = Masker(environ, config_from_document(FULL, ENVIRON)).mask
    cases = {
        "at tök/en+1 & end": "at *** end",
        json.dumps("tök/en+1 &"): '"***"',
        "q=t%C3%B6k%2Fen%2B1%20%26": "q=***",
        'all li"ne one\nsecond line': "all ***",
        "only second line": "only ***",
        "abcd, abcde xabcd abcd": "***, abcde xabcd ***",
        "true maria ab": "true maria ab",
        "https://user:pw@host/x": "https://***@host/x",
        "Bearer health-token-1": "***",
        "health-token-1": "***",
        "to https://hooks.example.com/T1/B2": "to ***",
        "inline-secret-1 inline-key-1": "*** ***",
    }
    assert {text: mask(text) for text in cases} == cases
    assert Masker({}, None).mask("nothing is secret: here") == "nothing is secret: here"


def test_passwords_inside_addresses_are_masked_wherever_they_stand() -> None:
    document = _default(
        connectivity="https://net:c0nnpass@status.example",
        healthChecks={"h": {"url": "http://check:ch%23ckpass@h.example/x"}},
        server={"url": "https://srv:srvpass1@guard.example"},
        alerts={"o": {"type": "webhook", "url": "https://hook:whpass01@hooks.example/x"}},
    )
    document["environments"]["prod"]["baseUrl"] = "https://base:bas3pass@www.example.com"
    config = config_from_document(document, {})
    tree = shown(config, {})
    assert tree["environments"]["prod"]["baseUrl"] == "https://***@www.example.com"
    assert tree["connectivity"] == "https://***@status.example"
    mask = Masker({}, config).mask
    cases = {
        "https://u:p@ss@host/x": "https://***@host/x",
        "https://u:@host": "https://***@host",
        "https://u:p/s?s#1@host/x y@z": "https://***@host/x y@z",
        "https://ghp_token@host": "https://***@host",
        "postgresql://u:pw@db/x": "postgresql://***@db/x",
        "ssh://git@host/x http://h:80/a@b": "ssh://git@host/x http://h:80/a@b",
        "said bas3pass, c0nnpass, srvpass1": "said ***, ***, ***",
        "ch%23ckpass is ch#ckpass": "*** is ***",
    }
    assert {text: mask(text) for text in cases} == cases
    assert 'environments.prod.baseUrl: "https://www.example.com" → "https://***@www.example.com"' in differences(
        _default(), document
    )


@pytest.mark.parametrize("url", ["ftp://u:hunter99@x.example", "https://u:hunter99/8#7@x.example"])
def test_an_error_shows_no_password_of_an_address(tmp_path: Path, url: str) -> None:
    (tmp_path / "c.json").write_text(default_config(None).replace("https://www.example.com", url))
    with pytest.raises(DeployguardError) as caught:
        load_config(tmp_path / "c.json", {})
    (problem,) = caught.value.problem.errors
    assert problem.found == json.dumps(f"{url.partition(':')[0]}://***@x.example")
    assert "hunter99" not in repr(caught.value.problem)


def test_a_tree_is_masked_in_its_texts_and_keeps_its_shape() -> None:
    tree = {"a": ["x hunter22 y", 5, None, True, ("hunter22",)], "hunter22": {"b": "c"}}
    assert Masker({"A_TOKEN": "hunter22"}).mask_tree(tree) == {
        "a": ["x *** y", 5, None, True, ["***"]],
        "hunter22": {"b": "c"},
    }
