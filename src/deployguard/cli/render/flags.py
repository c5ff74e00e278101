"""`feature-flags`: one row a flag; the row that needs a person is repeated as the last line."""

from datetime import datetime

from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.cli.render.symbols import Symbol
from deployguard.cli.render.watcher import watched_line
from deployguard.config.units import FULL, format_percentage
from deployguard.errors import Offer
from deployguard.operations.values import Answer, FlagDetail, FlagHistory, FlagRow, FlagsStatus, HistoryRow, StaleFlags
from deployguard.story.numbers import column_of_percentages, duration_words, time_of_day, zone_words

WIDE = 100


def status(view: FlagsStatus, page: Page) -> None:
    page.head(view.environment, "feature flags", f"revision {view.revision} · {_clock(view.at, page)}")
    shares = column_of_percentages([row.percentage for row in view.flags])
    rows: list[list[Piece]] = []
    for row, share in zip(view.flags, shares, strict=True):
        strong = "bold" if row.phase == "progressing" and row.rollout == row.flag_id else ""
        state = _state(row, view, page)
        step = f"{row.step}/{row.steps}" if row.step else ""
        rows.append(
            [page.t(page.sign(sign_of(row)), " ", (row.flag_id, strong)), (share, strong), step, state, _why(row)]
        )
    columns = [
        Column("  FLAG", shrinks=True),
        Column("USERS", right=True),
        Column("STEP", right=True, leaves=2),
        Column("STATE"),
    ]
    if page.width >= WIDE:
        columns.append(Column("WHY", leaves=3))
    else:
        rows = [row[:-1] for row in rows]
    page.table(columns, rows)
    page.blank(err=True)
    for warning in view.warnings:
        page.para(warning, first=page.t(page.sign(symbols.NEED), " "), rest="  ", err=True)
    waiting = [row for row in view.flags if row.waits_for == "person" and row.rollout == row.flag_id]
    offers: list[Offer] = []
    if waiting:
        names = ", ".join(row.flag_id for row in waiting)
        count = len(waiting)
        words = f"{count} rollout{'s' if count > 1 else ''} wait{'' if count > 1 else 's'} for a person"
        page.err.extend(
            page.wrapped(page.t((words, "bold yellow"), f": {names}."), page.t(page.sign(symbols.NEED), " "), "  ")
        )
        offers.append(Offer(f"deployguard rollout status {waiting[0].flag_id} --env {view.environment}"))
    moves = any(row.phase == "progressing" for row in view.flags)
    if not watched_line(view.controller, view.environment, view.at, page, matters=moves):
        offers.append(Offer(f"deployguard watch --env {view.environment}", "live view, acts while it runs"))
    if not offers:
        offers.append(_usual_next(view))
    page.next(offers)


def _usual_next(view: FlagsStatus) -> Offer:
    moving = next((row for row in view.flags if row.phase == "progressing"), None)
    if moving is not None:
        return Offer(f"deployguard rollout status {moving.rollout} --env {view.environment}")
    return Offer(f"deployguard deploy {view.environment} --dry-run", "the plan; changes nothing")


def sign_of(row: FlagRow) -> Symbol:
    if row.orphaned:
        return symbols.NEED
    if row.phase == "rolled_back":
        return symbols.BACK
    if row.phase == "paused":
        return symbols.PAUSED
    if row.phase == "progressing":
        return symbols.MOVING
    return symbols.ON if row.enabled and row.percentage > 0 else symbols.OFF


def _state(row: FlagRow, view: FlagsStatus, page: Page) -> Text:
    """What it is, and what comes next."""
    at = view.at
    tail = ", targeting changed by hand" if row.targeting_overridden else ""
    if row.orphaned:
        return page.t(("orphaned", "yellow"), ": left the config, as last defined", tail)
    if row.phase == "rolled_back":
        when = f" {time_of_day(row.taken_back_at, at, page.zone)}" if row.taken_back_at else ""
        rollback = f", {row.rollback_id}" if row.rollback_id else ""
        return page.t(("taken back", "bold red"), f"{when}{rollback}{tail}")
    if row.phase == "paused":
        return page.t(("paused", "yellow"), f", waits for a person{tail}")
    if row.phase == "progressing":
        return page.t(f"progressing, {progress_words(row, at)}{tail}")
    if row.phase == "completed":
        return page.t(
            f"completed{_guard_words(row, at)}{tail}"
            if row.rollout == row.flag_id
            else f"completed with its lead{tail}"
        )
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
    return f", guarded {duration_words(row.guarded_until - at)} more" if row.guarded_until else ""


