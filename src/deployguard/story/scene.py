"""What a headline looks at: the state, the verdicts and the moment, with the questions that it asks of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from deployguard.config.units import format_percentage
from deployguard.config.values import Environment
from deployguard.guard.values import Population, Result, Verdict
from deployguard.plain import clean
from deployguard.state import Phase, Rollback, Rollout, State
from deployguard.story.numbers import counted, moment
from deployguard.story.verdicts import worst


@dataclass(frozen=True, slots=True)
class Scene:
    state: State
    verdicts: tuple[Verdict, ...]
    alive: bool
    environment: Environment
    now: datetime
    zone: tzinfo | None

    @property
    def env(self) -> str:
        return clean(self.state.environment)

    def rollouts(self, *phases: Phase) -> tuple[Rollout, ...]:
        """Those in these phases, the newest change first."""
        found = [rollout for rollout in self.state.rollouts.values() if rollout.phase in phases]
        return tuple(sorted(found, key=lambda rollout: rollout.entered_at, reverse=True))

    def share(self, rollout: Rollout) -> str:
        return format_percentage(self.state.flag(rollout.lead).percentage)

    def when(self, at: datetime) -> str:
        """`at 14:29:40` where that is today, `on Wed 25 Nov 04:44` else."""
        said = moment(at, self.now, self.zone)
        return f"at {said}" if said[0].isdigit() else f"on {said}"

    def holding(self, lead: str) -> tuple[Verdict, ...]:
        """What keeps a rollout waiting: its inconclusive verdicts that hold."""
        return tuple(
            one for one in self.verdicts if one.unit == lead and one.holds and one.verdict is Result.INCONCLUSIVE
        )

    def record(self, rollout: Rollout) -> Rollback | None:
        return self.state.rollbacks.get(rollout.rollback_id or "")

    def seen(self) -> str:
        """What was looked at: `No harm seen: 4 of 4 triggers pass.`"""
        asked: dict[str, list[Verdict]] = {}
        for one in self.verdicts:
            if one.holds and one.population is not Population.OTHERS:
                asked.setdefault(one.trigger, []).append(one)
        if not asked:
            return "Nothing is judged now."
        passing = sum(1 for found in asked.values() if worst(found).verdict is Result.PASS)
        of = f"{passing} of {counted(len(asked), 'trigger')} {verb(len(asked), 'passes', 'pass')}"
        waits = len(asked) - passing
        return (
            f"Cannot tell yet: {of}, {waits} {verb(waits, 'waits', 'wait')} for data."
            if waits
            else f"No harm seen: {of}."
        )


def names_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def verb(count: int, one: str, many: str) -> str:
    """The verb for so many."""
    return one if count == 1 else many
