"""Who starts together, who leads, and under which seeds."""

import pytest
from rollouts import at, empty, move, plan, walk

from deployguard.config.values import Flag, Step, Strategy
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.plan import leads_and_riders, plan_for, riders_of
from deployguard.state import State


def flags(**requires: str) -> dict[str, Flag]:
    """`flags(a="", b="a", c="b a")`: what each requires; `!` makes it permanent."""
    return {
        key: Flag(key=key, requires=tuple(text.strip("!").split()), permanent="!" in text)
        for key, text in requires.items()
    }


OFF = State(environment="prod")

WHO = [
    ("the seven ride with the first", flags(home="", hero="home", cards="home"), {"home": ["hero", "cards"]}),
    ("those that require nothing lead alone", flags(a="", b=""), {"a": [], "b": []}),
    ("a chain rides with its end", flags(c="b", b="a", a=""), {"a": ["c", "b"]}),
    ("the first lead found, depth first", flags(x="m b", m="a", a="", b=""), {"a": ["x", "m"], "b": []}),
    ("order of requires decides", flags(x="b m", m="a", a="", b=""), {"a": ["m"], "b": ["x"]}),
    ("a permanent flag neither leads nor rides", flags(a="!", b="a"), {"b": []}),
    ("a diamond rides once", flags(d="b c", b="a", c="a", a=""), {"a": ["d", "b", "c"]}),
    ("an unknown requirement is no lead", flags(a="gone"), {"a": []}),
]


@pytest.mark.parametrize(("name", "defs", "expected"), WHO, ids=[name for name, *_ in WHO])
def test_who_rides(name: str, defs: dict[str, Flag], expected: dict[str, list[str]]) -> None:
    assert {lead: list(riders) for lead, riders in leads_and_riders(defs, OFF, defs)} == expected


def test_only_listed_flags_start() -> None:
    defs = flags(a="", b="a", c="a")
    assert leads_and_riders(defs, OFF, ["c", "a", "unknown"]) == (("a", ("c",)),)


def test_a_requirement_that_is_on_or_in_a_rollout_makes_no_rider() -> None:
    defs = flags(lead="", rider="lead", other="lead")
    on = walk(empty(), move(M.SET, percentage=2000))
    assert leads_and_riders(defs, on, defs) == (("rider", ()), ("other", ()))
    rolling = walk(empty(), move(M.START, plan=plan(500, 10_000, riders=("rider",))))
    assert leads_and_riders(defs, rolling, defs) == (("other", ()),)


def test_a_requirement_in_between_that_does_not_start_still_leads_to_the_lead() -> None:
    defs = flags(a="", b="a", c="b")
    on = walk(empty(), move(M.SET, "b", percentage=2000))
    assert leads_and_riders(defs, on, defs) == (("a", ("c",)),)


def test_what_was_taken_back_stays_off_at_the_next_deploy_and_rides_again_at_a_retry() -> None:
    defs = flags(lead="", rider="lead", other="lead")
    back = walk(empty(), move(M.START, plan=plan(500, 10_000, riders=("rider",))), move(M.ABORT))
    assert leads_and_riders(defs, back, defs) == (("other", ()),)
    assert riders_of(defs, back, "lead", defs) == ("rider", "other")
    assert riders_of(defs, back, "lead", ["other"]) == ("other",)


def test_a_lead_above_zero_takes_no_riders() -> None:
    defs = flags(lead="", rider="lead")
    on = walk(empty(), move(M.SET, percentage=100))
    assert riders_of(defs, OFF, "lead", defs) == ("rider",)
    assert riders_of(defs, on, "lead", defs) == ()
    asked = move(M.START, plan=plan(500, 10_000, riders=("rider",)))
    assert apply(on, asked, at(1)).state.rollouts["lead"].riders == ()


def test_a_flag_that_is_not_free_does_not_ride() -> None:
    state = walk(empty(), move(M.SET, "rider", percentage=300), move(M.START, "other", plan=plan(500, 10_000)))
    asked = move(M.START, plan=plan(700, 10_000, riders=("rider", "other", "lead")))
    after = walk(state, asked, start=5)
    assert after.rollouts["lead"].riders == ()
    assert after.flag("rider").percentage == 300
    assert after.flag("other").rollout == "other"


def test_riders_take_the_leads_seed_and_an_own_seed_stays_the_flags() -> None:
    asked = move(M.START, plan=plan(500, 10_000, riders=("rider", "other"), own_seeds=frozenset({"other"})))
    state = walk(empty(), asked)
    assert {key: state.flag(key).seed for key in ("lead", "rider", "other")} == {
        "lead": "lead",
        "rider": "lead",
        "other": "other",
    }


def test_above_zero_seeds_stay() -> None:
    """A rider that left its rollout keeps its place among the users until it has been at 0 %."""
    state = walk(
        empty(),
        move(M.START, plan=plan(500, 10_000, riders=("rider",))),
        move(M.SET, "rider", percentage=2000),
        move(M.DISABLE, "rider"),
        move(M.ENABLE, "rider"),
    )
    assert (state.flag("rider").seed, state.flag("rider").rollout) == ("lead", None)
    rolling = walk(state, move(M.START, "rider", plan=plan(500, 5000, 10_000)), start=9)
    assert (rolling.flag("rider").seed, rolling.flag("rider").percentage) == ("lead", 5000)
    again = walk(state, move(M.SET, "rider", percentage=0), move(M.SET, "rider", percentage=100), start=9)
    assert again.flag("rider").seed == "rider"


def test_a_lead_started_again_from_zero_takes_its_own_key() -> None:
    first = walk(empty(), move(M.START, plan=plan(500, 10_000, riders=("rider",))), move(M.ABORT))
    assert first.flag("rider").seed == "lead"
    alone = walk(first, move(M.RETRY, "rider", plan=plan(500, 10_000)), start=3)
    assert alone.flag("rider").seed == alone.flag("rider").rollout == "rider"
    assert alone.rollouts["lead"].riders == ()


def test_a_rider_that_is_not_asked_again_stays_taken_back() -> None:
    back = walk(empty(), move(M.START, plan=plan(500, 10_000, riders=("rider", "other"))), move(M.ABORT))
    after = walk(back, move(M.RETRY, plan=plan(500, 10_000, riders=("other",))), start=3)
    assert after.rollouts["lead"].riders == ("other",)
    assert after.flag("rider").rollout == "rider"
    assert not after.rollouts["rider"].phase.live


def test_a_plan_copies_the_strategy_caps_it_and_marks_own_seeds() -> None:
    defs = {"a": Flag(key="a"), "b": Flag(key="b", own_seed=True, requires=("a",))}
    strategy = Strategy(name="s", steps=(Step(percentage=500), Step(percentage=10_000)), holdout=100)
    made = plan_for(strategy, defs, ("b",))
    assert [step.percentage for step in made.steps] == [500, 9900]
    assert (made.strategy, made.riders, made.own_seeds, made.holdout) == ("s", ("b",), {"b"}, 100)
