"""`rollback`: the emergency that always works, the way back, and what was taken back before."""

from datetime import datetime

from deployguard.config.build import command_from_json
from deployguard.config.units import format_percentage
from deployguard.config.values import Flag
from deployguard.errors import Code, DeployguardError
from deployguard.flags.definitions import definitions
from deployguard.operations import aftermath, left_behind, rows
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.values.rollouts import FlagChange
from deployguard.operations.values.status import FlagRow
from deployguard.operations.values.takeback import Emergency, RollbackHistory, RollbackRow, Undone
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.release import ask_to_stop
from deployguard.session import EMERGENCY_WAIT_S, Session
from deployguard.state import Actor, Change, Phase, ReleasePhase, Rollback, RollbackKind, State, then
from deployguard.store.recover import rebuild


def emergency(session: Session, by: str | None, reason: str | None, watch: DeployWatch | None = None) -> Emergency:
    """Every flag off that is not permanent: reads no evidence, needs no readable config, waits only for the state.

    First the state; a running deploy reads there that it is to stop. A damaged state is rebuilt from the audit log.
    Then the notices, and where a deploy died in the middle, its rollback commands, told to `watch`.
    """
    actor = session.actor(by)
    notes: list[str] = []
    try:
        session.store.read()
    except DeployguardError as error:
        if error.problem.code is not Code.STATE_DAMAGED:
            raise
        rebuild(session.state_dir, session.environment, session.clock())
        notes.append("the state was damaged and was rebuilt from the audit log; the damaged file was set aside")
    if session.config_problem is not None:
        notes.append(
            f"the config cannot be read ({session.config_problem.message}): its last readable version was used"
        )
    permanent: list[str] = []

    def decide(state: State, now: datetime) -> Change:
        permanent[:] = [key for key, flag in _definitions(session, state).items() if flag.permanent]
        change = _stop_deploy(state, actor)
        move = Move(kind=MoveKind.EMERGENCY, actor=actor, reason=reason, left_on=tuple(permanent))
        return then(change, apply(change.state, move, now))

    before, after, events, now = session.change(decide, actor, wait_s=EMERGENCY_WAIT_S, configure=False)
    notes += aftermath.follow(session, after, events, always_send=True)
    running, left = after.running_release(), left_behind.Left()
    if running is not None:
        left = left_behind.clean_up(session, running, actor, watch)
        notes += left.notes
    return Emergency(
        rollback_id=_new_record(before, after),
        environment=session.environment,
        revision=session.store.read().revision if left.ended else after.revision,
        flags=_changes(before, after),
        left_on=_left_on(session, after, tuple(permanent), now),
        by=actor.shown,
        at=now,
        version=_version(after),
        aborting=running.id if running and not (left.ended or left.dead) else None,
        dead=running.id if running and left.dead else None,
        rollback_commands=_rollback_commands(session, after),
        notes=tuple(notes),
    )


def _definitions(session: Session, state: State) -> dict[str, Flag]:
    """Neither the file nor the state may have a readable config: then nothing is permanent and every flag goes."""
    settings = session.settings_if_any(state)
    return definitions(settings.flags, state) if settings is not None else {}


def _stop_deploy(state: State, actor: Actor) -> Change:
    running = state.running_release()
    return ask_to_stop(state, running.id, actor) if running else Change(state=state)


