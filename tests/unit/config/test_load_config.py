"""A file becomes a config, or one error with all errors and their places."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from deployguard.config.defaults import default_config
from deployguard.config.load import LARGEST, find_config, load_config
from deployguard.config.values import ActionKind, Confirm, Mode, OnCommonFault, OnInconclusive, Severity
from deployguard.errors import Code, DeployguardError, Place, Problem

DEFAULT = default_config(None)
SMALL = {
    "schemaVersion": 1,
    "flags": {"a": {}, "b": {"requires": ["a"], "tags": ["heavy"]}},
    "strategies": {"s": ["5% for 1h", "100%"]},
    "environments": {"prod": {"baseUrl": "https://www.example.com", "strategy": "s"}},
}


def written(folder: Path, text: str | bytes, name: str = "deployment-config.json") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def small(**changes: object) -> str:
    return json.dumps({**SMALL, **changes}, indent=2)


def errors(path: Path, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(DeployguardError) as caught:
        load_config(path, environ or {})
    assert caught.value.problem.exit_code == 2
    assert caught.value.problem.errors
    return caught.value.problem.errors


def told(path: Path, environ: dict[str, str] | None = None) -> list[tuple[str, str | None]]:
    return [
        (error.code.value, error.where.path if isinstance(error.where, Place) else None)
        for error in errors(path, environ)
    ]


def marked(problem: Problem) -> str:
    """What stands over the carets."""
    assert isinstance(problem.where, Place)
    assert problem.where.source is not None
    assert problem.where.column is not None
    return problem.where.source[problem.where.column - 1 :][: problem.where.width]


def test_the_default_config_has_every_default_of_the_page(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, DEFAULT), {})
    assert list(config.environments) == ["dev", "staging", "prod"]
    prod = config.environment("prod")
    assert prod.base_url == "https://www.example.com"
    assert prod.confirm is Confirm.NAME
    assert config.environment("dev").confirm is Confirm.NO
    assert [step.percentage for step in prod.strategy.steps] == [500, 1500, 3000, 5000, 7500, 10000]
    assert sum((step.hold for step in prod.strategy.steps if step.hold), timedelta()) == timedelta(hours=168)
    assert prod.strategy.steps[0].name == "initial canary"
    assert prod.strategy.on_inconclusive is OnInconclusive.HOLD
    assert prod.strategy.max_wait == timedelta(hours=24)
    assert prod.rollout == tuple(prod.flags)
    assert len(prod.flags) == 8
    assert {name: (t.min_samples, t.min_users) for name, t in prod.triggers.items()} == {
        "high-error-rate": (100, 0),
        "slow-response": (100, 0),
        "poor-web-vitals": (50, 20),
        "health-check-failures": (0, 0),
    }
    for trigger in prod.triggers.values():
        assert trigger.window == trigger.cooldown == timedelta(minutes=5)
        assert trigger.warm_up == timedelta(0)
        assert (trigger.mode, trigger.required, trigger.on_common_fault) == (Mode.ACT, False, OnCommonFault.ACT)
    assert prod.triggers["slow-response"].then[0].share == 5_000
    assert prod.triggers["poor-web-vitals"].then[0].tag == "performance-heavy"
    api = prod.checks["api"]
    assert (api.every, api.timeout, api.retries) == (timedelta(seconds=30), timedelta(seconds=10), 1)
    assert (prod.guard_for, prod.min_percentage, prod.stable) == (timedelta(hours=48), 100, timedelta(minutes=1))
    assert (prod.retention.metrics, prod.retention.reports) == (timedelta(days=30), timedelta(days=365))
    assert (config.state, prod.reports, dict(prod.channels), prod.guardrails) == ("./state", None, {}, None)


EVERYTHING = """
schemaVersion: 1
defaultEnvironment: staging
flags:
  new_checkout:
    owner: payments@example.com
    expires: 2027-03-31
    tags: [performance-heavy]
    targeting:
      allow: { users: [u-1001], groups: [staff, beta] }
      deny: { groups: [fraud-review] }
      countries: [DZ, NO]
      regions: [DZ-16]
      rules: ["plan in ['pro', 'team']", "appVersion >= semver('2.4.0')"]
  express_pay: { requires: [new_checkout], seed: own, private: true }
  legacy_api_v1: { description: NO, permanent: true }
strategies:
  careful:
    steps: [1% for 2h, {percentage: 10.25%, hold: 24h, name: wide}, 100%]
    onInconclusive: promote
    maxWait: 12h
    holdout: 1%
