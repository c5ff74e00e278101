"""Who watches, in the one sentence that status, deploy and watch share."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Page
from deployguard.story.numbers import age_words, duration_words, time_of_day

if TYPE_CHECKING:
    from deployguard.operations.values.status import ControllerInfo


def who(watcher: ControllerInfo, now: datetime) -> str:
    """`deploy@build-1 (watch, pid 4121), last tick 2s ago`."""
    ago = age_words(max(now, watcher.last_tick_at) - watcher.last_tick_at)
    every = f"; it comes about every {duration_words(watcher.interval)}" if watcher.via == "watch --once" else ""
    return f"{watcher.name} ({watcher.via}, pid {watcher.pid}), last tick {ago} ago{every}"


def watched_line(watcher: ControllerInfo | None, environment: str, now: datetime, page: Page) -> bool:
    """Say who watches; or that nobody does, with its consequence. Answers whether somebody watches."""
    if watcher is not None and watcher.alive:
        page.para(f"Watched by {who(watcher, now)}.", err=True)
        return True
    since = f" since {time_of_day(watcher.last_tick_at, now, page.zone)}" if watcher is not None else ""
    line = page.t(
        (f"Nothing is watching {environment}{since}", "bold yellow"), ": no step is taken and nothing is taken back."
    )
    page.sentence(symbols.NEED, line, err=True)
    return False
