import pytest

from deployguard.config.values import Flag
from deployguard.flags.reach import reach, reach_because, reaches
from deployguard.state import FlagState

DEFS = {
    "lead": Flag(key="lead"),
    "side": Flag(key="side"),
    "rider": Flag(key="rider", requires=("lead",)),
    "both": Flag(key="both", requires=("lead", "side")),
    "deep": Flag(key="deep", requires=("rider",)),
}


def at(percentage, seed="", *, enabled=True):
    return FlagState(enabled=enabled, percentage=percentage, seed=seed)


ROWS = [
    ("lead", {"lead": at(2_000)}, 2_000, ""),
    ("lead", {}, 0, ""),
    ("rider", {"lead": at(5_000), "rider": at(5_000, "lead")}, 5_000, ""),
    ("rider", {"lead": at(2_000), "rider": at(5_000, "lead")}, 2_000, "it requires lead, which is at 20%"),
    (
        "rider",
        {"lead": at(2_000), "rider": at(5_000)},
        1_000,
        "it requires lead, which is at 20% under another seed, and 50% of 20% is 10%",
    ),
    ("rider", {"lead": at(10_000), "rider": at(5_000)}, 5_000, ""),
    ("rider", {"lead": at(9_000, enabled=False), "rider": at(5_000)}, 0, "it requires lead, which is off"),
    ("rider", {"rider": at(5_000)}, 0, "it requires lead, which is off"),
    (
        "both",
        {"lead": at(2_000), "side": at(5_000), "both": at(5_000)},
        500,
        (
            "it requires lead, which is at 20% under another seed and side, which is at 50% under another seed, "
            "and 50% of 20% of 50% is 5%"
        ),
    ),
    (
        "both",
        {"lead": at(2_000), "side": at(5_000), "both": at(5_000, "lead")},
        1_000,
        "it requires lead, which is at 20%, and side, which is at 50% under another seed, and 20% of 50% is 10%",
    ),
    (
        "deep",
        {"lead": at(2_000), "rider": at(1_000, "lead"), "deep": at(5_000)},
        500,
        "it requires rider, which is at 10% under another seed, and 50% of 10% is 5%",
    ),
    ("rider", {"lead": at(1), "rider": at(1)}, 1, None),
]


@pytest.mark.parametrize(("key", "state", "share", "because"), ROWS)
def test_requirements_limit_whom_a_flag_reaches(key, state, share, because):
    assert reach(DEFS, state, key) == share
    if because is not None:
        assert reach_because(DEFS, state, key) == because


def test_a_flag_that_stands_on_nothing_reaches_nobody():
    loop = {
        "a": Flag(key="a", requires=("b",)),
        "b": Flag(key="b", requires=("a",)),
        "c": Flag(key="c", requires=("a",)),
    }
    gone = {"c": Flag(key="c", requires=("left_the_config",))}
    state = {key: at(5_000) for key in ("a", "b", "c", "left_the_config")}
    assert reaches(loop, state, loop) == {"a": 0, "b": 0, "c": 0}
    assert reach(gone, state, "c") == 0


def test_a_long_chain_is_walked_once_and_somebody_is_left_at_its_end():
    class Counted(dict):
        read = 0

        def get(self, key, default=None):
            self.read += 1
            return super().get(key, default)

    keys = [f"f{n}" for n in range(2_000)]
    defs = {key: Flag(key=key, requires=(keys[n - 1],) if n else ()) for n, key in enumerate(keys)}
    state = Counted({key: at(9_000) for key in keys})
    found = reaches(defs, state, defs)
    assert state.read < 10 * len(keys)
    assert [found[key] for key in (*keys[:3], keys[-1])] == [9_000, 8_100, 7_290, 1]
    assert all(found[key] == reach(defs, state, key) for key in keys[::200])


def test_many_limits_are_counted_behind_the_first_three():
    needs = tuple(f"f{n}" for n in range(6))
    defs = {"wide": Flag(key="wide", requires=needs)} | {key: Flag(key=key) for key in needs}
    state = {key: at(5_000) for key in defs}
    assert reach_because(defs, state, "wide") == (
        "it requires f0, which is at 50% under another seed and f1, which is at 50% under another seed "
        "and f2, which is at 50% under another seed, and 3 more, and all of that is 0.78%"
    )
