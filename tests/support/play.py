"""A play: the virtual world, a controller on a virtual clock, and the journal of what happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from deployguard.codec import dumps, loads, to_json
from deployguard.config.condition import Condition, Op, Unit
from deployguard.config.values import (
    Action,
    ActionKind,
    Environment,
    Flag,
    HealthCheck,
    OnInconclusive,
    Source,
    SourceType,
    Step,
    Strategy,
    Trigger,
)
from deployguard.flags.definitions import definitions
from deployguard.guard.clock import settle
from deployguard.guard.decide import Decision, decide
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.plan import plan_for, riders_of
from deployguard.state import (
    SECTIONS,
    Actor,
    Change,
    Draft,
    Effect,
    Event,
    LogHead,
    Phase,
    Release,
    ReleasePhase,
    State,
    Via,
    fold,
    severity,
)
from deployguard.story.report import Report, build_report
from support.world import START, World

ROBOT = Actor(name="deploy@build-1", via=Via.CONTROLLER)
MARIA = Actor(name="maria", via=Via.CLI)
RELEASE = "r-1"
H = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

ERRORS = Condition(name="errorRate", op=Op.GT, value=10.0, unit=Unit.PERCENT, text="errorRate > 10%")
SLOW = Condition(
    name="responseTime", op=Op.GT, value=5000.0, function="avg", unit=Unit.MILLISECONDS, text="avg(responseTime) > 5s"
)
VITALS = Condition(name="lcp", op=Op.GT, value=4000.0, function="p75", unit=Unit.MILLISECONDS, text="p75(lcp) > 4s")
CHECKS = Condition(name="consecutiveFailures", op=Op.GE, value=2.0, text="consecutiveFailures >= 2")

HALF = Action(kind=ActionKind.REDUCE, share=5000, text="reduce by 50%")
EMERGENCY = Action(kind=ActionKind.EMERGENCY_ROLLBACK, text="emergencyRollback")
ROLLBACK = Action(kind=ActionKind.ROLLBACK, text="rollback")
PAUSE = Action(kind=ActionKind.PAUSE, text="pause")
NOTIFY = Action(kind=ActionKind.NOTIFY, text="notify")
HEAVY = Action(kind=ActionKind.DISABLE, tag="performance-heavy", text="disable performance-heavy")

TRIGGERS: Mapping[str, Trigger] = {
    "high-error-rate": Trigger(name="high-error-rate", when=ERRORS, then=(EMERGENCY,)),
    "slow-response": Trigger(name="slow-response", when=SLOW, then=(HALF,)),
    "poor-web-vitals": Trigger(name="poor-web-vitals", when=VITALS, then=(HEAVY,), min_samples=50, min_users=20),
    "health-check-failures": Trigger(name="health-check-failures", when=CHECKS, then=(HALF,), min_samples=0),
}
GRADUAL = Strategy(
    name="gradual",
    steps=tuple(
        Step(percentage=percentage * 100, hold=None if hours is None else hours * H)
        for percentage, hours in ((5, 24), (15, 24), (30, 24), (50, 48), (75, 48), (100, None))
    ),
)
NGINX = Source(name="nginx", type=SourceType.ACCESS_LOG, path="access.log", format="$status $cookie_dg_id")
HEAVY_FLAG = "featured_lofts_showcase"
OTHER_FLAG = "trust_social_proof"


def prod(**changes: Any) -> Environment:
    """The default config's prod environment with an access log; `changes` are fields of Environment."""
    flags = (
        Flag(key=HEAVY_FLAG, tags=("performance-heavy",)),
        Flag(key=OTHER_FLAG),
        Flag(key="lead"),
        Flag(key="rider", requires=("lead",)),
        Flag(key="legacy", permanent=True),
    )
    values: dict[str, Any] = {
        "name": "prod",
        "base_url": "https://www.example.com",
        "strategy": GRADUAL,
        "strategies": {"gradual": GRADUAL},
        "flags": {flag.key: flag for flag in flags},
        "triggers": TRIGGERS,
        "checks": {name: HealthCheck(name=name, url=url) for name, url in (("homepage", "/"), ("api", "/api/health"))},
        "sources": {"nginx": NGINX},
    }
    return Environment(**{**values, **changes})


