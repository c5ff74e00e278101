"""A person's move, or those of an import: from what was asked to the same `apply` that the controller uses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from deployguard.codec import JSON, to_json
from deployguard.config.units import format_percentage
from deployguard.config.values import Flag
from deployguard.errors import Code, DeployguardError
from deployguard.flags.dependencies import requirements
from deployguard.flags.exchange import import_flags
from deployguard.flags.reach import reach_because, reaches
from deployguard.operations import aftermath, flags, rows
from deployguard.operations.judged import Look
from deployguard.operations.protocol import Ask
from deployguard.operations.told import told
from deployguard.operations.values.rollouts import FlagChange, Moved, Told
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind
from deployguard.rollout.plan import plan_for, riders_of
from deployguard.rollout.reconfigure import forget as forgotten
from deployguard.session import Session
from deployguard.state import Actor, Change, Event, State, then
from deployguard.story.verdicts import rule_words

_STARTS = (MoveKind.START, MoveKind.RETRY)
_OF_A_ROLLOUT = (*_STARTS, MoveKind.PAUSE, MoveKind.RESUME, MoveKind.PROMOTE, MoveKind.ABORT)


def move(session: Session, ask: Ask) -> Moved:
    """Apply what was asked, or raise the refusal with what is allowed now. Changes nothing where nothing is to do."""
    actor = session.actor(ask.by)

    def decide(state: State, now: datetime) -> Change:
        definitions, change = session.definitions(state), Change(state=state)
        flags.known(definitions, ask.flag, _command_of(ask, session.environment))
        # Every requirement that is lower comes up to the flag's percentage, nearest last.
        for key in reversed(requirements(definitions, ask.flag)) if ask.with_requirements else ():
            up = _raised(change.state, key, ask)
            if up is not None:
                change = then(change, _applied(session, change.state, _as_move(session, change.state, up, actor), now))
        return then(change, _applied(session, change.state, _as_move(session, change.state, ask, actor), now))

    return _done(session, actor, decide, {ask.flag: ask.move})[0]


def imported(session: Session, data: JSON, by: str | None, reason: str | None) -> tuple[Moved, ...]:
    """What an export says, in one commit: a refusal of one flag's move leaves every flag as it was. Answers one value
    a changed flag."""
    actor = session.actor(by)
    touched: dict[str, str] = {}

    def decide(state: State, now: datetime) -> Change:
        touched.clear()
        change = Change(state=state)
        for wish in import_flags(data, session.definitions(state), state):
            one = Move(
                kind=MoveKind(wish.move),
                flag=wish.flag_id,
                actor=actor,
                reason=reason,
                percentage=wish.percentage,
                targeting=wish.targeting,
                seed=wish.seed,
            )
            change = then(change, _applied(session, change.state, one, now))
            touched[wish.flag_id] = one.kind
        return change

    return _done(session, actor, decide, touched)


def forget(session: Session, key: str, by: str | None, reason: str | None) -> Moved:
    """Drop an orphaned flag from the state. A flag of the config is not forgotten but edited there."""
    actor = session.actor(by)
    known = session.definitions(session.store.read())
    flags.known(known, key, f"feature-flags forget FLAG --env {session.environment}")
    return _done(session, actor, lambda state, now: forgotten(state, key, actor, reason, now), {key: "forget"})[0]


def _raised(state: State, key: str, ask: Ask) -> Ask | None:
    """What brings a requirement of `enable --with-requirements` up; None where it is high enough."""
    flag = state.flag(key)
    wanted = ask.percentage if ask.percentage is not None else state.flag(ask.flag).percentage
    if flag.enabled and flag.percentage >= wanted:
        return None
    kind = MoveKind.SET if flag.percentage < wanted else MoveKind.ENABLE
    return Ask(move=kind, flag=key, percentage=max(wanted, flag.percentage), force=ask.force, reason=ask.reason)


def _as_move(session: Session, state: State, ask: Ask, actor: Actor) -> Move:
    """What was asked, with what `apply` needs from the config."""
    settings, definitions = session.best_settings(state), session.definitions(state)
    plan = targeting = None
    if ask.move in _STARTS:
        riders = riders_of(definitions, state, ask.flag, settings.rollout)
        plan = plan_for(settings.strategy, definitions, riders)
    if ask.move is MoveKind.TARGET:
        targeting = flags.targeting_after(session, state, ask.flag, ask.targeting, remove=ask.remove, reset=ask.reset)
    return Move(
        kind=ask.move,
        flag=ask.flag,
        actor=actor,
        reason=ask.reason,
        force=ask.force,
        percentage=ask.percentage,
        min_percentage=settings.min_percentage,
        plan=plan,
        targeting=targeting,
    )


def _applied(session: Session, state: State, one: Move, now: datetime) -> Change:
    """The move applied; where a trigger stands in the way the refusal says its figures.

    Only who goes up is judged: turning off must work where no evidence can be read.
    """
    up = one.kind is MoveKind.SET and (one.percentage or 0) > state.flag(one.flag).percentage
    fails = None
    if (up or one.kind is MoveKind.PROMOTE) and not one.force:
        fails = Look(session, state, now).failing(one.flag)
    if fails is None:
        return apply(state, one, now)
    why = Evidenced(trigger=fails.trigger, verdict=to_json(fails))
    try:
        return apply(state, replace(one, trigger_fails=True, why=why), now)
    except DeployguardError as error:
        if error.problem.code is not Code.TRIGGER_FAILS:
            raise
        asked_for = (error.problem.found or "").partition(";")[0]
        found = f"{asked_for}; {fails.trigger}: {rule_words(fails)}"
        raise DeployguardError(replace(error.problem, found=found)) from error


def _of_each(
    changes: Sequence[FlagChange], events: tuple[Event, ...], touched: Collection[str]
) -> tuple[dict[str, list[FlagChange]], dict[str, list[Told]]]:
    """What changed and what was told for each flag of `touched`; where it is one, all of it."""
    one = next(iter(touched)) if len(touched) == 1 else None
    changed: dict[str, list[FlagChange]] = {key: [] for key in touched}
    words: dict[str, list[Told]] = {key: [] for key in touched}
    for change in changes:
        changed.get(one or change.flag_id, []).append(change)
    for event, sentence in zip(events, told(events), strict=True):
        for key in dict.fromkeys((one,) if one else (path.partition(".")[2] for path in event.set)):
            words.get(key, []).append(sentence)
    return changed, words


def _done(
    session: Session, actor: Actor, decide: Callable[[State, datetime], Change], touched: Mapping[str, str]
) -> tuple[Moved, ...]:
    """Commit, and say what became of each flag of `touched`, which names the move."""
    before, after, events, now = session.change(decide, actor)
    aftermath.follow(session, after, events)
    settings, definitions = session.best_settings(after), session.definitions(after)
    changes, words = _of_each(rows.changes(before, after), events, touched)
    reached = reaches(definitions, after.flags, [key for key in touched if key in definitions])
    out = []
    for key, kind in touched.items():
        rollout = after.rollouts.get(after.flag(key).rollout or "")
        moved = Moved(
            environment=session.environment,
            revision=after.revision,
            move=kind,
            flag_id=key,
            changed=after.revision != before.revision,
            flags=tuple(changes[key]),
            rollback_id=rows.new_record(before, after),
            events=tuple(words[key]),
            by=actor.shown,
            warning=_reach_warning(after, definitions, kind, key, reached.get(key)),
            reach=reached.get(key),
            rollout=rows.rollout_row(after, settings, rollout, now) if rollout else None,
            at=now,
        )
        out.append(moved)
    return tuple(out)


def _reach_warning(
    state: State, definitions: Mapping[str, Flag], kind: str, key: str, reaches: int | None
) -> str | None:
    """How many users it really reaches, where that is fewer than was set."""
    flag = state.flag(key)
    if kind not in (MoveKind.SET, MoveKind.ENABLE) or not flag.on or reaches is None or reaches >= flag.percentage:
        return None
    users, wanted = format_percentage(reaches), format_percentage(flag.percentage)
    return f"It reaches {users} of users, not {wanted}: {reach_because(definitions, state.flags, key)}."


def _command_of(ask: Ask, environment: str) -> str:
    """The command that asks this, with FLAG in the flag's place."""
    if ask.move is MoveKind.ROLLBACK:
        return f"rollback manual FLAG --env {environment}"
    value = ""
    if ask.move is MoveKind.SET and ask.percentage is not None:
        value = f" {format_percentage(ask.percentage).rstrip('%')}"
    group = "rollout" if ask.move in _OF_A_ROLLOUT else "feature-flags"
    return f"{group} {ask.move.value} FLAG{value} --env {environment}"
