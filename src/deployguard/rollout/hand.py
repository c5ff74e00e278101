"""A flag set by hand, and how one leaves its rollout."""

from dataclasses import replace

from deployguard.rollout.asked import Asked
from deployguard.rollout.table import Level
from deployguard.state import FlagState, Rollout, State, with_flags, with_rollout, without_rollout


def core(flag: FlagState) -> tuple[object, ...]:
    """What a record compares and restores: everything that decides who gets the flag."""
    return (flag.enabled, flag.percentage, flag.seed, flag.rollout, flag.targeting)


def differs(one: FlagState, other: FlagState) -> bool:
    return core(one) != core(other)


def stamped(asked: Asked, flag: FlagState, level: Level, rollback_id: str | None) -> FlagState:
    """`flag` at `level`, with who, when and why."""
    return replace(
        flag,
        percentage=level.percentage,
        enabled=level.enabled,
        updated_at=asked.now,
        updated_by=asked.move.actor.shown,
        reason=asked.reason,
        rollback_id=rollback_id if rollback_id or level.percentage > flag.percentage else flag.rollback_id,
    )


def set_by_hand(asked: Asked, key: str, level: Level, rollback_id: str | None) -> State:
    """`key` alone at `level`, out of its rollout. A flag from 0 % takes its own key as seed, unless one is asked."""
    state = asked.state
    flag = state.flag(key)
    from_zero = flag.percentage == 0 and level.percentage > 0
    seed = key if from_zero or not flag.seed else flag.seed
    after = replace(
        stamped(asked, flag, level, rollback_id),
        rollout=None,
        seed=asked.move.seed or seed,
        anchor=asked.now,
        acted_at=asked.now if asked.by_trigger else flag.acted_at,
    )
    if not differs(after, flag):
        return state
    return with_flags(leave(state, {key}), {key: after})


def leave(state: State, leaving: frozenset[str] | set[str]) -> State:
    """The flags out of their rollouts. Without its lead a rollout goes on under the first of its riders.

    So the riders of a rollout that was taken back stay taken back when somebody insists on its lead.
    """
    for rollout in list(state.rollouts.values()):
        if not leaving.isdisjoint(rollout.flags):
            state = _without(state, rollout, leaving)
    return with_flags(state, {key: replace(state.flag(key), rollout=None) for key in leaving if key in state.flags})


def _without(state: State, rollout: Rollout, leaving: frozenset[str] | set[str]) -> State:
    staying = tuple(key for key in rollout.flags if key not in leaving)
    if staying and staying[0] == rollout.lead:
        return with_rollout(state, replace(rollout, riders=staying[1:]))
    state = without_rollout(state, rollout.lead)
    if not staying:
        return state
    state = with_rollout(state, replace(rollout, lead=staying[0], riders=staying[1:]))
    return with_flags(state, {key: replace(state.flag(key), rollout=staying[0]) for key in staying})
