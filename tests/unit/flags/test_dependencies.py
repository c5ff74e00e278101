import pytest

from deployguard.config.values import Flag
from deployguard.flags.dependencies import dependants, in_cycles, requirements


def flags(**requires):
    return {key: Flag(key=key, requires=tuple(names.split())) for key, names in requires.items()}


SHOP = flags(a="", b="a", c="b a", d="c x", x="", y="x d")


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a", ()),
        ("b", ("a",)),
        ("c", ("b", "a")),
        ("d", ("c", "b", "a", "x")),
        ("y", ("d", "c", "b", "a", "x")),
        ("unknown", ()),
    ],
)
def test_requirements_come_nearest_first_and_before_their_own(key, found):
    assert requirements(SHOP, key) == found


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (("a",), {"b": "a", "c": "a", "d": "a", "y": "a"}),
        (("x",), {"d": "x", "y": "x"}),
        (("x", "a"), {"d": "x", "y": "x", "b": "a", "c": "a"}),
        (("y",), {}),
        (("none",), {}),
    ],
)
def test_dependants_name_the_first_that_they_require(keys, found):
    assert dependants(SHOP, keys) == found


def test_read_backwards_requirements_can_be_raised_in_turn():
    for key in SHOP:
        order = list(reversed(requirements(SHOP, key)))
        for name in order:
            assert all(order.index(deeper) < order.index(name) for deeper in SHOP[name].requires)


@pytest.mark.parametrize(
    ("defs", "members"),
    [
        (SHOP, set()),
        (flags(a="a"), {"a"}),
        (flags(a="b", b="c", c="b"), {"b", "c"}),
        (flags(a="b", b="a", c="a"), {"a", "b"}),
        (flags(a="b", b="a d", c="a", d="e", e="d"), {"a", "b", "d", "e"}),
        (flags(a="missing"), set()),
        ({}, set()),
    ],
)
def test_the_flags_of_a_cycle_are_those_that_require_themselves(defs, members):
    assert in_cycles(defs) == members


def test_walks_end_on_a_cycle():
    defs = flags(a="b", b="c", c="a")
    assert set(requirements(defs, "a")) == {"b", "c"}
    assert set(dependants(defs, ("a",))) == {"a", "b", "c"}


def test_a_chain_longer_than_the_stack_is_walked():
    defs = flags(**{f"f{n}": f"f{n - 1}" if n else "" for n in range(5_000)})
    assert len(requirements(defs, "f4999")) == 4_999
    assert len(dependants(defs, ("f0",))) == 4_999
    assert in_cycles(defs) == set()
