"""DECISIONS section 1, the order of evaluation: one row a question, and what stands before what."""

import pytest

from deployguard.config.grammar import parse_condition
from deployguard.config.values import Flag, Targeting
from deployguard.flags.bucket import bucket
from deployguard.flags.evaluate import Context, compile_flags
from deployguard.state import FlagState

EVERYBODY = 10_000
USER = "u-1"  # bucket 9,428 under new_checkout


def on_at(percentage, *, enabled=True, seed=""):
    return FlagState(enabled=enabled, percentage=percentage, seed=seed)


def asked(context=None, *, overrides=None, flag=None, state=None, required=None, **targeting):
    """The answer for `new_checkout` of a user at 50 % unless said otherwise."""
    rules = tuple(parse_condition(text) for text in targeting.pop("rules", ()))
    definitions = {
        "base": Flag(key="base"),
        "new_checkout": flag
        or Flag(
            key="new_checkout",
            requires=("base",) if required is not None else (),
            targeting=Targeting(
                **{name: frozenset(value) for name, value in targeting.items()},
                rules=rules,
            ),
        ),
    }
    states = {"new_checkout": state or on_at(5_000)}
    if required is not None:
        states["base"] = required
    return compile_flags(definitions, states, overrides).evaluate("new_checkout", context or Context(USER))


ROWS = [
    # what stands in the way, value, decided by, reason
    (
        "override on",
        {"overrides": {"new_checkout": True}, "state": on_at(0, enabled=False)},
        True,
        "override",
        "STATIC",
    ),
    ("override off", {"overrides": {"new_checkout": False}, "allow_users": [USER]}, False, "override", "STATIC"),
    ("not enabled", {"state": on_at(EVERYBODY, enabled=False)}, False, "disabled", "DISABLED"),
    ("not enabled, allowed", {"state": on_at(5, enabled=False), "allow_users": [USER]}, False, "disabled", "DISABLED"),
    ("requirement off", {"required": on_at(0, enabled=False)}, False, "requires:base", "DISABLED"),
    ("requirement at 0", {"required": on_at(0)}, False, "requires:base", "STATIC"),
    ("requirement's bucket", {"required": on_at(1, seed="base")}, False, "requires:base", "SPLIT"),
    ("requirement before allow", {"required": on_at(0), "allow_users": [USER]}, False, "requires:base", "STATIC"),
    ("requirement untouched", {"required": FlagState()}, False, "requires:base", "DISABLED"),
    ("deny", {"deny_users": [USER], "state": on_at(EVERYBODY)}, False, "deny", "TARGETING_MATCH"),
    ("deny before allow", {"deny_users": [USER], "allow_users": [USER]}, False, "deny", "TARGETING_MATCH"),
    ("allow user", {"allow_users": [USER], "state": on_at(0)}, True, "allow:user", "TARGETING_MATCH"),
    ("allow before country", {"allow_users": [USER], "countries": ["DZ"]}, True, "allow:user", "TARGETING_MATCH"),
    ("no country", {"countries": ["DZ"], "state": on_at(EVERYBODY)}, False, "country", "TARGETING_MATCH"),
    ("no region", {"regions": ["DZ-16"], "state": on_at(EVERYBODY)}, False, "region", "TARGETING_MATCH"),
    ("rule", {"rules": ["plan == 'pro'"], "state": on_at(EVERYBODY)}, False, "rule:1", "TARGETING_MATCH"),
    ("100 percent", {"state": on_at(EVERYBODY)}, True, "percentage", "STATIC"),
    ("0 percent", {"state": on_at(0)}, False, "percentage", "STATIC"),
    ("bucket in", {"state": on_at(9_429)}, True, "bucket", "SPLIT"),
    ("bucket out", {"state": on_at(9_428)}, False, "bucket", "SPLIT"),
    ("a flag that nobody touched", {"state": FlagState()}, False, "disabled", "DISABLED"),
]


