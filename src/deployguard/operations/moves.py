"""A person's move: from what was asked to the same `apply` that the controller uses."""

from dataclasses import replace
from datetime import datetime

from deployguard.codec import to_json
from deployguard.config.units import format_percentage
from deployguard.config.values import Environment, Flag
from deployguard.errors import Code, DeployguardError
from deployguard.flags.dependencies import requirements
from deployguard.flags.reach import reach, reach_because
from deployguard.guard.values import Verdict
from deployguard.operations import aftermath, flags, judged, rows
from deployguard.operations.protocol import Ask
from deployguard.operations.told import told
from deployguard.operations.values.rollouts import FlagChange, Moved, Told
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind
from deployguard.rollout.plan import plan_for, riders_of
from deployguard.session import Session
from deployguard.state import Actor, Change, State, then
from deployguard.story.verdicts import rule_words

_STARTS = (MoveKind.START, MoveKind.RETRY)


def move(session: Session, ask: Ask) -> Moved:
    """Apply what was asked, or raise the refusal with what is allowed now. Changes nothing where nothing is to do."""
    actor = session.actor(ask.by)

    def decide(state: State, now: datetime) -> Change:
        settings = session.best_settings(state)
        definitions = session.definitions(state)
        flags.known(definitions, ask.flag, command_of(ask, session.environment))
        change = Change(state=state)
        if ask.with_requirements:
            change = _raise_requirements(session, state, definitions, ask, actor, now)
        return then(change, _applied(session, change.state, settings, definitions, ask, actor, now))

    before, after, events, now = session.change(decide, actor)
    aftermath.follow(session, after, events)
    return moved(session, ask, before, after, told(events), now, actor.shown)


def _applied(
    session: Session,
    state: State,
    settings: Environment,
    definitions: dict[str, Flag],
    ask: Ask,
    actor: Actor,
    now: datetime,
) -> Change:
    """The move applied; where a trigger stands in the way the refusal says its figures."""
    fails = None
    if _rises(ask, state) and not ask.force:
        fails = judged.failing(session, state, settings, ask.flag, now)
    try:
        return apply(state, as_move(session, state, settings, definitions, ask, actor, fails), now)
    except DeployguardError as error:
        if fails is None or error.problem.code is not Code.TRIGGER_FAILS:
            raise
        asked_for = (error.problem.found or "").partition(";")[0]
        found = f"{asked_for}; {fails.trigger}: {rule_words(fails)}"
        raise DeployguardError(replace(error.problem, found=found)) from error


def _rises(ask: Ask, state: State) -> bool:
    """Only who goes up is judged: turning off must work where no evidence can be read."""
    if ask.move is MoveKind.SET:
        return (ask.percentage or 0) > state.flag(ask.flag).percentage
    return ask.move is MoveKind.PROMOTE


def as_move(
    session: Session,
    state: State,
    settings: Environment,
    definitions: dict[str, Flag],
    ask: Ask,
    actor: Actor,
    fails: Verdict | None,
) -> Move:
    """What was asked, with what `apply` needs from the config and the verdict that stands against it."""
    key = ask.flag
    plan = None
    if ask.move in _STARTS:
        riders = riders_of(definitions, state, key, settings.rollout)
        plan = plan_for(settings.strategy, definitions, riders)
    targeting = None
    if ask.move is MoveKind.TARGET:
        targeting = flags.targeting_after(session, state, key, ask.targeting, remove=ask.remove, reset=ask.reset)
    return Move(
        kind=ask.move,
        flag=key,
        actor=actor,
        reason=ask.reason,
        force=ask.force,
        percentage=ask.percentage,
        min_percentage=settings.min_percentage,
        plan=plan,
        targeting=targeting,
        trigger_fails=fails is not None,
        why=Evidenced(trigger=fails.trigger, verdict=to_json(fails)) if fails is not None else Evidenced(),
    )


