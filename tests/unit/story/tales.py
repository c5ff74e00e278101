"""Builders for the story's tests: verdicts, events as the other rooms write them, a state played by moves."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from deployguard.codec import to_json
from deployguard.config.condition import Condition, Op, Unit
from deployguard.config.values import Action, ActionKind, Environment, Flag, Step, Strategy, Trigger
from deployguard.guard.values import Cause, Population, Result, Verdict, Window
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind, Plan
from deployguard.state import Actor, Change, Draft, Event, State, StepState, Via, severity

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
CET = timezone(timedelta(hours=1))
ROBOT = Actor(name="deploy@build-1", via=Via.CONTROLLER)
MARIA = Actor(name="maria", via=Via.CLI)
CI = Actor(name="github-actions (run 8817)", via=Via.CLI, claimed="github-actions")
FLAG = "trust_social_proof"
OTHER = "featured_lofts_showcase"
GRADUAL = tuple(
    StepState(percentage=share * 100, hold=timedelta(hours=hours) if hours else None)
    for share, hours in ((5, 24), (15, 24), (30, 24), (50, 48), (75, 48), (100, 0))
)


def verdict(**changes: Any) -> Verdict:
    """`errorRate (14.2%) > 10%` among 1,204 requests of its users."""
    values: dict[str, Any] = {
        "trigger": "high-error-rate",
        "rollout": FLAG,
        "flag_id": FLAG,
        "unit": FLAG,
        "population": Population.EXPOSED,
        "verdict": Result.FAIL,
        "rule": "errorRate > 10%",
        "value": 14.2,
        "threshold": 10.0,
        "samples": 1204,
        "needed": 100,
        "bad": 171,
        "window": Window(from_=NOW - timedelta(minutes=5), to=NOW),
    }
    return Verdict(**values | changes)


OTHERS = verdict(population=Population.OTHERS, verdict=Result.PASS, value=0.4, samples=8011, bad=32)
PASSED = tuple(
    verdict(trigger=name, verdict=Result.PASS, rule=rule, value=value, threshold=limit, bad=None, source=source)
    for name, rule, value, limit, source in (
        ("high-error-rate", "errorRate > 10%", 0.5, 10.0, "requests"),
        ("slow-response", "avg(responseTime) > 5s", 431.0, 5000.0, "requests"),
        ("poor-web-vitals", "p75(lcp) > 4s", 2410.0, 4000.0, "vitals"),
        ("health-check-failures", "consecutiveFailures >= 2", 0.0, 2.0, "probes"),
    )
)
LCP_WAITS = verdict(
    trigger="poor-web-vitals",
    verdict=Result.INCONCLUSIVE,
    cause=Cause.TOO_FEW,
    rule="p75(lcp) > 4s",
    value=2380.0,
    threshold=4000.0,
    samples=31,
    needed=50,
    bad=None,
    source="vitals",
    ready_at=NOW + timedelta(minutes=9),
)


def event(kind: str, data: dict[str, Any], actor: Actor = ROBOT, reason: str | None = None, **more: Any) -> Event:
    values: dict[str, Any] = {
        "seq": 7,
        "id": "ev-7",
        "time": NOW,
        "environment": "prod",
        "revision": 3,
        "severity": severity(kind, data),
    }
    return Event(type=kind, data=data, actor=actor, reason=reason, **values | more)


def sealed(drafts: Iterable[Draft], first: int, at: datetime, revision: int = 1) -> tuple[Event, ...]:
    """Drafts as the store numbers them."""
    return tuple(
        event(
            draft.type,
            draft.data,
            draft.actor,
            draft.reason,
            seq=first + n,
            id=f"ev-{first + n}",
            time=at,
            set=draft.set,
            revision=revision,
        )
        for n, draft in enumerate(drafts)
    )


class Tale:
    """A state and its events, told move by move through the real table of transitions."""

    def __init__(self, start: datetime = NOW - timedelta(hours=48, minutes=2, seconds=10)) -> None:
        self.state = State(environment="prod")
        self.events: tuple[Event, ...] = ()
        self.now = start

    def does(self, change: Change) -> "Tale":
        self.events += sealed(change.events, len(self.events) + 1, self.now)
        self.state = change.state
        return self

    def moves(self, kind: MoveKind, flag: str = FLAG, actor: Actor = MARIA, **more: Any) -> "Tale":
        return self.does(apply(self.state, Move(kind=kind, flag=flag, actor=actor, **more), self.now))

    def after(self, **length: float) -> "Tale":
        self.now += timedelta(**length)
        return self

    def starts(self, flag: str = FLAG, release: str | None = None, **more: Any) -> "Tale":
        plan = Plan(strategy="gradual", steps=GRADUAL, **more)
        return self.moves(MoveKind.START, flag, CI, plan=plan, release=release)

    def steps_on(self, users: int, flag: str = FLAG) -> "Tale":
        why = Evidenced(verdicts=tuple(map(to_json, PASSED)), exposed={"users": users, "requests": users * 10})
        return self.moves(MoveKind.READY, flag, ROBOT, why=why)

    def is_taken_back(self, flag: str = FLAG, kind: MoveKind = MoveKind.ROLLBACK, **more: Any) -> "Tale":
        why = Evidenced(
            trigger="high-error-rate",
            verdict=to_json(verdict()),
            others=to_json(OTHERS),
            exposed={"users": 118, "requests": 1204},
        )
        return self.moves(kind, flag, ROBOT, why=why, reason="high-error-rate", **more)


def settings(**changes: Any) -> Environment:
    def trigger(name: str, when: Condition, kind: ActionKind) -> Trigger:
        return Trigger(name=name, when=when, then=(Action(kind=kind),))

    errors = Condition(name="errorRate", op=Op.GT, value=10.0, unit=Unit.PERCENT, text="errorRate > 10%")
    steps = tuple(Step(percentage=step.percentage, hold=step.hold) for step in GRADUAL)
    gradual = Strategy(name="gradual", steps=steps)
    values: dict[str, Any] = {
        "name": "prod",
        "base_url": "https://www.example.com",
        "strategy": gradual,
        "strategies": {"gradual": gradual},
        "flags": {key: Flag(key=key) for key in (FLAG, OTHER)},
        "triggers": {"high-error-rate": trigger("high-error-rate", errors, ActionKind.EMERGENCY_ROLLBACK)},
        "checks": {},
    }
    return Environment(**values | changes)