@pytest.mark.parametrize(("settings", "value", "by", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_first_question_that_decides_is_named(settings, value, by, reason):
    found = asked(**settings)
    assert (found.value, found.decided_by, found.reason) == (value, by, reason)
    assert found.variant == ("on" if value else "off")
    assert found.bucket == (bucket("new_checkout", USER) if by == "bucket" else None)
    assert found.error_code is None
    assert (found.flag_id, found.targeting_key) == ("new_checkout", USER)


@pytest.mark.parametrize(
    ("groups", "by"),
    [
        ({"staff"}, "allow:group"),
        ({"fraud"}, "deny"),
        ({"staff", "fraud"}, "deny"),
        ({"none"}, "bucket"),
        (set(), "bucket"),
    ],
)
def test_groups_are_denied_before_they_are_allowed(groups, by):
    found = asked(Context(USER, groups=frozenset(groups)), allow_groups=["staff"], deny_groups=["fraud"])
    assert found.decided_by == by


@pytest.mark.parametrize(
    ("context", "by"),
    [
        (Context(USER, country="DZ", region="DZ-16", attributes={"plan": "pro", "appVersion": "2.10.0"}), "percentage"),
        (Context(USER, country="FR", region="DZ-16", attributes={"plan": "pro", "appVersion": "2.10.0"}), "country"),
        (Context(USER, country="DZ", region="DZ-09", attributes={"plan": "pro", "appVersion": "2.10.0"}), "region"),
        (Context(USER, country="DZ", region="DZ-16", attributes={"plan": "free", "appVersion": "2.10.0"}), "rule:1"),
        (Context(USER, country="DZ", region="DZ-16", attributes={"plan": "pro", "appVersion": "2.9.0"}), "rule:2"),
        (Context(USER, country="DZ", region="DZ-16", attributes={"plan": "pro"}), "rule:2"),
        (Context(USER, country="DZ", region="DZ-16"), "rule:1"),
        (Context(USER, country="", region="DZ-16"), "country"),
        (Context(USER, region="DZ-16"), "country"),
    ],
)
def test_all_that_is_targeted_must_hold_and_no_value_is_outside(context, by):
    rules = ["plan in ['pro', 'team']", "appVersion >= semver('2.10.0')"]
    found = asked(context, state=on_at(EVERYBODY), countries=["DZ"], regions=["DZ-16", "DZ-31"], rules=rules)
    assert found.decided_by == by
    assert found.value is (by == "percentage")


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("targetingKey startsWith 'u-'", True),
        ("targetingKey startsWith 'x-'", False),
        ("country == 'DZ'", True),
        ("region endsWith '16'", True),
        ("groups contains 'beta'", True),
        ("groups contains 'staff'", False),
        ("company.plan == 'pro'", True),
        ("company.size > 10", True),
        ("company.none == 'pro'", False),
        ("a.b == 'literal'", True),
        ("company.plan.more == 'pro'", False),
        ("email endsWith '@example.com'", True),
    ],
)
def test_a_rule_reads_the_words_of_the_context_and_any_attribute(rule, value):
    context = Context(
        USER,
        country="DZ",
        region="DZ-16",
        groups=frozenset({"beta"}),
        attributes={
            "company": {"plan": "pro", "size": 11},
            "a.b": "literal",
            "email": "a@example.com",
            "country": "not asked: the context has the word",
        },
    )
    assert asked(context, state=on_at(EVERYBODY), rules=[rule]).value is value


@pytest.mark.parametrize("key", [None, ""])
def test_only_a_percentage_between_needs_a_user(key):
    missing = asked(Context(key))
    assert (missing.value, missing.reason, missing.decided_by) == (False, "DEFAULT", "noTargetingKey")
    assert missing.error_code == "TARGETING_KEY_MISSING"
    assert missing.bucket is None
    assert asked(Context(key), state=on_at(EVERYBODY)).value is True
    assert asked(Context(key), state=on_at(0)).error_code is None
    assert asked(Context(key, country="FR"), countries=["DZ"]).decided_by == "country"
    behind = asked(Context(key), required=on_at(5_000))
    assert (behind.decided_by, behind.reason, behind.error_code) == (
        "requires:base",
        "DEFAULT",
        "TARGETING_KEY_MISSING",
    )


