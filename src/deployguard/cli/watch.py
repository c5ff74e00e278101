"""`watch`: the controller with a live view; one dated line a change where nobody looks at a terminal."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import Run, run
from deployguard.cli.process import INTERRUPTED, TERMINATED, Terminated
from deployguard.cli.watch_views import PASSING, LogView, TerminalView, in_a_line
from deployguard.cli.words import duration, says
from deployguard.errors import EXIT_CODES, Code, DeployguardError, usage
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Round

TAKEN_BACK = EXIT_CODES[Code.TAKEN_BACK]
HELD_BY_TRIGGER = EXIT_CODES[Code.TRIGGER_FAILS]
WAITS_FOR_PERSON = EXIT_CODES[Code.WAITS_FOR_DATA]
STANDS_BY_S = 3.0  # between two looks whether the other one still acts


def watch(
    once: Annotated[bool, typer.Option("--once", help="One full round, then exit; for cron.")] = False,
    interval: Annotated[str | None, says("--interval", "DURATION", "Between ticks, 10s.")] = None,
    for_: Annotated[str | None, says("--for", "DURATION", "Leave after this long.")] = None,
) -> None:
    every = duration(interval, "option --interval") if interval else None
    length = duration(for_, "option --for") if for_ else None
    # A config that broke must not end the watching: the one in force stays, across a restart too.
    current, operations = run(), run().operations(lenient=True)
    for warning in operations.flags_status().warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if once:
        if length is not None:
            raise usage("--once and --for exclude each other", "options", None, "one of them")
        found = operations.watch_once(every)
        if found.trouble:
            sys.stderr.write(f"warning: {found.trouble}\n")
        unwritten = EXIT_CODES[Code.STATE_LOCKED] if found.trouble else 0
        current.emit(found, exit_code=TAKEN_BACK if found.turned_off else unwritten)
        return
    stay(current, operations, every=every, length=length)


def stay(
    current: Run,
    operations: Operations,
    *,
    every: timedelta | None = None,
    length: timedelta | None = None,
    until_decided: Iterable[str] | None = None,
) -> None:
    """Tick and show until Ctrl-C, until `length` is over, or until the named rollouts are decided."""
    view = LogView if current.as_data or not sys.stdout.isatty() else TerminalView
    loop = _Loop(
        operations,
        view(current, operations),
        every or timedelta(seconds=10),
        length,
        tuple(until_decided) if until_decided is not None else None,
    )
    why = "an error"
    try:
        why = loop.run()
    except Terminated:
        why = "it was told to end"
        current.exit_code = TERMINATED
    except KeyboardInterrupt:
        why = "Ctrl-C"
        current.exit_code = INTERRUPTED
    finally:
        loop.leave(why)
    if loop.turned_off:
        current.exit_code = TAKEN_BACK
    elif current.exit_code == 0:
        current.exit_code = loop.outcome()


@dataclass
class _Loop:
    operations: Operations
    view: LogView | TerminalView
    every: timedelta
    length: timedelta | None
    leads: tuple[str, ...] | None
    turned_off: set[str] = field(default_factory=set)
    acting: bool = False
    began: datetime | None = None

    def run(self) -> str:
        began = self.began = self.operations.now()
        ends = began + self.length if self.length is not None else None
        self.view.begin()
        while True:
            found = self._tick()
            now = self.operations.now()
            if ends is not None and now >= ends:
                return "the time is over"
            if self.leads is not None and self._decided():
                return "every rollout is decided"
            every = self.every if self.acting else min(self.every, timedelta(seconds=STANDS_BY_S))
            due = min(at for at in (now + every, found.next_at if found else None, ends) if at is not None)
            self.view.rest(due, self.acting)

    def _tick(self) -> Round | None:
        try:
            if not self.acting:
                self.acting = self.operations.take_watch("watch", self.every)
            found = self.operations.tick()
            self.acting = found.acted  # a lock that was lost is somebody else's
            self.turned_off.update(found.turned_off if found.acted else ())
            self.view.show(found, self.acting)
        except DeployguardError as error:
            if error.problem.code not in PASSING:
                raise
            self.view.trouble(in_a_line(error.problem))
            return None
        return found

    def _decided(self) -> bool:
        rows = {row.rollout: row for row in self.operations.rollouts().rollouts}
        return all(
            lead not in rows or rows[lead].phase in ("completed", "rolled_back", "paused") for lead in self.leads or ()
        )

    def outcome(self) -> int:
        """How the rollouts that we stayed for ended, as `gate` answers it, whoever did it."""
        rows = [row for row in self.operations.rollouts().rollouts if row.rollout in (self.leads or ())]
        if any(row.phase == "rolled_back" for row in rows):
            return TAKEN_BACK
        paused = [row for row in rows if row.phase == "paused"]
        if any(row.paused_by == "trigger" for row in paused):
            return HELD_BY_TRIGGER
        return WAITS_FOR_PERSON if paused else 0

    def leave(self, why: str) -> None:
        now = self.operations.now()
        try:
            self.operations.leave_watch(why)
            self.view.end(why, acting=self.acting, took=now - (self.began or now))
        except DeployguardError as error:
            if error.problem.code not in PASSING:
                raise
            self.view.stop()
            self.view.trouble(in_a_line(error.problem))


apps = {"watch": single("watch", watch, "Judge and act, with a live view. A second one stands by and takes over.")}
