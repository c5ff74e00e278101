"""What to do: for each unit one move, the strongest action that is not in cooldown and would change something.

    emergencyRollback > rollback > disable > reduce > pause

An emergency on everyone's fault is one move for all guarded units, so that one undo restores them. A unit without an
action is asked whether its step is ready. At most one move a unit, so a percentage changes once a tick and never up and
down. `run` and `notify` always go out: once when a trigger begins to fail, and again whenever it acts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from deployguard.codec import to_json
from deployguard.config.values import Action, ActionKind, Environment, OnInconclusive, Trigger
from deployguard.flags.definitions import definitions
from deployguard.guard.blame import Fall, Spared, Standing, falls, stand
from deployguard.guard.units import guarded
from deployguard.guard.values import Acted, Evidence, Result, Verdict
from deployguard.rollout.moves import Evidenced, Move, MoveKind, ask
from deployguard.rollout.plan import hold_ends
from deployguard.rollout.table import Does, find
from deployguard.state import Actor, Phase, Rollout, State, Unit

STRENGTH = (
    ActionKind.EMERGENCY_ROLLBACK,
    ActionKind.ROLLBACK,
    ActionKind.DISABLE,
    ActionKind.REDUCE,
    ActionKind.PAUSE,
)
_WITHOUT_COOLDOWN = (ActionKind.EMERGENCY_ROLLBACK, ActionKind.ROLLBACK)


@dataclass(frozen=True, slots=True)
class Choice:
    """The moves of a tick, and what they rest on: how each trigger stands, and what became of each that fails.

    `actions` is what people are told of it, with those that a cooldown kept back.
    """

    moves: tuple[Move, ...] = ()
    actions: tuple[Acted, ...] = ()
    standings: tuple[Standing, ...] = ()
    falls: tuple[Fall, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    fall: Fall
    action: Action
    move: Move

    @property
    def kind(self) -> ActionKind:
        """An emergency that falls on one unit alone is its rollback."""
        emergency = self.action.kind is ActionKind.EMERGENCY_ROLLBACK
        return ActionKind.ROLLBACK if emergency and self.fall.alone else self.action.kind


def choose(
    state: State, verdicts: Sequence[Verdict], evidence: Evidence, environment: Environment, now: datetime, actor: Actor
) -> Choice:
    """The moves that these verdicts ask for. None of them would be refused by `state` as it is."""
    units = guarded(state, environment, now)
    standings = stand(verdicts, units, environment)
    desk = _Desk(state, evidence, environment, now, actor, verdicts)
    found = falls(standings)
    moves: list[Move] = []
    steps: list[Move] = []  # after every take-back: one may take a requirement from a step
    actions: list[Acted] = []
    emergency = _emergency(desk, units, found)
    taken: set[str] = set()
    if emergency is not None:
        move, fall = emergency
        moves.append(move)
        taken = {unit.key for unit in units if unit.key in move.flags}
        actions.extend(desk.acted(fall, unit, ActionKind.EMERGENCY_ROLLBACK) for unit in units if unit.key in taken)
    for unit in units:
        if unit.key in taken:
            continue
        chosen, kept_back = _strongest(desk, unit, found)
        actions.extend(desk.acted(one.fall, unit, one.kind, Spared.COOLDOWN) for one in kept_back)
        if chosen is not None:
            moves.append(chosen.move)
            actions.append(desk.acted(chosen.fall, unit, chosen.kind))
            continue
        step = desk.step(unit, [standing for standing in standings if standing.unit == unit])
        if step is not None:
            steps.append(step)
    return Choice((*moves, *steps), tuple(actions), standings, found)


def _emergency(desk: "_Desk", units: Sequence[Unit], found: Sequence[Fall]) -> tuple[Move, Fall] | None:
    """Everyone's fault under a trigger that says so: every guarded unit but what is permanent."""
    everyones = [fall for fall in found if fall.spared is None and not fall.alone]
    for fall in everyones:
        if any(action.kind is ActionKind.EMERGENCY_ROLLBACK for action in fall.standing.trigger.then):
            defined = definitions(desk.environment.flags, desk.state)
            enabled = [key for unit in units for key in unit.flags if desk.state.flag(key).enabled]
            left_on = tuple(key for key in enabled if key in defined and defined[key].permanent)
            flags = tuple(key for key in enabled if key not in left_on)
            return (desk.move(MoveKind.EMERGENCY, None, fall, flags=flags, left_on=left_on), fall) if flags else None
    return None


def _strongest(
    desk: "_Desk", unit: Unit, found: Sequence[Fall]
) -> tuple["_Candidate | None", tuple["_Candidate", ...]]:
    """The action to take, and stronger ones that a cooldown keeps back."""
    kept_back: list[_Candidate] = []
    candidates = sorted(desk.candidates(unit, found), key=lambda one: STRENGTH.index(one.kind))
    for one in candidates:
        ends = None if one.kind in _WITHOUT_COOLDOWN else cooldown_ends(unit, one.fall.standing.trigger)
        if ends is None or desk.now >= ends:
            return one, tuple(kept_back)
        kept_back.append(one)
    return None, tuple(kept_back)


