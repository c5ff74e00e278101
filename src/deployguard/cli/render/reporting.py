"""`report`: the story first, the tables after."""

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page
from deployguard.operations.values import Reports
from deployguard.story.numbers import time_of_day, zone_words


def listed(view: Reports, page: Page) -> None:
    page.head(view.environment, "releases", zone_words(view.reports[0].started_at, page.zone) if view.reports else "")
    if not view.reports:
        page.put("  nothing was deployed yet")
        return
    newest = view.reports[0].started_at
    rows = [
        [r.release_id, time_of_day(r.started_at, newest, page.zone, date=True), r.version or "", r.outcome, r.by]
        for r in view.reports
    ]
    page.table(
        [Column("ID"), Column("WHEN"), Column("VERSION"), Column("OUTCOME", shrinks=True), Column("BY", leaves=1)], rows
    )


def sign_of_outcome(words: str) -> symbols.Symbol:
    if "taken back" in words or "abort" in words:
        return symbols.BACK
    return symbols.FAIL if "fail" in words else symbols.PASS
