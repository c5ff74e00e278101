"""What `watch` shows: a live view in a terminal; else one dated UTC line a change, or one JSON object."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from deployguard.cli.context import Run
from deployguard.cli.process import UnprintableError
from deployguard.cli.render.page import Plain
from deployguard.errors import Code, DeployguardError, Problem
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Overview, Round

QUIET = timedelta(hours=1)
SHORTEST_S = 0.2
DRAW_EVERY_S = 1.0
# Another process may hold the state for a moment, or commit first; somebody may be restoring a damaged one: the next
# tick tries again. Leaving instead would have a supervisor start us over and over, with nobody told.
PASSING = (Code.STATE_LOCKED, Code.REVISION_CHANGED, Code.STATE_DAMAGED, Code.CHAIN_BROKEN)


def in_a_line(problem: Problem) -> str:
    """What is wrong, what was found, and the first command that mends it."""
    found = f": {problem.found}" if problem.found else ""
    mend = f"; mend: {problem.next[0].command}" if problem.next else ""
    return f"{problem.message}{found}{mend}"


class LogView:
    """Not a terminal: one dated UTC line a change, and one an hour so that silence is never a doubt."""

    def __init__(self, current: Run, operations: Operations) -> None:
        self._current = current
        self._operations = operations
        self._seen = 0
        self._spoke = operations.now()
        self._troubles: dict[str, datetime] = {}
        self._stood_by = False

    def begin(self) -> None:
        newest = self._operations.overview().events
        self._seen = newest[0].seq if newest else 0

    def show(self, found: Round, acting: bool) -> None:  # noqa: FBT001
        now = self._operations.now()
        if found.trouble:
            self.trouble(found.trouble)
        if not acting and not self._stood_by:
            self._say_standing_by(found)
        self._stood_by = not acting
        if self._tell_new():
            self._spoke = now
        elif now - self._spoke >= QUIET:
            self._spoke = now
            self._say_quiet(found)

    def _tell_new(self) -> bool:
        told = self._operations.told(self._seen)
        for event in told:
            self._seen = event.seq
            if self._current.as_data:
                with self._going_on():
                    self._current.print_data(event)
            elif not event.repeats:
                self._say(event.time, f"{event.severity} {event.type}: {event.sentence}")
        return bool(told)

    def _say_standing_by(self, found: Round) -> None:
        """The first line of a second watcher: who acts, and that it takes over."""
        who = f"{found.controller.name} (pid {found.controller.pid}) acts" if found.controller else "another one acts"
        self._say(found.at, f"info standing by: {who}; takes over if it stops")

    def _say_quiet(self, found: Round) -> None:
        """Once an hour without a change."""
        view = self._operations.overview()
        progressing = sum(1 for row in view.rollouts if row.phase == "progressing")
        holding: dict[str, bool] = {}
        for one in found.verdicts:
            if one.holds:
                holding[one.trigger] = holding.get(one.trigger, True) and one.verdict == "pass"
        many = f"{progressing} rollout{'s' if progressing != 1 else ''} progressing"
        self._say(view.at, f"info still watching: {many}, {sum(holding.values())} of {len(holding)} triggers pass")

    def _say(self, at: datetime, words: str) -> None:
        """`2026-11-24T13:20:04Z prod info ...`: the event's name as in the audit log, the sentence as everywhere."""
        if not self._current.as_data:
            with self._going_on():
                sys.stdout.write(f"{at:%Y-%m-%dT%H:%M:%SZ} {self._operations.environment} {words}\n")
                sys.stdout.flush()

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """A log whose disk is full ends no watching."""
        try:
            yield
        except UnprintableError as error:
            self.trouble(f"standard output cannot be written ({error.strerror}); watching goes on")

    def rest(self, until: datetime, acting: bool) -> None:  # noqa: ARG002, FBT001
        time.sleep(max((until - self._operations.now()).total_seconds(), SHORTEST_S))

    def trouble(self, message: str) -> None:
        """Said once an hour, not at every tick that it lasts."""
        now, said = self._operations.now(), self._troubles.get(message)
        if said is not None and now - said < QUIET:
            return
        self._troubles[message] = now
        sys.stderr.write(f"{now:%Y-%m-%dT%H:%M:%SZ} {self._operations.environment} warning {message}\n")
        sys.stderr.flush()

    def end(self, why: str, *, acting: bool, took: timedelta) -> None:  # noqa: ARG002
        self._tell_new()

    def stop(self) -> None:
        """Nothing is drawn here."""


class TerminalView:
    """A terminal: drawn in place, at most once a second and only on change; the last frame stays."""

    def __init__(self, current: Run, operations: Operations) -> None:
        from rich.live import Live

        console = current.page.console
        if isinstance(console, Plain):
            raise TypeError("a live view is drawn in a terminal alone")
        self._current = current
        self._operations = operations
        self._live = Live(console=console, auto_refresh=False, screen=False, vertical_overflow="crop", transient=False)
        self._trouble: str | None = None
        self._last: Overview | None = None  # the last frame that could be read
        self._began_at_seq = 0

    def begin(self) -> None:
        newest = self._operations.overview().events
        self._began_at_seq = newest[0].seq if newest else 0
        self._live.start()

    def show(self, found: Round, acting: bool) -> None:  # noqa: FBT001
        self._trouble = found.trouble
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
            if self._last is None or error.problem.code not in PASSING:
                raise
            overview, self._trouble = self._last, in_a_line(error.problem)
        self._live.update(
            frame(overview, page, acting=acting, height=self._live.console.height - 1, trouble=self._trouble),
            refresh=True,
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
