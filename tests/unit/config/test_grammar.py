"""The condition grammar: what it reads, what it refuses and where the caret stands, what matches."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.config.condition import Condition, Op, SemVer, Unit, Value, matches, version_key
from deployguard.config.grammar import parse_condition
from deployguard.config.issues import WrongError
from deployguard.config.meaning import Use
from deployguard.config.units import spell_number
from deployguard.errors import Code

WHEN, EXPECT, RULE = Use.WHEN, Use.EXPECT, Use.RULE


@pytest.mark.parametrize(
    ("text", "use", "wanted"),
    [
        ("errorRate > 10%", WHEN, Condition("errorRate", Op.GT, 10.0, unit=Unit.PERCENT)),
        ("errorRate('/checkout/*') > 2%", WHEN, Condition("errorRate", Op.GT, 2.0, None, "/checkout/*", Unit.PERCENT)),
        ("avg(responseTime) > 5s", WHEN, Condition("responseTime", Op.GT, 5_000.0, "avg", None, Unit.MILLISECONDS)),
        (
            "p95( responseTime , '/' )>=1.5m",
            WHEN,
            Condition("responseTime", Op.GE, 90_000.0, "p95", "/", Unit.MILLISECONDS),
        ),
        ("p75(cls) > 0.25", WHEN, Condition("cls", Op.GT, 0.25, "p75")),
        ("count(lcp) < 3", WHEN, Condition("lcp", Op.LT, 3.0, "count")),
        ("rate(responseTime) < 0.5", WHEN, Condition("responseTime", Op.LT, 0.5, "rate")),
        ("consecutiveFailures('api') >= 2", WHEN, Condition("consecutiveFailures", Op.GE, 2.0, None, "api")),
        ("avg(queue) > 2s", WHEN, Condition("queue", Op.GT, 2_000.0, "avg", None, Unit.MILLISECONDS)),
        ("status in [200, 204]", EXPECT, Condition("status", Op.IN, (200.0, 204.0))),
        ("json.status == 'ok'", EXPECT, Condition("json.status", Op.EQ, "ok")),
        ("json.ready == true", EXPECT, Condition("json.ready", Op.EQ, True)),
        ("responseTime < 2s", EXPECT, Condition("responseTime", Op.LT, 2_000.0, unit=Unit.MILLISECONDS)),
        ("body contains 'green'", EXPECT, Condition("body", Op.CONTAINS, "green")),
        ("plan in ['pro', 'team']", RULE, Condition("plan", Op.IN, ("pro", "team"))),
        ("inside in ['in', 'out']", RULE, Condition("inside", Op.IN, ("in", "out"))),
        ("email endsWith '@example.com'", RULE, Condition("email", Op.ENDS_WITH, "@example.com")),
        ("a.b-c != -3.5", RULE, Condition("a.b-c", Op.NE, -3.5)),
        (r"name == 'it\'s \\ here'", RULE, Condition("name", Op.EQ, r"it's \ here")),
    ],
)
def test_a_condition_is_read(text: str, use: Use, wanted: Condition) -> None:
    read = parse_condition(text, use, numbers={"queue": Unit.MILLISECONDS}, checks={"api"})
    assert read == replace(wanted, text=text)


def test_without_a_place_the_bare_grammar_holds() -> None:
    assert parse_condition("anything(goes) > 5s").value == 5_000.0
    assert parse_condition("share <= 12.5%").unit is Unit.PERCENT


@pytest.mark.parametrize(
    ("text", "use", "code", "word", "wanted"),
    [
        ("errorrate > 10%", WHEN, Code.UNKNOWN_METRIC, "errorrate", 'nearest: "errorRate"'),
        ("p75(lpc) > 4s", WHEN, Code.UNKNOWN_METRIC, "lpc", 'nearest: "lcp"'),
        ("avg(quue) > 4", WHEN, Code.UNKNOWN_METRIC, "quue", 'nearest: "queue"'),
        ("p76(lcp) > 4s", WHEN, Code.UNKNOWN_METRIC, "p76", 'nearest: "p75"'),
        ("status == 200", WHEN, Code.UNKNOWN_METRIC, "status", "a metric"),
        ("avg(errorRate) > 1%", WHEN, Code.WRONG_TYPE, "avg", "takes no function"),
        ("max(availability) > 1%", WHEN, Code.WRONG_TYPE, "max", "takes no function"),
        ("lcp > 4s", WHEN, Code.WRONG_TYPE, "lcp", "p75(lcp)"),
        ("responseTime > 4s", WHEN, Code.WRONG_TYPE, "responseTime", "avg(responseTime)"),
        ("queue > 4s", WHEN, Code.WRONG_TYPE, "queue", "avg(queue)"),
        ("errorRate > 10", WHEN, Code.UNIT_MISSING, "10", '"10%"'),
        ("errorRate > 0.1", WHEN, Code.UNIT_MISSING, "0.1", '"10%" if 0.1 is a share'),
        ("avg(responseTime) > 5", WHEN, Code.UNIT_MISSING, "5", '"5s" is 5 seconds, "5ms" is 5 milliseconds'),
        ("errorRate > 5s", WHEN, Code.WRONG_TYPE, "5s", '"5%"'),
        ("avg(responseTime) > 5%", WHEN, Code.WRONG_TYPE, "5%", "a duration"),
        ("avg(responseTime) > -5s", WHEN, Code.OUT_OF_RANGE, "-5s", "0 or more"),
        ("p75(cls) > 4s", WHEN, Code.WRONG_TYPE, "4s", "without a unit"),
        ("count(lcp) > 4s", WHEN, Code.WRONG_TYPE, "4s", "without a unit"),
        ("errorRate > 101%", WHEN, Code.OUT_OF_RANGE, "101%", "0% to 100%"),
        ("errorRate > -1%", WHEN, Code.OUT_OF_RANGE, "-1%", "0% to 100%"),
        ("errorRate > NaN", WHEN, Code.SYNTAX, "NaN", "a number"),
        ("errorRate > 5O%", WHEN, Code.SYNTAX, "5O%", "a number"),
        ("errorRate contains 'x'", WHEN, Code.WRONG_TYPE, "contains", "a comparison"),
        ("errorRate > 'x'", WHEN, Code.WRONG_TYPE, "'x'", "a comparison"),
        ("errorRate('checkout') > 1%", WHEN, Code.WRONG_TYPE, "'checkout'", "begins with a slash"),
        ("consecutiveFailures('apo') > 1", WHEN, Code.UNKNOWN_KEY, "'apo'", 'nearest: "api"'),
        ("errorRate > 10% and x", WHEN, Code.SYNTAX, "and", "one comparison a condition"),
        ("errorRate => 10%", WHEN, Code.SYNTAX, "=>", "one of =="),
        ("statu == 200", EXPECT, Code.UNKNOWN_METRIC, "statu", 'nearest: "status"'),
        ("errorRate > 1%", EXPECT, Code.UNKNOWN_METRIC, "errorRate", "what an answer has"),
        ("avg(responseTime) < 2s", EXPECT, Code.WRONG_TYPE, "avg", "one value"),
        ("responseTime < 2", EXPECT, Code.UNIT_MISSING, "2", '"2s"'),
        ("status == 2000", EXPECT, Code.OUT_OF_RANGE, "2000", "100 to 599"),
        ("status == '200'", EXPECT, Code.WRONG_TYPE, "'200'", "a number"),
        ("body == 5", EXPECT, Code.WRONG_TYPE, "5", "a text"),
        ("json.status == ok", EXPECT, Code.SYNTAX, "ok", "'text'"),
        ("count(plan) > 1", RULE, Code.WRONG_TYPE, "count", "without a function"),
        ("plan('/x') == 'a'", RULE, Code.WRONG_TYPE, "'/x'", "no argument"),
        ("plan == ['a']", RULE, Code.WRONG_TYPE, "['a']", '"in" before a list'),
        ("plan in 'a'", RULE, Code.WRONG_TYPE, "'a'", "a list"),
        ("plan > 'a'", RULE, Code.WRONG_TYPE, "'a'", "a number or semver"),
        ("plan startsWith 5", RULE, Code.WRONG_TYPE, "5", "a text"),
        ("age > 5s", RULE, Code.WRONG_TYPE, "5s", "without a unit"),
        ("v >= semver('2.x')", RULE, Code.WRONG_TYPE, "'2.x'", "a version"),
        ("plan in []", RULE, Code.SYNTAX, "]", "a list"),
        ("plan == 'open", RULE, Code.SYNTAX, "'", "ends with a single quote"),
        ("plan contains true", RULE, Code.WRONG_TYPE, "true", "a text"),
    ],
)
def test_a_wrong_word_is_refused_where_it_stands(text: str, use: Use, code: Code, word: str, wanted: str) -> None:
    with pytest.raises(WrongError) as caught:
        parse_condition(text, use, numbers={"queue": Unit.MILLISECONDS}, checks={"api"})
    error = caught.value
    assert error.code is code
    assert wanted in error.wanted
    assert text[error.offset :][: error.width] == word


@pytest.mark.parametrize(
    "text", ["", "   ", "errorRate", "errorRate >", "errorRate(", "p75(lcp", "p75(lcp, ", "x in ["]
)
def test_a_condition_that_ends_early_says_what_is_missing(text: str) -> None:
    with pytest.raises(WrongError) as caught:
        parse_condition(text, WHEN)
    assert caught.value.code is Code.SYNTAX
    assert (caught.value.offset or 0) <= len(text)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("x == 5", [5, 5.0], [6, "5", True, None, float("nan")]),
        ("x != 5", [6], [5, "6", None, False]),
        ("x > 5", [5.1], [5, "9", True]),
        ("x == 'a'", ["a"], ["A", "ab", 1, None, ["a"]]),
        ("x != 'a'", ["b", ""], ["a", None, 1]),
        ("x == true", [True], [False, 1, "true"]),
        ("x != true", [False], [True, 0, None]),
        ("x in ['a', 1]", ["a", 1, 1.0], ["b", True, None, ["a"], {}]),
        ("x contains 'ell'", ["hello", ["x", "ell"], {"ell"}], ["h", ["hello"], None, 5]),
        ("x contains 1", [[1, 2], (1,)], [[True], "1", 1]),
        ("x startsWith 'ab'", ["abc"], ["xab", 1]),
        ("x endsWith 'bc'", ["abc"], ["bcx", None]),
    ],
)
def test_only_a_value_of_the_same_type_matches(text: str, yes: list[object], no: list[object]) -> None:
    condition = parse_condition(text)
    assert [matches(condition, value) for value in yes] == [True] * len(yes)
    assert [matches(condition, value) for value in no] == [False] * len(no)


def test_versions_stand_in_the_order_of_semver_org() -> None:
    order = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    order += " 1.0.1 1.10.0 2.0.0"
    keys = [version_key(text) for text in order.split()]
    assert None not in keys
    assert keys == sorted(keys, key=lambda key: key or ())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "text", ["", "01.0.0", "1.0.0-01", "1.0.0-", "1..0", "1.0.0.0", "1.0.0-a..b", "x", "9" * 5_000, "1.0.0\n"]
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert version_key(text) is None


def _spell_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _spell_value(value: Value, unit: Unit) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{spell_number(value)}{unit}"
        case str():
            return _spell_text(value)
        case SemVer():
            return f"semver({_spell_text(value.text)})"
        case _:
            return "[" + ", ".join(_spell_value(item, Unit.NONE) for item in value) + "]"


def written(condition: Condition) -> str:
    """The condition in the grammar's plainest spelling."""
    argument = None if condition.argument is None else _spell_text(condition.argument)
    subject = condition.name
    if condition.function is not None:
        inside = ", ".join(part for part in (condition.name, argument) if part is not None)
        subject = f"{condition.function}({inside})"
    elif argument is not None:
        subject = f"{condition.name}({argument})"
    return f"{subject} {condition.op} {_spell_value(condition.value, condition.unit)}"


