import pytest

from deployguard.errors import unknown

FLAGS = tuple(f"flag_{name}" for name in ("one", "two", "three", "four", "five", "six"))


@pytest.mark.parametrize(
    ("name", "known", "wanted"),
    [
        ("flag_on", FLAGS, "one of 6 flags; nearest: flag_one"),
        ("zzz", FLAGS, "one of 6 flags: flag_one, flag_two, flag_three, flag_four, flag_five and 1 more"),
        ("zzz", FLAGS[:2], "one of 2 flags: flag_one, flag_two"),
        ("zzz", (), "a flag of the config; it has none"),
    ],
)
def test_a_name_that_nothing_has_names_the_nearest_or_a_few(name, known, wanted):
    found = unknown("flag", name, known, "argument FLAG", counted=True, none="a flag of the config; it has none")
    assert found.problem.wanted == wanted