sources:
  app:
    type: accessLog
    path: logs/requests.jsonl
    format: json
    fields: { time: ts, queue: queue_ms ms }
    environments: [prod]
endpoints: ["/lofts/:id"]
healthChecks:
  checkout:
    url: /api/health
    every: 15s
    headers: { Authorization: "Bearer ${HEALTH_TOKEN}" }
    expect: ["responseTime < 2s"]
connectivity: https://status.example.com
triggers:
  queue:
    when: avg(queue) > 2s
    then: [rollback, notify, {run: "page ${WHO:-nobody}", timeout: 5s}]
    window: 10m
    warmUp: 2m
guardrails: { metrics: [errorRate, lcp], alpha: 2% }
alerts:
  ops: { type: webhook, url: "${HOOK}", secret: "${SECRET:-}", environments: [prod], minSeverity: warning }
environments:
  staging: { baseUrl: "https://staging.example.com/", strategy: careful, confirm: yes }
  prod:
    baseUrl: https://www.example.com
    strategy: careful
    confirm: name
    deploy: [npm ci, {run: vercel deploy --prod, timeout: 20m, env: {CI: "1"}, cwd: web}, {shell: 'echo "${HOME%/}"'}]
    triggers: { queue: { window: 20m } }
    flags: { new_checkout: { targeting: { countries: [FR] } }, legacy_api_v1: { permanent: false } }
    healthChecks: { checkout: { retries: 3 } }
server:
  url: https://guard.example.com
  origins: ["https://www.example.com"]
  trustedProxies: [10.0.0.0/8]
  countryHeader: cf-ipcountry
