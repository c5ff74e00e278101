"""The compiled rules against the order of evaluation written down plainly: one question after the other, recursive."""

from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.config.condition import matches
from deployguard.config.grammar import parse_condition
from deployguard.config.values import Flag, Targeting
from deployguard.flags.bucket import bucket
from deployguard.flags.dependencies import in_cycles
from deployguard.flags.evaluate import Context, compile_flags
from deployguard.flags.reach import reach
from deployguard.state import FlagState

KEYS = ("a", "b", "c", "d", "e")
USERS = ("u-1", "u-2", "u-3")
GROUPS = ("staff", "beta")
RULES = tuple(parse_condition(text) for text in ("plan == 'pro'", "targetingKey startsWith 'u-'", "age > 3"))


def plainly(definitions, state, overrides, key, context):
    """(value, reason, decided by) by DECISIONS section 1, as slowly as it is written."""
    if key in overrides:
        return overrides[key], "STATIC", "override"
    flag, stands = definitions.get(key), state.get(key, FlagState())
    if flag is None or not stands.enabled:
        return False, "DISABLED", "disabled"
    for required in flag.requires:
        on, reason, _ = plainly(definitions, state, overrides, required, context)
        if not on:
            return False, reason, f"requires:{required}"
    targeting, match = flag.targeting, "TARGETING_MATCH"
    if context.targeting_key in targeting.deny_users or targeting.deny_groups & set(context.groups):
        return False, match, "deny"
    if context.targeting_key in targeting.allow_users:
        return True, match, "allow:user"
    if targeting.allow_groups & set(context.groups):
        return True, match, "allow:group"
    if targeting.countries and context.country not in targeting.countries:
        return False, match, "country"
    if targeting.regions and context.region not in targeting.regions:
        return False, match, "region"
    for number, rule in enumerate(targeting.rules, 1):
        if not matches(rule, context.attribute(rule.name)):
            return False, match, f"rule:{number}"
    if stands.percentage in (0, 10_000):
        return stands.percentage == 10_000, "STATIC", "percentage"
    if not context.targeting_key:
        return False, "DEFAULT", "noTargetingKey"
    return bucket(stands.seed or key, context.targeting_key) < stands.percentage, "SPLIT", "bucket"


def some(values):
    return st.frozensets(st.sampled_from(values), max_size=len(values))


TARGETINGS = st.builds(
    Targeting,
    allow_users=some(USERS),
    allow_groups=some(GROUPS),
    deny_users=some(USERS[:1]),
    deny_groups=some(GROUPS[:1]),
    countries=some(("DZ", "FR")),
    regions=some(("DZ-16",)),
    rules=st.lists(st.sampled_from(RULES), max_size=2).map(tuple),
)
STATES = st.builds(
    FlagState,
    enabled=st.sampled_from((True, True, True, False)),
    percentage=st.one_of(st.sampled_from((0, 1, 5_000, 9_999, 10_000)), st.integers(0, 10_000)),
    seed=st.sampled_from(("", "a", "b")),
)
CONTEXTS = st.builds(
    Context,
    targeting_key=st.one_of(st.none(), st.just(""), st.sampled_from(USERS), st.text(max_size=200)),
    country=st.sampled_from((None, "DZ", "FR", "")),
    region=st.sampled_from((None, "DZ-16", "DZ-31")),
    groups=some(GROUPS),
    attributes=st.dictionaries(st.sampled_from(("plan", "age")), st.sampled_from(("pro", 4, None, True, [1]))),
)


@st.composite
def worlds(draw):
    """Definitions without cycles (a flag requires only later ones, or an unknown one), states and overrides."""
    definitions = {}
    for number, key in enumerate(KEYS):
        requires = draw(st.lists(st.sampled_from((*KEYS[number + 1 :], "gone")), max_size=3, unique=True))
        targeting = draw(st.one_of(st.just(Targeting()), st.just(Targeting()), TARGETINGS))
        if "gone" in requires and draw(st.booleans()):
            requires.remove("gone")
        definitions[key] = Flag(key=key, requires=tuple(requires), targeting=targeting)
    state = draw(st.dictionaries(st.sampled_from(KEYS), STATES, min_size=3))
    overrides = draw(st.dictionaries(st.sampled_from((*KEYS, "gone")), st.booleans(), max_size=2))
    return definitions, state, overrides


@given(worlds(), CONTEXTS)
@settings(max_examples=150)
def test_the_compiled_rules_say_what_the_page_says(world, context):
    rules = compile_flags(*world)
    for key in KEYS:
        value, reason, by = plainly(*world, key, context)
        found = rules.evaluate(key, context)
        assert (found.value, found.reason, found.decided_by) == (value, reason, by)
        assert found.variant == ("on" if value else "off")
        assert rules.on(key, context) is value
        assert (found.bucket is not None) == (by == "bucket")
        assert (found.error_code == "TARGETING_KEY_MISSING") == (reason == "DEFAULT")
        assert rules.ladder(key, context)[-1].passed is value or not value
    buckets = [key for key in KEYS if plainly(*world, key, context)[2] == "bucket"]
    assert rules.arms(context, KEYS) == tuple((key, rules.on(key, context)) for key in buckets)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner)),
    max_leaves=5,
)


@given(worlds(), ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=80)
def test_an_evaluation_never_raises(world, key, country, region, groups, attributes):
    rules = compile_flags(*world)
    context = Context(key, country, region, groups, attributes)
    for name in KEYS:
        assert rules.evaluate(name, context).value is rules.on(name, context)
        assert rules.ladder(name, context)
    rules.arms(context, KEYS)


@given(st.text(max_size=300).filter(bool), st.integers(0, 9_999), st.integers(0, 9_999))
def test_users_who_are_in_stay_in_as_the_percentage_grows(user, one, other):
    low, high = sorted((one, other))
    flags = {"low": Flag(key="low"), "high": Flag(key="high")}
    state = {
        "low": FlagState(enabled=True, percentage=low, seed="s"),
        "high": FlagState(enabled=True, percentage=high, seed="s"),
    }
    rules = compile_flags(flags, state)
    assert rules.on("high", Context(user)) or not rules.on("low", Context(user))


@given(worlds())
def test_the_reach_is_never_more_than_the_percentage_of_any_requirement(world):
    definitions, state, _ = world
    assert not in_cycles(definitions)
    for key, flag in definitions.items():
        reached = reach(definitions, state, key)
        for name in (key, *flag.requires):
            stands = state.get(name, FlagState())
            assert reached <= (stands.percentage if stands.enabled else 0)
