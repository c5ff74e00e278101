import pytest

from deployguard.errors import Code, DeployguardError
from deployguard.flags.overrides import parse_overrides


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