guardFor: 24h
minPercentage: 2.5%
retention: { metrics: 7d }
"""


def test_everything_optional_is_read_from_yaml_too(tmp_path: Path) -> None:
    environ = {"HEALTH_TOKEN": "t", "HOOK": "https://hooks.example.com/x"}
    config = load_config(written(tmp_path, EVERYTHING, "c.yaml"), environ)
    staging, prod = config.environment("staging"), config.environment("prod")
    assert config.default_environment == "staging"
    assert staging.confirm is Confirm.YES  # `yes` is text
    assert staging.base_url == "https://staging.example.com"
    flag = staging.flags["new_checkout"]
    assert flag.expires == date(2027, 3, 31)
    assert flag.targeting.countries == {"DZ", "NO"}  # `NO` is Norway
    assert flag.targeting.allow_groups == {"staff", "beta"}
    assert [rule.name for rule in flag.targeting.rules] == ["plan", "appVersion"]
    assert staging.flags["express_pay"].own_seed
    assert staging.rollout == ("new_checkout", "express_pay")
    assert prod.rollout == ("new_checkout", "express_pay", "legacy_api_v1")  # overridden: not permanent there
    assert prod.flags["new_checkout"].targeting.countries == {"FR"}
    assert prod.flags["new_checkout"].targeting.allow_users == frozenset()  # one level deep
    assert prod.flags["new_checkout"].owner == "payments@example.com"
    assert [step.percentage for step in prod.strategy.steps] == [100, 1025, 10_000]
    assert (prod.strategy.steps[1].hold, prod.strategy.steps[1].name) == (timedelta(hours=24), "wide")
    assert (prod.strategy.on_inconclusive, prod.strategy.holdout) == (OnInconclusive.PROMOTE, 100)
    assert (staging.triggers["queue"].window, prod.triggers["queue"].window) == (
        timedelta(minutes=10),
        timedelta(minutes=20),
    )
    assert prod.triggers["queue"].cooldown == timedelta(minutes=20)
    assert prod.triggers["queue"].warm_up == timedelta(minutes=2)
    run = prod.triggers["queue"].then[2]
    assert run.kind is ActionKind.RUN
    assert run.command is not None
    assert (run.command.argv, run.command.timeout) == (("page", "nobody"), timedelta(seconds=5))
    assert (prod.checks["checkout"].retries, staging.checks["checkout"].retries) == (3, 1)
    assert prod.checks["checkout"].headers == {"Authorization": "Bearer t"}
    assert prod.deploy[1].argv == ("vercel", "deploy", "--prod")
    assert (prod.deploy[1].env, prod.deploy[1].cwd) == ({"CI": "1"}, "web")
    assert prod.deploy[2].shell == 'echo "${HOME%/}"'  # the shell's own
    assert list(prod.channels) == ["ops"]
    assert not staging.channels
    assert (prod.channels["ops"].secret, prod.channels["ops"].min_severity) == (None, Severity.WARNING)
    assert list(prod.sources) == ["app"]
    assert not staging.sources
    assert prod.guardrails is not None
    assert (prod.guardrails.alpha, prod.guardrails.margin) == (200, 1.1)
    assert prod.guardrails.then[0].kind is ActionKind.ROLLBACK
    assert (prod.guard_for, prod.min_percentage) == (timedelta(hours=24), 250)
    assert prod.retention.reports == timedelta(days=365)


def test_the_document_is_kept_as_written_and_hashed(tmp_path: Path) -> None:
    text = small(alerts={"ops": {"type": "webhook", "url": "${HOOK}"}})
    one = load_config(written(tmp_path, text), {"HOOK": "https://one.example"})
    two = load_config(written(tmp_path, text), {"HOOK": "https://two.example"})
    assert one.document == json.loads(text)
    assert one.hash == two.hash
    assert one.environment("prod").channels["ops"].url == "https://one.example"
    assert load_config(written(tmp_path, small()), {}).hash != one.hash


def test_all_errors_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    bad = DEFAULT
    for old, new in (
        ('"requires": ["dual_audience_homepage"], "tags"', '"requires": ["dual_audience_homepge"], "tags"'),
        ('"/api/health", "expect"', '"/api/health", "every": 30, "expect"'),
        ("errorRate > 10%", "errorrate > 10%"),
    ):
        bad = bad.replace(old, new, 1)
    first, second, third = errors(written(tmp_path, bad))
    assert isinstance(first.where, Place)
    assert (first.code, first.where.line, first.where.column) == (Code.UNKNOWN_FLAG, 7, 106)
    assert first.where.path == "flags.enhanced_hero_section.requires[0]"
    assert first.found == '"dual_audience_homepge", which is no flag'
    assert first.wanted == 'a flag of this file; nearest: "dual_audience_homepage"'
    assert marked(first) == '"dual_audience_homepge"'
    assert isinstance(second.where, Place)
    assert (second.code, second.where.line, second.where.column) == (Code.UNIT_MISSING, 31, 50)
    assert second.wanted == 'a duration: "30s" is 30 seconds, "30ms" is 30 milliseconds'
    assert marked(second) == "30"
    assert isinstance(third.where, Place)
    assert (third.code, third.where.line, third.where.column) == (Code.UNKNOWN_METRIC, 35, 41)
    assert third.wanted == 'a metric; nearest: "errorRate"'
    assert marked(third) == "errorrate"


def _environment(**changes: object) -> dict[str, object]:
    return {"environments": {"prod": {"baseUrl": "https://x.example", "strategy": "s", **changes}}}


def _trigger(**changes: object) -> dict[str, object]:
    return {"triggers": {"t": {"when": "errorRate > 10%", "then": "pause", **changes}}}


REFUSED: list[tuple[dict[str, object], str, str, str]] = [
    # changes to a small config; code; path; a part of what was wanted or found
    ({"tigers": {}}, "unknown-key", "tigers", 'nearest: "triggers"'),
    ({"schemaVersion": 2}, "out-of-range", "schemaVersion", "1"),
    ({"flags": []}, "wrong-type", "flags", "an object of flags"),
    ({"flags": {"a": {"requires": ["a"]}}}, "cycle", "flags.a.requires", "a → a"),
    ({"flags": {"a": {"requires": ["b"]}, "b": {"requires": ["a"]}}}, "cycle", "flags.a.requires", "a → b → a"),
    ({"flags": {"a": {"requires": ["c"]}}}, "unknown-flag", "flags.a.requires[0]", "which is no flag"),
    ({"flags": {"a": {"requires": "b"}}}, "wrong-type", "flags.a.requires", "a list of flags"),
    ({"flags": {"a": {"tags": ["x", "x"]}}}, "duplicate-key", "flags.a.tags[1]", "second time"),
    ({"flags": {"a b": {}}}, "wrong-type", "flags.a b", "a name of letters"),
    ({"flags": {"a": {"expires": "2027-02-30"}}}, "wrong-type", "flags.a.expires", "a date"),
    ({"flags": {"a": {"seed": "mine"}}}, "wrong-type", "flags.a.seed", '"own"'),
    ({"flags": {"a": {"permanent": "yes"}}}, "wrong-type", "flags.a.permanent", "true or false"),
    ({"flags": {"a": {"targeting": {"rules": ["plan == pro"]}}}}, "syntax", "flags.a.targeting.rules[0]", "'text'"),
    ({"flags": {"a": {"targeting": {"allow": ["u"]}}}}, "wrong-type", "flags.a.targeting.allow", '"users"'),
    ({"strategies": {"s": []}}, "wrong-type", "strategies.s", "at least one"),
    ({"strategies": {"s": "100%"}}, "wrong-type", "strategies.s", "a list of steps"),
    ({"strategies": {"s": [5]}}, "unit-missing", "strategies.s[0]", '"5%"'),
    ({"strategies": {"s": ["5"]}}, "unit-missing", "strategies.s[0]", '"5%"'),
    ({"strategies": {"s": ["5O%"]}}, "wrong-type", "strategies.s[0]", "a percentage"),
    ({"strategies": {"s": ["5O"]}}, "wrong-type", "strategies.s[0]", "a percentage"),
    ({"strategies": {"s": ["NaN"]}}, "wrong-type", "strategies.s[0]", "a percentage"),
    ({"strategies": {"s": ["-1%"]}}, "out-of-range", "strategies.s[0]", "to 100%"),
    ({"strategies": {"s": ["101%"]}}, "out-of-range", "strategies.s[0]", "to 100%"),
    ({"strategies": {"s": ["5.123%"]}}, "out-of-range", "strategies.s[0]", "two decimals"),
    ({"strategies": {"s": ["0%"]}}, "out-of-range", "strategies.s[0]", "to 100%"),
    ({"strategies": {"s": ["5% for 24", "100%"]}}, "unit-missing", "strategies.s[0]", '"24s"'),
    ({"strategies": {"s": ["5% " + " " * 2_000]}}, "out-of-range", "strategies.s[0]", "1,000 characters"),
    ({"connectivity": "${A:-" * 5_000}, "out-of-range", "connectivity", "10,000 characters"),
    ({"strategies": {"s": ["5%", "100%"]}}, "wrong-type", "strategies.s[0]", "how long"),
    ({"strategies": {"s": ["5% for 1h"]}}, "wrong-type", "strategies.s[0]", "without a hold"),
    ({"strategies": {"s": ["5% for 1h", "5%"]}}, "out-of-range", "strategies.s[1]", "more than 5%"),
    ({"strategies": {"s": [{"percentage": "5%", "hold": 1}, "6%"]}}, "unit-missing", "strategies.s[0].hold", '"1s"'),
    ({"strategies": {"s": [{"hold": "1h"}]}}, "wrong-type", "strategies.s[0].percentage", "Share".lower()),
    ({"strategies": {"s": {"steps": ["100%"], "maxwait": "1h"}}}, "unknown-key", "strategies.s.maxwait", '"maxWait"'),
    ({"healthChecks": {"c": {"url": "api"}}}, "wrong-type", "healthChecks.c.url", "a path such as"),
    ({"healthChecks": {"c": {"url": "ftp://x"}}}, "wrong-type", "healthChecks.c.url", "an address"),
    ({"healthChecks": {"c": {"url": "/", "every": "0s"}}}, "out-of-range", "healthChecks.c.every", "above 0"),
    ({"healthChecks": {"c": {"url": "/", "every": "-5s"}}}, "out-of-range", "healthChecks.c.every", "0 to 100y"),
    ({"healthChecks": {"c": {"url": "/", "retries": -1}}}, "out-of-range", "healthChecks.c.retries", "0 to 10"),
    ({"healthChecks": {"c": {"url": "/", "retries": 1.5}}}, "wrong-type", "healthChecks.c.retries", "a whole number"),
    (
        {"healthChecks": {"c": {"url": "/", "headers": {"a b": "x"}}}},
        "wrong-type",
        "healthChecks.c.headers.a b",
        "name",
    ),
    (
        {"healthChecks": {"c": {"url": "/", "headers": {"a": "x\r\ny"}}}},
        "wrong-type",
        "healthChecks.c.headers.a",
        "line",
    ),
    ({"healthChecks": {"c": {}}}, "wrong-type", "healthChecks.c.url", "an address"),
    (_trigger(then="disable hevy"), "unknown-flag", "triggers.t.then", 'nearest: "heavy"'),
    (_trigger(then="reduce by 50"), "unit-missing", "triggers.t.then", '"50%"'),
    (_trigger(then="reduce"), "wrong-type", "triggers.t.then", "reduce by 50%"),
    (_trigger(then="rolback"), "wrong-type", "triggers.t.then", 'nearest: "rollback"'),
    (_trigger(then=[]), "wrong-type", "triggers.t.then", "at least one"),
    (_trigger(then=[{"run": "x", "shell": "y"}]), "wrong-type", "triggers.t.then[0]", "exactly one"),
    (_trigger(then={}), "wrong-type", "triggers.t.then", "exactly one"),
    (_trigger(then=5), "wrong-type", "triggers.t.then", "emergencyRollback"),
    (_trigger(when="avg(quue) > 2"), "unknown-metric", "triggers.t.when", "which is no metric"),
    (_trigger(when=5), "wrong-type", "triggers.t.when", "a condition"),
    (_trigger(minSamples="many"), "wrong-type", "triggers.t.minSamples", "a whole number"),
    (_trigger(mode="shadw"), "wrong-type", "triggers.t.mode", '"shadow"'),
    ({"triggers": {"t": {"when": "errorRate > 1%"}}}, "wrong-type", "triggers.t.then", "emergencyRollback"),
    ({"sources": {"x": {"type": "log", "path": "p"}}}, "wrong-type", "sources.x.type", '"accessLog"'),
    (
        {"sources": {"x": {"type": "accessLog", "path": "p", "environments": ["prd"]}}},
        "unknown-environment",
        "sources.x.environments[0]",
        '"prod"',
    ),
    (
        {"sources": {"x": {"type": "accessLog", "path": "p", "format": "json", "fields": {"duration": "took"}}}},
        "unit-missing",
        "sources.x.fields.duration",
        '"took ms" or "took s"',
    ),
    (
        {"sources": {"x": {"type": "accessLog", "path": "p", "fields": {"errorRate": "e"}}}},
        "wrong-type",
        "sources.x.fields.errorRate",
        "no metric",
    ),
    (
        {"sources": {"x": {"type": "accessLog", "path": "p", "fields": {"q": "q miles"}}}},
        "wrong-type",
        "sources.x.fields.q",
        "a field",
    ),
    ({"alerts": {"o": {"type": "webhook", "url": "x"}}}, "wrong-type", "alerts.o.url", "an address"),
    ({"alerts": {"o": {"type": "webhok", "url": "https://x.example"}}}, "wrong-type", "alerts.o.type", '"webhook"'),
    ({"guardrails": {"metrics": ["lpc"]}}, "wrong-type", "guardrails.metrics[0]", 'nearest: "lcp"'),
    ({"guardrails": {"alpha": 0.01}}, "unit-missing", "guardrails.alpha", '"1%" if 0.01 is a share'),
    ({"server": {"trustedProxies": ["10.0.0.0/99"]}}, "wrong-type", "server.trustedProxies[0]", "a network"),
    ({"server": {"origins": ["https://x.example/path"]}}, "wrong-type", "server.origins[0]", "no path"),
    ({"endpoints": ["lofts"]}, "wrong-type", "endpoints[0]", "a path"),
    ({"minPercentage": 1}, "unit-missing", "minPercentage", '"1%"'),
    ({"guardFor": 48}, "unit-missing", "guardFor", '"48s"'),
    ({"guardFor": -1}, "unit-missing", "guardFor", '"1s" is 1 seconds'),
    ({"guardFor": "-1h"}, "out-of-range", "guardFor", "from 0 to 100y"),
    ({"guardFor": "101y"}, "out-of-range", "guardFor", "from 0 to 100y"),
    ({"guardFor": "0.0000001ms"}, "out-of-range", "guardFor", "six decimals"),
    ({"healthChecks": {"c": {"url": "/", "every": "0.4ms"}}}, "out-of-range", "healthChecks.c.every", "above 0"),
    ({"guardFor": "1h30m"}, "wrong-type", "guardFor", '"24h"'),
    ({"guardFor": "24H"}, "wrong-type", "guardFor", '"24h"'),
    ({"guardFor": "1,5h"}, "wrong-type", "guardFor", '"24h"'),
    ({"guardFor": "\u0663h"}, "wrong-type", "guardFor", '"24h"'),
    ({"guardFor": True}, "wrong-type", "guardFor", '"24h"'),
    ({"Triggers": {}}, "unknown-key", "Triggers", 'nearest: "triggers"'),
    ({"health_checks": {}}, "unknown-key", "health_checks", 'nearest: "healthChecks"'),
    ({"zzzzqqq": 1}, "unknown-key", "zzzzqqq", "one of $schema, schemaVersion"),
    ({"defaultEnvironment": "prd"}, "unknown-environment", "defaultEnvironment", 'nearest: "prod"'),
    ({"environments": {}}, "wrong-type", "environments", "at least one"),
    (
        {"environments": {"../up": {"baseUrl": "https://x.example", "strategy": "s"}}},
        "wrong-type",
        "environments.../up",
        "folder",
    ),
    (_environment(strategy="gradul"), "unknown-strategy", "environments.prod.strategy", "a strategy of this file"),
    (_environment(rollout=["a", "c"]), "unknown-flag", "environments.prod.rollout[1]", "a flag of this file"),
    (_environment(rollout=["a", "a"]), "duplicate-key", "environments.prod.rollout[1]", "each name once"),
    (_environment(confirm=True), "wrong-type", "environments.prod.confirm", '"name"'),
    (_environment(deploy=["npm 'ci"]), "syntax", "environments.prod.deploy[0]", "a closed quote"),
    (_environment(deploy="npm ci"), "wrong-type", "environments.prod.deploy", "a list of commands"),
    (
        _environment(deploy=[{"run": "x", "timeout": 10}]),
        "unit-missing",
        "environments.prod.deploy[0].timeout",
        '"10s"',
    ),
    (_environment(triggers={"x": {}}), "unknown-key", "environments.prod.triggers.x", "top level"),
    (_environment(flags={"x": {}}), "unknown-flag", "environments.prod.flags.x", "top level"),
    (_environment(flags={"a": {"requires": ["b"]}}), "cycle", "environments.prod.flags.a.requires", "→"),
    (_environment(baseUrl="${ADDRESS}"), "unknown-key", "environments.prod.baseUrl", "ADDRESS in the environment"),
    (_environment(baseUrl="https://${ADDRESS"), "syntax", "environments.prod.baseUrl", "${NAME:-default}"),
    (
        _environment(deploy=["push app:${DEPLOYGUARD_VERSION}"]),
        "unknown-key",
        "environments.prod.deploy[0]",
        '{"shell":',
    ),
]


@pytest.mark.parametrize(("changes", "code", "path", "says"), REFUSED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_wrong_value_is_told_with_code_and_path(
    tmp_path: Path, changes: dict[str, object], code: str, path: str, says: str, suffix: str
) -> None:
    problems = errors(written(tmp_path, small(**changes), f"c.{suffix}"))
    assert [
        (problem.code.value, problem.where.path if isinstance(problem.where, Place) else "") for problem in problems
    ] == [(code, path)]
    assert says in f"{problems[0].found} {problems[0].wanted}"
    where = problems[0].where
    assert isinstance(where, Place)
    assert where.line is not None
    assert marked(problems[0])


def test_a_missing_key_is_shown_at_its_parent(tmp_path: Path) -> None:
    (problem,) = errors(written(tmp_path, small(environments={"prod": {"strategy": "s"}})))
    assert marked(problem) == '"prod"'
    assert (problem.found, problem.where.path if isinstance(problem.where, Place) else "") == (
        'no "baseUrl"',
        "environments.prod.baseUrl",
    )


def test_an_offset_counts_escapes_of_the_file_as_one(tmp_path: Path) -> None:
    text = small(flags={"a": {"targeting": {"rules": ["PLACE"]}}}).replace(
        '"PLACE"', r'"x == \u0027\"\\\\ü\ud83d\ude00\u0027 \u0061nd"'
    )
    (problem,) = errors(written(tmp_path, text))
    assert marked(problem) == r"\u0061nd"


@pytest.mark.parametrize(
    "value",
    [
        "hunter2-secret",
        "8675309",
        "-8675309",
        "5% for 8675309",
        "avg(hunter2) > 1",
        "a,hunter2",
        "disable hunter2",
        "'hunter2",
    ],
)
def test_a_value_of_a_variable_is_never_shown(tmp_path: Path, value: str) -> None:
    text = small(
        **_environment(baseUrl="${ADDRESS}", deploy=["x '${ADDRESS}"]),
        guardFor="${ADDRESS}",
        minPercentage="${ADDRESS}",
        strategies={"s": ["${ADDRESS}", "100%"]},
        healthChecks={"c": {"url": "${ADDRESS}", "expect": ["${ADDRESS} == 1", "status == ${ADDRESS}"]}},
        **_trigger(when="errorRate > ${ADDRESS}", then="${ADDRESS}", mode="${ADDRESS}"),
    )
    problems = errors(written(tmp_path, text), {"ADDRESS": value})
    assert len(problems) == 11
    assert "hunter2" not in str(problems)
    assert "8675309" not in str(problems)
    assert '"${ADDRESS}"' in str(problems[0].found)


@pytest.mark.parametrize(
    ("data", "says", "line"),
    [
        (b"", "an empty file", None),
        (b" \n\t\n", "an empty file", None),
        (b"\xef\xbb\xbf{}", "byte order mark", None),
        ("{}".encode("utf-16"), "UTF-16", None),
        ("{}".encode("utf-16-be"), "UTF-16", None),
        ("flags: {}".encode("utf-16-le"), "UTF-16", None),
        ("{}".encode("utf-32"), "UTF-32", None),
        (b'{\n "a": "\xe4"}', "0xe4", 2),
        (b'{"flags": {"a": {', "the end of the file", 1),
        (b'{"flags": "a', "the end of the file", 1),
        (b'{"flags": {},\n}', '"}" after a comma', 2),
        (b'{"flags": [1,]}', '"]" after a comma', 1),
        (b"{\n// no\n}", "a comment", 2),
        (b"{'flags': 1}", "a single quote", 1),
        (b'{"a": tru}', '"tru"', 1),
        (b'{"a": 01}', '"01"', 1),
        (b'{"a": 1.}', '"1."', 1),
        (b'{"a": 0x1F}', '"0x1F"', 1),
        (b'{"a": +1}', '"+1"', 1),
        (b'{"a": "\\u12"}', "a backslash", 1),
        (b'{"a": "x\x01"}', "control character", 1),
        (b"{} \x00", '"\\u0000"', 1),
        (b'{"a" 1}', '"1"', 1),
        (b'{"a": 1 "b": 2}', r'"\""', 1),
        (b'{"a": "x\ny"}', "a line break", 1),
        (b'{"a": "\\q"}', "a backslash", 1),
        (b"{} {}", '"{"', 1),
        (b"[" * 100_000, "nested deeper", 1),
        (b"[" * 500 + b"]" * 500, "nested deeper", 1),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested deeper", 1),
        (b" " * (LARGEST + 1), "1,000,001 bytes", None),
        (b"[]", "a list", 1),
        (b"null", "null", 1),
        (b"\x00", '"\\u0000"', 1),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_text_that_is_no_config_has_one_clear_error(tmp_path: Path, data: bytes, says: str, line: int | None) -> None:
    (problem,) = errors(written(tmp_path, data))
    assert says in str(problem.found)
    assert isinstance(problem.where, Place)
    assert problem.where.line == line
    assert "deployment-config.json" in problem.where.file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flags:\n\ta: 1\n", "a tab"),
        ("a: b: c", "not allowed"),
        ("a: &x [*x]", '"*x" inside what it names'),
        ("a: *nobody", "*nobody"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{c}: &{c} [{','.join(['*' + p] * 10)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
            "aliases",
        ),
        ("[" * 100_000, "nest"),
        ("[" * 60 + "]" * 60, "nested deeper"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("? [a]\n: 1\n", "a key that is no text"),
        ("a: \x07", "a control character"),
        ("# nothing\n", "null"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_yaml_text_that_is_no_config_has_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    (problem,) = errors(written(tmp_path, text, "c.yml"))
    assert says in str(problem.found)


def test_a_key_given_twice_is_refused_where_it_stands_again(tmp_path: Path) -> None:
    (problem,) = errors(written(tmp_path, DEFAULT.replace('"api": ', '"homepage": ')))
    assert isinstance(problem.where, Place)
    assert (problem.code, problem.where.line, marked(problem)) == (Code.DUPLICATE_KEY, 31, '"homepage"')


def test_keys_given_twice_and_numbers_that_are_none_are_told_together(tmp_path: Path) -> None:
    text = (
        small()
        .replace('"b": {', '"a": {')
        .replace('"schemaVersion": 1', '"schemaVersion": NaN, "guardFor": 1e999, "minPercentage": -Infinity')
    )
    assert told(written(tmp_path, text)) == [
        ("out-of-range", "schemaVersion"),
        ("out-of-range", "guardFor"),
        ("out-of-range", "minPercentage"),
        ("duplicate-key", "flags.a"),
    ]
    (problem,) = errors(
        written(tmp_path, EVERYTHING.replace("express_pay:", "new_checkout:"), "c.yaml"),
        {"HEALTH_TOKEN": "t", "HOOK": "https://x.example"},
    )
    assert problem.code is Code.DUPLICATE_KEY
    assert marked(problem) == "new_checkout"


def test_yaml_scalars_are_those_of_version_1_2(tmp_path: Path) -> None:
    text = """
