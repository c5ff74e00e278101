"""Unleash's client specification as far as our model carries: enabled state, constraints, dependencies.

Left out: percentages other than 0 and 100 (Unleash's bucketing is its own by design), variants, several strategies
for some users each, requirements that must be off, and three places where the two differ on purpose:

- a missing value is outside `NOT_IN` for us (no value is outside), inside for Unleash;
- a chain of requirements counts at all depths for us; Unleash refuses a parent that has a parent;
- at 100 % we ask for no user id.
"""

import json
from pathlib import Path

import pytest

from deployguard.config.condition import Condition, Op
from deployguard.config.values import Flag, Targeting
from deployguard.flags.evaluate import Context, compile_flags
from deployguard.state import FlagState

FOLDER = Path(__file__).parents[4] / "shared" / "unleash-specification"
ENOUGH = 52  # cases that our model carries, of 75

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"Unleash's specification is not beside this checkout ({FOLDER}): nothing is compared"
)

DIFFERENT = {"child.with.transitive.dependency": "a chain of requirements counts at all depths"}
_NAMES = {"userId": "targetingKey"}


def carried(feature):
    """The feature as (definition, percentage), or None where our model does not carry it."""
    requires = []
    for dependency in feature.get("dependencies", ()):
        if dependency.get("variants") or not dependency.get("enabled", True):
            return None
        requires.append(dependency["feature"])
    strategies = decisive(feature["strategies"])
    if len(strategies) > 1:
        return None
    strategy = strategies[0] if strategies else {"name": "default"}
    named = by_strategy(strategy["name"], strategy.get("parameters") or {})
    rules = by_constraints(strategy.get("constraints", ()))
    if named is None or rules is None:
        return None
    percentage, more = named
    targeting = Targeting(rules=(*more, *rules))
    return Flag(key=feature["name"], requires=tuple(requires), targeting=targeting), percentage


def decisive(strategies):
    """Strategies are joined by or: one for everybody decides alone, and those for nobody say nothing beside others."""
    for strategy in strategies:
        if strategy["name"] == "default" and not strategy.get("constraints"):
            return [strategy]
    somebody = [strategy for strategy in strategies if by_strategy(strategy["name"], strategy["parameters"]) != (0, ())]
    return somebody or strategies[:1]


def by_strategy(name, parameters):
    match name:
        case "default":
            return 10_000, ()
        case "userWithId":
            return 10_000, (one_of("targetingKey", parameters["userIds"]),)
        case "remoteAddress":
            return 10_000, (one_of("remoteAddress", parameters["IPs"]),)
        case "flexibleRollout" | "gradualRolloutUserId" | "gradualRolloutRandom":
            share = int(parameters.get("rollout", parameters.get("percentage")))
            return (share * 100, ()) if share in (0, 100) else None
    return None


def one_of(name, texts):
    return Condition(name, Op.IN, tuple(text.strip() for text in texts.split(",")))


def by_constraints(constraints):
    rules = []
    for constraint in constraints:
        name = _NAMES.get(constraint["contextName"], constraint["contextName"])
        match constraint["operator"]:
            case "IN":
                rules.append(Condition(name, Op.IN, tuple(constraint["values"])))
            case "NOT_IN":
                rules += [Condition(name, Op.NE, value) for value in constraint["values"]]
            case _:
                return None
    return rules


def whole(name, features):
    """Whether the feature and all that it requires are carried."""
    feature = features.get(name)
    if feature is None:
        return True
    if carried(feature) is None or name in DIFFERENT:
        return False
    nearest = [dependency["feature"] for dependency in feature.get("dependencies", ()) if dependency["feature"] != name]
    return all(carried(features[other]) is not None for other in nearest if other in features)


def cases():
    if not FOLDER.is_dir():
        return
    for file in sorted(FOLDER.glob("*.json")):
        specification = json.loads(file.read_text())
        features = {feature["name"]: feature for feature in specification["state"]["features"]}
        for test in specification["tests"]:
            feature = features.get(test["toggleName"])
            if whole(test["toggleName"], features) and not on_purpose_different(feature, test["context"]):
                yield pytest.param(features, test, id=f"{file.stem}: {test['description']}")


def on_purpose_different(feature, given):
    if feature is None:
        return False
    values = given | given.get("properties", {})
    for strategy in decisive(feature["strategies"]):
        if strategy["name"] == "gradualRolloutUserId" and "userId" not in given:
            return True
        for constraint in strategy.get("constraints", ()):
            if constraint["operator"] == "NOT_IN" and constraint["values"] and constraint["contextName"] not in values:
                return True
    return False


@pytest.mark.parametrize(("features", "case"), list(cases()))
def test_unleash_and_we_agree(features, case):
    definitions, state = {}, {}
    for name, feature in features.items():
        found = carried(feature)
        if found is not None:
            definitions[name], percentage = found
            state[name] = FlagState(enabled=feature["enabled"], percentage=percentage)
    given = case["context"]
    attributes = {**given.get("properties", {}), **{key: given[key] for key in given.keys() - {"properties"}}}
    context = Context(given.get("userId"), country=attributes.get("country"), attributes=attributes)
    rules = compile_flags(definitions, state)
    name = case["toggleName"]
    assert (rules.on(name, context) if name in rules else False) is case["expectedResult"]


def test_most_of_the_specification_is_compared():
    assert len(list(cases())) >= ENOUGH
