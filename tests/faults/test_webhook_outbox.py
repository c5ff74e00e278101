"""The outbox against real receivers and real commands, across restarts, with the store that production uses."""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployguard.config.build import config_from_document
from deployguard.config.secrets import Masker
from deployguard.config.values import Channel, Environment
from deployguard.effects.courier import Courier, deliver
from deployguard.errors import DeployguardError
from deployguard.state import Actor, Change, Draft, Effect, EffectKind, Event, State, Via
from deployguard.store.files import FileStore
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.schema import from_us
from support.receiver import Receiver, receiving

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
DOCUMENT = {
    "schemaVersion": 1,
    "flags": {"new": {}},
    "strategies": {"whole": ["100%"]},
    "environments": {"prod": {"baseUrl": "http://localhost", "strategy": "whole"}},
}


@pytest.fixture
def ops() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@dataclass
class House:
    """One environment's folder, and processes that come and go over it."""

    folder: Path
    channels: dict[str, Channel] = field(default_factory=dict)
    metrics: MetricStore | None = None

    @property
    def store(self) -> FileStore:
        return FileStore(self.folder, "prod")

    @property
    def settings(self) -> Environment:
        return replace(config_from_document(DOCUMENT, {}).environment("prod"), channels=self.channels)

    def courier(self, metrics: MetricStore | None = None) -> Courier:
        return Courier(self.store, metrics or self.metrics, masker=Masker({}, None), cwd=self.folder)

    def put(self, *effects: Effect, events: int = 1) -> State:
        """Commit events, and effects that tell them."""
        drafts = tuple(
            Draft(type="config.applied", actor=ACTOR, data={"hash": f"h{n}", "changes": [f"change {n}"]})
            for n in range(events)
        )
        state, _ = self.store.update(
            lambda now: Change(state=replace(now, outbox=now.outbox + effects), events=drafts), NOW
        )
        return state

    def happened(self, type: str) -> list[Event]:  # noqa: A002
        return [event for event in self.store.events() if event.type == type]

    def outbox(self) -> list[str]:
        return [effect.id for effect in self.store.read().outbox]

    def tries(self) -> list[tuple[str | None, datetime | None]]:
        """Why each try of the first notice failed, and when the next one is due."""
        with closing(sqlite3.connect(self.folder / "prod" / "metrics.sqlite")) as file:
            rows = file.execute("SELECT error, next_at FROM deliveries WHERE effect = 'ef-1-ops' ORDER BY id")
            return [(error, from_us(next_at)) for error, next_at in rows]


@pytest.fixture
def house(tmp_path: Path, ops: Receiver) -> Iterator[House]:
    folder = tmp_path / "state"
    made = House(folder, {"ops": Channel(name="ops", type="webhook", url=ops.url)})
    made.put(events=3)
    made.metrics = MetricStore(folder / "prod" / "metrics.sqlite")
    yield made
    made.metrics.close()


def notice(number: int = 1, channel: str = "ops", *, seq: int = 1, related: tuple[int, ...] = ()) -> Effect:
    return Effect(
        id=f"ef-{number}-{channel}",
        kind=EffectKind.NOTIFY,
        created_at=NOW,
        channel=channel,
        seq=seq,
        related=related,
    )


def command(shell: str, number: int = 1) -> Effect:
    return Effect(
        id=f"ef-{number}-run",
        kind=EffectKind.RUN,
        created_at=NOW,
        command={"shell": shell},
        trigger="high-error-rate",
    )


def go(house: House, courier: Courier, after: timedelta = timedelta(0), wait_s: float = 10.0) -> None:
    courier.deliver(house.store.read(), house.settings, NOW + after, wait_s=wait_s)