_names = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z0-9_-]{1,5})?\Z")
_numbers = st.decimals(-10_000, 10_000, places=3).map(float)
_versions = st.sampled_from(["1.2.3", "2.0.0-rc.1", "0.1.0+build"])


def _semver(text: str) -> SemVer:
    key = version_key(text)
    assert key is not None
    return SemVer(text, key)


@st.composite
def _conditions(draw: st.DrawFn) -> Condition:
    op = draw(st.sampled_from(Op))
    value: object
    unit = Unit.NONE
    if op is Op.IN:
        value = tuple(draw(st.lists(st.text() | _numbers, min_size=1, max_size=4)))
    elif op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        value = draw(st.text())
    else:
        value = draw(
            _numbers | _versions.map(_semver) | (st.text() | st.booleans() if op in (Op.EQ, Op.NE) else _numbers)
        )
        if isinstance(value, float):
            unit = draw(st.sampled_from(Unit))
            value = abs(value) % 100 if unit is not Unit.NONE else value
            value = round(value, 3)
    function = draw(st.none() | st.sampled_from(["avg", "p75"]))
    argument = draw(st.none() | st.text(max_size=10))
    condition = Condition(draw(_names), op, value, function, argument, unit)  # type: ignore[arg-type]
    return replace(condition, text=written(condition))


@given(_conditions())
def test_what_is_written_is_read_back_the_same(condition: Condition) -> None:
    assert parse_condition(condition.text) == condition


@given(st.text(max_size=60), st.sampled_from([None, *Use]))
def test_no_text_breaks_the_grammar(text: str, use: Use | None) -> None:
    try:
        condition = parse_condition(text, use)
    except WrongError as error:
        offset = error.offset or 0
    else:
        offset = 0
        assert parse_condition(written(condition), use) == replace(condition, text=written(condition))
    assert 0 <= offset <= len(text)
