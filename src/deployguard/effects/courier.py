"""The courier: carries out the outbox, what was decided and is still to leave.

A notice goes at least once: it leaves the outbox by a commit after the receiver took it, and a repeat has the same id.
It is tried again with growing pauses (`backoff`) across restarts; after 24 hours it is given up with `effect.failed`.
A command goes at most once: it leaves the outbox by a commit BEFORE it runs, so whoever got that commit through runs it
and nobody else does, even where the metric store is gone.

What leaves, leaves in threads (`turns`). What a thread brings back is settled by the caller's next `deliver`: files and
the metric store are touched only there.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Protocol

from deployguard.codec import JSON
from deployguard.config.values import Environment
from deployguard.effects.attempts import Deliveries, Memory, target
from deployguard.effects.backoff import Attempts, after_failure
from deployguard.effects.output import Masks
from deployguard.effects.turns import Notice, Outcome, Turns
from deployguard.errors import DeployguardError
from deployguard.guard.clock import settle
from deployguard.state import Actor, Change, Effect, EffectKind, Event, Recorder, State, Via, then
from deployguard.story.explain import explain

TURN = 20  # notices that one channel gets in one turn
COURIER = Actor(name="deployguard", via=Via.CONTROLLER)


class Store(Protocol):
    """What the courier asks of the state's store: `store.protocol.StateStore`."""

    def update(self, decide: Callable[[State], Change], now: datetime) -> tuple[State, tuple[Event, ...]]: ...

    def event(self, seq: int) -> Event | None: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one call settled, by effect id: what came through, what is tried again, what was given up or dropped."""

    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    waiting: int = 0  # still in the outbox, as far as this call knows
    next_at: datetime | None = None  # when the earliest of them is due


@dataclass(frozen=True, slots=True)
class _Leaving:
    """An effect that is to leave the outbox, and the event that tells why, if one does."""

    effect: Effect
    type: str | None = None
    data: JSON = field(default_factory=dict)


class Courier:
    """Carries out one environment's outbox for as long as its process lives. Used by one thread."""

    def __init__(
        self,
        store: Store,
        metrics: Deliveries | None,
        *,
        masker: Masks,
        environ: Mapping[str, str] = os.environ,
        cwd: Path | None = None,
        actor: Actor = COURIER,
        turn: int = TURN,
    ) -> None:
        self._store = store
        self._memory = Memory(metrics)
        self._actor = actor
        self._most = turn
        self._turns = Turns(masker, environ, cwd)
        self._leaving: dict[str, _Leaving] = {}

    def deliver(self, state: State, settings: Environment, now: datetime, *, wait_s: float = 0.0) -> Delivered:
        """Begin what is due in `state.outbox`, wait at most `wait_s` for it, settle what has ended.

        What is still under way is settled by the next call. Raises what the store raises; what was delivered by then
        is remembered, not sent again, and leaves the outbox with the next call.
        """
        began = monotonic()
        report = _Report()
        self._memory.keep_only({effect.id for effect in state.outbox})
        self._collect(now, report)
        commands = self._begin_notices(state, settings, now, report)
        problem: DeployguardError | None = None
        try:
            self._run_commands(self._commit(now, commands), settings)
        except DeployguardError as error:
            problem = error
        self._turns.join(began + wait_s)
        later = now + timedelta(seconds=monotonic() - began)
        self._collect(later, report)
        self._commit(later)
        if problem is not None:
            raise problem
        return report.delivered(self._memory, state)

    def close(self, now: datetime) -> None:
        """End what runs: commands get SIGTERM, a notice under way stays in the outbox and is sent again."""
        self._turns.stop()
        self.finish_commands(now)

    def finish_commands(self, now: datetime) -> None:
        """Wait for the commands that run (each has its own time limit) and tell those that failed."""
        began = monotonic()
        self._turns.join_commands()
        later = now + timedelta(seconds=monotonic() - began)
        self._collect(later, _Report())
        self._commit(later)

    # begin

    def _begin_notices(
        self, state: State, settings: Environment, now: datetime, report: "_Report"
    ) -> tuple[Effect, ...]:
        """Start a turn for each channel that has something due; answers the commands, which are to be claimed."""
        busy = self._turns.busy
        turns: dict[str, list[Notice]] = {}
        commands: list[Effect] = []
        for effect in state.outbox:
            if effect.id in self._leaving or effect.channel in busy:
                continue
            if effect.kind is EffectKind.RUN:
                commands.append(effect)
                continue
            channel = settings.channels.get(effect.channel or "")
            if channel is None:
                self._drop(effect, f"the config has no channel {effect.channel}", report)
            elif not self._memory.of(effect.id).due(now):
                continue
            elif len(turn := turns.setdefault(channel.name, [])) < self._most:
                event = self._store.event(effect.seq or 0)
                if event is None:
                    self._drop(effect, f"event {effect.seq} is not in the audit log", report)
                else:
                    turn.append(Notice(effect, channel, event, self._ids(effect.related), explain(event).sentence))
        for name, notices in turns.items():
            if notices:
                self._turns.send(name, notices)
        return tuple(commands)

    def _ids(self, seqs: Iterable[int]) -> tuple[str, ...]:
        return tuple(event.id for seq in seqs if (event := self._store.event(seq)) is not None)

    def _run_commands(self, claimed: Iterable[Effect], settings: Environment) -> None:
        for effect in claimed:
            self._turns.run(effect, settings.name)

    # settle

    def _collect(self, now: datetime, report: "_Report") -> None:
        for outcome in self._turns.collect():
            self._settle(outcome, now, report)

    def _settle(self, outcome: Outcome, now: datetime, report: "_Report") -> None:
        effect, before = outcome.effect, self._memory.of(outcome.effect.id)
        if outcome.error is None:
            self._memory.record(effect, Attempts(before.count + 1, now), None)
            if effect.kind is EffectKind.NOTIFY:
                self._leaving[effect.id] = _Leaving(effect)
            report.done.append(effect.id)
            return
        after = None
        if not outcome.final:
            after = after_failure(effect.id, before, effect.created_at, now, outcome.retry_after)
        self._memory.record(effect, after or Attempts(before.count + 1, now), outcome.error)
        if after is not None:
            report.failed.append(effect.id)
            return
        data = _told(effect, outcome.error, before.count + 1)
        self._leaving[effect.id] = _Leaving(effect, "effect.failed", data)
        report.given_up.append(effect.id)

    def _drop(self, effect: Effect, why: str, report: "_Report") -> None:
        data = _told(effect, why, self._memory.of(effect.id).count)
        self._leaving[effect.id] = _Leaving(effect, "effect.dropped", data)
        report.dropped.append(effect.id)

    def _commit(self, now: datetime, claim: tuple[Effect, ...] = ()) -> tuple[Effect, ...]:
        """One commit with everything that leaves the outbox; answers the commands that are now this process's to run.

        Its events make no notices of their own: a channel that fails would be told about itself for ever.
        """
        leaving = tuple(self._leaving.values())
        if not leaving and not claim:
            return ()
        claimed: list[Effect] = []

        def decide(state: State) -> Change:
            held = {effect.id for effect in state.outbox}
            claimed[:] = [effect for effect in claim if effect.id in held]
            _, settled = settle(state, now, self._actor)
            recorder = Recorder(settled.state, self._actor)
            for left in leaving:
                # A notice that another process settled meanwhile is told once; a command left when it was claimed.
                if left.type is not None and (left.effect.id in held or left.effect.kind is EffectKind.RUN):
                    recorder.record(left.type, left.data)
            gone = {left.effect.id for left in leaving} | {effect.id for effect in claimed}
            rest = tuple(effect for effect in state.outbox if effect.id not in gone)
            return then(settled, replace(recorder.change(), state=replace(recorder.state, outbox=rest)))

        self._store.update(decide, now)
        for left in leaving:
            del self._leaving[left.effect.id]
        return tuple(claimed)


@dataclass
class _Report:
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def delivered(self, memory: Memory, state: State) -> Delivered:
        left = {*self.done, *self.given_up, *self.dropped}
        waiting = [effect for effect in state.outbox if effect.kind is EffectKind.NOTIFY and effect.id not in left]
        due = [at for effect in waiting if (at := memory.of(effect.id).next_at) is not None]
        return Delivered(
            done=tuple(self.done),
            failed=tuple(self.failed),
            given_up=tuple(self.given_up),
            dropped=tuple(self.dropped),
            waiting=len(waiting),
            next_at=min(due, default=None),
        )


def _told(effect: Effect, error: str, attempts: int) -> JSON:
    return {
        "effectId": effect.id,
        "kind": effect.kind.value,
        "target": target(effect),
        "attempts": attempts,
        "error": error,
    }
