"""The courier: carries out the outbox, what was decided and is still to leave.

A notice goes at least once: it leaves the outbox by a commit after the receiver took it, and a repeat has the same id.
It is tried again with growing pauses (`attempts`) across restarts; after 24 hours it is given up with `effect.failed`.
A command goes at most once: it leaves the outbox by a commit BEFORE it runs, so whoever got that commit through runs it
and nobody else does, even where the metric store is gone.

What leaves, leaves in threads (`turns`). What a thread brings back is settled by the caller's next `deliver`: files and
the metric store are touched only there.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from deployguard.codec import JSON
from deployguard.config.values import Environment
from deployguard.effects.attempts import Attempts, Deliveries, Memory, after_failure, target
from deployguard.effects.output import Masks
from deployguard.effects.turns import Notice, Outcome, Turns
from deployguard.effects.webhook import send
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
        turn: int = TURN,
    ) -> None:
        self._store = store
        self._memory = Memory(metrics)
        self._most = turn
        self._turns = Turns(masker, environ, cwd)
        self._leaving: dict[str, _Leaving] = {}

    def deliver(self, state: State, settings: Environment, now: datetime, *, wait_s: float = 0.0) -> None:
        """Begin what is due in `state.outbox`, wait at most `wait_s` for it, settle what has ended.

        What is still under way is settled by the next call. Raises what the store raises; what was delivered by then
        is remembered, not sent again, and leaves the outbox with the next call.
        """
        began = monotonic()
        self._memory.keep_only({effect.id for effect in state.outbox})
        self._settle(now)
        commands = self._begin_notices(state, settings, now)
        try:
            for effect in self._commit(now, commands):
                self._turns.run(effect, settings.name)
        finally:
            self._turns.join(began + wait_s)
            self._settle_and_commit(now + timedelta(seconds=monotonic() - began))

    def close(self, now: datetime) -> None:
        """End what runs: commands get SIGTERM, a notice under way stays in the outbox and is sent again."""
        self._turns.stop()
        self.finish_commands(now)

    def finish_commands(self, now: datetime) -> None:
        """Wait for the commands that run (each has its own time limit) and tell those that failed."""
        began = monotonic()
        self._turns.join_commands()
        self._settle_and_commit(now + timedelta(seconds=monotonic() - began))

    # begin

    def _begin_notices(self, state: State, settings: Environment, now: datetime) -> tuple[Effect, ...]:
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
                self._leave(effect, "effect.dropped", f"the config has no channel {effect.channel}")
            elif not self._memory.of(effect.id).due(now):
                continue
            elif len(turn := turns.setdefault(channel.name, [])) < self._most:
                event = self._store.event(effect.seq or 0)
                if event is None:
                    self._leave(effect, "effect.dropped", f"event {effect.seq} is not in the audit log")
                else:
                    related, sentence = self._ids(effect.related), explain(event).sentence
                    turn.append((effect, partial(send, channel, event, related, sentence, effect.id)))
        for name, notices in turns.items():
            if notices:
                self._turns.send(name, notices)
        return tuple(commands)

    def _ids(self, seqs: Iterable[int]) -> tuple[str, ...]:
        return tuple(event.id for seq in seqs if (event := self._store.event(seq)) is not None)

    # settle

    def _settle_and_commit(self, now: datetime) -> None:
        self._settle(now)
        self._commit(now)

    def _settle(self, now: datetime) -> None:
        for outcome in self._turns.collect():
            self._settle_one(outcome, now)

    def _settle_one(self, outcome: Outcome, now: datetime) -> None:
        effect, before = outcome.effect, self._memory.of(outcome.effect.id)
        again = None
        if outcome.error is not None and not outcome.final:
            again = after_failure(effect.id, before, effect.created_at, now, outcome.retry_after)
        self._memory.record(effect, again or Attempts(before.count + 1, now), now, outcome.error)
        if outcome.error is None:
            if effect.kind is EffectKind.NOTIFY:  # a command has left already
                self._leaving[effect.id] = _Leaving(effect)
        elif again is None:
            self._leave(effect, "effect.failed", outcome.error)

    def _leave(self, effect: Effect, event: str, error: str) -> None:
        """The effect is over without having done what it was for."""
        data = {
            "effectId": effect.id,
            "kind": effect.kind.value,
            "target": target(effect),
            "attempts": self._memory.of(effect.id).count,
            "error": error,
        }
        self._leaving[effect.id] = _Leaving(effect, event, data)

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
            _, settled = settle(state, now, COURIER)
            recorder = Recorder(settled.state, COURIER)
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


def deliver(
    state: State,
    store: Store,
    metrics: Deliveries | None,
    settings: Environment,
    now: datetime,
    *,
    masker: Masks,
    cwd: Path | None = None,
    wait_s: float = 20.0,
) -> None:
    """Carry out what is due once, for a process that ends afterwards: waits `wait_s` for receivers, and for commands.

    A controller keeps a `Courier` instead, which waits for nobody.
    """
    courier = Courier(store, metrics, masker=masker, cwd=cwd, turn=len(state.outbox))
    courier.deliver(state, settings, now, wait_s=wait_s)
    courier.finish_commands(now)