def undo(session: Session, rollback_id: str | None, *, force: bool, by: str | None, reason: str | None) -> Undone:
    """Restore what a rollback changed: whole, or with `force` the flags that nobody touched since."""
    actor = session.actor(by)
    move = Move(kind=MoveKind.UNDO, actor=actor, reason=reason, force=force, rollback_id=rollback_id)
    before, after, events, now = session.change(lambda state, at: apply(state, move, at), actor)
    aftermath.follow(session, after, events)
    record = after.rollbacks[_new_record(before, after) or ""]
    undone = before.rollbacks[record.undoes or ""]  # the oldest record may have made room for the new one
    untouched = tuple(key for key in undone.flags_before if key not in record.flags_after)
    return Undone(
        rollback_id=record.id,
        undoes=undone.id,
        environment=session.environment,
        revision=after.revision,
        flags=_changes(before, after),
        left_alone=tuple(_change(before, after, key) for key in untouched),
        by=actor.shown,
        at=now,
        waiting=tuple(
            lead
            for lead, rollout in after.rollouts.items()
            if rollout.phase is Phase.PAUSED and lead in record.flags_after
        ),
    )


def history(session: Session) -> RollbackHistory:
    """The records that the state keeps, newest first."""
    records = reversed(list(session.store.read().rollbacks.values()))
    return RollbackHistory(environment=session.environment, rollbacks=tuple(_row(record) for record in records))


def _row(record: Rollback) -> RollbackRow:
    flags = tuple(record.flags_before)
    lead = next((r.lead for r in record.rollouts_before.values() if r is not None), flags[0] if flags else "")
    what = lead
    if record.kind is RollbackKind.EMERGENCY:
        what = "emergency"
    elif record.kind is RollbackKind.UNDO:
        what = f"undo of {record.undoes}"
    if record.undone_by:
        what += f", undone by {record.undone_by}"
    return RollbackRow(
        rollback_id=record.id,
        at=record.at,
        kind=record.kind,
        change=_change_words(record, lead),
        what=what,
        by=record.trigger or record.by,
        undoes=record.undoes,
        undone_by=record.undone_by,
    )


def _change_words(record: Rollback, lead: str) -> str:
    count = len(record.flags_before)
    if record.kind is RollbackKind.EMERGENCY:
        return f"{count} off"
    if record.kind is RollbackKind.UNDO:
        return f"{count} back"
    before, after = record.flags_before.get(lead), record.flags_after.get(lead)
    if before is None or after is None:
        return f"{count} off"
    return f"{format_percentage(before.percentage)} → {format_percentage(after.percentage)}"


def _change(before: State, after: State, key: str) -> FlagChange:
    rollout = after.rollouts.get(after.flag(key).rollout or "")
    words = None
    if rollout is not None:
        with_lead = key != rollout.lead and rollout.phase is Phase.COMPLETED
        words = "completed with its lead" if with_lead else rollout.phase.value
    return FlagChange(
        flag_id=key,
        from_=rows.position(before.flag(key)),
        to=rows.position(after.flag(key)),
        state=words,
    )


def _changes(before: State, after: State) -> tuple[FlagChange, ...]:
    keys = (key for key in after.flags if rows.position(before.flag(key)) != rows.position(after.flag(key)))
    return tuple(_change(before, after, key) for key in keys)


def _new_record(before: State, after: State) -> str | None:
    return next((key for key in reversed(list(after.rollbacks)) if key not in before.rollbacks), None)


def _left_on(session: Session, state: State, permanent: tuple[str, ...], now: datetime) -> tuple[FlagRow, ...]:
    settings = session.settings_if_any(state)
    if settings is None:
        return ()
    known = definitions(settings.flags, state)
    return tuple(rows.flag_row(state, settings, known, key, now) for key in permanent if state.flag(key).enabled)


def _version(state: State) -> str | None:
    done = [r for r in state.releases.values() if r.phase is ReleasePhase.SUCCEEDED and r.version]
    return done[-1].version if done else None


def _rollback_commands(session: Session, state: State) -> tuple[str, ...]:
    """As the last release kept them; else as the config has them."""
    for release in reversed(list(state.releases.values())):
        if release.rollback:
            commands = [command_from_json(command, session.environ) for command in release.rollback]
            return tuple(session.masker.mask(command.text) for command in commands)
    settings = session.settings_if_any(state)
    return tuple(session.masker.mask(command.text) for command in settings.rollback) if settings else ()
