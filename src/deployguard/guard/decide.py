"""One decision: judge, choose, apply, composed. Plain values in, plain values out; nothing reads a clock or a file.

The order of the events is the order of the story: what was seen (checks, sources, triggers), what was done about it,
and what each rollout waits for now. What is done names the fail that led to it as its cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from deployguard.codec import to_json
from deployguard.config.parts import command_to_json
from deployguard.config.values import ActionKind, Environment
from deployguard.guard.blame import Fall, Spared
from deployguard.guard.choose import choose
from deployguard.guard.judge import judge
from deployguard.guard.tell import tell_checks, tell_sources, tell_triggers, tell_waiting
from deployguard.guard.units import guarded
from deployguard.guard.values import Acted, Evidence, Verdict
from deployguard.guard.waiting import Waiting, next_at, waiting
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind, ask
from deployguard.rollout.table import find
from deployguard.state import Actor, Change, Effect, EffectKind, Recorder, State, units


@dataclass(frozen=True, slots=True)
class Decision:
    """The whole new state with its events and effects, and what people are shown: verdicts, actions, waiting."""

    change: Change
    verdicts: tuple[Verdict, ...] = ()
    actions: tuple[Acted, ...] = ()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    next_at: datetime | None = None


def decide(state: State, evidence: Evidence, environment: Environment, now: datetime, actor: Actor) -> Decision:
    """What this moment asks for. A tick that decides nothing answers the state as it is, without events."""
    watched = guarded(state, environment, now)
    verdicts = judge(watched, evidence, environment, state, now)
    choice = choose(state, verdicts, evidence, environment, now, actor)
    recorder = Recorder(state, actor)
    tell_checks(recorder, state, environment, evidence)
    tell_sources(recorder, environment, evidence, now)
    causes = tell_triggers(recorder, state, choice.standings, choice.falls, choice.actions, now)
    runs = _runs(state, choice.falls, choice.actions, causes, now)
    for move in choice.moves:
        _carry_out(recorder, move, causes, now)
    after = {unit.key: unit for unit in units(recorder.state)}
    waits = waiting(recorder.state, choice.standings, watched, after, now)
    tell_waiting(recorder, waits)
    change = replace(recorder.change(), effects=runs)
    actions = tuple(replace(one, to=_percentage(recorder.state, one)) for one in choice.actions)
    return Decision(change, verdicts, actions, waits, next_at(change.state, evidence, environment, now))


def _carry_out(recorder: Recorder, move: Move, causes: Mapping[tuple[str, str | None], int], now: datetime) -> None:
    """Apply one move to the state as the moves before it left it."""
    if move.kind is not MoveKind.EMERGENCY and find(ask(recorder.state, move, now)) is None:
        return  # an earlier move of this tick has settled it: its requirement was taken back
    recorder.take(apply(recorder.state, move, now), _cause(move, causes))


def _cause(move: Move, causes: Mapping[tuple[str, str | None], int]) -> int | None:
    if move.why.trigger is None:
        return None
    if move.flag:
        return causes.get((move.why.trigger, move.flag))
    return next((index for (trigger, _), index in causes.items() if trigger == move.why.trigger), None)


def _runs(
    state: State,
    falls: Sequence[Fall],
    actions: Sequence[Acted],
    causes: Mapping[tuple[str, str | None], int],
    now: datetime,
) -> tuple[Effect, ...]:
    """The commands of triggers that begin to fail, or act: one each, however many units are concerned."""
    acting = {one.trigger for one in actions if one.suppressed_by is None}
    begun = {trigger: index for (trigger, unit), index in causes.items() if unit is not None}
    out: dict[str, Effect] = {}
    for fall in falls:
        trigger = fall.standing.trigger
        if fall.spared in (Spared.SHADOW, Spared.UNGUARDED) or not (trigger.name in acting or trigger.name in begun):
            continue
        commands = [one.command for one in trigger.then if one.kind is ActionKind.RUN and one.command is not None]
        for number, command in enumerate(commands):
            # The number of the commit's first event makes the id new in every commit.
            name = f"ef-{state.head.seq + 1}-run-{trigger.name}-{number}"
            out.setdefault(
                name,
                Effect(
                    id=name,
                    kind=EffectKind.RUN,
                    created_at=now,
                    command=to_json(command_to_json(command)),
                    trigger=trigger.name,
                ),
            )
    return tuple(out.values())


def _percentage(state: State, acted: Acted) -> int:
    flag = state.flag(acted.flag_id or "")
    return flag.percentage if flag.enabled else 0