def cooldown_ends(unit: Unit, trigger: Trigger) -> datetime | None:
    """Until when this trigger may not act on the unit again: its own cooldown, since any trigger's last action."""
    return None if unit.acted_at is None else unit.acted_at + trigger.cooldown


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every choice of one tick rests on."""

    state: State
    evidence: Evidence
    environment: Environment
    now: datetime
    actor: Actor
    verdicts: Sequence[Verdict]

    def candidates(self, unit: Unit, found: Sequence[Fall]) -> Iterator[_Candidate]:
        for fall in found:
            if fall.spared is not None or fall.standing.unit != unit:
                continue
            for action in fall.standing.trigger.then:
                move = self._action(unit, fall, action)
                if move is not None and self._changes(move):
                    yield _Candidate(fall, action, move)

    def _action(self, unit: Unit, fall: Fall, action: Action) -> Move | None:
        match action.kind:
            case ActionKind.EMERGENCY_ROLLBACK if not fall.alone:
                return None
            case ActionKind.EMERGENCY_ROLLBACK | ActionKind.ROLLBACK:
                return self.move(MoveKind.ROLLBACK, unit, fall)
            case ActionKind.DISABLE:
                flags = tuple(key for key in unit.flags if self._tagged(key, action.tag) and self.state.flag(key).on)
                return self.move(MoveKind.DISABLE, unit, fall, flags=flags) if flags else None
            case ActionKind.REDUCE:
                least = self.environment.min_percentage
                return self.move(MoveKind.REDUCE, unit, fall, share=action.share, min_percentage=least)
            case ActionKind.PAUSE:
                return self.move(MoveKind.PAUSE, unit, fall)
            case _:
                return None

    def _tagged(self, key: str, tag: str | None) -> bool:
        definition = definitions(self.environment.flags, self.state).get(key)
        return definition is not None and tag in definition.tags

    def _changes(self, move: Move) -> bool:
        """A trigger's action is never a refusal: what the table refuses or leaves as it is, is not asked."""
        row = find(ask(self.state, move, self.now))
        return row is not None and row.does is not Does.NOTHING

    def move(self, kind: MoveKind, unit: Unit | None, fall: Fall, **more: object) -> Move:
        standing = fall.standing
        trigger = standing.trigger.name
        why = Evidenced(
            trigger=trigger,
            verdict=to_json(standing.deciding),
            others=None if standing.others is None else to_json(standing.others),
            # All that was judged of the unit: its table stays as it was at that moment, whatever comes in later.
            verdicts=tuple(to_json(one) for one in self.verdicts if unit is not None and one.unit == unit.key),
            exposed=self.exposed(unit or standing.unit),
        )
        move = Move(kind=kind, flag=unit.key if unit else "", actor=self.actor, reason=trigger, why=why)
        return replace(move, **more)  # type: ignore[arg-type]  # the fields that this kind of move needs

    def exposed(self, unit: Unit | None) -> dict[str, int] | None:
        found = self.evidence.exposed.get(unit.key) if unit is not None else None
        return None if found is None else {"users": found.users, "requests": found.requests}

    def acted(self, fall: Fall, unit: Unit, kind: ActionKind, kept_back: Spared | None = None) -> Acted:
        verdict = fall.standing.deciding
        return Acted(
            action=str(kind),
            trigger=fall.standing.trigger.name,
            rollout=unit.key if unit.phase is not None else None,
            flag_id=unit.key,
            from_=unit.percentage,
            to=unit.percentage,
            reason=verdict.rule,
            suppressed_by=None if kept_back is None else str(kept_back),
        )

    def step(self, unit: Unit, standings: Sequence[Standing]) -> Move | None:
        """`tick: ready` or `tick: inconclusive` for a unit that progresses and was not acted on; None: it waits."""
        rollout = self.state.rollouts.get(unit.key)
        if unit.phase is not Phase.PROGRESSING or rollout is None:
            return None
        due = hold_ends(rollout, unit.percentage)
        holding = [standing for standing in standings if standing.holds]
        if due is None or self.now < due or any(standing.result is Result.FAIL for standing in holding):
            return None
        missing = [standing for standing in holding if standing.result is Result.INCONCLUSIVE]
        passed = tuple(to_json(one.deciding) for one in holding if one.result is Result.PASS)
        why = Evidenced(verdicts=passed, exposed=self.exposed(unit))
        promotes = promotes_at(rollout, due)
        if not missing or (promotes is not None and self.now >= promotes):
            return Move(kind=MoveKind.READY, flag=unit.key, actor=self.actor, why=why)
        if rollout.on_inconclusive is OnInconclusive.PAUSE:
            why = replace(why, verdict=to_json(missing[0].deciding))
            reason = f"{missing[0].trigger.name}: {missing[0].deciding.cause}"
            return Move(kind=MoveKind.INCONCLUSIVE, flag=unit.key, actor=self.actor, reason=reason, why=why)
        return None


def promotes_at(rollout: Rollout, due: datetime) -> datetime | None:
    """When a step goes on although data is missing: after twice its hold, where the strategy says `promote`."""
    return due + (due - rollout.entered_at) if rollout.on_inconclusive is OnInconclusive.PROMOTE else None
