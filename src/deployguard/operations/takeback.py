"""`rollback`: the emergency that always works, the way back, and what was taken back before."""

from datetime import datetime

from deployguard.config.build import command_from_json
from deployguard.config.units import format_percentage
from deployguard.errors import Code, DeployguardError
from deployguard.operations import aftermath, left_behind, rows
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.values.status import FlagRow
from deployguard.operations.values.takeback import Emergency, RollbackHistory, RollbackRow, Undone
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.release import ask_to_stop
from deployguard.session import Session
from deployguard.state import Change, Phase, ReleasePhase, Rollback, RollbackKind, State, then
from deployguard.store.files import EMERGENCY_WAIT_S
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
        # Neither the file nor the state may have a readable config: then nothing is permanent and every flag goes.
        known = session.definitions(state) if session.settings_if_any(state) is not None else {}
        permanent[:] = [key for key, flag in known.items() if flag.permanent]
        running = state.running_release()
        change = ask_to_stop(state, running.id, actor) if running else Change(state=state)
        move = Move(kind=MoveKind.EMERGENCY, actor=actor, reason=reason, left_on=tuple(permanent))
        return then(change, apply(change.state, move, now))

    before, after, events, now = session.change(decide, actor, wait_s=EMERGENCY_WAIT_S, configure=False)
    notes += aftermath.follow(session, after, events, always_send=True)
    running, left = after.running_release(), left_behind.Left()
    if running is not None:
        left = left_behind.clean_up(session, running, actor, watch)
        notes += left.notes
    versions = [r.version for r in after.releases.values() if r.phase is ReleasePhase.SUCCEEDED and r.version]
    return Emergency(
        rollback_id=rows.new_record(before, after),
        environment=session.environment,
        revision=session.store.read().revision if left.ended else after.revision,
        flags=rows.changes(before, after),
        left_on=_left_on(session, after, tuple(permanent), now),
        by=actor.shown,
        at=now,
        version=next(reversed(versions), None),
        aborting=running.id if running and not (left.ended or left.dead) else None,
        dead=running.id if running and left.dead else None,
        rollback_commands=_rollback_commands(session, after),
        notes=tuple(notes),
    )


def undo(session: Session, rollback_id: str | None, *, force: bool, by: str | None, reason: str | None) -> Undone:
    """Restore what a rollback changed: whole, or with `force` the flags that nobody touched since."""
    actor = session.actor(by)
    move = Move(kind=MoveKind.UNDO, actor=actor, reason=reason, force=force, rollback_id=rollback_id)
    before, after, events, now = session.change(lambda state, at: apply(state, move, at), actor)
    aftermath.follow(session, after, events)
    record = after.rollbacks[rows.new_record(before, after) or ""]
    undone = before.rollbacks[record.undoes or ""]  # the oldest record may have made room for the new one
    untouched = tuple(key for key in undone.flags_before if key not in record.flags_after)
    return Undone(
        rollback_id=record.id,
        undoes=undone.id,
        environment=session.environment,
        revision=after.revision,
        flags=rows.changes(before, after),
        left_alone=tuple(rows.change(before, after, key) for key in untouched),
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
    before, count = record.flags_before, len(record.flags_before)
    lead = next((r.lead for r in record.rollouts_before.values() if r is not None), next(iter(before), ""))
    what, change = lead, f"{count} off"
    if record.kind is RollbackKind.EMERGENCY:
        what = "emergency"
    elif record.kind is RollbackKind.UNDO:
        what, change = f"undo of {record.undoes}", f"{count} back"
    elif lead in before and lead in record.flags_after:
        shares = (format_percentage(flags[lead].percentage) for flags in (before, record.flags_after))
        change = " → ".join(shares)
    return RollbackRow(
        rollback_id=record.id,
        at=record.at,
        kind=record.kind,
        change=change,
        what=f"{what}, undone by {record.undone_by}" if record.undone_by else what,
        by=record.trigger or record.by,
        undoes=record.undoes,
        undone_by=record.undone_by,
    )


def _left_on(session: Session, state: State, permanent: tuple[str, ...], now: datetime) -> tuple[FlagRow, ...]:
    settings = session.settings_if_any(state)
    if settings is None:
        return ()
    known = session.definitions(state)
    return tuple(rows.flag_row(state, settings, known, key, now) for key in permanent if state.flag(key).enabled)


def _rollback_commands(session: Session, state: State) -> tuple[str, ...]:
    """As the last release kept them; else as the config has them."""
    kept = next((release.rollback for release in reversed(list(state.releases.values())) if release.rollback), ())
    commands = tuple(command_from_json(command, session.environ) for command in kept)
    if not commands:
        settings = session.settings_if_any(state)
        commands = settings.rollback if settings is not None else ()
    return tuple(session.masker.mask(command.text) for command in commands)
