"""`watch`: the controller with a live view; one dated line a change where nobody looks at a terminal."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import Run, run
from deployguard.cli.signals import Terminated
from deployguard.cli.words import duration
from deployguard.errors import Code, DeployguardError, Problem, fail
from deployguard.operations.protocol import Operations
from deployguard.operations.values import Overview, Round

TAKEN_BACK = 3
HELD_BY_TRIGGER = 1
WAITS_FOR_PERSON = 4
INTERRUPTED = 130
TERMINATED = 143
DRAW_EVERY_S = 1.0
QUIET = timedelta(hours=1)
SHORTEST_S = 0.2
STANDS_BY_S = 3.0  # between two looks whether the other one still acts
# Another process may hold the state for a moment, or commit first; somebody may be restoring a damaged one: the next
# tick tries again. Leaving instead would have a supervisor start us over and over, with nobody told.
_PASSING = (Code.STATE_LOCKED, Code.REVISION_CHANGED, Code.STATE_DAMAGED, Code.CHAIN_BROKEN)


def watch(
    once: Annotated[bool, typer.Option("--once", help="One full round, then exit; for cron.")] = False,
    interval: Annotated[
        str | None, typer.Option("--interval", metavar="DURATION", help="Between ticks, 10s.", show_default=False)
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Leave after this long.", show_default=False)
    ] = None,
) -> None:
    every = duration(interval, "option --interval") if interval else None
    length = duration(for_, "option --for") if for_ else None
    # A config that broke must not end the watching: the one in force stays, across a restart too.
    current, operations = run(), run().operations(lenient=True)
    for warning in operations.flags_status().warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if once:
        if length is not None:
            raise fail(
                Code.USAGE,
                "--once and --for exclude each other",
                where="options",
                wanted="one of them",
                now="nothing was changed (exit 2)",
            )
        found = operations.watch_once(every)
        current.emit(found, exit_code=TAKEN_BACK if found.turned_off else 0)
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
    loop = _Loop(
        operations,
        _view(current, operations),
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
    view: "_Lines | _Live"
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
            self.turned_off.update(found.turned_off if found.acted else ())
            self.view.show(found, self.acting)
        except DeployguardError as error:
            if error.problem.code not in _PASSING:
                raise
            self.view.trouble(_in_a_line(error.problem))
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
            if error.problem.code not in _PASSING:
                raise
            self.view.stop()
            self.view.trouble(_in_a_line(error.problem))


def _in_a_line(problem: Problem) -> str:
    """What is wrong, what was found, and the first command that mends it."""
    found = f": {problem.found}" if problem.found else ""
    mend = f"; mend: {problem.next[0].command}" if problem.next else ""
    return f"{problem.message}{found}{mend}"


def _view(current: Run, operations: Operations) -> "_Lines | _Live":
    if current.as_data or not sys.stdout.isatty():
        return _Lines(current, operations)
    return _Live(current, operations)


class _Lines:
    """Not a terminal: one dated UTC line a change, and one an hour so that silence is never a doubt."""

    def __init__(self, current: Run, operations: Operations) -> None:
        self._current = current
        self._operations = operations
        self._seen = 0
        self._spoke = operations.now()
        self._trouble: str | None = None

    def begin(self) -> None:
        newest = self._operations.overview().events
        self._seen = newest[0].seq if newest else 0

    def show(self, found: Round, acting: bool) -> None:  # noqa: ARG002, FBT001  # the live view needs it
        now = self._operations.now()
        self._trouble = None
        if self._tell_new():
            self._spoke = now
        elif now - self._spoke >= QUIET:
            self._spoke = now
            self._say_quiet(found)

    def _tell_new(self) -> bool:
        from deployguard.cli.render.lines import event_line

        told = self._operations.told(self._seen)
        for event in told:
            self._seen = event.seq
            if self._current.as_data:
                self._current.print_data(event)
            elif not event.repeats:
                sys.stdout.write(event_line(event, self._operations.environment) + "\n")
        sys.stdout.flush()
        return bool(told)

    def _say_quiet(self, found: Round) -> None:
        from deployguard.cli.render.lines import quiet_line

        if not self._current.as_data:
            sys.stdout.write(quiet_line(self._operations.overview(), found) + "\n")
            sys.stdout.flush()

    def rest(self, until: datetime, acting: bool) -> None:  # noqa: ARG002, FBT001
        time.sleep(max((until - self._operations.now()).total_seconds(), SHORTEST_S))

    def trouble(self, message: str) -> None:
        """Said once, not at every tick that it lasts."""
        if message == self._trouble:
            return
        self._trouble = message
        sys.stderr.write(
            f"{self._operations.now():%Y-%m-%dT%H:%M:%SZ} {self._operations.environment} warning {message}\n"
        )
        sys.stderr.flush()

    def end(self, why: str, *, acting: bool, took: timedelta) -> None:  # noqa: ARG002
        self._tell_new()

    def stop(self) -> None:
        """Nothing is drawn here."""


class _Live:
    """A terminal: drawn in place, at most once a second and only on change; the last frame stays."""

    def __init__(self, current: Run, operations: Operations) -> None:
        from rich.live import Live

        self._current = current
        self._operations = operations
        self._live = Live(
            console=current.page.console, auto_refresh=False, screen=False, vertical_overflow="crop", transient=False
        )
        self._trouble: str | None = None
        self._last: Overview | None = None  # the last frame that could be read
        self._began_at_seq = 0

    def begin(self) -> None:
        newest = self._operations.overview().events
        self._began_at_seq = newest[0].seq if newest else 0
        self._live.start()

    def show(self, found: Round, acting: bool) -> None:  # noqa: ARG002, FBT001
        self._trouble = None
        self._draw(acting)

    def rest(self, until: datetime, acting: bool) -> None:  # noqa: FBT001
        # Counted on the clock that nobody sets: one that is set back a day must not make this rest a day long.
        deadline = time.monotonic() + (until - self._operations.now()).total_seconds()
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(max(min(left, DRAW_EVERY_S), SHORTEST_S))
            if left > DRAW_EVERY_S:
                self._draw(acting)

    def trouble(self, message: str) -> None:
        self._trouble = message
        if not self._live.is_started:
            sys.stderr.write(f"{message}\n")
            return
        self._draw(acting=False)

    def _draw(self, acting: bool) -> None:  # noqa: FBT001
        from deployguard.cli.render.live import frame

        page = self._current.page.resized()
        try:
            overview = self._last = self._operations.overview()
        except DeployguardError as error:
            if self._last is None or error.problem.code not in _PASSING:
                raise
            overview, self._trouble = self._last, _in_a_line(error.problem)
        self._live.update(
            frame(overview, page, acting=acting, height=page.console.height - 1, trouble=self._trouble), refresh=True
        )

    def stop(self) -> None:
        self._live.stop()

    def end(self, why: str, *, acting: bool, took: timedelta) -> None:
        from deployguard.cli.render.live import left

        self.stop()
        overview = self._operations.overview()
        changes = sum(
            1 for event in overview.events if event.seq > self._began_at_seq and event.type.startswith("rollout.")
        )
        left(overview, self._current.page, why=why, acting=acting, took=took, changes=changes)
        self._current.page.flush()


apps = {"watch": single("watch", watch, "Judge and act, with a live view. A second one stands by and takes over.")}
