"""`watch` where nobody looks at a terminal: one dated UTC line a change, or one JSON object."""

import sys
import time
from datetime import datetime, timedelta

from deployguard.cli.context import Run
from deployguard.errors import Code, Problem
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Round

QUIET = timedelta(hours=1)
SHORTEST_S = 0.2
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
        self._trouble: str | None = None
        self._stood_by = False

    def begin(self) -> None:
        newest = self._operations.overview().events
        self._seen = newest[0].seq if newest else 0

    def show(self, found: Round, acting: bool) -> None:  # noqa: FBT001
        now = self._operations.now()
        self._trouble = None
        if not acting and not self._stood_by:
            self._say_standing_by(found)
        self._stood_by = not acting
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

    def _say_standing_by(self, found: Round) -> None:
        from deployguard.cli.render.lines import standing_by_line

        if not self._current.as_data:
            sys.stdout.write(standing_by_line(found) + "\n")
            sys.stdout.flush()

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
