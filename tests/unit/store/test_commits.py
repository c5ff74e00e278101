"""One commit: what it writes, what it refuses, and what a reader finds afterwards."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployguard.config.values import Severity
from deployguard.errors import Code, DeployguardError
from deployguard.state import Actor, Change, Draft, Edit, Effect, EffectKind, FlagState, Recorder, State, Via
from deployguard.store.files import FileStore
from deployguard.store.protocol import StateStore

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
EFFECT = Effect(id="ef-1-ops", kind=EffectKind.NOTIFY, created_at=NOW, channel="ops", seq=1)


def test_the_store_is_a_state_store(store: FileStore) -> None:
    kept: StateStore = store
    assert kept.environment == "prod"


def test_reading_creates_nothing(store: FileStore, folder: Path) -> None:
    assert store.read() == State(environment="prod")
    assert list(store.events()) == []
    assert store.event(1) is None
    assert not folder.exists()


def test_a_commit_is_read_back_as_it_was_made(store: FileStore, folder: Path, setting: Callable) -> None:
    state, events = store.update(setting("a", 1234, reason="früh 🐢"), NOW)
    again = FileStore(folder, "prod")
    assert again.read() == state
    assert state.revision == 1
    assert state.flags["a"].percentage == 1234
    assert (state.head.seq, state.head.hash, state.head.time) == (1, events[0].hash, NOW)
    assert list(again.events()) == list(events)
    assert events[0].reason == "früh 🐢"


def test_folders_and_files_are_for_their_owner_alone(folder: Path, setting: Callable) -> None:
    before = os.umask(0)
    try:
        FileStore(folder, "prod").update(setting(), NOW)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes.pop("state") == modes.pop("prod") == 0o700
    assert set(modes) == {"state.json", "audit.jsonl", "state.lock", "state.owner"}
    assert set(modes.values()) == {0o600}


def test_a_change_without_events_and_effects_writes_nothing(store: FileStore, folder: Path) -> None:
    base = store.read()
    assert store.commit(base, Change(state=base), NOW) == (base, ())
    assert not folder.exists()
    assert store.update(lambda state: Change(state=state), NOW) == (base, ())
    assert not (folder / "prod/state.json").exists()


def test_a_change_without_its_event_is_a_bug_and_is_not_written(store: FileStore) -> None:
    base = store.read()
    with pytest.raises(ValueError, match=r"flags\.a"):
        store.commit(base, Change(state=Edit(base).put_flags({"a": FlagState()}).state), NOW)


def test_an_emptier_outbox_is_a_commit_without_events(store: FileStore, setting: Callable) -> None:
    base, _ = store.update(lambda state: replace(setting()(state), effects=(EFFECT,)), NOW)
    assert base.outbox == (EFFECT,)
    state, events = store.commit(base, Change(state=replace(base, outbox=())), NOW)
    assert (state.revision, state.outbox, events) == (2, (), ())
    assert state.head.seq == 1
    assert store.read() == state
    assert [event.seq for event in store.events()] == [1]


def test_an_effect_that_stands_in_the_outbox_is_not_added_twice(store: FileStore) -> None:
    base = store.read()
    change = Change(state=replace(base, outbox=(EFFECT,)), effects=(EFFECT,))
    assert store.commit(base, change, NOW)[0].outbox == (EFFECT,)


def test_a_commit_made_from_an_older_revision_is_refused(store: FileStore, folder: Path, setting: Callable) -> None:
    base = store.read()
    first, _ = FileStore(folder, "prod").commit(base, setting("a", 100)(base), NOW)
    with pytest.raises(DeployguardError) as refused:
        store.commit(base, setting("a", 200)(base), NOW)
    assert refused.value.problem.code is Code.REVISION_CHANGED
    assert refused.value.problem.found == "revision 1"
    assert store.read() == first


def test_a_decision_that_raises_leaves_everything_as_it_was(store: FileStore, setting: Callable) -> None:
    before, _ = store.update(setting(), NOW)

    def decide(state: State) -> Change:
        raise LookupError("no")

    with pytest.raises(LookupError):
        store.update(decide, NOW)
    assert store.read() == before
    store.update(setting("b"), NOW)  # and the lock is free


def test_events_carry_what_the_contract_says(store: FileStore, setting: Callable) -> None:
    store.update(setting(), NOW)

    def decide(state: State) -> Change:
        recorder = Recorder(state, ACTOR, "slow")
        first = recorder.record("trigger.failed", {"trigger": "t", "at": NOW, "for": timedelta(hours=1)})
        recorder.record("rollout.rolledBack", {"rollout": "a"}, cause=first)
        recorder.record("rollout.waiting", {"waitsFor": "person"}, cause="7-elsewhere")
        return recorder.change()

    state, events = store.update(decide, NOW + timedelta(seconds=1))
    assert [event.seq for event in events] == [2, 3, 4]
    assert [event.severity for event in events] == [Severity.WARNING, Severity.CRITICAL, Severity.WARNING]
    assert [event.cause for event in events] == [None, events[0].id, "7-elsewhere"]
    assert {event.revision for event in events} == {state.revision} == {2}
    assert {event.environment for event in events} == {"prod"}
    assert events[0].id.startswith("2-")
    assert len({event.id for event in events}) == 3
    assert events[0].data["at"] == "2026-11-24T13:31:50Z"
    assert list(store.events(after=1)) == list(events)


def test_each_line_of_the_log_is_hashed_and_names_the_one_before(
    store: FileStore, folder: Path, setting: Callable
) -> None:
    import hashlib

    for number in range(5):
        store.update(setting("a", number), NOW)
    previous = ""
    for line in (folder / "prod/audit.jsonl").read_text().splitlines():
        event = json.loads(line)
        written = event.pop("hash")
        assert event["previousHash"] == previous
        body = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(body.encode()).hexdigest() == written
        previous = written
    assert store.read().head.hash == previous


def test_the_state_file_is_json_that_any_tool_reads(store: FileStore, folder: Path, setting: Callable) -> None:
    state, events = store.update(setting("a", 250), NOW)
    document = json.loads((folder / "prod/state.json").read_text())
    assert document["schemaVersion"] == 1
    assert document["revision"] == state.revision
    assert document["flags"]["a"]["percentage"] == 250
    assert [event["id"] for event in document["pending"]] == [events[0].id]
    assert document["logBytes"] == (folder / "prod/audit.jsonl").stat().st_size


@pytest.mark.parametrize("after", [0, 1, 7, 299, 300, 301])
def test_events_behind_a_number_are_read_in_both_directions(store: FileStore, setting: Callable, after: int) -> None:
    store.update(lambda state: Change(state=state, events=tuple(_padded(number) for number in range(300))), NOW)
    expected = list(range(after + 1, 301))
    assert [event.seq for event in store.events(after=after)] == expected
    assert [event.seq for event in store.events(after=after, newest_first=True)] == expected[::-1]
    found = store.event(after)
    assert (found.seq if found else None) == (after if 1 <= after <= 300 else None)


def _padded(number: int) -> Draft:
    # lines of all lengths, some longer than the blocks in which the log is read
    return Draft(
        type="config.applied", actor=ACTOR, data={"pad": "x" * ((number * 7919) % 3000 + 70_000 * (number % 97 == 0))}
    )


def test_the_newest_events_cost_the_same_however_long_the_log(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = tuple(_padded(number) for number in range(1, 2001))
    store.update(lambda state: Change(state=state, events=drafts), NOW)
    store.update(lambda state: Change(state=state, events=(_padded(1),)), NOW)
    assert (folder / "prod/audit.jsonl").stat().st_size > 3_000_000
    read, real = [], os.pread

    def counted(fd: int, count: int, offset: int) -> bytes:
        read.append(count)
        return real(fd, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    newest = store.events(newest_first=True)
    assert [next(newest).seq for _ in range(5)] == [2001, 2000, 1999, 1998, 1997]
    assert [event.seq for event in store.events(after=1999)] == [2000, 2001]
    assert sum(read) < 2_500_000