def _why(row: FlagRow) -> str:
    if row.phase in ("rolled_back", "paused"):
        return row.reason or row.why or ""
    return f"waits: {row.waits_text}" if row.phase == "progressing" and row.waits_for not in (None, "hold") else ""


def _clock(at: datetime, page: Page) -> str:
    return f"{at.astimezone(page.zone):%H:%M:%S} {zone_words(at, page.zone)}"


def show(view: FlagDetail, page: Page) -> None:
    row = view.flag
    page.head(view.environment, page.t((row.flag_id, "bold"), f"  {row.description}"), zone_words(view.at, page.zone))
    share = format_percentage(row.percentage)
    users = f"{share}{'' if row.enabled else ', off'}"
    if row.enabled and row.reach < row.percentage:
        users += f"; reaches {format_percentage(row.reach)}"
    state = page.t(page.sign(sign_of(row)), " ", _long_state(row, view))
    facts: list[tuple[str, str | Text]] = [("users", users), ("state", state)]
    if view.because:
        facts.append(("because", view.because))
    if view.requirements:
        needs = ", ".join(
            f"{name} {'✓' if share else '✗'} {format_percentage(share)}" for name, share in view.requirements.items()
        )
        facts.append(("requires", needs))
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


def _long_state(row: FlagRow, view: FlagDetail) -> str:
    if row.phase == "rolled_back":
        by = f" by {row.why}" if row.why else ""
        return f"taken back{by}, rollback {row.rollback_id}"
    if row.phase == "progressing":
        return f"progressing, step {row.step} of {row.steps}; {progress_words(row, view.at)}"
    if row.phase == "paused":
        return f"paused, step {row.step} of {row.steps}; waits for a person"
    if row.phase == "completed":
        return f"completed{_guard_words(row, view.at)}"
    if not row.enabled:
        return "off"
    return f"set by hand{_guard_words(row, view.at)}" if row.percentage else "on for its allow list only"


def _targeting_words(view: FlagDetail) -> str:
    import json

    source = "set by hand; --reset drops it" if view.targeting_from == "state" else "as in the config"
    return f"{json.dumps(view.targeting, ensure_ascii=False)}, {source}" if view.targeting else f"everyone, {source}"


def _offers_for(row: FlagRow, env: str) -> list[Offer]:
    if row.phase == "rolled_back":
        lead = row.rollout or row.flag_id
        offers = [Offer(f"deployguard deploy {env} --retry {lead}", "when it is mended")]
        if row.rollback_id:
            offers.append(Offer(f"deployguard rollback undo {row.rollback_id} --env {env}", "it was no fault"))
        return offers
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
    cells: list[list[Piece]] = []
    for row in rows:
        change = ""
        if row.from_ is not None and row.to is not None:
            change = f"{format_percentage(row.from_)} → {format_percentage(row.to)}"
        when = (
            f"{row.at.astimezone(page.zone):%a %H:%M:%S}"
            if abs((now - row.at).days) < 6
            else f"{row.at.astimezone(page.zone):%d %b %H:%M}"
        )
        cells.append([f"  {when}", *([row.flag_id] if names else []), change, row.by, row.why])
    columns = [Column(), *([Column(shrinks=True)] if names else []), Column(right=True), Column(), Column()]
    page.table(columns, cells)


def answer(view: Answer, page: Page) -> None:
    """The order of evaluation as a list that stops where it was decided."""
    user = view.targeting_key or "nobody (no --user)"
    page.head(view.environment or "", page.t((view.flag_id, "bold"), f" for {user}"))
    rows: list[list[Piece]] = []
    for rung in view.ladder:
        symbol = symbols.NONE if rung.passed is None else symbols.PASS if rung.passed else symbols.FAIL
        rows.append([page.t(page.sign(symbol), " ", rung.name), rung.text])
    page.table([Column(), Column()], rows)
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
    rows: list[list[Piece]] = [
        [page.t(page.sign(symbols.NEED), " ", row.flag_id), format_percentage(row.percentage), row.why, row.owner or ""]
        for row in view.flags
    ]
    page.table(
        [Column("  FLAG", shrinks=True), Column("USERS", right=True), Column("WHY"), Column("OWNER", leaves=1)], rows
    )
