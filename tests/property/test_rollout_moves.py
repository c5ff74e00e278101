"""Whatever is asked, in whatever order: the promises of the table of transitions hold."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.codec import from_json, to_json
from deployguard.config.build import flags_from_document
from deployguard.config.units import FULL
from deployguard.config.values import OnInconclusive
from deployguard.errors import Code, DeployguardError, Problem
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind, Plan
from deployguard.rollout.reconfigure import forget, reconfigure
from deployguard.rollout.table import allowed
from deployguard.state import SECTIONS, Actor, Change, Draft, Phase, State, StepState, Via, fold

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
PERSON = Actor(name="maria", via=Via.CLI)
CONTROLLER = Actor(name="controller", via=Via.CONTROLLER)
KEYS = ("home", "hero", "cards", "banner")
DOCUMENT = {
    "flags": {"home": {}, "hero": {"requires": ["home"]}, "cards": {"requires": ["hero"]}, "banner": {}},
    "environments": {"prod": {"baseUrl": "http://localhost"}},
}
SHORTER = {"flags": {"home": {"targeting": {"countries": ["DZ"]}}}, "environments": DOCUMENT["environments"]}
TURNS_ON_AGAIN = {MoveKind.START, MoveKind.RETRY, MoveKind.UNDO}
REFUSALS = {Code.NOT_ALLOWED_NOW, Code.TRIGGER_FAILS, Code.CHANGED_SINCE}
TAKE_BACKS = (MoveKind.REDUCE, MoveKind.DISABLE, MoveKind.ROLLBACK, MoveKind.ABORT, MoveKind.EMERGENCY)


@dataclass(frozen=True)
class Other:
    """What is no move: another config, a flag forgotten."""

    document: dict[str, Any] | None = None
    forgets: str = ""


def steps(*percentages: int) -> tuple[StepState, ...]:
    hold = timedelta(hours=24)
    return tuple(StepState(percentage=p, hold=None if p == percentages[-1] else hold) for p in percentages)


PLANS = [
    Plan(
        strategy="s",
        steps=steps(*percentages),
        riders=riders,
        own_seeds=frozenset({"cards"}),
        holdout=holdout,
        on_inconclusive=patience,
    )
    for percentages in ((FULL,), (500, FULL), (1, 500, 3333, 9950, FULL), (100, 5000))
    for riders in ((), ("hero", "cards"), ("cards", "banner"))
    for holdout, patience in ((0, OnInconclusive.PAUSE), (100, OnInconclusive.HOLD))
]
BUSY = [
    Move(kind=MoveKind.START, flag="home", actor=PERSON, plan=replace(PLANS[0], steps=steps(500, 3333, FULL))),
    Move(kind=MoveKind.START, flag="home", actor=PERSON, plan=next(p for p in PLANS if p.riders and p.steps[1:])),
    Move(kind=MoveKind.START, flag="banner", actor=PERSON, plan=PLANS[-1]),
    Move(kind=MoveKind.READY, flag="home", actor=CONTROLLER),
]


def moves(kinds: Iterable[MoveKind] = MoveKind) -> st.SearchStrategy[Move]:
    return st.builds(
        Move,
        kind=st.sampled_from(list(kinds)),
        flag=st.sampled_from(KEYS),
        actor=st.sampled_from([PERSON, CONTROLLER]),
        force=st.booleans(),
        percentage=st.sampled_from([0, 1, 99, 500, 3333, 9999, FULL]),
        share=st.sampled_from([0, 1, 3333, 5000, 9999, FULL]),
        min_percentage=st.sampled_from([0, 100]),
        plan=st.sampled_from(PLANS),
        flags=st.sets(st.sampled_from(KEYS), max_size=2).map(lambda keys: tuple(sorted(keys))),
        left_on=st.sets(st.sampled_from(KEYS), max_size=1).map(tuple),
        targeting=st.sampled_from([None, {"countries": ["DZ"]}]),
        trigger_fails=st.booleans(),
        rollback_id=st.sampled_from([None, None, "rb-1", "rb-2", "rb-3"]),
        why=st.sampled_from([Evidenced(), Evidenced(trigger="slow-response")]),
    )


OTHERS = st.sampled_from([Other(DOCUMENT), Other(SHORTER), *(Other(forgets=key) for key in KEYS)])
LATER = st.lists(st.one_of(*[moves()] * 6, OTHERS), max_size=14)
ASKED = st.builds(lambda first, later: [*first, *later], st.sampled_from([[], BUSY[:1], BUSY[1:3], BUSY[1:]]), LATER)


def ask(state: State, asked: Move | Other, now: datetime) -> Change:
    if isinstance(asked, Move):
        return apply(state, asked, now)
    if asked.document is not None:
        flags = flags_from_document(asked.document, "prod")
        return reconfigure(state, flags, asked.document, str(id(asked)), (), PERSON, now)
    return forget(state, asked.forgets, PERSON, None, now)


def play(asked: Iterable[Move | Other]) -> tuple[State, list[Draft], datetime]:
    """The state after what was accepted of it, with every event since the empty state. Checks each step."""
    flags = flags_from_document(DOCUMENT, "prod")
    first = reconfigure(State(environment="prod"), flags, DOCUMENT, "first", (), PERSON, T0)
    state, events, now = first.state, list(first.events), T0
    for one in asked:
        now += timedelta(hours=7)
        try:
            change = ask(state, one, now)
        except DeployguardError as error:
            said_no(error.problem)
            continue
        assert change.events or change.state is state
        stays_off(state, change.state, one)
        consistent(change.state)
        state = change.state
        events += change.events
    return state, events, now + timedelta(hours=1)


def said_no(problem: Problem) -> None:
    assert problem.code in REFUSALS
    assert problem.allowed, "a refusal says what is allowed"


def consistent(state: State) -> None:
    for lead, rollout in state.rollouts.items():
        assert lead == rollout.lead
        assert len(set(rollout.flags)) == len(rollout.flags)
        levels = {(state.flag(key).percentage, state.flag(key).enabled) for key in rollout.flags}
        assert len(levels) == 1, "the flags of a rollout share the percentage"
        if rollout.phase.live:
            assert levels.pop()[1]
        else:
            assert levels == {(0, False)}
        assert all(state.flag(key).rollout == lead for key in rollout.flags)
        assert (rollout.paused_by is not None) == (rollout.phase is Phase.PAUSED)
    for key, flag in state.flags.items():
        assert 0 <= flag.percentage <= FULL
        assert flag.seed
        assert flag.rollout is None or key in state.rollouts[flag.rollout].flags


def stays_off(before: State, after: State, asked: Move | Other) -> None:
    for rollout in before.rollouts.values():
        if rollout.phase is Phase.ROLLED_BACK and any(after.flag(key).enabled for key in rollout.flags):
            assert isinstance(asked, Move)
            assert asked.kind in TURNS_ON_AGAIN or asked.force


def told(events: Iterable[Draft]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for draft in events:
        tree = fold(tree, draft.set)
    return {part: tree.get(part) or {} for part in (*SECTIONS, "config")}


def parts(state: State) -> dict[str, Any]:
    whole = to_json(state)
    return {part: whole[part] for part in (*SECTIONS, "config")}


@given(ASKED)
@settings(max_examples=200)
def test_the_state_is_the_fold_of_its_events(asked: list[Move | Other]) -> None:
    state, events, _ = play(asked)
    assert told(events) == parts(state)
    assert from_json(State, to_json(state)) == state


@given(ASKED)
@settings(max_examples=150)
def test_no_sequence_gets_a_rollout_stuck(asked: list[Move | Other]) -> None:
    state, _, now = play(asked)
    for lead, rollout in state.rollouts.items():
        if not rollout.phase.live:
            assert MoveKind.RETRY in allowed(state, lead)
            continue
        assert MoveKind.ABORT in allowed(state, lead)
        aborted = apply(state, Move(kind=MoveKind.ABORT, flag=lead, actor=PERSON), now).state
        assert aborted.rollouts[lead].phase is Phase.ROLLED_BACK
        assert completed(state, lead, now).phase is Phase.COMPLETED


def completed(state: State, lead: str, now: datetime) -> Any:
    """By resume where it waits, else by the tick."""
    for _ in range(len(state.rollouts[lead].steps) + 2):
        if state.rollouts[lead].phase is Phase.COMPLETED:
            break
        kind = MoveKind.RESUME if MoveKind.RESUME in allowed(state, lead) else MoveKind.READY
        was = state.flag(lead).percentage
        state = apply(state, Move(kind=kind, flag=lead, actor=CONTROLLER), now).state
        assert state.flag(lead).percentage >= was
    return state.rollouts[lead]


def held(state: State) -> tuple[Any, ...]:
    flags = {
        key: (flag.enabled, flag.percentage, flag.seed, flag.rollout, flag.targeting)
        for key, flag in state.flags.items()
    }
    as_before = {Phase.PROGRESSING: Phase.PAUSED}
    rollouts = {
        lead: (set(rollout.riders), as_before.get(rollout.phase, rollout.phase), rollout.steps)
        for lead, rollout in state.rollouts.items()
    }
    return flags, rollouts


@given(ASKED, moves(TAKE_BACKS))
@settings(max_examples=250)
def test_undo_restores_exactly(asked: list[Move | Other], take_back: Move) -> None:
    before, _, now = play(asked)
    try:
        taken = apply(before, take_back, now).state
    except DeployguardError:
        return
    if taken.rollbacks == before.rollbacks:
        return
    undone = apply(taken, Move(kind=MoveKind.UNDO, actor=PERSON), now + timedelta(hours=1)).state
    lost = {
        lead
        for lead, rollout in taken.rollouts.items()
        if rollout.phase is Phase.PAUSED and before.rollouts[lead].phase is Phase.PROGRESSING
    }
    assert held(undone) == held(before)  # rollouts that lost a requirement stay paused, which `held` takes as before
    assert all(undone.rollouts[lead].phase is Phase.PAUSED for lead in lost)
    consistent(undone)
    again = apply(undone, Move(kind=MoveKind.UNDO, actor=PERSON, rollback_id=last(undone)), now + timedelta(hours=2))
    assert held(again.state) == held(taken)


def last(state: State) -> str:
    return max(state.rollbacks, key=lambda key: int(key.removeprefix("rb-")))


@given(ASKED)
@settings(max_examples=100)
def test_an_emergency_turns_everything_off_and_a_second_one_changes_nothing(asked: list[Move | Other]) -> None:
    state, _, now = play(asked)
    emergency = Move(kind=MoveKind.EMERGENCY, actor=PERSON)
    off = apply(state, emergency, now).state
    assert not any(flag.enabled for flag in off.flags.values())
    assert apply(off, emergency, now).state is off
    consistent(off)


@given(ASKED, moves())
@settings(max_examples=150)
def test_a_percentage_rises_only_where_no_trigger_fails_or_somebody_insists(
    asked: list[Move | Other], one: Move
) -> None:
    state, _, now = play(asked)
    kinds = {MoveKind.SET, MoveKind.PROMOTE}
    one = replace(one, trigger_fails=True, force=False)
    rollout = state.rollouts.get(state.flag(one.flag).rollout or "")
    if one.kind not in kinds or rollout is None:
        return
    try:
        after = apply(state, one, now).state
    except DeployguardError:
        return
    assert all(after.flag(key).percentage <= state.flag(key).percentage for key in rollout.flags)


@pytest.mark.parametrize("seed", range(12))
def test_a_long_walk_keeps_the_promises(seed: int) -> None:
    """Deeper than drawn lists go: two hundred moves, most of them accepted ones."""
    chance = Random(seed)
    kinds = [kind for kind in MoveKind if kind is not MoveKind.EMERGENCY] * 4 + [MoveKind.EMERGENCY]
    asked: list[Move | Other] = [
        Move(
            kind=chance.choice(kinds),
            flag=chance.choice(KEYS),
            actor=chance.choice([PERSON, CONTROLLER]),
            force=chance.random() < 0.2,
            percentage=chance.choice([0, 1, 500, 3333, FULL]),
            share=chance.choice([1, 3333, 5000, 9999]),
            plan=chance.choice(PLANS),
            flags=chance.choice([(), (), ("hero",), ("hero", "banner")]),
            targeting=chance.choice([None, {"countries": ["DZ"]}]),
            trigger_fails=chance.random() < 0.3,
            why=chance.choice([Evidenced(), Evidenced(trigger="slow-response")]),
        )
        for _ in range(400)
    ]
    state, events, _ = play(asked)
    assert len(events) > 100
    assert parts(state) == told(events)
