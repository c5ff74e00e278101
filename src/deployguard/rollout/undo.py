"""Undo: a rollback's record, put back.

A record holds units: their flags with seed and targeting, the riders, the phase. A flag is unchanged since when all of
that is as the record left it, anchors and times aside. Where one was changed the whole is refused with its name, who
and when; `--force` restores the untouched ones. A rollout comes back as a whole or not at all, but for riders that were
touched: those stay out of it. So a touched lead, or a phase that moved on, leaves all of its rollout alone.

A rollout that progressed comes back `paused`, any other in its phase. An undo is a record, too: it is undone by its id.
"""

from dataclasses import replace
from datetime import datetime

from deployguard.config.units import format_percentage
from deployguard.errors import Code, DeployguardError, Offer, fail
from deployguard.rollout.carry import others_anchored, pause_dependants
from deployguard.rollout.moves import Move, ask
from deployguard.rollout.refusals import NOTHING_CHANGED
from deployguard.rollout.telling import executed, record_of
from deployguard.state import (
    Change,
    Edit,
    FlagState,
    PausedBy,
    Phase,
    Recorder,
    Rollback,
    RollbackKind,
    Rollout,
    State,
)


def undo(state: State, move: Move, now: datetime) -> Change:
    """Restore the record `move.rollback_id`, or the latest that is neither an undo nor undone.

    Raises changed-since (whole, unless forced) and not-allowed-now (no such record, or undone already).
    """
    record = _wanted(state, move)
    touched = touched_since(state, record)
    keys = tuple(key for key in record.flags_before if key not in touched)
    if touched and not (move.force and keys):
        raise _changed_since(state, record, touched, keys)
    undo_id = state.next_id("rb")
    edit = _restored(state, record, frozenset(keys), move, now)
    edit.add(others_anchored(edit, now))
    after = edit.state
    asked = ask(state, move, now, "")
    made = replace(record_of(state, after, RollbackKind.UNDO, undo_id, asked), undoes=record.id)
    data = executed(made) | {"leftAlone": sorted(touched)}
    recorder = Recorder(state, move.actor, move.reason)
    index = recorder.record("rollback.undone", data, _marked(edit.put_record(made), record, undo_id))
    pause_dependants(recorder, edit, move, now, index)
    return recorder.change()


def latest_undoable(state: State) -> Rollback | None:
    """The latest record that is neither an undo nor undone."""
    newest = reversed(list(state.rollbacks.values()))
    return next((r for r in newest if r.kind is not RollbackKind.UNDO and not r.undone_by), None)


def touched_since(state: State, record: Rollback) -> frozenset[str]:
    """The record's flags that cannot be put back: changed themselves, or of a rollout that moved on."""
    changed = {key for key, left in record.flags_after.items() if state.flag(key).core != left.core}
    for lead in record.rollouts_after:
        left, now = record.rollouts_after[lead], state.rollouts.get(lead)
        moved_on = (left and left.phase) != (now and now.phase)
        if moved_on or lead in changed:
            changed |= _members(record, lead)
    return frozenset(changed & record.flags_after.keys())


def _members(record: Rollback, lead: str) -> set[str]:
    both = (record.rollouts_before.get(lead), record.rollouts_after.get(lead))
    return {key for rollout in both if rollout is not None for key in rollout.flags}


def _restored(state: State, record: Rollback, keys: frozenset[str], move: Move, now: datetime) -> Edit:
    edit = Edit(state)
    edit.put_flags({key: _flag(state.flag(key), record.flags_before[key], move, now) for key in keys})
    for lead, before in record.rollouts_before.items():
        if lead not in keys:
            continue
        if before is None:
            edit.drop_rollout(lead)
        else:
            riders = tuple(key for key in before.riders if key in keys)
            edit.put_rollout(_rollout(replace(before, riders=riders), move, now))
    return edit


def _flag(flag: FlagState, before: FlagState, move: Move, now: datetime) -> FlagState:
    if flag.core == before.core:
        return flag
    return replace(
        before,
        orphaned=flag.orphaned,
        updated_at=now,
        updated_by=move.actor.shown,
        reason=move.reason,
        anchor=now if before.rollout is None else None,
    )


