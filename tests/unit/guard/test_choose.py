"""What is done: strength, cooldown, what would change nothing, commands and notices."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from deployguard.config.values import Action, ActionKind, Command, Environment, Trigger
from deployguard.guard.choose import Choice, choose
from deployguard.guard.decide import decide
from deployguard.guard.questions import questions
from deployguard.guard.units import guarded
from deployguard.guard.values import Evidence, Population, Reading, Result, SourceState, Verdict
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind
from deployguard.rollout.plan import plan_for
from deployguard.state import ConfigInForce, Edit, EffectKind, Phase, State
from support.play import (
    EMERGENCY,
    ERRORS,
    GRADUAL,
    HALF,
    HEAVY,
    HEAVY_FLAG,
    MARIA,
    NOTIFY,
    OTHER_FLAG,
    PAUSE,
    ROBOT,
    ROLLBACK,
    Play,
    prod,
)
from support.world import START, Fault

NOW = START + timedelta(hours=1)
RUN = Action(kind=ActionKind.RUN, command=Command(argv=("./page-oncall",), text="./page-oncall"), text="run")


def trigger(name: str, *actions: Action, **more: Any) -> Trigger:
    return Trigger(name=name, when=ERRORS, then=actions, **more)


def failing(unit: str | None, name: str, population: Population = Population.EXPOSED) -> Verdict:
    flag = unit if population is not Population.ALL else None
    return Verdict(
        trigger=name, rollout=unit, unit=unit, flag_id=flag, population=population, verdict=Result.FAIL, rule="r"
    )


def started(*flags: str, environment: Environment | None = None) -> State:
    play = Play(environment=environment or prod())
    for flag in flags or (HEAVY_FLAG,):
        play.start(flag)
    return play.state


def chosen(state: State, triggers: list[Trigger], verdicts: list[Verdict], now: datetime = NOW) -> Choice:
    environment = prod(triggers={one.name: one for one in triggers})
    return choose(state, verdicts, Evidence(), environment, now, ROBOT)


STRONGEST: list[tuple[tuple[Action, ...], MoveKind | None]] = [
    ((EMERGENCY, ROLLBACK, HEAVY, HALF, PAUSE), MoveKind.ROLLBACK),
    ((PAUSE, HALF, HEAVY, ROLLBACK), MoveKind.ROLLBACK),
    ((PAUSE, HALF, HEAVY), MoveKind.DISABLE),
    ((PAUSE, HALF), MoveKind.REDUCE),
    ((PAUSE,), MoveKind.PAUSE),
    ((NOTIFY,), None),
    ((replace(HEAVY, tag="other"),), None),  # no such flag is on
    ((replace(HEAVY, tag="other"), PAUSE), MoveKind.PAUSE),
]


@pytest.mark.parametrize(("actions", "kind"), STRONGEST)
def test_the_strongest_action_that_would_change_something(actions: tuple[Action, ...], kind: MoveKind | None) -> None:
    choice = chosen(started(), [trigger("t", *actions)], [failing(HEAVY_FLAG, "t")])
    assert [move.kind for move in choice.moves] == ([] if kind is None else [kind])
    assert [acted.suppressed_by for acted in choice.actions] == ([] if kind is None else [None])


def test_the_strongest_of_several_triggers_acts_and_only_one_move_is_made_a_unit() -> None:
    triggers = [trigger("weak", PAUSE), trigger("strong", HALF), trigger("middle", PAUSE)]
    choice = chosen(started(), triggers, [failing(HEAVY_FLAG, one.name) for one in triggers])
    assert [(move.kind, move.why.trigger) for move in choice.moves] == [(MoveKind.REDUCE, "strong")]


def acted(state: State, ago: timedelta) -> State:
    rollout = state.rollouts[HEAVY_FLAG]
    return Edit(state).put_rollout(replace(rollout, acted_at=NOW - ago)).state


COOLDOWNS: list[tuple[tuple[Action, ...], timedelta, MoveKind | None, list[str]]] = [
    ((HALF,), timedelta(minutes=4, seconds=59), None, ["reduce"]),
    ((HALF,), timedelta(minutes=5), MoveKind.REDUCE, []),
    ((HEAVY,), timedelta(minutes=1), None, ["disable"]),
    ((PAUSE,), timedelta(minutes=1), None, ["pause"]),
    ((ROLLBACK,), timedelta(minutes=1), MoveKind.ROLLBACK, []),
    ((EMERGENCY,), timedelta(minutes=1), MoveKind.ROLLBACK, []),
    ((HALF, PAUSE), timedelta(minutes=1), None, ["reduce", "pause"]),
]


@pytest.mark.parametrize(("actions", "ago", "kind", "kept_back"), COOLDOWNS)
def test_a_cooldown_runs_from_the_last_action_of_any_trigger(
    actions: tuple[Action, ...], ago: timedelta, kind: MoveKind | None, kept_back: list[str]
) -> None:
    choice = chosen(acted(started(), ago), [trigger("t", *actions)], [failing(HEAVY_FLAG, "t")])
    assert [move.kind for move in choice.moves] == ([] if kind is None else [kind])
    assert [one.action for one in choice.actions if one.suppressed_by == "cooldown"] == kept_back


def test_the_cooldown_is_that_of_the_trigger_that_wants_to_act() -> None:
    triggers = [
        trigger("long", HALF, cooldown=timedelta(hours=1)),
        trigger("short", PAUSE, cooldown=timedelta(minutes=1)),
    ]
    verdicts = [failing(HEAVY_FLAG, "long"), failing(HEAVY_FLAG, "short")]
    choice = chosen(acted(started(), timedelta(minutes=2)), triggers, verdicts)
    assert [(move.kind, move.why.trigger) for move in choice.moves] == [(MoveKind.PAUSE, "short")]
    assert [(one.trigger, one.suppressed_by) for one in choice.actions] == [("long", "cooldown"), ("short", None)]


@pytest.mark.parametrize("kind", [MoveKind.PROMOTE, MoveKind.RESUME])
def test_promote_and_resume_end_a_cooldown(kind: MoveKind) -> None:
    state = acted(started(), timedelta(minutes=1))
    if kind is MoveKind.RESUME:
        state = apply(state, Move(kind=MoveKind.PAUSE, flag=HEAVY_FLAG, actor=MARIA), NOW).state
    state = apply(state, Move(kind=kind, flag=HEAVY_FLAG, actor=MARIA), NOW).state
    choice = chosen(state, [trigger("t", HALF)], [failing(HEAVY_FLAG, "t")])
    assert [move.kind for move in choice.moves] == [MoveKind.REDUCE]


def test_a_trigger_s_action_starts_the_cooldown() -> None:
    move = Move(kind=MoveKind.REDUCE, flag=HEAVY_FLAG, share=5000, actor=ROBOT, why=Evidenced(trigger="t"))
    state = apply(started(), move, NOW).state
    assert state.rollouts[HEAVY_FLAG].acted_at == NOW


def test_the_verdict_holds_the_step_while_a_cooldown_suppresses_the_action() -> None:
    due = START + timedelta(hours=30)
    state = started()
    state = Edit(state).put_rollout(replace(state.rollouts[HEAVY_FLAG], acted_at=due)).state
    assert chosen(state, [trigger("t", HALF)], [failing(HEAVY_FLAG, "t")], due).moves == ()


def test_pause_of_what_does_not_progress_changes_nothing() -> None:
    state = apply(started(), Move(kind=MoveKind.PAUSE, flag=HEAVY_FLAG, actor=MARIA), NOW).state
    assert chosen(state, [trigger("t", PAUSE)], [failing(HEAVY_FLAG, "t")]).moves == ()


def test_a_reduce_below_the_least_percentage_turns_the_unit_off() -> None:
    state = started()
    environment = prod(triggers={"t": trigger("t", HALF)}, min_percentage=300)
    choice = choose(state, [failing(HEAVY_FLAG, "t")], Evidence(), environment, NOW, ROBOT)
    assert apply(state, choice.moves[0], NOW).state.flag(HEAVY_FLAG).enabled is False


def test_a_flag_set_by_hand_is_scaled_and_turned_off() -> None:
    play = Play()
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=4000)
    for action, percentage in ((HALF, 2000), (ROLLBACK, 0)):
        choice = chosen(play.state, [trigger("t", action)], [failing(OTHER_FLAG, "t")])
        assert apply(play.state, choice.moves[0], NOW).state.flag(OTHER_FLAG).percentage == percentage


def test_an_emergency_is_one_move_for_every_guarded_unit_but_what_is_permanent() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    play.start("lead")
    play.by_hand(MoveKind.SET, "legacy", percentage=10_000)
    verdicts = [failing(unit, "t", Population.ALL) for unit in (HEAVY_FLAG, "lead", "legacy")]
    choice = chosen(play.state, [trigger("t", EMERGENCY)], verdicts)
    (move,) = choice.moves
    assert (move.kind, set(move.flags), move.left_on) == (
        MoveKind.EMERGENCY,
        {HEAVY_FLAG, "lead", "rider"},
        ("legacy",),
    )
    assert [one.flag_id for one in choice.actions] == [HEAVY_FLAG, "lead"]


def test_an_emergency_of_the_one_to_blame_is_its_rollback() -> None:
    state = started(HEAVY_FLAG, OTHER_FLAG)
    verdicts = [failing(HEAVY_FLAG, "t"), failing(OTHER_FLAG, "t", Population.ALL)]
    choice = chosen(state, [trigger("t", EMERGENCY)], verdicts)
    assert [(move.kind, move.flag) for move in choice.moves] == [(MoveKind.ROLLBACK, HEAVY_FLAG)]


def test_units_without_an_action_are_asked_whether_they_are_ready_in_the_same_tick() -> None:
    state = started(HEAVY_FLAG, OTHER_FLAG)
    choice = chosen(state, [trigger("t", HALF)], [failing(HEAVY_FLAG, "t")], START + timedelta(hours=24))
    assert [(move.kind, move.flag) for move in choice.moves] == [
        (MoveKind.REDUCE, HEAVY_FLAG),
        (MoveKind.READY, OTHER_FLAG),
    ]


def test_disable_meets_only_the_tagged_flags_of_the_unit() -> None:
    flags = dict(prod().flags)
    flags["rider"] = replace(flags["rider"], tags=("performance-heavy",))
    environment = prod(flags=flags, triggers={"t": trigger("t", HEAVY)})
    state = started("lead", environment=environment)
    choice = choose(state, [failing("lead", "t")], Evidence(), environment, NOW, ROBOT)
    (move,) = choice.moves
    after = apply(state, move, NOW).state
    assert (after.flag("rider").enabled, after.flag("lead").enabled) == (False, True)
    assert len(guarded(after, environment, NOW)) == 1


def test_run_and_notify_go_out_when_a_trigger_begins_to_fail_and_when_it_acts_and_not_in_between() -> None:
    play = Play(environment=prod(triggers={"t": trigger("t", HALF, RUN, NOTIFY)}))
    play.start(HEAVY_FLAG)
    play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
    play.world.faults = [Fault(HEAVY_FLAG, errors=1.0)]
    play.run(START + timedelta(minutes=14), timedelta(seconds=30))
    reduced = play.when("rollout.reduced")
    assert len(reduced) >= 2
    assert [(effect.kind, effect.trigger, effect.created_at) for effect in play.effects] == [
        (EffectKind.RUN, "t", at) for at in [*reduced, *play.when("rollout.rolledBack")]
    ]
    assert len({effect.id for effect in play.effects}) == len(play.effects)
    assert [draft.data["notify"] for draft in play.told("trigger.failed")] == [True]


def test_a_trigger_that_only_runs_a_command_runs_it_once_a_fail() -> None:
    play = Play(environment=prod(triggers={"t": trigger("t", RUN)}))
    play.start(HEAVY_FLAG)
    play.world.faults = [Fault(HEAVY_FLAG, errors=1.0)]
    play.run(START + timedelta(minutes=20), timedelta(minutes=1))
    (effect,) = play.effects
    assert effect.command is not None
    assert "./page-oncall" in str(effect.command)
    assert play.percentage(HEAVY_FLAG) == 500


def test_a_tick_that_decides_nothing_commits_nothing() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    play.run(START + timedelta(minutes=10), timedelta(minutes=5))
    decision = decide(play.state, play.world.evidence(play.state, play.environment, play.now), play.environment,
                      play.now, ROBOT)  # fmt: skip
    assert decision.change.events == ()
    assert decision.change.state == play.state


def test_a_step_that_is_ready_is_not_taken_when_its_requirement_is_taken_back_in_the_same_tick() -> None:
    play = Play(environment=prod(triggers={"t": trigger("t", ROLLBACK)}))
    document = {"flags": {"lead": {}, "rider": {"requires": ["lead"]}}, "environments": {"prod": {}}}
    play.state = replace(play.state, config=ConfigInForce(hash="", document=document, applied_at=START))
    plan = plan_for(GRADUAL, play.environment.flags, ())
    for flag in ("rider", "lead"):  # the one that is ready stands first
        play.by_hand(MoveKind.START, flag, plan=plan)
    due = START + timedelta(hours=24)
    asked = questions(play.state, play.environment, due).samples
    bad = {question: question.flag == "lead" and question.population is Population.EXPOSED for question in asked}
    seen = {question: Reading(START, due, 1000, 900 if bad[question] else 0, newest=due) for question in asked}
    log = SourceState(name="nginx", kinds=("request",), connected=True, newest=due, with_user=1)

    decision = decide(play.state, Evidence(readings=seen, sources={"nginx": log}), play.environment, due, ROBOT)

    after = decision.change.state
    assert after.rollouts["lead"].phase is Phase.ROLLED_BACK
    assert (after.rollouts["rider"].phase, after.flag("rider").percentage) == (Phase.PAUSED, 500)
    assert "rollout.advanced" not in [draft.type for draft in decision.change.events]
    assert decision.waiting["rider"].waits_for == "person"
    (told,) = [draft for draft in decision.change.events if draft.type == "rollout.waiting"]
    assert told.data["pausedBy"] == "requirement"


def test_a_take_back_keeps_all_that_was_judged_of_its_unit() -> None:
    """So its table stays as it was at that moment, however many samples come in later."""
    own = [failing(HEAVY_FLAG, "one"), failing(HEAVY_FLAG, "one", Population.ALL)]
    state = started(HEAVY_FLAG, OTHER_FLAG)
    (move,) = chosen(
        state, [trigger("one", ROLLBACK)], [*own, replace(own[0], unit=OTHER_FLAG, verdict=Result.PASS)]
    ).moves
    assert [one["population"] for one in move.why.verdicts] == ["exposed", "all"]
