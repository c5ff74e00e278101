"""Builders for the rollout's tests: a clock of whole hours, people, plans, and one unit in each phase."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deployguard.codec import canonical, to_json
from deployguard.config.units import FULL
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind, Plan
from deployguard.state import (
    SECTIONS,
    Actor,
    Change,
    ConfigInForce,
    Phase,
    State,
    StepState,
    Via,
    fold,
)

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
MARIA = Actor(name="maria", via=Via.CLI)
ALI = Actor(name="ali", via=Via.CLI)
CONTROLLER = Actor(name="deploy@build-1", via=Via.CONTROLLER)
DAY = timedelta(hours=24)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def plan(*percentages: int, riders: tuple[str, ...] = (), **more: Any) -> Plan:
    """Steps at these hundredths, each held a day but the last."""
    steps = tuple(StepState(percentage=p, hold=DAY) for p in percentages[:-1])
    return Plan(strategy="gradual", steps=(*steps, StepState(percentage=percentages[-1])), riders=riders, **more)


GRADUAL = plan(500, 2500, FULL, riders=("rider", "other"))


def move(kind: MoveKind, flag: str = "lead", **more: Any) -> Move:
    return Move(kind=kind, flag=flag, **{"actor": MARIA, **more})


def by_trigger(kind: MoveKind, flag: str = "lead", trigger: str = "slow-response", **more: Any) -> Move:
    return move(kind, flag, actor=CONTROLLER, why=Evidenced(trigger=trigger, verdict={"rule": "x > 1"}), **more)


def walk(state: State, *moves: Move, start: float = 0) -> State:
    """The state after the moves, one an hour, each checked to be the fold of its events."""
    for hours, asked in enumerate(moves):
        state = settled(state, apply(state, asked, at(start + hours)))
    return state


def settled(before: State, change: Change) -> State:
    """The change's state, which must be the fold of its events over the state before."""
    tree = to_json(before)
    for draft in change.events:
        tree = fold(tree, draft.set)
    assert parts(tree) == parts(to_json(change.state))
    assert change.events or change.state == before
    return change.state


def parts(tree: dict[str, Any]) -> bytes:
    """Everything of a state's JSON that is the fold of its events."""
    return canonical({section: tree.get(section) or {} for section in SECTIONS} | {"config": tree.get("config")})


def empty(**flags: dict[str, Any]) -> State:
    """A state whose config defines the flags: `empty(rider={"requires": ["lead"]})`."""
    defined = {"lead": {}, "rider": {"requires": ["lead"]}, "other": {"requires": ["lead"]}, **flags}
    document = {"schemaVersion": 1, "flags": defined, "environments": {"prod": {"baseUrl": "http://localhost"}}}
    return State(environment="prod", config=ConfigInForce(hash="h", document=document, applied_at=T0))


def standing(phase: Phase | None) -> State:
    """`lead` (with two riders where it is a rollout) as it stands in `phase` since an hour before T0.

    Without a rollout it is at 20 %, set by hand; progressing and paused at 25 %, step 2 of 3; completed at 100 %.
    """
    if phase is None:
        return walk(empty(), move(MoveKind.SET, percentage=2000), start=-1)
    state = walk(empty(), move(MoveKind.START, plan=GRADUAL), move(MoveKind.READY), start=-3)
    last = {
        Phase.PROGRESSING: (),
        Phase.PAUSED: (move(MoveKind.PAUSE),),
        Phase.COMPLETED: (move(MoveKind.READY),),
        Phase.ROLLED_BACK: (move(MoveKind.ABORT),),
    }[phase]
    state = walk(state, *last, start=-1)
    lead = state.rollouts["lead"]
    return replace(state, rollouts={"lead": replace(lead, entered_at=at(-1), anchor=at(-1))})
