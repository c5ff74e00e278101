"""The users of the virtual world: who sees what, and how many of them do something."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from deployguard.config.values import Environment
from deployguard.guard.values import Population, Question
from deployguard.state import State

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Slice:
    """Users who see the same thing: their share, the flags they have, and those that the bucket keeps from them."""

    share: float
    on: frozenset[str]
    treated: frozenset[str]
    kept_out: frozenset[str]


def slices(state: State, environment: Environment) -> tuple[Slice, ...]:
    """All users, cut by what they see: for each seed its thresholds, seeds independent, requirements asked."""
    seeds: dict[str, list[str]] = {}
    for key, flag in state.flags.items():
        if flag.on:
            seeds.setdefault(flag.seed, []).append(key)
    cuts = []
    for keys in seeds.values():
        edges = sorted({0, 10_000, *(state.flag(key).percentage for key in keys)})
        cuts.append(
            [
                ((high - low) / 10_000, frozenset(key for key in keys if state.flag(key).percentage > low))
                for low, high in itertools.pairwise(edges)
            ]
        )
    split = {key for keys in seeds.values() for key in keys if state.flag(key).percentage < 10_000}
    out = []
    for combination in itertools.product(*cuts):
        raw = frozenset[str]().union(*(on for _, on in combination))
        decided = {key for key in split if all(_on(need, raw, environment) for need in _needs(key, environment))}
        out.append(
            Slice(
                math.prod(share for share, _ in combination),
                frozenset(key for key in raw if _on(key, raw, environment)),
                frozenset(decided & raw),
                frozenset(decided - raw),
            )
        )
    return tuple(out)


def _needs(key: str, environment: Environment) -> tuple[str, ...]:
    return environment.flags[key].requires if key in environment.flags else ()


def _on(key: str, raw: frozenset[str], environment: Environment) -> bool:
    return key in raw and all(_on(need, raw, environment) for need in _needs(key, environment))


def meets(part: Slice, question: Question, ids: bool) -> bool:
    match question.population:
        case Population.EXPOSED:
            return ids and question.flag in part.treated
        case Population.OTHERS:
            return ids and question.flag in part.kept_out
        case _:
            return True


def within(at: datetime, spans: Sequence[Span]) -> bool:
    return any(start <= at < end for start, end in spans)


def poisson(random: Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


def binomial(random: Random, count: int, chance: float) -> int:
    if count == 0 or chance <= 0:
        return 0
    if chance >= 1:
        return count
    mean = count * chance
    if min(mean, count - mean) > 30:
        return min(count, max(0, round(random.gauss(mean, math.sqrt(mean * (1 - chance))))))
    if chance > 0.5:
        return count - binomial(random, count, 1 - chance)
    # Gaps between successes are geometric: as many draws as successes, not as trials.
    hits, position, scale = 0, 0, math.log1p(-chance)
    while True:
        position += int(math.log(1 - random.random()) / scale) + 1
        if position > count:
            return hits
        hits += 1
