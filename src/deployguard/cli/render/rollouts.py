"""A rollout: the track shows the past filled, now bracketed; below it each verdict with the value in place."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page
from deployguard.cli.render.symbols import Symbol
from deployguard.cli.render.watcher import watched_line
from deployguard.config.units import format_percentage, percentage_number
from deployguard.errors import Offer
from deployguard.story.headline import ways_back
from deployguard.story.numbers import (
    count_words,
    counted,
    duration_words,
    hold_words,
    left_words,
    out_of_words,
    time_of_day,
)

if TYPE_CHECKING:
    from deployguard.operations.values.rollouts import RolloutRow, RolloutsStatus, TriggerLine


LONGEST_TRACK = 10  # steps; beyond it text only
_BAR = 4


def sign_of(row: RolloutRow) -> Symbol:
    waits = row.phase == "progressing" and row.waits_for in ("samples", "source")
    return symbols.WAIT if waits else symbols.OF_PHASE[row.phase]


def opening(row: RolloutRow, now: datetime, page: Page) -> list[Text]:
    """Name and share, then the track and what comes next."""
    left = page.t(page.sign(sign_of(row)), " ", (row.rollout, "bold"))
    if row.phase == "rolled_back":
        ago = duration_words(now - row.entered_at)
        from_ = format_percentage(row.taken_back_from) if row.taken_back_from is not None else "?"
        right = page.t((f"taken back {ago} ago", "bold red"), f": {from_} → ", ("0%", "bold"))
    else:
        step = f" · step {row.step} of {len(row.steps)}" if row.step else ""
        right = page.t(f"{format_percentage(row.percentage)} of users{step}")
    return [*page.ends(left, right), *page.ends(track(row, page), page.t(_then(row, now)))]


def _then(row: RolloutRow, now: datetime) -> str:
    if row.phase == "rolled_back":
        if row.taken_back_step and row.lasted is not None:
            return f"step {row.taken_back_step} of {len(row.steps)} lasted {duration_words(row.lasted)}"
        return ""
    if row.phase == "paused":
        return "paused: waits for a person"
    if row.phase == "completed":
        return f"guarded {left_words(row.guarded_until - now)} more" if row.guarded_until else "completed"
    to = format_percentage(row.next_percentage) if row.next_percentage is not None else "the end"
    if row.next_step_at is not None and row.next_step_at > now:
        return f"{to} in {duration_words(row.next_step_at - now)}"
    return {
        "samples": "held: no data",
        "source": "held: a source is down",
        "trigger": "held: a trigger fails",
        "person": "held: waits for a person",
    }.get(row.waits_for or "", f"{to} at the next tick")


def track(row: RolloutRow, page: Page) -> Text:
    """`5 ━━━━ 15 ━━━━ [30] ━─── 50 ──── 75 ──── 100`; `«` where it was taken back."""
    line = page.t("  ")
    at = row.taken_back_step if row.phase == "rolled_back" else row.step
    if len(row.steps) > LONGEST_TRACK:
        return page.t(f"  step {at or '?'} of {len(row.steps)}")
    for number, step in enumerate(row.steps, 1):
        name = str(percentage_number(step.percentage))
        now_here = number == at and row.phase != "rolled_back"
        passed = at is not None and number <= at
        line.append_text(
            page.t((f"[{name}]" if now_here else name, "bold" if number == at else "green" if passed else "dim"))
        )
        if number == len(row.steps):
            break
        line.append(" ")
        line.append_text(_between(row, number, at, page))
        line.append(" ")
    return line


def _between(row: RolloutRow, number: int, at: int | None, page: Page) -> Text:
    if at is None or number > at:
        return page.t(("─" * _BAR, "dim"))
    if number < at:
        return page.t(("━" * _BAR, "green"))
    if row.phase == "rolled_back":
        return page.t(("«", "bold red"), ("─" * (_BAR - 1), "dim"))
    filled = min(_BAR, int((row.held or 0.0) * _BAR + 1e-9))
    if row.phase == "progressing" and row.held and not filled:
        filled = 1
    return page.t(("━" * filled, "green"), ("─" * (_BAR - filled), "dim"))


def table(row: RolloutRow, now: datetime, page: Page) -> list[Text]:
    """The triggers of one rollout with both populations, limit, samples and spark line."""
    has_users = any(line.exposed is not None for line in row.lines)
    columns = [
        Column("  TRIGGER", shrinks=True),
        *([Column("ITS USERS", right=True, label="its users")] if has_users else []),
        Column("EVERYONE", right=True, label="everyone"),
        Column("LIMIT", right=True, label="limit"),
        Column("SAMPLES", right=True, leaves=1, label="samples"),
        Column(_span(row, now, page), leaves=2),
    ]
    lines = page.table_lines(columns, [_table_row(line, page, has_users=has_users) for line in row.lines], indent="  ")
    for line in row.lines:
        if line.early:
            lines += page.wrapped(page.t(f"{line.trigger} {line.early}"), Text("    "), "    ")
        elif line.cause and not line.holds:
            words = page.t(f"{line.trigger}: {line.cause}; it does not hold")
            lines += page.wrapped(words, page.t("  ", page.sign(symbols.NONE), " "), "    ")
    if row.restarted:
        lines += page.wrapped(page.t(_restart(row, now, page)), Text("    "), "    ")
    return lines


def _restart(row: RolloutRow, now: datetime, page: Page) -> str:
    """Why the figures of a step are younger than the step."""
    return f"figures start again at {time_of_day(row.anchor or now, now, page.zone)}: {row.restarted}"


def _table_row(line: TriggerLine, page: Page, *, has_users: bool) -> list[Text]:
    sign = symbols.NONE if not line.holds and line.verdict == "inconclusive" else symbols.OF_VERDICT[line.verdict]
    style = {"fail": "bold red", "inconclusive": "yellow"}.get(line.verdict, "")
    samples = out_of_words(line.samples, line.needed)
    shadow = " (shadow)" if line.shadow else ""
    cells = [page.t(page.sign(sign), " ", line.trigger, (shadow, "dim"))]
    if has_users:
        cells.append(page.t((line.exposed or "", style)))
        style = "" if line.exposed is not None else style
    cells += [page.t((line.everyone or "", style)), page.t(line.limit), page.t(samples), page.spark(line.spark)]
    return cells


def _span(row: RolloutRow, now: datetime, page: Page) -> str:
    """`LAST 30 MIN`, or since when where the anchor is nearer."""
    since = row.spark_since
    if since is None or (now - since).total_seconds() >= 1799:
        return "LAST 30 MIN"
    return f"SINCE {since.astimezone(page.zone):%H:%M:%S}"


def summary(row: RolloutRow, now: datetime, page: Page) -> list[Text]:
    """A sentence instead of the table: `4 of 4 triggers pass · nearest: ...`."""
    holding = [line for line in row.lines if line.holds]
    passing = sum(1 for line in holding if line.verdict == "pass")
    failing = [line.trigger for line in holding if line.verdict == "fail"]
    waiting = len(holding) - passing - len(failing)
    parts = [f"{passing} of {len(holding)} triggers pass"]
    if failing:
        parts.append(f"{', '.join(failing)} {'fails' if len(failing) == 1 else 'fail'}")
    if waiting:
        cause = next((line.cause for line in holding if line.verdict == "inconclusive" and line.cause), None)
        cause = _restart(row, now, page) if row.restarted else cause
        parts.append(f"{waiting} {'waits' if waiting == 1 else 'wait'}{f': {cause}' if cause else ''}")
    elif row.nearest and not failing:
        parts.append(f"nearest: {row.nearest}")
    sign = symbols.FAIL if failing else symbols.WAIT if waiting else symbols.PASS
    return page.wrapped(page.t(" · ".join(parts)), page.t("  ", page.sign(sign), " "), "    ")


def status(view: RolloutsStatus, page: Page) -> None:
    env, now = view.environment, view.at
    page.head(env, "rollout" if len(view.rollouts) == 1 else "rollouts", page.clock(view.at, view.revision))
    if not view.rollouts:
        page.put("  no rollout")
        page.next([Offer(f"deployguard rollout plan --env {env}", "what would start; changes nothing")])
        return
    one = len(view.rollouts) == 1
    for row in view.rollouts:
        page.out.extend(opening(row, now, page))
        if row.riders:
            page.para(f"with it: {', '.join(row.riders)}", first="  ")
        if row.reason and row.phase in ("paused", "rolled_back"):
            said = row.reason if row.trigger else f'"{row.reason}"'
            page.para(f"by {said}" if row.reason == row.trigger else said, first="  ")
        if row.lines and (one or any(line.verdict != "pass" for line in row.lines)):
            page.out.extend(table(row, now, page))
        elif row.lines:
            page.out.extend(summary(row, now, page))
        if not one:
            page.blank()
    if one:
        _ending(view.rollouts[0], view, page)
    elif not watched_line(view.controller, env, now, page):
        page.next([Offer(f"deployguard watch --env {env}", "live view, acts while it runs")])


def _ending(row: RolloutRow, view: RolloutsStatus, page: Page) -> None:
    env, now, lead = view.environment, view.at, row.rollout
    page.blank()
    if row.exposed is not None and row.phase != "rolled_back":
        hold = row.steps[row.step - 1].hold if row.step else None
        of = f" of {hold_words(hold)}" if hold and row.phase == "progressing" else ""
        since = time_of_day(row.entered_at, now, page.zone)
        seen = f"{count_words(row.exposed.users)} users" if row.exposed.users else "no user with an id"
        page.para(f"Seen by {seen} since {since} ({duration_words(now - row.entered_at)}{of}).")
    offers: list[Offer] = []
    if row.phase == "progressing":
        _progress_sentence(row, now, page)
        offers = [
            Offer(f"deployguard rollout pause {lead} --env {env}"),
            Offer(f"deployguard rollout promote {lead} --env {env}", f"{format_percentage(row.next_percentage)} now")
            if row.next_percentage is not None
            else Offer(f"deployguard rollout abort {lead} --env {env}", "back to 0%"),
        ]
    elif row.phase == "paused":
        offers = [
            Offer(f"deployguard rollout resume {lead} --env {env}"),
            Offer(f"deployguard rollout abort {lead} --env {env}", "back to 0%"),
        ]
    elif row.phase == "rolled_back":
        offers = [*ways_back(env, lead, row.rollback_id, by_trigger=row.trigger is not None)]
    watched = watched_line(view.controller, env, now, page)
    if row.phase == "progressing" or not offers:
        offers.insert(0, Offer(f"deployguard watch --env {env}", None if watched else "live view, acts while it runs"))
    page.next(offers)


def _progress_sentence(row: RolloutRow, now: datetime, page: Page) -> None:
    failing = [line.trigger for line in row.lines if line.verdict == "fail" and line.holds]
    to = format_percentage(row.next_percentage) if row.next_percentage is not None else "completed"
    if failing:
        fails = "fails" if len(failing) == 1 else "fail"
        page.sentence(symbols.FAIL, (f"{', '.join(failing)} {fails}.", "bold red"), " It holds.")
        return
    waits = sum(1 for line in row.lines if line.verdict == "inconclusive" and line.holds)
    if row.next_step_at is None or row.next_step_at <= now:
        words = row.waits_text or "the next tick decides"
        page.sentence(symbols.WAIT, f"The hold is over; {to} comes when it has earned it: {words}.")
        return
    when = time_of_day(row.next_step_at, now, page.zone)
    if waits:
        words = f"{counted(waits, 'trigger')} {'waits' if waits == 1 else 'wait'} for data."
        page.sentence(symbols.WAIT, (words, "bold"), f" {to} on {when} at the earliest.")
    else:
        page.sentence(symbols.PASS, ("All pass.", "bold"), f" Then {to} on {when} if that stays so.")
