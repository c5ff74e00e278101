"""A row as it went: told as events, and kept as the record that `undo` restores.

The data are those of SURFACES section 3, percentages as numbers 0 to 100, steps from 1.
"""

from datetime import timedelta
from typing import Any

from deployguard.config.units import format_duration, percentage_number
from deployguard.rollout.moves import Asked, MoveKind
from deployguard.rollout.plan import step_of
from deployguard.rollout.table import Does, Row
from deployguard.state import Edit, FlagState, Phase, Recorder, Rollback, RollbackKind, Rollout, State


def tell(
    recorder: Recorder, asked: Asked, row: Row, after: Edit, rollback_id: str | None, *, cause: int | None = None
) -> int:
    """Record what the row did, `after`. Answers the index of the last event."""
    match row.does:
        case Does.START:
            return _tell_start(recorder, asked, row, after)
        case Does.ANCHOR:
            return recorder.record("unit.anchored", _anchored(asked), after, cause=cause)
        case Does.STEP:
            return recorder.record(row.event or "", rollout_data(asked, row, after, rollback_id), after, cause=cause)
        case _:
            return _tell_flags(recorder, asked, row, after, rollback_id, cause)


def _tell_start(recorder: Recorder, asked: Asked, row: Row, after: Edit) -> int:
    rollout = after.rollout(asked.key)
    if rollout is None:
        raise AssertionError(row)  # a row that starts one
    percentage = after.flag(asked.key).percentage
    data = {
        "rollout": rollout.lead,
        "riders": list(rollout.riders),
        "strategy": rollout.strategy,
        "step": step_of(rollout, percentage),
        "steps": len(rollout.steps),
        "plan": [
            {"percentage": percentage_number(step.percentage), "hold": _text(step.hold), "name": step.name}
            for step in rollout.steps
        ],
        "from": percentage_number(asked.flag.percentage),
        "percentage": percentage_number(percentage),
        "retry": asked.move.kind is MoveKind.RETRY,
        "release": asked.move.release,
    }
    started = recorder.record("rollout.started", data, after)
    if row.to is not Phase.COMPLETED:
        return started
    return recorder.record("rollout.completed", rollout_data(asked, row, after, None), cause=started)


def _tell_flags(
    recorder: Recorder, asked: Asked, row: Row, after: Edit, rollback_id: str | None, cause: int | None
) -> int:
    keys = sorted(asked.met) if row.does is Does.RIDERS else [asked.key]
    index = 0
    for key in keys:
        told = after if key == keys[-1] else Edit(after.below).put_flags({key: after.flag(key)})
        data = {
            "flagId": key,
            "from": flag_data(asked.state.flag(key)),
            "to": flag_data(after.flag(key)),
            "rollout": asked.lead if asked.rollout else None,  # the one that it belonged to
            **_why(asked, row, rollback_id),
        }
        index = recorder.record("flag.updated", data, told, cause=cause)
    return index


def rollout_data(asked: Asked, row: Row, after: Edit, rollback_id: str | None) -> dict[str, Any]:
    """What every `rollout.*` event says: where it stood, where it stands, why, and how long the last state lasted."""
    now = after.rollout(asked.lead)
    if now is None:
        raise AssertionError(row)  # a row of a rollout
    was, is_ = asked.flag.percentage, after.flag(asked.lead).percentage
    stood = asked.rollout or now
    lasted = asked.now - stood.entered_at
    return {
        "rollout": now.lead,
        "riders": list(now.riders),
        "step": step_of(stood, was),
        "steps": len(stood.steps),
        "fromStep": step_of(stood, was),
        "toStep": None if now.phase is Phase.ROLLED_BACK else step_of(now, is_),
        "from": percentage_number(was),
        "to": percentage_number(is_),
        "heldFor": _text(lasted),
        "verdicts": list(asked.move.why.verdicts),
        "pausedBy": None if now.paused_by is None else str(now.paused_by),
        **_why(asked, row, rollback_id),
    }


