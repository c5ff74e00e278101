"""A store in a folder of its own, and the smallest change that it can be asked to keep."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.state import Actor, Change, Edit, FlagState, Recorder, State, Via
from deployguard.store.files import FileStore

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
ACTOR = Actor(name="maria", via=Via.CLI)

Decide = Callable[[State], Change]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder, "prod", wait_s=0.2)


@pytest.fixture
def setting() -> Callable[..., Decide]:
    """`setting("a", 500)`: a change that sets one flag and tells it by one event."""

    def build(key: str = "new_checkout", percentage: int = 500, *, reason: str | None = None) -> Decide:
        def decide(state: State) -> Change:
            recorder = Recorder(state, ACTOR, reason)
            flag = FlagState(enabled=True, seed=key, percentage=percentage, updated_at=NOW)
            recorder.record("flag.updated", {"flagId": key}, Edit(state).put_flags({key: flag}))
            return recorder.change()

        return decide

    return build
