"""Who rides: which flags start together, and which of them leads.

A rollout is made of flags that start together: those listed, at 0 %, without a rollout, not permanent. Among these a
flag that requires (at any depth) no other is a lead; the rest ride with the first lead found along `requires`, depth
first. A requirement that is already on, or in a rollout, makes no rider.
"""

from collections.abc import Iterable, Mapping

from deployguard.config.values import Flag, Strategy
from deployguard.flags.dependencies import requirements
from deployguard.rollout.moves import Plan
from deployguard.rollout.steps import capped
from deployguard.state import Phase, State, StepState


def leads_and_riders(
    defs: Mapping[str, Flag], state: State, listed: Iterable[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Who starts together on deploy: each lead with its riders, in the order listed."""
    starting = [key for key in dict.fromkeys(listed) if _can_start(defs, state, key)]
    leads = [key for key in starting if not set(requirements(defs, key)) & set(starting)]
    riders: dict[str, list[str]] = {lead: [] for lead in leads}
    for key in starting:
        if key not in riders:
            lead = _first_lead(defs, key, riders)
            if lead is not None:
                riders[lead].append(key)
    return tuple((lead, tuple(riders[lead])) for lead in leads)


def riders_of(defs: Mapping[str, Flag], state: State, lead: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Who rides when `lead` is started or retried: the listed flags at 0 % that require it, at any depth.

    A lead that starts above 0 % takes no riders. Those of its own rollout that was taken back ride again.
    """
    if state.flag(lead).percentage > 0:
        return ()
    old = state.rollouts.get(lead)
    again = old.riders if old is not None and old.phase is Phase.ROLLED_BACK else ()
    return tuple(
        key
        for key in dict.fromkeys(listed)
        if key in defs
        and lead in requirements(defs, key)
        and (_can_start(defs, state, key) or (key in again and not defs[key].permanent))
    )


def plan_for(strategy: Strategy, defs: Mapping[str, Flag], riders: Iterable[str]) -> Plan:
    """What `start` and `retry` need from the config: the strategy's steps, capped by its holdout, and who rides."""
    riding = tuple(riders)
    steps = tuple(StepState(percentage=step.percentage, hold=step.hold, name=step.name) for step in strategy.steps)
    return Plan(
        strategy=strategy.name,
        steps=capped(steps, strategy.holdout),
        on_inconclusive=strategy.on_inconclusive,
        max_wait=strategy.max_wait,
        holdout=strategy.holdout,
        riders=riding,
        own_seeds=frozenset(key for key in riding if key in defs and defs[key].own_seed),
    )


def _can_start(defs: Mapping[str, Flag], state: State, key: str) -> bool:
    flag = state.flag(key)
    return key in defs and not defs[key].permanent and flag.percentage == 0 and flag.rollout is None


def _first_lead(defs: Mapping[str, Flag], key: str, leads: Mapping[str, object]) -> str | None:
    seen: set[str] = set()
    waiting = list(reversed(defs[key].requires))
    while waiting:
        required = waiting.pop()
        if required in leads:
            return required
        if required in defs and required not in seen:
            seen.add(required)
            waiting.extend(reversed(defs[required].requires))
    return None