def evidence_of(asked: Asked) -> dict[str, Any]:
    """Why, with its figures: a notice tells one event a commit, so the record's event carries them as well."""
    why = asked.move.why
    since = asked.rollout.entered_at if asked.rollout else asked.flag.updated_at
    return {
        "verdict": why.verdict,
        "others": why.others,
        "exposed": why.exposed,
        "lastedMs": None if since is None else round((asked.now - since) / timedelta(milliseconds=1)),
    }


def _why(asked: Asked, row: Row, rollback_id: str | None) -> dict[str, Any]:
    return {
        "move": str(asked.move.kind),
        "trigger": asked.move.why.trigger,
        **evidence_of(asked),
        "rollbackId": rollback_id,
        "kind": None if row.record is None else str(row.record),
        "forced": asked.move.force,
        "release": asked.move.release,
    }


def flag_data(flag: FlagState) -> dict[str, Any]:
    return {
        "enabled": flag.enabled,
        "percentage": percentage_number(flag.percentage),
        "seed": flag.seed,
        "targeting": flag.targeting,
    }


def _anchored(asked: Asked) -> dict[str, Any]:
    """No step and no percentage changed: only what counts as evidence from now on."""
    return {
        "rollout": asked.rollout.lead if asked.rollout else None,
        "flagId": asked.key,
        "because": str(asked.move.kind),
        "anchor": asked.now.isoformat().replace("+00:00", "Z"),
        "release": asked.move.release,
    }


def _text(hold: timedelta | None) -> str | None:
    return None if hold is None else format_duration(hold)


def record_of(
    before: State, after: State, kind: RollbackKind, rollback_id: str, asked: Asked, left_on: tuple[str, ...] = ()
) -> Rollback:
    """The record of every unit that changed, whole: flags with seed and targeting, riders, phase."""
    leads, keys = touched_units(before, after)
    return Rollback(
        id=rollback_id,
        kind=kind,
        at=asked.now,
        by=asked.move.actor.shown,
        trigger=asked.move.why.trigger,
        reason=asked.reason,
        flags_before={key: before.flag(key) for key in keys},
        flags_after={key: after.flag(key) for key in keys},
        rollouts_before={lead: before.rollouts.get(lead) for lead in leads},
        rollouts_after={lead: after.rollouts.get(lead) for lead in leads},
        left_on=left_on,
        release=asked.move.release,
    )


def touched_units(before: State, after: State) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The leads of the rollouts that differ beyond their anchors, and every flag of the units that changed."""
    keys = [
        key
        for key, flag in after.flags.items()
        if flag is not before.flags.get(key) and flag.core != before.flag(key).core
    ]
    leads = {
        lead
        for lead in {*before.rollouts, *after.rollouts}
        if before.rollouts.get(lead) is not after.rollouts.get(lead)
        and shape(before.rollouts.get(lead)) != shape(after.rollouts.get(lead))
    }
    leads |= {lead for key in keys for lead in (before.flag(key).rollout, after.flag(key).rollout) if lead is not None}
    members = {
        key
        for lead in leads
        for rollout in (before.rollouts.get(lead), after.rollouts.get(lead))
        if rollout is not None
        for key in rollout.flags
    }
    return tuple(sorted(leads)), tuple(sorted({*keys, *members}))


def shape(rollout: Rollout | None) -> tuple[object, ...] | None:
    """A rollout, anchors and times aside."""
    return None if rollout is None else (rollout.riders, rollout.phase)


def executed(record: Rollback) -> dict[str, Any]:
    """The data of `rollback.executed` and `rollback.undone`; flags that it did not change are left out."""
    return {
        "rollbackId": record.id,
        "undoes": record.undoes,
        "kind": str(record.kind),
        "trigger": record.trigger,
        "flags": [
            {"flagId": key, "from": shown(was), "to": shown(record.flags_after[key])}
            for key, was in record.flags_before.items()
            if shown(was) != shown(record.flags_after[key])
        ],
        "rollouts": [lead for lead, rollout in record.rollouts_before.items() if rollout is not None],
        "leftOn": list(record.left_on),
        "release": record.release,
    }


def shown(flag: FlagState) -> dict[str, Any]:
    return {"enabled": flag.enabled, "percentage": percentage_number(flag.percentage)}
