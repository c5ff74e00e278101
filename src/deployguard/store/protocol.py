"""The state store's protocol: what the controller and the operations ask of files today and of a database later.

One commit is all or nothing: the new state, its sealed events and what is to leave. It names the revision it was made
from and fails with `revision-changed` where another got in first.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from deployguard.state import Change, Event, State


class StateStore(Protocol):
    """One environment's state. Every method may raise `state-damaged`, `state-newer` or `state-locked` (exit 5)."""

    environment: str

    def read(self) -> State:
        """The last commit. Creates nothing: an environment that nobody touched answers an empty state."""
        ...

    def commit(self, base: State, change: Change, now: datetime) -> tuple[State, tuple[Event, ...]]:
        """Write `change`, made from `base`. A change without events and with an equal outbox writes nothing."""
        ...

    def update(
        self, decide: Callable[[State], Change], now: datetime, *, wait_s: float = 10.0
    ) -> tuple[State, tuple[Event, ...]]:
        """Read, decide and commit under the lock: how people's commands change the state."""
        ...

    def events(self, *, after: int = 0, newest_first: bool = False) -> Iterator[Event]:
        """The audit log from the event behind number `after` on."""
        ...

    def event(self, seq: int) -> Event | None: ...