def test_what_came_through_leaves_the_outbox_in_one_commit_and_is_no_event(house: House, ops: Receiver) -> None:
    before = house.put(notice(1), notice(2, seq=2, related=(1, 3)), notice(3, seq=3))
    go(house, house.courier())
    after = house.store.read()
    assert (after.outbox, after.revision) == ((), before.revision + 1)
    assert after.head.seq == before.head.seq
    told = [json.loads(got.body) for got in ops.received]
    assert [one["data"]["seq"] for one in told] == [1, 2, 3], "in the order of the outbox"
    assert len(told[1]["data"]["related"]) == 2
    assert all(one["data"]["sentence"] for one in told)


def test_a_failure_is_tried_again_when_it_is_due_and_not_before(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [500, 500]
    courier = house.courier()
    go(house, courier)
    ((error, next_at),) = house.tries()
    assert (error, house.outbox()) == ("status 500", ["ef-1-ops"])
    assert next_at is not None
    assert timedelta(seconds=4) <= next_at - NOW <= timedelta(seconds=7)
    for after_s, received in ((2, 1), (10, 2), (20, 2), (60, 3)):
        go(house, courier, timedelta(seconds=after_s))
        assert len(ops.received) == received
    assert house.outbox() == []
    assert len({got.headers["webhook-id"] for got in ops.received}) == 1


def test_the_pause_goes_on_across_a_restart(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [500, (429, {"Retry-After": "3600"})]
    go(house, house.courier())
    go(house, house.courier(), timedelta(seconds=10))
    go(house, house.courier(), timedelta(seconds=60))
    assert len(ops.received) == 2, "the receiver asked for an hour, and the new process knows"
    go(house, house.courier(), timedelta(seconds=3_700))
    assert (len(ops.received), house.outbox()) == (3, [])


def test_without_a_metric_store_it_is_delivered_all_the_same(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [500]
    courier = Courier(house.store, None, masker=Masker({}, None))
    for after_s, received in ((0, 1), (2, 1), (10, 2)):
        go(house, courier, timedelta(seconds=after_s))
        assert len(ops.received) == received
    assert house.outbox() == []


def test_with_a_broken_metric_store_it_is_delivered_all_the_same(house: House, ops: Receiver) -> None:
    house.put(notice(), command("echo ran >> ran"))
    assert house.metrics is not None
    house.metrics.close()
    (house.folder / "prod" / "metrics.sqlite").mkdir()
    go(house, house.courier())
    assert (len(ops.received), (house.folder / "ran").read_text()) == (1, "ran\n")
    assert house.outbox() == []


def test_after_24_hours_it_is_given_up_with_an_event_that_names_no_address(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [500, 500]
    courier = house.courier()
    go(house, courier)
    go(house, courier, timedelta(hours=24, minutes=1))
    (event,) = house.happened("effect.failed")
    assert event.data == {
        "effectId": "ef-1-ops",
        "kind": "notify",
        "target": "ops",
        "attempts": 2,
        "error": "status 500",
    }
    assert str(ops.port) not in json.dumps(event.data)
    assert house.outbox() == []


def test_a_receiver_that_is_gone_for_good_is_given_up_at_once(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [410]
    go(house, house.courier())
    assert house.happened("effect.failed")[0].data["attempts"] == 1


def test_what_cannot_be_told_is_dropped_with_an_event(house: House) -> None:
    house.put(notice(1, "pager"), notice(2, seq=999))
    go(house, house.courier())
    errors = [event.data["error"] for event in house.happened("effect.dropped")]
    assert errors == ["the config has no channel pager", "event 999 is not in the audit log"]
    assert house.outbox() == []


def test_a_receiver_that_hangs_holds_up_neither_the_controller_nor_another_channel(
    house: House, ops: Receiver, other: Receiver
) -> None:
    house.channels["other"] = Channel(name="other", type="webhook", url=other.url)
    house.put(notice(1), notice(2), notice(3, "other"))
    ops.plan = ["hang"]
    courier = house.courier()
    began = time.monotonic()
    go(house, courier, wait_s=0.5)
    assert time.monotonic() - began < 3
    assert house.outbox() == ["ef-1-ops", "ef-2-ops"]
    go(house, courier, timedelta(seconds=10), wait_s=0.1)
    assert len(ops.received) == 1, "what is under way is not sent a second time"


def test_a_turn_ends_at_its_first_failure_and_the_next_begins_with_what_is_due(house: House, ops: Receiver) -> None:
    house.put(notice(1), notice(2), notice(3))
    ops.plan = [500]
    courier = house.courier()
    go(house, courier)
    assert len(ops.received) == 1
    go(house, courier, timedelta(seconds=1))
    assert house.outbox() == ["ef-1-ops"]


def test_a_delivered_notice_whose_commit_failed_is_not_sent_again(house: House, ops: Receiver) -> None:
    house.put(notice())
    courier = house.courier()
    document = house.folder / "prod" / "state.json"
    good = document.read_bytes()
    ops.on_message = lambda: document.write_bytes(good[:-20])
    with pytest.raises(DeployguardError):
        go(house, courier)
    document.write_bytes(good)
    go(house, courier, timedelta(seconds=10))
    assert house.outbox() == []
    assert len(ops.received) == 1


def test_a_notice_that_another_process_settled_meanwhile_is_told_once(house: House, ops: Receiver) -> None:
    house.put(notice(1))
    ops.plan = [410, 410]
    first, second, state = house.courier(), house.courier(), house.store.read()
    first.deliver(state, house.settings, NOW, wait_s=10)
    second.deliver(state, house.settings, NOW, wait_s=10)
    assert len(house.happened("effect.failed")) == 1


def test_a_command_is_run_once_however_many_want_to(house: House) -> None:
    house.put(command("echo ran >> ran"))
    state = house.store.read()
    for courier in (house.courier(), house.courier()):
        courier.deliver(state, house.settings, NOW, wait_s=10)
    assert (house.folder / "ran").read_text() == "ran\n"
    assert house.outbox() == []
    assert house.happened("effect.failed") == []


def test_a_command_has_left_the_outbox_before_it_runs(house: House) -> None:
    """A process that dies while it runs leaves nothing that would run it again."""
    house.put(command("sleep 1"))
    courier = house.courier()
    go(house, courier, wait_s=0)
    assert house.outbox() == []
    courier.close(NOW)
    (event,) = house.happened("effect.failed")
    assert event.data["error"] == "ended with the controller"


def test_a_command_that_fails_is_told_with_its_last_words_and_not_tried_again(house: House) -> None:
    house.put(command("echo 'no such host'; exit 3"))
    courier = house.courier()
    go(house, courier)
    (event,) = house.happened("effect.failed")
    assert event.data["target"] == "high-error-rate"
    assert event.data["error"] == 'exit 3: "no such host"'
    revision = house.store.read().revision
    go(house, courier, timedelta(hours=1))
    assert house.store.read().revision == revision


def test_a_command_knows_its_environment_and_none_of_our_secrets(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_x")
    house.put(command('echo "$DEPLOYGUARD_ENVIRONMENT ${WEBHOOK_SECRET-none}" > seen'))
    go(house, house.courier())
    assert (house.folder / "seen").read_text() == "prod none\n"


def test_a_process_that_ends_afterwards_waits_for_all_of_it(house: House, ops: Receiver) -> None:
    house.put(*(notice(n) for n in range(1, 40)), command(f"{sys.executable} -c 'import time; time.sleep(0.3)'", 40))
    masker = Masker({}, None)
    deliver(house.store.read(), house.store, house.metrics, house.settings, NOW, masker=masker, cwd=house.folder)
    assert len(ops.received) == 39
    assert house.outbox() == []


def test_nothing_to_do_commits_nothing(house: House) -> None:
    before = house.store.read().revision
    go(house, house.courier())
    assert house.store.read().revision == before


def test_a_clock_that_was_set_back_is_settled_by_the_commit_that_notices_it(house: House, ops: Receiver) -> None:
    house.put(notice())
    ops.plan = [410]
    go(house, house.courier(), timedelta(days=-1))
    assert [event.type for event in house.store.events()][-2:] == ["clock.jumped", "effect.failed"]