CHAIN = {
    "top": Flag(key="top", requires=("middle", "side")),
    "middle": Flag(key="middle", requires=("bottom",)),
    "side": Flag(key="side"),
    "bottom": Flag(key="bottom", targeting=Targeting(countries=frozenset({"DZ"}))),
}


def chain(overrides=None, **percentages):
    states = {key: on_at(EVERYBODY) for key in CHAIN} | {
        key: on_at(value) if value is not None else FlagState() for key, value in percentages.items()
    }
    return compile_flags(CHAIN, states, overrides)


@pytest.mark.parametrize(
    ("country", "states", "overrides", "by", "reason"),
    [
        ("DZ", {}, {}, "percentage", "STATIC"),
        ("FR", {}, {}, "requires:middle", "TARGETING_MATCH"),
        ("DZ", {"side": 0}, {}, "requires:side", "STATIC"),
        ("FR", {"side": 0}, {}, "requires:middle", "TARGETING_MATCH"),
        ("DZ", {"bottom": None}, {}, "requires:middle", "DISABLED"),
        ("DZ", {"bottom": None, "middle": None, "side": 0}, {}, "requires:middle", "DISABLED"),
        ("FR", {}, {"bottom": True}, "percentage", "STATIC"),
        ("FR", {"middle": None}, {"middle": True}, "percentage", "STATIC"),
        ("DZ", {}, {"bottom": False}, "requires:middle", "STATIC"),
        ("DZ", {}, {"side": False}, "requires:side", "STATIC"),
        ("FR", {"side": 0}, {"top": True}, "override", "STATIC"),
    ],
)
def test_a_requirement_is_decided_whole_before_its_dependant(country, states, overrides, by, reason):
    found = chain(overrides, **states).evaluate("top", Context(USER, country=country))
    assert (found.decided_by, found.reason) == (by, reason)
    assert found.value is (by in ("percentage", "override"))


def test_an_allow_list_of_a_requirement_carries_its_dependants():
    definitions = {
        "base": Flag(key="base", targeting=Targeting(allow_users=frozenset({USER}))),
        "new_checkout": Flag(key="new_checkout", requires=("base",)),
    }
    rules = compile_flags(definitions, {"base": on_at(0), "new_checkout": on_at(EVERYBODY)})
    assert rules.on("new_checkout", Context(USER))
    assert not rules.on("new_checkout", Context("u-2"))


def test_a_chain_longer_than_the_stack_is_evaluated():
    keys = [f"f{n}" for n in range(1_500)]
    definitions = {key: Flag(key=key, requires=(f"f{n - 1}",) if n else ()) for n, key in enumerate(keys)}
    state = {key: on_at(9_999) for key in keys}
    found = compile_flags({keys[-1]: definitions[keys[-1]], **definitions}, state)
    assert found.evaluate("f1", Context(USER)).decided_by in ("bucket", "requires:f0")
    state["f0"] = on_at(0)
    assert compile_flags(definitions, state).evaluate(keys[-1], Context(USER)).decided_by == "requires:f1498"


def test_flags_that_require_each_other_are_off_and_do_not_hang():
    definitions = {
        "a": Flag(key="a", requires=("b",)),
        "b": Flag(key="b", requires=("a",)),
        "c": Flag(key="c", requires=("c",)),
        "d": Flag(key="d", requires=("a",)),
        "e": Flag(key="e"),
    }
    rules = compile_flags(definitions, {key: on_at(EVERYBODY) for key in definitions})
    assert [rules.on(key, Context(USER)) for key in definitions] == [False, False, False, False, True]


def test_a_requirement_that_is_gone_from_the_config_is_off():
    rules = compile_flags({"a": Flag(key="a", requires=("gone",))}, {"a": on_at(EVERYBODY), "gone": on_at(EVERYBODY)})
    assert rules.evaluate("a", Context(USER)).decided_by == "requires:gone"
    rules = compile_flags({"a": Flag(key="a", requires=("gone",))}, {"a": on_at(EVERYBODY)}, {"gone": True})
    assert rules.on("a", Context(USER))