def on_inconclusive(behaviour: OnInconclusive, **changes: Any) -> Strategy:
    return replace(GRADUAL, on_inconclusive=behaviour, **changes)


@dataclass
class Play:
    """Ticks a controller over the world. `restarts`: at random ticks the state goes through its JSON, and evidence is
    read again by a world that remembers nothing but what was sampled."""

    world: World = field(default_factory=World)
    environment: Environment = field(default_factory=prod)
    now: datetime = START
    restarts: Random | None = None
    state: State = field(default_factory=lambda: State(environment="prod"))
    journal: list[tuple[datetime, Draft]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    decision: Decision | None = None

    def start(self, flag: str, strategy: Strategy | None = None, retry: bool = False) -> None:
        defs = definitions(self.environment.flags, self.state)
        riders = riders_of(defs, self.state, flag, list(defs))
        plan = plan_for(strategy or self.environment.strategy, defs, riders)
        kind = MoveKind.RETRY if retry else MoveKind.START
        self.ask(Move(kind=kind, flag=flag, actor=MARIA, plan=plan, release=RELEASE))

    def by_hand(self, kind: MoveKind, flag: str = "", **more: Any) -> None:
        self.ask(Move(kind=kind, flag=flag, actor=MARIA, **more))

    def ask(self, move: Move) -> None:
        self.commit(apply(self.state, move, self.now))

    def tick(self) -> Decision:
        """One tick at `now`: settle the clock, read the evidence, decide, commit."""
        if self.restarts is not None and self.restarts.random() < 0.2:
            self.state = loads(State, dumps(self.state))
            self.world._buckets.clear()
        self.now, jumped = settle(self.state, self.now, ROBOT)
        if jumped.events:
            self.commit(jumped)
        evidence = self.world.evidence(self.state, self.environment, self.now)
        self.decision = decide(self.state, evidence, self.environment, self.now, ROBOT)
        self.commit(self.decision.change)
        return self.decision

    def run(self, until: datetime, every: timedelta) -> None:
        """Tick every so often up to `until`, which is a tick, too."""
        while self.now < until:
            self.now = min(until, self.now + every)
            self.tick()

    def commit(self, change: Change) -> None:
        self.effects.extend(change.effects)
        if not change.events:
            assert change.state == self.state
            return
        assert_is_fold(self.state, change)
        self.journal.extend((self.now, draft) for draft in change.events)
        head = LogHead(seq=self.state.head.seq + len(change.events), time=self.now)
        self.state = replace(change.state, revision=self.state.revision + 1, head=head)
        self.world.note(self.state, self.environment, self.now)

    def told(self, *types: str) -> list[Draft]:
        return [draft for _, draft in self.journal if not types or draft.type in types]

    def events(self) -> tuple[Event, ...]:
        """The journal as the audit log would have it (unsealed): what a report is built from."""
        out: list[Event] = []
        for seq, (at, draft) in enumerate(self.journal, 1):
            cause = None if draft.cause is None else str(draft.cause)
            out.append(
                Event(
                    seq=seq, id=f"ev-{seq}", type=draft.type, severity=severity(draft.type, draft.data), time=at,
                    environment="prod", revision=seq, actor=draft.actor, reason=draft.reason, cause=cause,
                    data=draft.data, set=draft.set,
                )
            )  # fmt: skip
        return tuple(out)

    def report(self) -> Report:
        """The report of the release that started everything here."""
        release = Release(
            id=RELEASE, version="2.14.0", by="maria", phase=ReleasePhase.SUCCEEDED, started_at=START, finished_at=START
        )
        return build_report(release, self.events(), self.state, self.now)

    def when(self, type_: str) -> list[datetime]:
        return [at for at, draft in self.journal if draft.type == type_]

    def percentage(self, flag: str) -> int:
        found = self.state.flag(flag)
        return found.percentage if found.enabled else 0

    def phase(self, flag: str) -> Phase | None:
        rollout = self.state.rollouts.get(flag)
        return rollout.phase if rollout else None


def assert_is_fold(before: State, change: Change) -> None:
    """The state is the fold of its events."""
    tree = {section: to_json(before)[section] for section in SECTIONS}
    for draft in change.events:
        tree = fold(tree, draft.set)
    after = to_json(change.state)
    assert {section: tree[section] for section in SECTIONS} == {section: after[section] for section in SECTIONS}
