"""`watch` in a terminal."""

import sys
import time
from datetime import datetime, timedelta

from deployguard.cli.context import Run
from deployguard.cli.render.page import Plain
from deployguard.cli.watch_lines import PASSING, SHORTEST_S, in_a_line
from deployguard.errors import DeployguardError
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Overview, Round

DRAW_EVERY_S = 1.0


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