def _rollout(before: Rollout, move: Move, now: datetime) -> Rollout:
    progressed = before.phase is Phase.PROGRESSING
    return replace(
        before,
        phase=Phase.PAUSED if progressed else before.phase,
        paused_by=PausedBy.PERSON if progressed else before.paused_by,
        entered_at=now,
        anchor=now,
        changed_at=now,
        changed_by=move.actor.shown,
    )


def _marked(edit: Edit, record: Rollback, undo_id: str) -> Edit:
    """The record is undone; and where it was an undo, what that one undid counts again."""
    kept = edit.state.rollbacks
    if record.id in kept:
        edit.put_record(replace(record, undone_by=undo_id))
    first = kept.get(record.undoes or "")
    return edit.put_record(replace(first, undone_by=None)) if first else edit


def _wanted(state: State, move: Move) -> Rollback:
    record = state.rollbacks.get(move.rollback_id) if move.rollback_id else latest_undoable(state)
    env = f"--env {state.environment}"
    offers: tuple[Offer, ...] = (Offer(f"deployguard rollback history {env}", "what was taken back"),)
    if record is None:
        what = f"there is no rollback {move.rollback_id}" if move.rollback_id else "there is nothing to undo"
        found, wanted = f"{len(state.rollbacks)} records are kept", "the id of one that is kept and not undone"
    elif record.undone_by:
        what, found, wanted = (
            f"{record.id} was undone already",
            f"undone by {record.undone_by}",
            "one that is not undone",
        )
        offers = (Offer(f"deployguard rollback undo {record.undone_by} {env}", "undoes that undo"), *offers)
    else:
        return record
    raise fail(
        Code.NOT_ALLOWED_NOW,
        what,
        where=f"{state.environment}, {record.id if record is not None else 'rollbacks'}",
        found=found,
        wanted=wanted,
        now=NOTHING_CHANGED,
        allowed=offers,
    )


def _changed_since(
    state: State, record: Rollback, touched: frozenset[str], untouched: tuple[str, ...]
) -> DeployguardError:
    total = len(record.flags_before)
    offers: tuple[Offer, ...] = ()
    if untouched:
        command = f"deployguard rollback undo {record.id} --force --env {state.environment}"
        offers = (Offer(command, f"the other {len(untouched)} only"),)
    return fail(
        Code.CHANGED_SINCE,
        f"{len(touched)} of {total} flags of {state.environment} "
        f"{'was' if len(touched) == 1 else 'were'} changed after {record.id}",
        where=f"{state.environment}, {record.id}",
        found="; ".join(_how(state, record, key) for key in sorted(touched)),
        wanted=f"all {total} flags as {record.id} left them",
        now=NOTHING_CHANGED,
        allowed=(*offers, Offer(f"deployguard feature-flags status --env {state.environment}", "how they stand now")),
    )


def _how(state: State, record: Rollback, key: str) -> str:
    """One flag's change since: what, who, when, why."""
    left, flag = record.flags_after[key], state.flag(key)
    rollout = state.rollouts.get(flag.rollout or left.rollout or "")
    if left.percentage != flag.percentage:
        what = f"{format_percentage(left.percentage)} → {format_percentage(flag.percentage)}"
    elif left.enabled != flag.enabled:
        what = "enabled" if flag.enabled else "disabled"
    elif left.targeting != flag.targeting:
        return _words(key, "has other targeting", flag.targeted_by, flag.targeted_at, None)
    elif rollout is not None and rollout.changed_at is not None:
        return _words(key, f"is {rollout.phase}", rollout.changed_by, rollout.changed_at, rollout.reason)
    else:
        what = "belongs to another rollout" if flag.rollout else "left its rollout"
    return _words(key, what, flag.updated_by, flag.updated_at, flag.reason)


def _words(key: str, what: str, who: str | None, when: datetime | None, why: str | None) -> str:
    by = f" by {who}" if who else ""
    at = f" at {when.isoformat(timespec='seconds').replace('+00:00', 'Z')}" if when else ""
    return f"{key} {what}{by}{at}" + (f' ("{why}")' if why else "")
