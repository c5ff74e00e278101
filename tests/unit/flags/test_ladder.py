import pytest

from deployguard.config.grammar import parse_condition
from deployguard.config.values import Flag, Targeting
from deployguard.flags.evaluate import Context, Rung, compile_flags
from deployguard.state import FlagState

USER = "u-1"
NAMES = ["enabled", "requires", "deny list", "allow list", "targeting", "bucket"]


def ladder(percentage=3_000, *, enabled=True, base=10_000, overrides=None, context=None, **targeting):
    definitions = {
        "base": Flag(key="base"),
        "shop": Flag(key="shop", requires=("base",), targeting=Targeting(**targeting)),
    }
    state = {
        "base": FlagState(enabled=True, percentage=base),
        "shop": FlagState(enabled=enabled, percentage=percentage),
    }
    return compile_flags(definitions, state, overrides).ladder("shop", context or Context(USER))


def test_every_question_is_asked_where_the_bucket_decides():
    assert ladder() == (
        Rung("enabled", True, "yes"),
        Rung("requires", True, "base is on for u-1"),
        Rung("deny list", True, "none"),
        Rung("allow list", None, "none"),
        Rung("targeting", None, "no country, region or rule asked"),
        Rung("bucket", False, "3,392 of 10,000; on below 3,000 (30%)"),
    )


RULE = (parse_condition("plan == 'pro'"),)


@pytest.mark.parametrize(
    ("settings", "steps", "last"),
    [
        ({"overrides": {"shop": True}}, 1, Rung("override", True, "on, as it says")),
        ({"enabled": False}, 1, Rung("enabled", False, "no")),
        ({"base": 0}, 2, Rung("requires", False, "base is off for u-1")),
        ({"deny_users": frozenset({USER})}, 3, Rung("deny list", False, "on it")),
        ({"allow_users": frozenset({USER})}, 4, Rung("allow list", True, "on it")),
        (
            {"allow_groups": frozenset({"staff"}), "context": Context(USER, groups=frozenset({"staff"}))},
            4,
            Rung("allow list", True, "a group of this user is on it"),
        ),
        ({"countries": frozenset({"FR", "DZ"})}, 5, Rung("targeting", False, "country unknown is not in DZ, FR")),
        (
            {"regions": frozenset({"DZ-16"}), "context": Context(USER, region="DZ-09")},
            5,
            Rung("targeting", False, "region DZ-09 is not in DZ-16"),
        ),
        ({"rules": RULE}, 5, Rung("targeting", False, "rule 1 does not hold: plan == 'pro'")),
        ({"percentage": 10_000}, 6, Rung("bucket", True, "not asked at 100%")),
        ({"percentage": 0}, 6, Rung("bucket", False, "not asked at 0%")),
        ({"context": Context(None)}, 6, Rung("bucket", False, "no user id given, and 30% asks for one")),
    ],
)
def test_the_list_stops_where_it_was_decided(settings, steps, last):
    found = ladder(**settings)
    assert len(found) == steps
    assert found[-1] == last
    assert [rung.name for rung in found] == NAMES[:steps] or found[0].name == "override"


def test_lists_that_the_user_is_not_on_are_said_to_be_asked():
    context = Context(USER, country="DZ", attributes={"plan": "pro"})
    names = frozenset({"x"})
    found = ladder(allow_users=names, deny_users=names, countries=frozenset({"DZ"}), rules=RULE, context=context)
    assert found[2:5] == (
        Rung("deny list", True, "not on it"),
        Rung("allow list", None, "not on it"),
        Rung("targeting", True, "countries and rules hold"),
    )


def test_an_odd_context_has_a_ladder_too():
    assert ladder(context=Context(["a"], country=5), countries=frozenset({"DZ"}))[-1].name == "targeting"
