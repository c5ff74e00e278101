"""What a headline looks at: the state, the verdicts and the moment, with the questions that it asks of them."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from deployguard.config.units import format_percentage
from deployguard.config.values import Environment
from deployguard.guard.values import Population, Result, Verdict
from deployguard.state import Phase, Rollout, State
from deployguard.story.numbers import counted, moment
from deployguard.story.plain import plain

_WORST_FIRST = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


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
        return plain(self.state.environment)

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

    def failing(self) -> tuple[Verdict, ...]:
        """What hurts users now: the verdicts on a unit's own users first, then those on everyone."""
        found = [one for one in self.verdicts if one.verdict is Result.FAIL and not one.shadow]
        ours = [one for one in found if one.population is not Population.OTHERS]
        return tuple(sorted(ours, key=lambda one: one.population is Population.ALL))

    def equally(self, verdict: Verdict) -> bool:
        """Whether users without the feature are hurt, too."""
        return any(
            one.verdict is Result.FAIL and one.population is Population.OTHERS and one.trigger == verdict.trigger
            for one in self.verdicts
            if one.unit == verdict.unit
        )

    def holding(self, lead: str) -> tuple[Verdict, ...]:
        """What keeps a rollout waiting: its inconclusive verdicts that hold."""
        return tuple(
            one for one in self.verdicts if one.unit == lead and one.holds and one.verdict is Result.INCONCLUSIVE
        )

    def seen(self) -> str:
        """What was looked at: `No harm seen: 4 of 4 triggers pass.`"""
        worst: dict[str, Result] = {}
        for one in self.verdicts:
            if one.holds and one.population is not Population.OTHERS:
                worst[one.trigger] = min(worst.get(one.trigger, one.verdict), one.verdict, key=_WORST_FIRST.index)
        if not worst:
            return "Nothing is judged now."
        passing = sum(1 for result in worst.values() if result is Result.PASS)
        of = f"{passing} of {counted(len(worst), 'trigger')} {'passes' if len(worst) == 1 else 'pass'}"
        if passing == len(worst):
            return f"No harm seen: {of}."
        waits = len(worst) - passing
        return f"Cannot tell yet: {of}, {waits} {'waits' if waits == 1 else 'wait'} for data."
