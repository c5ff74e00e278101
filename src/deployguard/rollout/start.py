"""How a rollout begins: `start` and `retry`."""

from dataclasses import replace

from deployguard.errors import Code, fail
from deployguard.rollout.asked import Asked
from deployguard.rollout.hand import leave, stamped
from deployguard.rollout.table import RULES, SAME, Level, Row
from deployguard.state import FlagState, Rollout, State, with_flags, with_rollout


def started(asked: Asked, row: Row) -> State:
    """The state with the new rollout, its flags at the row's percentage.

    A lead that starts from 0 % takes its own key as seed and its riders take the lead's, but for those with a seed of
    their own; above 0 % seeds stay, and nobody rides. A rider of an earlier rollout that is not asked again stays off.
    """
    plan, move, now = asked.move.plan, asked.move, asked.now
    if plan is None or row.to is None or row.to is SAME:
        raise fail(Code.USAGE, f"{move.kind} of {asked.key} carries no steps", wanted="a plan made from a strategy")
    level = RULES[row.level](asked)
    lead = asked.flag
    from_zero = lead.percentage == 0
    riders = tuple(key for key in plan.riders if _free(asked, key)) if from_zero else ()
    seed = asked.key if from_zero or not lead.seed else lead.seed
    state = leave(asked.state, {asked.key, *riders})
    flags = {asked.key: _flag(asked, lead, level, seed)}
    for key in riders:
        flags[key] = _flag(asked, state.flag(key), level, key if key in plan.own_seeds else seed)
    rollout = Rollout(
        lead=asked.key,
        riders=riders,
        strategy=plan.strategy,
        steps=asked.steps,
        on_inconclusive=plan.on_inconclusive,
        max_wait=plan.max_wait,
        holdout=plan.holdout,
        phase=row.to,
        started_at=now,
        entered_at=now,
        anchor=now,
        reason=asked.reason,
        changed_at=now,
        changed_by=move.actor.shown,
        release=move.release,
    )
    return with_rollout(with_flags(state, flags), rollout)


def _flag(asked: Asked, flag: FlagState, level: Level, seed: str) -> FlagState:
    return replace(
        stamped(asked, flag, level, None), seed=seed, rollout=asked.key, anchor=None, acted_at=None, rollback_id=None
    )


def _free(asked: Asked, key: str) -> bool:
    """At 0 %, without a rollout, or in the one that is started again."""
    flag = asked.state.flag(key)
    return key != asked.key and flag.percentage == 0 and flag.rollout in {None, asked.key}
