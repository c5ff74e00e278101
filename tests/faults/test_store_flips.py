"""Random damage to the two files never yields a wrong state, or a wrong event, without a word."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.errors import Code, DeployguardError
from deployguard.state import Actor, Change, Edit, Event, FlagState, Recorder, State, Via
from deployguard.store.files import FileStore
from deployguard.store.recover import rebuild
from deployguard.store.verify import verify

T = TypeVar("T")

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)
REFUSALS = {Code.STATE_DAMAGED, Code.STATE_NEWER, Code.CHAIN_BROKEN}
NAMES = ("state.json", "audit.jsonl")


def change(state: State, percentage: int) -> Change:
    recorder = Recorder(state, ACTOR, "why not")
    for key in ("a", "b"):
        flag = FlagState(enabled=True, percentage=percentage, seed=key, updated_at=NOW)
        recorder.record("flag.updated", {"flagId": key}, Edit(recorder.state).put_flags({key: flag}))
    return recorder.change()


@dataclass(frozen=True)
class Lived:
    files: dict[str, bytes]
    state: State
    events: list[Event]


@cache
def lived() -> Lived:
    """Three commits of two events each."""
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder), "prod")
        for percentage in (100, 200, 300):
            store.update(lambda state, p=percentage: change(state, p), NOW)
        files = {name: (store.layout.home / name).read_bytes() for name in NAMES}
        return Lived(files, store.read(), list(store.events()))


@dataclass(frozen=True)
class Damage:
    file: str
    kind: str
    at: float  # where, as a share of the file
    byte: int

    def to(self, raw: bytes) -> bytes:
        if not raw:
            return raw
        spot = int(self.at * len(raw)) if self.kind == "cut" else int(self.at * (len(raw) - 1))
        match self.kind:
            case "cut":
                return raw[:spot]
            case "flip":
                return raw[:spot] + bytes([raw[spot] ^ (1 << self.byte % 8)]) + raw[spot + 1 :]
            case "insert":
                return raw[:spot] + bytes([self.byte]) + raw[spot:]
            case "remove":
                return raw[:spot] + raw[spot + 1 + self.byte :]
            case "zero":
                return raw[:spot] + bytes(len(raw) - spot)
            case _:
                return raw + raw[spot:]


damages = st.lists(
    st.builds(
        Damage,
        file=st.sampled_from(NAMES),
        kind=st.sampled_from(("cut", "flip", "insert", "remove", "zero", "repeat")),
        at=st.floats(0, 1, exclude_max=True),
        byte=st.integers(0, 255),
    ),
    min_size=1,
    max_size=2,
)


def damaged(folder: Path, done: list[Damage]) -> FileStore:
    home = folder / "prod"
    home.mkdir(mode=0o700)
    files = dict(lived().files)
    for damage in done:
        files[damage.file] = damage.to(files[damage.file])
    for name, raw in files.items():
        (home / name).write_bytes(raw)
        (home / name).chmod(0o600)
    return FileStore(folder, "prod")


@settings(max_examples=250)
@given(damages)
def test_damage_is_refused_or_did_no_harm(done: list[Damage]) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = damaged(Path(name), done)
        kept = {path: path.read_bytes() for path in (store.layout.state, store.layout.log)}
        read, refusal = asked(lambda: [store.read()])
        assert refusal or read == [lived().state]
        told, refusal = asked(store.events)
        assert told == lived().events[: len(told)]
        assert refusal or len(told) == len(lived().events)
        assert {path: path.read_bytes() for path in kept} == kept  # reading mends nothing
        after, refusal = asked(lambda: [store.update(lambda state: change(state, 400), NOW)])
        if refusal:
            assert {path: path.read_bytes() for path in kept} == kept
        for state, events in after:
            assert state.flags == change(lived().state, 400).state.flags
            assert state.revision == 4
            assert [event.seq for event in events][:2] == [7, 8]


def asked(ask: Callable[[], Iterable[T]]) -> tuple[list[T], Code | None]:
    """What was answered before it ended, and the refusal that ended it: one of ours, with what was found."""
    answers: list[T] = []
    try:
        answers.extend(ask())
    except DeployguardError as error:
        problem = error.problem
        if problem.code in REFUSALS and problem.found:
            return answers, problem.code
        raise
    return answers, None


@settings(max_examples=100)
@given(damages)
def test_an_emergency_can_always_go_on(done: list[Damage]) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = damaged(Path(name), done)
        _, refusal = asked(lambda: [rebuild(Path(name), "prod", NOW)])
        if refusal is not None:
            assert refusal is Code.STATE_NEWER
            return
        state, _ = store.update(lambda state: change(state, 0), NOW)
        assert all(not flag.on for flag in state.flags.values())
        assert state.revision > lived().state.revision or "revision" not in _head(done)
        store = FileStore(Path(name), "prod")
        assert store.read() == state
        wrong = [finding for finding in verify(Path(name), "prod") if not finding.ok]
        assert {finding.subject for finding in wrong} <= {"log"}, wrong


def _head(done: list[Damage]) -> str:
    """What is left of the damaged document's first bytes, where its revision stands."""
    raw = lived().files["state.json"]
    for damage in done:
        if damage.file == "state.json":
            raw = damage.to(raw)
    head = raw[:60].decode(errors="replace")
    return head if '"revision":3,' in head else ""
