"""What a take-back leaves behind: a record of the units as they were and as it left them, for `undo`."""

from typing import Any

from deployguard.config.units import percentage_number
from deployguard.rollout.moves import Asked
from deployguard.state import FlagState, Rollback, RollbackKind, Rollout, State


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
