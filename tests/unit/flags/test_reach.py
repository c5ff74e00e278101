import pytest

from deployguard.config.values import Flag
from deployguard.flags.reach import reach, reach_because
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
