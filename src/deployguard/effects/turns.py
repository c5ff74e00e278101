"""Threads in which effects leave: one a channel, in the order of the outbox, and one a command.

A channel's turn stops at its first failure: a receiver that hangs keeps neither the controller nor another channel
waiting, and costs one try a tick. Nothing here touches the store or the metric store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from time import monotonic

from deployguard.config.build import command_from_json
from deployguard.effects.commands import Finished, child_environment, run_command
from deployguard.effects.output import Masks
from deployguard.effects.webhook import DeliveryFailed
from deployguard.errors import DeployguardError
from deployguard.state import Effect
from deployguard.story.telling.releases import ended_words

Notice = tuple[Effect, Callable[[], None]]
"""One notice, and what sends it. Raises DeliveryFailed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try went; `error` is None where it came through."""

    effect: Effect
    error: str | None = None
    retry_after: timedelta | None = None
    final: bool = False


class Turns:
    """What is under way, and what came back."""

    def __init__(self, masker: Masks, environ: Mapping[str, str], cwd: Path | None) -> None:
        self._masker = masker
        self._environ = environ
        self._cwd = cwd
        self._turns: dict[str, Thread] = {}  # by channel, or by a command's effect
        self._commands: set[str] = set()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._stopping = Flag()

    @property
    def busy(self) -> frozenset[str]:
        """The channels that have a turn."""
        return frozenset(self._turns)

    def send(self, channel: str, notices: list[Notice]) -> None:
        self._start(channel, partial(self._send_all, notices))

    def run(self, effect: Effect, environment: str) -> None:
        self._commands.add(effect.id)
        self._start(effect.id, partial(self._run, effect, environment))

    def join(self, deadline: float) -> None:
        """Wait until everything ended, or the monotonic clock shows `deadline`."""
        for thread in self._turns.values():
            thread.join(max(0.0, deadline - monotonic()))

    def join_commands(self) -> None:
        for name in self._commands & self._turns.keys():
            self._turns[name].join()

    def stop(self) -> None:
        """Begin nothing more, end commands."""
        self._stopping.set()

    def collect(self) -> list[Outcome]:
        """What came back since; turns that ended make room."""
        ended = [name for name, thread in self._turns.items() if not thread.is_alive()]
        outcomes = [self._outcomes.get() for _ in range(self._outcomes.qsize())]
        for name in ended:
            del self._turns[name]
        return outcomes

    def _start(self, name: str, work: Callable[[], None]) -> None:
        self._turns[name] = Thread(target=work, name=f"deliver {name}", daemon=True)
        self._turns[name].start()

    def _send_all(self, notices: list[Notice]) -> None:
        for effect, send in notices:
            if self._stopping.is_set():
                return
            outcome = Outcome(effect)
            try:
                send()
            except DeliveryFailed as failed:
                outcome = Outcome(effect, failed.reason, failed.retry_after, failed.final)
            self._outcomes.put(outcome)
            if outcome.error is not None:
                return

    def _run(self, effect: Effect, environment: str) -> None:
        try:
            command = command_from_json(effect.command or {}, self._environ)
        except DeployguardError as error:  # an older version's spelling
            self._outcomes.put(Outcome(effect, error.problem.message, final=True))
            return
        finished = run_command(
            command,
            env=child_environment(self._environ, environment),
            cwd=self._cwd,
            on_line=lambda _line: None,
            should_stop=lambda: "ended with the controller" if self._stopping.is_set() else None,
            output=None,
            masker=self._masker,
        )
        self._outcomes.put(Outcome(effect, _words(finished), final=True))


def _words(finished: Finished) -> str | None:
    """Why a command failed; None where it did not."""
    if finished.ok:
        return None
    how = ended_words(finished.error, finished.signal, finished.exit_code)
    return f'{how}: "{finished.last_line}"' if finished.last_line and finished.error is None else how
