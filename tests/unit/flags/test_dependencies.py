import pytest

from deployguard.config.values import Flag
from deployguard.flags.dependencies import dependants, find_cycle, in_cycles, requirements


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


@pytest.mark.parametrize(("key", "found"), [("a", ("b", "c", "d", "y")), ("x", ("d", "y")), ("y", ()), ("none", ())])
def test_dependants_come_nearest_first(key, found):
    assert dependants(SHOP, key) == found


def test_read_backwards_requirements_can_be_raised_in_turn():
    for key in SHOP:
        order = list(reversed(requirements(SHOP, key)))
        for name in order:
            assert all(order.index(deeper) < order.index(name) for deeper in SHOP[name].requires)


@pytest.mark.parametrize(
    ("defs", "cycle", "members"),
    [
        (SHOP, None, set()),
        (flags(a="a"), ("a", "a"), {"a"}),
        (flags(a="b", b="c", c="b"), ("b", "c", "b"), {"b", "c"}),
        (flags(a="b", b="a", c="a"), ("a", "b", "a"), {"a", "b"}),
        (flags(a="missing"), None, set()),
        ({}, None, set()),
    ],
)
def test_a_cycle_is_found_and_shown_once_around(defs, cycle, members):
    assert find_cycle(defs) == cycle
    assert in_cycles(defs) == members


def test_walks_end_on_a_cycle():
    defs = flags(a="b", b="c", c="a")
    assert set(requirements(defs, "a")) == {"b", "c"}
    assert set(dependants(defs, "a")) == {"b", "c"}


def test_a_chain_longer_than_the_stack_is_walked():
    defs = flags(**{f"f{n}": f"f{n - 1}" if n else "" for n in range(5_000)})
    assert len(requirements(defs, "f4999")) == 4_999
    assert len(dependants(defs, "f0")) == 4_999
    assert find_cycle(defs) is None
