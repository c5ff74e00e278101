"""`feature-flags`: one row a flag; the row that needs a person is repeated as the last line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.cli.render.planning import needs_words
from deployguard.cli.render.symbols import Symbol
from deployguard.cli.render.watcher import watched_line
from deployguard.config.units import FULL, format_percentage
from deployguard.errors import Offer
from deployguard.story.numbers import (
    column_of_percentages,
    counted,
    day_words,
    duration_words,
    left_words,
    time_of_day,
    zone_words,
)

if TYPE_CHECKING:
    from deployguard.operations.values.flags import Answer, FlagDetail, FlagHistory, StaleFlags
    from deployguard.operations.values.status import FlagRow, FlagsStatus
    from deployguard.story.history import HistoryRow

WIDE = 100
SHORT = 48  # columns of a reason that stands on the line of its change
SHORT_BESIDE_NAMES = 20


def status(view: FlagsStatus, page: Page) -> None:
    page.head(view.environment, "feature flags", page.clock(view.at, view.revision))
    shares = column_of_percentages([row.percentage for row in view.flags])
    rows: list[list[Piece]] = []
    for row, share in zip(view.flags, shares, strict=True):
        strong = "bold" if row.phase == "progressing" and row.rollout == row.flag_id else ""
        state = _state(row, view.at, page)
        step = f"{row.step}/{row.steps}" if row.step else ""
        rows.append(
            [page.t(page.sign(sign_of(row)), " ", (row.flag_id, strong)), (share, strong), step, state, _why(row)]
        )
    columns = [
        Column("  FLAG", shrinks=True),
        Column("USERS", right=True),
        Column("STEP", right=True, leaves=2),
        Column("STATE", wraps=True),
    ]
    if page.width >= WIDE:
        columns.append(Column("WHY", wraps=True, leaves=3))
    else:
        rows = [row[:-1] for row in rows]
    page.table(columns, rows)
    page.blank(err=True)
    for warning in view.warnings:
        page.sentence(symbols.NEED, warning, err=True)
    offers: list[Offer] = []
    watched = view.controller is not None and view.controller.alive
    # What needs somebody is the last line above `next:`; that nobody watches more than all else.
    if watched:
        watched_line(view.controller, view.environment, view.at, page)
    _waiting(view, offers, page)
    if not watched:
        watched_line(view.controller, view.environment, view.at, page)
        offers.insert(0, Offer(f"deployguard watch --env {view.environment}", "live view, acts while it runs"))
    page.next(offers or [_usual_next(view)])


def _waiting(view: FlagsStatus, offers: list[Offer], page: Page) -> None:
    waiting = [row for row in view.flags if row.waits_for == "person" and row.rollout == row.flag_id]
    if not waiting:
        return
    words = f"{counted(len(waiting), 'rollout')} {'waits' if len(waiting) == 1 else 'wait'} for a person"
    line = page.t((words, "bold yellow"), f": {', '.join(row.flag_id for row in waiting)}.")
    page.sentence(symbols.NEED, line, err=True)
    offers.append(Offer(f"deployguard rollout status {waiting[0].flag_id} --env {view.environment}"))


def _usual_next(view: FlagsStatus) -> Offer:
    moving = next((row for row in view.flags if row.phase == "progressing"), None)
    if moving is not None:
        return Offer(f"deployguard rollout status {moving.rollout} --env {view.environment}")
    return Offer(f"deployguard deploy {view.environment} --dry-run", "the plan; changes nothing")


def sign_of(row: FlagRow) -> Symbol:
    if row.orphaned:
        return symbols.NEED
    by_hand = symbols.ON if row.enabled and row.percentage > 0 else symbols.OFF
    return symbols.OF_PHASE.get(row.phase or "", by_hand)


def _state(row: FlagRow, at: datetime, page: Page) -> Text:
    """What it is, and what comes next."""
    tail = ", targeting changed by hand" if row.targeting_overridden else ""
    if row.orphaned:
        return page.t(("orphaned", "yellow"), ": left the config, as last defined", tail)
    if row.phase == "rolled_back":
        when = f" {time_of_day(row.taken_back_at, at, page.zone)}" if row.taken_back_at else ""
        rollback = f", {row.rollback_id}" if row.rollback_id else ""
        return page.t(("taken back", "bold red"), f"{when}{rollback}{tail}")
    rides = row.rollout != row.flag_id
    if row.phase == "paused":
        return page.t(("paused", "yellow"), f"{' with its lead' if rides else ', waits for a person'}{tail}")
    if row.phase == "progressing":
        return page.t(f"progressing{' with its lead' if rides else f', {progress_words(row, at)}'}{tail}")
    if row.phase == "completed":
        return page.t(f"completed with its lead{tail}" if rides else f"completed{_guard_words(row, at)}{tail}")
    if not row.enabled:
        return page.t(f"off{tail}")
    if row.percentage == 0:
        return page.t(f"on for its allow list only{tail}")
    reach = f", reaches {format_percentage(row.reach)}" if row.reach < row.percentage else ""
    return page.t(f"set by hand{reach}{_guard_words(row, at)}{tail}")


def progress_words(row: FlagRow, at: datetime) -> str:
    """`50% in 14h 11m`, or what it waits for."""
    to = format_percentage(row.next_percentage) if row.next_percentage is not None else "the end"
    if row.next_step_at is not None and row.next_step_at > at:
        return f"{to} in {duration_words(row.next_step_at - at)}"
    return f"{to} when it has earned it: {row.waits_text}" if row.waits_text else f"{to} at the next tick"


def _guard_words(row: FlagRow, at: datetime) -> str:
    return f", guarded {left_words(row.guarded_until - at)} more" if row.guarded_until else ""


def _why(row: FlagRow) -> str:
    if row.phase in ("rolled_back", "paused"):
        return row.reason or row.why or ""
    if row.phase != "progressing":
        return ""
    return row.why or (f"waits: {row.waits_text}" if row.waits_for not in (None, "hold") else "")


def show(view: FlagDetail, page: Page) -> None:
    row = view.flag
    page.head(view.environment, page.t((row.flag_id, "bold"), f"  {row.description}"), zone_words(view.at, page.zone))
    share = format_percentage(row.percentage)
    users = f"{share}{'' if row.enabled else ', off'}{_until(view, page)}"
    if row.enabled and row.reach < row.percentage:
        users += f"; reaches {format_percentage(row.reach)}"
    state = page.t(page.sign(sign_of(row)), " ", _long_state(row, view.at, page))
    facts: list[tuple[str, str | Text]] = [("users", users), ("state", state)]
    if view.because:
        facts.append(("because", view.because.split(" Undo: ")[0]))
    if view.requirements:
        facts.append(("requires", needs_words(view.requirements)))
    facts.append(("targeting", _targeting_words(view)))
    facts.append(("seed", row.seed))
    facts.append(("owner", row.owner or page.t(("!", "yellow"), ' none; set "owner" in the config')))
    page.facts(facts)
    if view.history:
        page.blank()
        page.put(("HISTORY", "dim"))
        _history_rows(view.history, view.at, page)
    page.blank(err=True)
    page.next(_offers_for(row, view.environment))


def _until(view: FlagDetail, page: Page) -> str:
    """`; 30% until Tue 24 Nov 14:31:50`, where it was taken back."""
    last = next((row for row in view.history if row.to is not None), None)
    if view.flag.phase != "rolled_back" or last is None or not last.from_:
        return ""
    return f"; {format_percentage(last.from_)} until {time_of_day(last.at, view.at, page.zone)}"


def _long_state(row: FlagRow, at: datetime, page: Page) -> Text:
    if row.phase == "rolled_back":
        return page.t(f"taken back{f' by {row.why}' if row.why else ''}, rollback {row.rollback_id}")
    return page.t(_state(row, at, page), f"; step {row.step} of {row.steps}" if row.step else "")


def _targeting_words(view: FlagDetail) -> str:
    import json

    source = "set by hand; --reset drops it" if view.targeting_from == "state" else "as in the config"
    return f"{json.dumps(view.targeting, ensure_ascii=False)}, {source}" if view.targeting else f"everyone, {source}"


def _offers_for(row: FlagRow, env: str) -> Sequence[Offer]:
    if row.phase == "rolled_back":
        from deployguard.story.headline import ways_back

        return ways_back(env, row.rollout or row.flag_id, row.rollback_id, by_trigger=row.why is not None)
    if row.phase == "paused":
        return [Offer(f"deployguard rollout resume {row.rollout} --env {env}")]
    if row.phase == "progressing":
        return [Offer(f"deployguard rollout status {row.rollout} --env {env}")]
    if row.enabled:
        return [
            Offer(f"deployguard feature-flags evaluate {row.flag_id} --user USER --env {env}", "what one user gets")
        ]
    return [Offer(f"deployguard rollout plan {row.flag_id} --env {env}", "the steps with dates; changes nothing")]


def history(view: FlagHistory, page: Page) -> None:
    page.head(view.environment, page.t(view.flag_id or "all flags", "  history"))
    if not view.history:
        page.put("  nothing happened yet")
        return
    _history_rows(view.history, view.history[0].at, page, names=view.flag_id is None)


def _history_rows(rows: tuple[HistoryRow, ...], now: datetime, page: Page, *, names: bool = False) -> None:
    """One line a change; a long reason stands below it."""
    short = SHORT_BESIDE_NAMES if names else SHORT
    cells: list[list[Piece]] = []
    for row in rows:
        change = ""
        if row.from_ is not None and row.to is not None:
            change = f"{format_percentage(row.from_)} → {format_percentage(row.to)}"
        name = [row.flag_id] if names else []
        cells.append([f"  {_when(row.at, now, page)}", *name, change, row.by, row.why if len(row.why) <= short else ""])
    columns = [
        Column(),
        *([Column(shrinks=True)] if names else []),
        Column(right=True),
        Column(shrinks=True),
        Column(wraps=True),
    ]
    page.table(columns, cells, below=[row.why if len(row.why) > short else None for row in rows])


def _when(at: datetime, now: datetime, page: Page) -> str:
    """`Tue 14:31:50` within the last days, else `12 Nov 02:32`."""
    there = at.astimezone(page.zone)
    name, day, month = day_words(there).split()
    return f"{name} {there:%H:%M:%S}" if abs((now - at).days) < 6 else f"{day} {month} {there:%H:%M}"


def answer(view: Answer, page: Page) -> None:
    """The order of evaluation as a list that stops where it was decided."""
    user = view.targeting_key or "nobody (no --user)"
    page.head(view.environment or "", page.t((view.flag_id, "bold"), f" for {user}"))
    rows: list[list[Piece]] = []
    for rung in view.ladder:
        symbol = symbols.NONE if rung.passed is None else symbols.PASS if rung.passed else symbols.FAIL
        rows.append([page.t(page.sign(symbol), " ", rung.name), rung.text])
    page.table([Column(), Column(wraps=True)], rows)
    page.blank()
    by = {"bucket": "the bucket", "percentage": "the percentage"}.get(view.decided_by, view.decided_by)
    on_from = ""
    if not view.value and view.on_from is not None and view.decided_by in ("bucket", "percentage"):
        step = f": step {view.on_from_step}" if view.on_from_step else ""
        on_from = f" On from {format_percentage(view.on_from)}{step}."
    sign, word = (symbols.ON, "on") if view.value else (symbols.OFF, "off")
    page.put(page.sign(sign), f" {word}, decided by {by} ({view.reason}).{on_from}")
    if not view.value and view.targeting_key and view.on_from is not None and view.on_from <= FULL:
        command = f"deployguard feature-flags target {view.flag_id} --allow-user {view.targeting_key}"
        page.next([Offer(f"{command} --env {view.environment}", "on for this one")])


def stale(view: StaleFlags, page: Page) -> None:
    page.head(view.environment, "stale flags", f"older than {duration_words(view.older_than)}")
    if not view.flags:
        page.put(page.sign(symbols.PASS), " no flag is stale")
        return
    shares = column_of_percentages([row.percentage for row in view.flags])
    rows: list[list[Piece]] = [
        [page.t(page.sign(symbols.NEED), " ", row.flag_id), share, row.why, row.owner or ""]
        for row, share in zip(view.flags, shares, strict=True)
    ]
    page.table(
        [
            Column("  FLAG", shrinks=True),
            Column("USERS", right=True),
            Column("WHY", wraps=True),
            Column("OWNER", leaves=1),
        ],
        rows,
    )
