"""Whom a failing trigger falls on: a row for each case."""

from dataclasses import replace

import pytest

from deployguard.config.values import Mode, OnCommonFault, Trigger
from deployguard.guard.blame import falls, stand
from deployguard.guard.values import Population, Result, Verdict
from deployguard.state import Phase, Unit
from support.play import EMERGENCY, ERRORS, HALF, prod
from support.world import START

ACT = Trigger(name="act", when=ERRORS, then=(EMERGENCY,))
HOLD = replace(ACT, name="hold", on_common_fault=OnCommonFault.HOLD)
SECOND = Trigger(name="second", when=ERRORS, then=(HALF,))
SHADOW = replace(ACT, name="shadow", mode=Mode.SHADOW)
ENVIRONMENT = prod(triggers={trigger.name: trigger for trigger in (ACT, HOLD, SECOND, SHADOW)})
RESULTS = {"p": Result.PASS, "f": Result.FAIL, "?": Result.INCONCLUSIVE}


def unit(key: str) -> Unit:
    moments = {"entered_at": START, "anchor": START, "acted_at": None}
    return Unit(key=key, flags=(key,), phase=Phase.PROGRESSING, percentage=500, enabled=True, **moments)  # type: ignore[arg-type]


def verdicts(unit: str, trigger: str, letters: str) -> list[Verdict]:
    """`letters`: everyone, then each pair of exposed and others, one pair a flag."""
    sides = [(Population.ALL, None)]
    for number in range(len(letters) // 2):
        sides += [(Population.EXPOSED, f"{unit}{number}"), (Population.OTHERS, f"{unit}{number}")]
    return [
        Verdict(
            trigger=trigger, rollout=unit, unit=unit, flag_id=flag, population=population, verdict=RESULTS[letter],
            rule=ERRORS.text, shadow=trigger == "shadow", holds=population is not Population.OTHERS,
        )
        for letter, (population, flag) in zip(letters, sides, strict=True)
    ]  # fmt: skip


def outcome(*asked: tuple[str, str, str]) -> dict[tuple[str, str], tuple[str | None, bool]]:
    units = [unit(key) for key in dict.fromkeys(key for key, _, _ in asked)]
    found = [verdict for key, trigger, letters in asked for verdict in verdicts(key, trigger, letters)]
    return {
        (fall.standing.unit.key, fall.standing.trigger.name): (fall.spared and str(fall.spared), fall.alone)
        for fall in falls(stand(found, units, ENVIRONMENT))
        if fall.standing.unit
    }


ALONE, EVERYONE = (None, True), (None, False)

ROWS = {
    "nothing fails": ([("a", "act", "ppp")], {}),
    "its users fail, the others pass": ([("a", "act", "pfp")], {("a", "act"): ALONE}),
    "its users and everyone fail, the others pass": ([("a", "act", "ffp")], {("a", "act"): ALONE}),
    "its users fail, of the others too little is known": ([("a", "act", "pf?")], {("a", "act"): ALONE}),
    "one flag's users of two fail": ([("a", "act", "pppfp")], {("a", "act"): ALONE}),
    "one flag's others fail too, another flag's do not": ([("a", "act", "fffff")], {("a", "act"): EVERYONE}),
    "two flags, one of them to blame": ([("a", "act", "ffffp")], {("a", "act"): ALONE}),
    "only the others fail": ([("a", "act", "ppf")], {}),
    "everyone fails, nobody can be compared": ([("a", "act", "f")], {("a", "act"): EVERYONE}),
    "everyone fails": ([("a", "act", "fff")], {("a", "act"): EVERYONE}),
    "everyone fails for each unit": (
        [("a", "act", "fff"), ("b", "act", "f")],
        {("a", "act"): EVERYONE, ("b", "act"): EVERYONE},
    ),
    "everyone fails, but one is to blame": (
        [("a", "act", "ffp"), ("b", "act", "fff")],
        {("a", "act"): ALONE, ("b", "act"): ("blame", False)},
    ),
    "one is to blame by another trigger": (
        [("a", "second", "pfp"), ("a", "act", "f"), ("b", "act", "f")],
        {("a", "second"): ALONE, ("a", "act"): ALONE, ("b", "act"): ("blame", False)},
    ),
    "both are to blame": ([("a", "act", "pfp"), ("b", "act", "ffp")], {("a", "act"): ALONE, ("b", "act"): ALONE}),
    "its users and the others fail, everyone does not": (
        [("a", "act", "?ff")],
        {("a", "act"): ("notSingledOut", False)},
    ),
    "a common fault that is only held": ([("a", "hold", "fff")], {("a", "hold"): ("onCommonFault", False)}),
    "an own fault of one that holds common ones": ([("a", "hold", "ffp")], {("a", "hold"): ALONE}),
    "nobody to compare with, so nothing says it is common": ([("a", "hold", "f")], {("a", "hold"): EVERYONE}),
    "a shadow does not act": ([("a", "shadow", "ffp")], {("a", "shadow"): ("shadow", False)}),
    "a shadow does not blame": (
        [("a", "shadow", "ffp"), ("b", "act", "f")],
        {("a", "shadow"): ("shadow", False), ("b", "act"): EVERYONE},
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_failing_trigger_falls_on(case: str) -> None:
    asked, expected = ROWS[case]
    assert outcome(*asked) == expected


@pytest.mark.parametrize(
    ("letters", "result"),
    [("p", "pass"), ("ppp", "pass"), ("p?p", "inconclusive"), ("pp?", "pass"), ("ppf", "pass"), ("?pp", "inconclusive"),
     ("?fp", "fail"), ("f?p", "fail"), ("ppp?p", "inconclusive")],
)  # fmt: skip
def test_a_trigger_passes_where_everyone_passes_and_its_users_do(letters: str, result: str) -> None:
    (standing,) = stand(verdicts("a", "act", letters), [unit("a")], ENVIRONMENT)
    assert standing.result == result
    assert standing.deciding.verdict == result


def test_the_contrast_is_the_same_flag_s_others() -> None:
    (standing,) = stand(verdicts("a", "act", "ppppfp"[:5]), [unit("a")], ENVIRONMENT)
    assert standing.result == "pass"
    (standing,) = stand(verdicts("a", "act", "pppfp"), [unit("a")], ENVIRONMENT)
    assert standing.deciding.flag_id == "a1"
    assert standing.others is not None
    assert (standing.others.flag_id, standing.others.verdict) == ("a1", "pass")


def test_without_a_unit_it_only_alerts() -> None:
    verdict = Verdict(trigger="act", population=Population.ALL, verdict=Result.FAIL, rule="")
    (fall,) = falls(stand([verdict], [], ENVIRONMENT))
    assert (fall.spared, fall.standing.unit) == ("unguarded", None)
