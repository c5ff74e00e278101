"""A running release's sign of life, and its ear: each second it renews the lease and looks whether it is to stop."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from deployguard.errors import DeployguardError
from deployguard.session import Session
from deployguard.state import ReleasePhase
from deployguard.store.locks import DeployLock

BEAT_S = 1.0


class Heartbeat:
    """A thread for as long as the block lasts. `doing` is what the lease says; `stop` is set by an emergency.

    Neither a full disk nor a state that cannot be read ends it: the next beat tries again.
    """

    def __init__(self, session: Session, lock: DeployLock, release_id: str) -> None:
        self.doing = "starting"
        self.stop = threading.Event()
        self._session = session
        self._lock = lock
        self._release_id = release_id
        self._beating = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployguard-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def does(self, what: str) -> None:
        """Say at once what is done from now on: whoever finds the lease of a dead deploy has to know."""
        self.doing = what
        self._beat()

    def asked_to_stop(self) -> bool:
        """Look now, not only each second. Raises what the store raises."""
        release = self._session.store.read().releases.get(self._release_id)
        if release is not None and release.phase is ReleasePhase.ABORTING:
            self.stop.set()
        return self.stop.is_set()

    def _beat(self) -> None:
        # One at a time: a beat that began before `does` must not write what was done before over it.
        with self._beating, suppress(OSError):
            self._lock.beat(self._release_id, self._session.clock(), self.doing)

    def _run(self) -> None:
        while not self._over.is_set():
            self._beat()
            with suppress(DeployguardError):
                self.asked_to_stop()
            self._over.wait(BEAT_S)
