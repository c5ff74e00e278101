"""The client: flags in process, from the state folder, without a request and without a failure of its own.

It looks at the state file at most once in `refresh` seconds, and then reads it only where it has changed. While the
file is damaged, missing or from a later deployguard the client answers from the last good one and says so (`stale`,
`age`, `problem`); an application never sees an exception for it. Any number of threads may share one client, and it
survives a fork.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from deployguard.flags.definitions import VARIABLE, parse_overrides
from deployguard.flags.values import (
    FLAG_NOT_FOUND,
    TARGETING_KEY_MISSING,
    Context,
    DecidedBy,
    Evaluation,
    Reason,
)
from deployguard.sdk import forced
from deployguard.sdk.snapshot import Snapshot, UnreadableError, read_snapshot, signature
from deployguard.store.layout import Layout

PROVIDER_NOT_READY = "PROVIDER_NOT_READY"

_log = logging.getLogger("deployguard.sdk")
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Client:
    """The flags of one environment.

    `state_dir` and `environment` default to `DEPLOYGUARD_STATE` and `DEPLOYGUARD_ENVIRONMENT`, else `./state` and
    `prod`. `refresh` is in seconds. `overrides` win over everything and default to what `DEPLOYGUARD_FLAGS` says; a
    value of that variable which cannot be read raises DeployguardError here, at start, and nothing raises later.
    """

    def __init__(
        self,
        state_dir: str | os.PathLike[str] | None = None,
        environment: str | None = None,
        *,
        refresh: float = 1.0,
        overrides: Mapping[str, bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        folder = state_dir if state_dir is not None else os.environ.get("DEPLOYGUARD_STATE") or "state"
        self.environment = environment or os.environ.get("DEPLOYGUARD_ENVIRONMENT") or "prod"
        self._layout = Layout(Path(folder), self.environment)
        self._refresh = refresh
        self._clock = clock
        given = overrides if overrides is not None else parse_overrides(os.environ.get(VARIABLE, ""))
        self._overrides = dict(given)
        self._snapshot: Snapshot | None = None
        self._problem: str | None = None
        self._good_at = self._look_at = clock()
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._missing: dict[int, int] = {}  # by thread: each writes its own entry, so none is lost
        self._look()

    def is_on(
        self,
        flag: str,
        user: str | None = None,
        *,
        country: str | None = None,
        region: str | None = None,
        groups: Collection[str] = (),
        attributes: Mapping[str, object] = _NOTHING,
        default: bool = False,
    ) -> bool:
        """Whether `user` has `flag`; `default` where nobody knows the flag. Never raises."""
        return self.evaluate(
            flag, user, country=country, region=region, groups=groups, attributes=attributes, default=default
        ).value

    def evaluate(
        self,
        flag: str,
        user: str | None = None,
        *,
        country: str | None = None,
        region: str | None = None,
        groups: Collection[str] = (),
        attributes: Mapping[str, object] = _NOTHING,
        default: bool = False,
    ) -> Evaluation:
        """The whole answer: value, reason, bucket, what decided it. Never raises.

        An unknown flag answers `default` with the error code FLAG_NOT_FOUND, or PROVIDER_NOT_READY where no state was
        ever read.
        """
        return self.evaluate_context(flag, Context(user, country, region, groups, attributes), default=default)

    def evaluate_context(self, flag: str, context: Context, *, default: bool = False) -> Evaluation:
        """`evaluate` for a context that several flags are asked for."""
        self._look_if_due()
        flag = _name(flag)
        held = forced.flags
        if flag in held:
            return _answer(flag, context, held[flag], Reason.STATIC, DecidedBy.OVERRIDE)
        snapshot = self._snapshot
        if snapshot is None or flag not in snapshot.rules:
            return self._unknown(flag, context, default=default)
        found = snapshot.rules.evaluate(flag, context)
        if found.error_code == TARGETING_KEY_MISSING:
            thread = threading.get_ident()
            self._missing[thread] = self._missing.get(thread, 0) + 1
        return found

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that is known, in the config's order."""
        self._look_if_due()
        return self._snapshot.rules.keys if self._snapshot is not None else tuple(self._overrides)

    @property
    def revision(self) -> int | None:
        """The revision that the answers come from; None where no state was ever read."""
        self._look_if_due()
        return self._snapshot.revision if self._snapshot is not None else None

    @property
    def age(self) -> float:
        """Seconds since the answers were last known to be those of the state on disk."""
        self._look_if_due()
        return max(0.0, self._clock() - self._good_at)

    @property
    def stale(self) -> bool:
        """Whether the state cannot be read now, so that the answers are the last good ones (or none)."""
        return self.problem is not None

    @property
    def problem(self) -> str | None:
        """Why the state cannot be read, in a sentence; None while it can."""
        self._look_if_due()
        return self._problem

    @property
    def missing_targeting_keys(self) -> int:
        """How many answers were off only because no user id was given."""
        return sum(list(self._missing.values()))

    def _look_if_due(self) -> None:
        if self._clock() >= self._look_at:
            self._look()

    def _look(self) -> None:
        """Read the state where it has changed. One thread does; the others go on with what there is."""
        if self._pid != os.getpid():  # a fork in the middle of a look would have left the lock closed for ever
            self._lock, self._pid = threading.Lock(), os.getpid()
        if not self._lock.acquire(blocking=False):
            return
        try:
            now = self._clock()
            self._look_at = now + self._refresh
            try:
                if self._snapshot is None or signature(self._layout) != self._snapshot.signature:
                    self._snapshot = read_snapshot(self._layout, self._overrides)
            except UnreadableError as error:
                self._fell_behind(str(error))
            else:
                self._good_at = now
                if self._problem is not None:
                    _log.info("the flags of %s can be read again", self.environment)
                self._problem = None
        finally:
            self._lock.release()

    def _fell_behind(self, why: str) -> None:
        if self._problem is None:
            kept = "no flag is known" if self._snapshot is None else f"revision {self._snapshot.revision} stays in use"
            _log.warning("the flags of %s cannot be read: %s; %s", self.environment, why, kept)
        self._problem = why

    def _unknown(self, flag: str, context: Context, *, default: bool) -> Evaluation:
        if flag in self._overrides:  # before the first state: as it says, all the same
            return _answer(flag, context, self._overrides[flag], Reason.STATIC, DecidedBy.OVERRIDE)
        code = FLAG_NOT_FOUND if self._snapshot is not None else PROVIDER_NOT_READY
        return _answer(flag, context, default, Reason.ERROR, DecidedBy.UNKNOWN_FLAG, code)


def _name(flag: object) -> str:
    """No flag has an empty name: what is no text asks for an unknown flag."""
    return flag if isinstance(flag, str) else ""


def _answer(
    flag: str,
    context: Context,
    value: bool,  # noqa: FBT001
    reason: Reason,
    decided_by: str,
    error: str | None = None,
) -> Evaluation:
    return Evaluation(
        flag, context.targeting_key, None, value, "on" if value else "off", reason.value, decided_by, error
    )
