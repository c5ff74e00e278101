"""The quick reading answers what the careful one answers, or raises."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from deployguard.codec import Percentage, dumps, from_json, loads, spell, to_json
from deployguard.guard.values import Verdict
from deployguard.operations.values.status import FlagRow
from deployguard.state import (
    Actor,
    CommandRun,
    ConfigInForce,
    Effect,
    EffectKind,
    FlagState,
    LogHead,
    PausedBy,
    Phase,
    Release,
    ReleasePhase,
    Rollback,
    RollbackKind,
    Rollout,
    State,
    StepState,
    Via,
)
from deployguard.store.locks import ControllerInfo
from deployguard.trusted import UnfitError, trusted

AT = datetime(2026, 11, 24, 13, 32, 10, 123_000, tzinfo=UTC)
FLAG = FlagState(enabled=True, percentage=1_234, seed="a", rollout="a", targeting={"rules": ["x == 1"]}, updated_at=AT)
ROLLOUT = Rollout(
    lead="a", riders=("b",), strategy="gradual", phase=Phase.PAUSED, started_at=AT, entered_at=AT, anchor=AT,
    steps=(StepState(percentage=500, hold=timedelta(hours=24), name="first"), StepState(percentage=10_000)),
    max_wait=timedelta(hours=24), paused_by=PausedBy.TRIGGER,
)  # fmt: skip
FULL = State(
    environment="prod",
    revision=7,
    flags={"a": FLAG, "b": FlagState()},
    rollouts={"a": ROLLOUT},
    rollbacks={
        "rb-1": Rollback(
            id="rb-1", kind=RollbackKind.EMERGENCY, at=AT, by="maria", flags_before={"a": FLAG},
            flags_after={"a": FLAG},
            rollouts_before={"a": ROLLOUT, "b": None}, left_on=("c",),
        )
    },
    releases={
        "r-1": Release(
            id="r-1", version=None, by="ci", phase=ReleasePhase.SUCCEEDED, started_at=AT, rollback=({"run": "x"},),
            commands=(CommandRun(text="npm ci", started_at=AT, duration_ms=5, exit_code=0),),
        )
    },
    config=ConfigInForce(hash="ab", document={"flags": {"a": None}, "n": [1, 2.5]}, applied_at=AT),
    told={"trigger.a.b": "fail"},
    outbox=(Effect(id="ef-1", kind=EffectKind.NOTIFY, created_at=AT, related=(1, 2)),),
    head=LogHead(seq=9, hash="ff", time=AT),
)  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        State(environment="dev"),
        Actor(name="maria", via=Via.CLI),
        ControllerInfo(
            name="a", host="b", pid=3, via="watch", since=AT, last_tick_at=AT, interval=timedelta(seconds=10)
        ),
    ],
)
def test_it_reads_what_was_written(value: Any) -> None:
    text = dumps(value)
    assert trusted(type(value), json.loads(text)) == value == loads(type(value), text)


def test_a_percentage_and_a_number_are_read_as_the_careful_reading_does() -> None:
    row = FlagRow(flag_id="a", percentage=1_234)
    assert trusted(FlagRow, to_json(row)) == row == from_json(FlagRow, to_json(row))
    tree = {"trigger": "t", "population": "all", "verdict": "pass", "rule": "x > 1", "value": 3}
    quick, careful = trusted(Verdict, tree), from_json(Verdict, tree)
    assert quick == careful
    assert type(quick.value) is type(careful.value) is float


@pytest.mark.parametrize(
    "tree",
    [
        {"name": "a"},
        {"name": "a", "via": "nowhere"},
        {"name": 1, "via": "cli"},
        {"name": "a", "via": "cli", "more": 1},
        {"name": None, "via": "cli"},
        [],
        None,
        "text",
    ],
)
def test_what_does_not_fit_raises(tree: Any) -> None:
    with pytest.raises(UnfitError):
        trusted(Actor, tree)
    with pytest.raises(ValueError):
        from_json(Actor, tree)


def test_true_is_no_number_and_a_number_no_truth() -> None:
    tree = json.loads(dumps(FULL))
    for path, wrong in (("revision", True), ("revision", "7"), ("flags", {"a": {"enabled": 1}}), ("told", {"a": 1})):
        with pytest.raises(UnfitError):
            trusted(State, {**tree, path: wrong})


def test_a_type_that_it_does_not_know_is_left_to_the_careful_reading() -> None:
    @dataclass
    class Odd:
        value: int | str
        share: Percentage = 0

    with pytest.raises(UnfitError):
        trusted(Odd, {"value": 1})


@pytest.mark.parametrize("name", ["flag_id", "last_tick_at", "p95_ms", "at", "schema_version"])
def test_names_are_spelled_as_pydantic_would(name: str) -> None:
    assert spell(name) == to_camel(name)


def test_a_word_that_python_keeps_loses_its_underscore() -> None:
    assert spell("from_") == "from"
