"""The cases of flagd's testbed for `sem_ver`, as far as the grammar has the operator."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployguard.config.condition import matches
from deployguard.config.grammar import parse_condition

TESTBED = Path(__file__).resolve().parents[4] / "shared" / "flagd-testbed"
OPERATORS = {"=": "==", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


def _rule(flag: dict[str, object]) -> object:
    def walk(node: object) -> object:
        if not isinstance(node, dict):
            return node
        if "sem_ver" in node:
            args = node["sem_ver"]
            if len(args) != 3 or args[1] not in OPERATORS:
                raise LookupError(args)
            return ("test", OPERATORS[args[1]], args[2])
        test, yes, no = node["if"]
        return ("if", walk(test), walk(yes), walk(no))

    return walk(flag["targeting"])


def _decide(rule: object, version: object) -> object:
    if not isinstance(rule, tuple):
        return rule
    if rule[0] == "test":
        return matches(parse_condition(f"version {rule[1]} semver('{rule[2]}')"), version)
    return _decide(rule[2] if _decide(rule[1], version) else rule[3], version)


def _cases() -> Iterator[tuple[str, object, str]]:
    flags = json.loads((TESTBED / "flags" / "testkit-flags.json").read_text())["flags"]
    feature = (TESTBED / "gherkin" / "semver.feature").read_text()
    for scenario in feature.split("Scenario Outline:")[1:]:
        key = re.search(r'flag with key "([^"]+)"', scenario)
        rows = [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in scenario.splitlines()
            if line.strip().startswith("|")
        ]
        head, *body = rows
        for cells in body:
            row = dict(zip(head, cells, strict=True))
            version: object = row.get("version", row.get("context_value"))
            if row.get("type") in ("Integer", "Float"):
                version = int(str(version)) if row["type"] == "Integer" else float(str(version))
            name = row.get("key") or (key[1] if key else "")
            yield name, version, row.get("value", "fallback")
    assert flags


@pytest.mark.skipif(
    not TESTBED.is_dir(), reason="flagd's testbed is not beside the repository (../shared/flagd-testbed)"
)
def test_versions_compare_as_flagds_testbed_says() -> None:
    flags = json.loads((TESTBED / "flags" / "testkit-flags.json").read_text())["flags"]
    compared = 0
    for key, version, wanted in _cases():
        try:
            rule = _rule(flags[key])
        except LookupError:
            continue  # `~` and `^` are operators that the grammar has not
        decided = _decide(rule, version)
        if decided is False:  # a bare test that does not hold: flagd falls back
            decided = "fallback"
        assert decided == wanted, (key, version)
        compared += 1
    assert compared >= 15