def test_an_unknown_flag_is_a_key_error_and_an_override_makes_it_known():
    rules = compile_flags({}, {}, {"only_here": True})
    assert rules.keys == ("only_here",)
    assert rules.on("only_here", Context(None))
    with pytest.raises(KeyError):
        rules.evaluate("nowhere", Context(USER))
    with pytest.raises(KeyError):
        rules.on("nowhere", Context(USER))


ODD_VALUES = [5, 0, -1.5, True, b"bytes", b"x" * 300, ["list"], ("tuple",), {"a": 1}, {1, 2}, object(), float("nan")]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: type(odd).__name__)
def test_an_odd_context_never_raises_and_counts_as_not_given(odd):
    targeting = {
        "deny_users": ["nobody"],
        "deny_groups": ["none"],
        "allow_users": ["somebody"],
        "allow_groups": ["list", "tuple"],
    }
    assert asked(Context(odd), **targeting).decided_by == "noTargetingKey"
    assert asked(Context(odd), required=on_at(5_000)).decided_by == "requires:base"
    assert asked(Context(USER, country=odd), countries=["DZ"]).decided_by == "country"
    assert asked(Context(USER, region=odd), regions=["DZ"]).decided_by == "region"
    assert asked(Context(USER, attributes=odd), rules=["plan == 'pro'"]).decided_by == "rule:1"
    assert asked(Context(USER, attributes={"plan": odd}), rules=["plan == 'pro'"]).decided_by == "rule:1"
    groups = asked(Context(USER, groups=odd), allow_groups=["staff", "x"], deny_groups=["b"])
    assert groups.decided_by == "bucket"
    nested = asked(Context(USER, groups=[odd, None]), allow_groups=["staff"])
    assert nested.decided_by == "bucket"


@pytest.mark.parametrize("key", ["\ud800", "x" * 1_000_000, "\x00", "\u202eevil", " "])
def test_any_text_is_a_user(key):
    found = asked(Context(key))
    assert found.decided_by == "bucket"
    assert found.bucket == bucket("new_checkout", key)


def test_a_text_is_no_list_of_groups():
    assert asked(Context(USER, groups="s"), allow_groups=["s"]).decided_by == "bucket"


def test_arms_names_only_what_the_bucket_decides():
    definitions = {
        "split": Flag(key="split"),
        "full": Flag(key="full"),
        "rider": Flag(key="rider", requires=("split",)),
        "blocked": Flag(key="blocked", requires=("off",)),
        "off": Flag(key="off"),
        "listed": Flag(key="listed", targeting=Targeting(allow_users=frozenset({USER}))),
        "abroad": Flag(key="abroad", targeting=Targeting(countries=frozenset({"DZ"}))),
    }
    state = {key: on_at(9_000, seed="split") for key in definitions} | {
        "full": on_at(EVERYBODY),
        "off": FlagState(),
    }
    rules = compile_flags(definitions, state)
    inside = next(f"u{n}" for n in range(99) if bucket("split", f"u{n}") < 9_000)
    outside = next(f"u{n}" for n in range(999) if bucket("split", f"u{n}") >= 9_000)
    asked_for = (*definitions, "unknown")
    assert rules.arms(Context(inside, country="DZ"), asked_for) == (
        ("split", True),
        ("rider", True),
        ("listed", True),
        ("abroad", True),
    )
    # Outside its requirement a rider is in no arm: `requires` decided, not its bucket.
    assert rules.arms(Context(outside), asked_for) == (("split", False), ("listed", False))
    assert dict(rules.arms(Context(USER), asked_for)).keys() == {"split"} | (
        {"rider"} if bucket("split", USER) < 9_000 else set()
    )
    assert rules.arms(Context(None), asked_for) == ()
    assert rules.arms(Context(5, country=[]), asked_for) == ()


@pytest.mark.parametrize(("user", "place"), [("u-33855", 9_522), ("u-247368", 8_220)])
def test_a_user_whose_hash_is_the_very_limit_is_outside(user, place):
    """Found by search: one hash in 400,000 lies on the limit of some percentage."""
    assert bucket("edge", user) == place
    assert not asked(Context(user), state=on_at(place, seed="edge")).value
    assert asked(Context(user), state=on_at(place + 1, seed="edge")).value
