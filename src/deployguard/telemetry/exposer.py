"""Which flags the bucket had given a sample's user: computed here, from the user's id and the time of the sample.

No exposure travels and no claim is believed. A flag counts for a sample only since its anchor: before it the user may
have seen something else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deployguard.config.values import Environment
from deployguard.flags.definitions import definitions
from deployguard.flags.evaluate import Context, Ruleset, compile_flags
from deployguard.guard.units import compared, guarded
from deployguard.state import State
from deployguard.telemetry.endpoints import Endpoints

Arms = tuple[tuple[str, bool], ...]
"""For each flag that the bucket decides for a user: True for treatment, False for control."""

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Step:
    """The step that a guarded flag stands in: distinct users are counted from its start.

    `started` is when its rollout began: the guard counts a user once in all its steps.
    """

    since: datetime
    started: datetime
    percentage: int  # hundredths


@dataclass(frozen=True, slots=True)
class Exposer:
    """One revision of the state, ready to say which arms a user is in. `guarded` has the anchor of each flag compared.

    It also says how a sample is placed: which endpoint it counts for, and how old it may be.
    """

    ruleset: Ruleset
    guarded: Mapping[str, datetime]
    steps: Mapping[str, Step]
    endpoints: Endpoints = field(default_factory=Endpoints)
    retention: timedelta = KEPT
    revision: int = 0
    _eras: tuple[tuple[float, tuple[str, ...]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        anchors = {flag: at.timestamp() for flag, at in self.guarded.items()}
        edges = [float("-inf"), *sorted(set(anchors.values()))]
        eras = tuple((edge, tuple(flag for flag, at in anchors.items() if at <= edge)) for edge in edges)
        object.__setattr__(self, "_eras", eras)

    @property
    def eras(self) -> tuple[float, ...]:
        """The anchors in order, behind one that is before all time: between two of them a user's arms are the same."""
        return tuple(edge for edge, _ in self._eras)

    def arms_in(self, era: int, user: str, country: str | None = None, region: str | None = None) -> Arms:
        """The user's arms in the span that begins with `eras[era]`."""
        flags = self._eras[era][1]
        return self.ruleset.arms(Context(user, country, region), flags) if flags else ()


def exposer_of(state: State, environment: Environment, now: datetime) -> Exposer:
    """The exposer of the state as it stands: the flags of guarded units whose users can be compared."""
    defined = definitions(environment.flags, state)
    anchors: dict[str, datetime] = {}
    steps: dict[str, Step] = {}
    for unit in guarded(state, environment, now):
        rollout = state.rollouts.get(unit.key)
        started = rollout.started_at if rollout else unit.entered_at
        for key in compared(unit, state, defined):
            anchors[key] = unit.anchor
            steps[key] = Step(unit.entered_at, started, state.flag(key).percentage)
    return Exposer(
        ruleset=compile_flags(defined, state.flags),
        guarded=anchors,
        steps=steps,
        endpoints=Endpoints((*environment.endpoints, *_named_by_rules(environment))),
        retention=environment.retention.metrics,
        revision=state.revision,
    )


def _named_by_rules(environment: Environment) -> Iterable[str]:
    """A rule's endpoint is kept apart even where the config does not list it."""
    for trigger in environment.triggers.values():
        argument = trigger.when.argument
        if argument is not None and argument.startswith("/"):
            yield argument
