import pytest

from deployguard.config.build import flag_to_json, targeting_to_json
from deployguard.config.values import Flag, Targeting
from deployguard.errors import Code, DeployguardError
from deployguard.flags.definitions import definitions, parse_overrides
from deployguard.state import FlagState, State

CONFIG = {"a": Flag(key="a", targeting=Targeting(countries=frozenset({"DZ"}))), "b": Flag(key="b", requires=("a",))}
ELSEWHERE = Targeting(countries=frozenset({"FR"}), allow_users=frozenset({"u-1"}))
OLD = Flag(key="old", requires=("a",), tags=("heavy",), description="gone")


def state(**flags):
    return State(environment="prod", flags=flags)


def test_the_config_stands_where_nothing_was_changed():
    assert definitions(CONFIG, state(a=FlagState(enabled=True, percentage=5))) == CONFIG


def test_the_states_targeting_replaces_the_configs():
    found = definitions(CONFIG, state(a=FlagState(targeting=targeting_to_json(ELSEWHERE))))
    assert found["a"].targeting == ELSEWHERE
    assert found["b"] is CONFIG["b"]


def test_an_empty_override_is_one_too():
    assert definitions(CONFIG, state(a=FlagState(targeting={})))["a"].targeting == Targeting()


def test_an_orphaned_flag_stands_as_it_was_last_defined():
    found = definitions(CONFIG, state(old=FlagState(enabled=True, percentage=5, orphaned=flag_to_json(OLD))))
    assert list(found) == ["a", "b", "old"]
    assert found["old"] == OLD


def test_a_flag_that_came_back_is_the_configs_again():
    assert definitions(CONFIG, state(a=FlagState(orphaned=flag_to_json(OLD))))["a"] is CONFIG["a"]


def test_a_flag_that_left_at_zero_is_gone():
    assert definitions(CONFIG, state(old=FlagState())) == CONFIG


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (" , ", {}),
        ("new_checkout=on,other=off", {"new_checkout": True, "other": False}),
        (" a = ON , b=False,c=1,d=0,e=true,", {"a": True, "b": False, "c": True, "d": False, "e": True}),
        ("a=on,a=off", {"a": False}),
    ],
)
def test_overrides_are_read(text, found):
    assert parse_overrides(text) == found


@pytest.mark.parametrize("text", ["a", "a=", "=on", "a=maybe", "a=on;b=off", "a=on,b"])
def test_an_entry_that_is_neither_on_nor_off_is_refused(text):
    with pytest.raises(DeployguardError) as caught:
        parse_overrides(text)
    assert caught.value.problem.code is Code.USAGE
    assert "FLAG=on" in caught.value.problem.wanted
