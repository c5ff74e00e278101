"""What leaves with a commit: one notice a channel, never more than the outbox holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployguard.config.values import Channel, Environment, Severity, Step, Strategy
from deployguard.outbox import LIMIT, enqueue
from deployguard.state import Actor, Change, Draft, Effect, EffectKind, LogHead, State, Via

NOW = datetime(2026, 11, 24, 14, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="controller", via=Via.CONTROLLER)
BASE = State(environment="prod", head=LogHead(seq=40))


def draft(type_: str, *, moved: bool = False, **data: object) -> Draft:
    return Draft(type=type_, actor=ACTOR, data=dict(data), set={"flags.a": {}} if moved else {})


def environment(*channels: Channel, name: str = "prod") -> Environment:
    return Environment(
        name=name,
        base_url="https://example.com",
        strategy=Strategy(name="s", steps=(Step(percentage=10_000),)),
        flags={},
        triggers={},
        checks={},
        strategies={},
        channels={channel.name: channel for channel in channels},
    )


def channel(name: str = "ops", least: Severity = Severity.INFO, environments: tuple[str, ...] = ()) -> Channel:
    return Channel(name=name, type="webhook", url="${URL}", min_severity=least, environments=environments)


def notice(number: int) -> Effect:
    return Effect(id=f"ef-{number}-ops", kind=EffectKind.NOTIFY, created_at=NOW, channel="ops", seq=number)


def command(name: str) -> Effect:
    return Effect(id=f"run-{name}", kind=EffectKind.RUN, created_at=NOW, command={"run": "true"})


def sent(*drafts: Draft, to: Channel | None = None) -> tuple[Effect, ...]:
    return enqueue(BASE, Change(state=BASE, events=drafts), environment(to or channel()), NOW).state.outbox


@pytest.mark.parametrize(
    ("drafts", "chosen"),
    [
        ((draft("config.applied"),), 0),
        ((draft("check.failed"), draft("config.applied")), 0),
        ((draft("config.applied"), draft("check.failed")), 1),
        ((draft("trigger.failed"), draft("rollout.rolledBack", moved=True)), 1),
        ((draft("rollout.rolledBack", moved=True), draft("rollback.executed", kind="flag")), 1),
        # halving is told by its record too, though the record is a warning as well
        ((draft("trigger.failed"), draft("rollout.reduced", moved=True), draft("rollback.executed", kind="reduce")), 2),
        # among equals, what moved a flag
        ((draft("trigger.failed"), draft("rollout.paused", moved=True), draft("rollout.paused", moved=True)), 1),
        ((draft("rollout.waiting", waitsFor="hold"), draft("rollout.waiting", waitsFor="person")), 1),
    ],
)
def test_a_notice_tells_the_most_severe_event_and_names_the_others(drafts: tuple[Draft, ...], chosen: int) -> None:
    (effect,) = sent(*drafts)
    assert effect.seq == 41 + chosen
    assert effect.id == f"ef-{41 + chosen}-ops"
    assert set(effect.related) == {41 + number for number in range(len(drafts))} - {41 + chosen}
    assert (effect.kind, effect.channel, effect.created_at) == (EffectKind.NOTIFY, "ops", NOW)


@pytest.mark.parametrize(
    ("least", "type_", "reached"),
    [
        (Severity.INFO, "config.applied", True),
        (Severity.WARNING, "config.applied", False),
        (Severity.WARNING, "check.failed", True),
        (Severity.CRITICAL, "check.failed", False),
        (Severity.CRITICAL, "rollout.rolledBack", True),
    ],
)
def test_a_channel_hears_nothing_below_its_severity(least: Severity, type_: str, *, reached: bool) -> None:
    assert bool(sent(draft(type_), to=channel(least=least))) is reached


def test_a_critical_event_is_told_where_the_record_is_only_a_warning() -> None:
    drafts = (draft("rollout.rolledBack"), draft("rollback.executed", kind="reduce"))
    (effect,) = sent(*drafts, to=channel(least=Severity.CRITICAL))
    assert effect.seq == 41


def test_the_action_notify_reaches_a_channel_whatever_its_severity() -> None:
    (effect,) = sent(draft("trigger.recovered", notify=True), to=channel(least=Severity.CRITICAL))
    assert effect.seq == 41


@pytest.mark.parametrize(("environments", "reached"), [((), True), (("prod",), True), (("staging",), False)])
def test_a_channel_of_other_environments_hears_nothing(environments: tuple[str, ...], *, reached: bool) -> None:
    assert bool(sent(draft("check.failed", notify=True), to=channel(environments=environments))) is reached


def test_a_channel_is_not_told_through_itself_that_it_failed() -> None:
    change = Change(state=BASE, events=(draft("effect.failed", target="ops"),))
    outbox = enqueue(BASE, change, environment(channel("ops"), channel("pager")), NOW).state.outbox
    assert [effect.channel for effect in outbox] == ["pager"]


def test_each_channel_gets_one_notice_of_a_commit() -> None:
    change = Change(state=BASE, events=(draft("check.failed"), draft("trigger.failed"), draft("rollout.paused")))
    outbox = enqueue(BASE, change, environment(channel("ops"), channel("pager")), NOW).state.outbox
    assert [effect.channel for effect in outbox] == ["ops", "pager"]


def test_effects_of_the_change_are_sent_once() -> None:
    change = enqueue(BASE, Change(state=BASE, effects=(command("a"),)), environment(), NOW)
    assert change.state.outbox == (command("a"),)
    assert change.effects == ()


def test_a_change_that_sends_nothing_is_left_as_it_is() -> None:
    change = Change(state=BASE, events=(draft("config.applied"),))
    assert enqueue(BASE, change, environment(), NOW) is change


def test_a_full_outbox_drops_its_oldest_notices_and_says_so() -> None:
    waiting = (command("old"), *(notice(number) for number in range(LIMIT - 1)))
    state = replace(BASE, outbox=waiting)
    change = Change(state=state, events=(draft("check.failed"),), effects=(command("new"),))
    after = enqueue(state, change, environment(channel()), NOW + timedelta(hours=1))
    outbox = after.state.outbox
    assert len(outbox) == LIMIT
    assert {effect.id for effect in waiting} - {effect.id for effect in outbox} == {"ef-0-ops", "ef-1-ops"}
    assert [effect.id for effect in outbox if effect.kind is EffectKind.RUN] == ["run-old", "run-new"]
    dropped = after.events[1:]
    assert [(event.type, event.data["effectId"]) for event in dropped] == [
        ("effect.dropped", "ef-0-ops"),
        ("effect.dropped", "ef-1-ops"),
    ]
    assert outbox[-1].seq == 41  # the commit's own events keep their numbers


def test_commands_are_never_dropped() -> None:
    commands = tuple(command(str(number)) for number in range(LIMIT + 5))
    after = enqueue(BASE, Change(state=BASE, effects=commands), environment(), NOW)
    assert after.state.outbox == commands
    assert after.events == ()