flags: { a: { description: off, owner: on, tags: [y, NO, yes, 1_000, "5", 12:30:45] } }
strategies: { s: [100%] }
environments: { prod: { baseUrl: https://x.example, strategy: s } }
healthChecks: { c: { url: /, retries: 0x3 } }
triggers: { t: { when: errorRate > 1%, then: pause, minSamples: 012, minUsers: 0o17, required: True } }
""".replace(", 12:30:45", "")
    prod = load_config(written(tmp_path, text, "c.yaml"), {}).environment("prod")
    assert (prod.flags["a"].description, prod.flags["a"].owner) == ("off", "on")
    assert prod.flags["a"].tags == ("y", "NO", "yes", "1_000", "5")
    assert prod.checks["c"].retries == 3
    assert (prod.triggers["t"].min_samples, prod.triggers["t"].min_users, prod.triggers["t"].required) == (12, 15, True)


def test_half_a_character_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = small().replace('"b": {', '"b\\ud800": {').replace('"heavy"', '"\\udfff"')
    problems = errors(written(tmp_path, text))
    assert {problem.code for problem in problems} <= {Code.SYNTAX, Code.WRONG_TYPE}
    assert any("half a character" in str(problem.found) for problem in problems)
    str(problems).encode()  # nothing that no terminal could take


def test_control_characters_of_a_file_never_reach_the_terminal(tmp_path: Path) -> None:
    (problem,) = errors(written(tmp_path, small(**{"\x1b[31m\x9b": 1})))
    assert all(
        part.isprintable()
        for part in (problem.message, problem.found or "", problem.where.path or "")
        if isinstance(problem.where, Place)
    )


def test_more_errors_than_anyone_mends_are_cut(tmp_path: Path) -> None:
    with pytest.raises(DeployguardError) as caught:
        load_config(written(tmp_path, small(flags={f"f{n}": 5 for n in range(3_000)})), {})
    assert len(caught.value.problem.errors) == 100
    assert "more than 100 errors" in caught.value.problem.message


def test_a_folder_a_pipe_and_nothing_are_no_config(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("", "a folder"), ("pipe", "a pipe"), ("none.json", "No such file")):
        (problem,) = errors(tmp_path / name)
        assert says in str(problem.found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, DEFAULT)
    path.chmod(0)
    (problem,) = errors(path)
    assert "Permission denied" in str(problem.found)


def test_a_config_is_looked_for_in_order(tmp_path: Path) -> None:
    with pytest.raises(DeployguardError) as caught:
        find_config(None, {}, tmp_path)
    assert caught.value.problem.code is Code.NO_CONFIG
    assert "deployguard init" in caught.value.problem.next[0].command
    found = []
    (tmp_path / ".kiro" / "deployment").mkdir(parents=True)
    names = (
        ".kiro/deployment/deployment-config.json",
        "deployment-config.yml",
        "deployment-config.yaml",
        "deployment-config.json",
        "by-variable.json",
        "explicit.json",
    )
    for name in names:
        written(tmp_path, DEFAULT, name)
        environ = {"DEPLOYGUARD_CONFIG": "by-variable.json"} if (tmp_path / "by-variable.json").exists() else {}
        explicit = "explicit.json" if (tmp_path / "explicit.json").exists() else None
        found.append(str(find_config(explicit, environ, tmp_path).relative_to(tmp_path)))
    assert found == list(names)
    for explicit, environ in (("gone.json", {}), (None, {"DEPLOYGUARD_CONFIG": "gone.json"})):
        with pytest.raises(DeployguardError) as caught:
            find_config(explicit, environ, tmp_path)
        assert caught.value.problem.code is Code.NO_CONFIG
        assert "gone.json" in caught.value.problem.message


def test_a_config_in_order_imports_neither_yaml_nor_what_points_at_errors(tmp_path: Path) -> None:
    path = written(tmp_path, DEFAULT)
    code = (
        "import sys; from pathlib import Path; from deployguard.config.load import load_config\n"
        f"load_config(Path({str(path)!r}), {{}})\n"
        "heavy = ('yaml', 'jsonschema', 'pydantic', 'difflib', 'deployguard.config.marks')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("spelling", ["$request_time", "request_time", "upstream_response_time", "took s"])
def test_a_duration_that_nginx_counts_in_seconds_needs_no_unit(tmp_path: Path, spelling: str) -> None:
    source = {"type": "accessLog", "path": "p", "format": "$msec $status $took $request_time", "fields": {}}
    file = written(tmp_path, small(sources={"x": source | {"fields": {"duration": spelling}}}))
    assert load_config(file, {}).environments["prod"].sources["x"].fields == {"duration": spelling}