def _raise_requirements(
    session: Session, state: State, definitions: dict[str, Flag], ask: Ask, actor: Actor, now: datetime
) -> Change:
    """`enable --with-requirements`: every requirement that is lower comes up to the flag's percentage, nearest last."""
    change = Change(state=state)
    wanted = ask.percentage if ask.percentage is not None else state.flag(ask.flag).percentage
    settings = session.best_settings(state)
    for key in reversed(requirements(definitions, ask.flag)):
        flag = change.state.flag(key)
        if flag.enabled and flag.percentage >= wanted:
            continue
        kind = MoveKind.SET if flag.percentage < wanted else MoveKind.ENABLE
        up = Ask(move=kind, flag=key, percentage=max(wanted, flag.percentage), force=ask.force, reason=ask.reason)
        change = then(change, _applied(session, change.state, settings, definitions, up, actor, now))
    return change


def moved(
    session: Session, ask: Ask, before: State, after: State, events: tuple[Told, ...], now: datetime, by: str
) -> Moved:
    settings, definitions = session.best_settings(after), session.definitions(after)
    changed = tuple(
        FlagChange(
            flag_id=key,
            from_=rows.position(before.flag(key)),
            to=rows.position(after.flag(key)),
            state=after.rollouts[after.flag(key).rollout or ""].phase
            if after.flag(key).rollout in after.rollouts
            else None,
        )
        for key in after.flags
        if rows.position(before.flag(key)) != rows.position(after.flag(key))
    )
    rollout = after.rollouts.get(after.flag(ask.flag).rollout or "")
    reaches = reach(definitions, after.flags, ask.flag)
    new_rollbacks = [key for key in after.rollbacks if key not in before.rollbacks]
    return Moved(
        environment=session.environment,
        revision=after.revision,
        move=ask.move,
        flag_id=ask.flag,
        changed=after.revision != before.revision,
        flags=changed,
        rollback_id=new_rollbacks[-1] if new_rollbacks else None,
        events=events,
        by=by,
        warning=_reach_warning(after, definitions, ask, reaches),
        reach=reaches,
        rollout=rows.rollout_row(after, settings, rollout, now) if rollout else None,
        at=now,
    )


def _reach_warning(state: State, definitions: dict[str, Flag], ask: Ask, reaches: int) -> str | None:
    """How many users it really reaches, where that is fewer than was set."""
    flag = state.flag(ask.flag)
    if ask.move not in (MoveKind.SET, MoveKind.ENABLE) or not flag.on or reaches >= flag.percentage:
        return None
    return (
        f"It reaches {format_percentage(reaches)} of users, not {format_percentage(flag.percentage)}: "
        f"{reach_because(definitions, state.flags, ask.flag)}."
    )


def command_of(ask: Ask, environment: str) -> str:
    """The command that asks this, with FLAG in the flag's place."""
    group = (
        "rollout"
        if ask.move in (*_STARTS, MoveKind.PAUSE, MoveKind.RESUME, MoveKind.PROMOTE, MoveKind.ABORT)
        else "feature-flags"
    )
    if ask.move is MoveKind.ROLLBACK:
        return f"rollback manual FLAG --env {environment}"
    value = (
        f" {format_percentage(ask.percentage).rstrip('%')}"
        if ask.move is MoveKind.SET and ask.percentage is not None
        else ""
    )
    return f"{group} {ask.move.value} FLAG{value} --env {environment}"


def forget(session: Session, key: str, by: str | None, reason: str | None) -> Moved:
    """Drop an orphaned flag from the state. A flag of the config is not forgotten but edited there."""
    from deployguard.rollout.reconfigure import forget as forgotten

    actor = session.actor(by)
    flags.known(
        session.definitions(session.store.read()), key, f"feature-flags forget FLAG --env {session.environment}"
    )
    before, after, events, now = session.change(lambda s, at: forgotten(s, key, actor, reason, at), actor)
    aftermath.follow(session, after, events)
    return Moved(
        environment=session.environment,
        revision=after.revision,
        move="forget",
        flag_id=key,
        changed=after.revision != before.revision,
        events=told(events),
        by=actor.shown,
        at=now,
    )
