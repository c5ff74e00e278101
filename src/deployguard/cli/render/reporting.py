"""`report`: the story first, the tables after."""

import os
from datetime import datetime

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.errors import Offer
from deployguard.operations.values.releases import Reports
from deployguard.story.explain import paragraph
from deployguard.story.numbers import day_words, duration_words, time_of_day, zone_words
from deployguard.story.report import Outcome, Report, ReportStep
from deployguard.story.report.cells import by_people, change_words, command_cells, seen_words

_SIGN = {
    Outcome.TAKEN_BACK: symbols.BACK,
    Outcome.ABORTED: symbols.BACK,
    Outcome.FAILED: symbols.FAIL,
    Outcome.PAUSED: symbols.PAUSED,
    Outcome.PROGRESSING: symbols.MOVING,
    Outcome.RUNNING: symbols.MOVING,
}


def listed(view: Reports, page: Page) -> None:
    page.head(view.environment, "releases", zone_words(view.reports[0].started_at, page.zone) if view.reports else "")
    if not view.reports:
        page.put("  nothing was deployed yet")
        page.next([Offer(f"deployguard deploy {view.environment} --dry-run", "the plan; changes nothing")])
        return
    newest = view.reports[0].started_at
    rows: list[list[Piece]] = [
        [r.release_id, time_of_day(r.started_at, newest, page.zone, date=True), r.version or "", r.outcome, r.by]
        for r in view.reports
    ]
    columns = [Column("ID"), Column("WHEN"), Column("VERSION"), Column("OUTCOME", shrinks=True), Column("BY", leaves=1)]
    page.table(columns, rows)
    page.next([Offer(f"deployguard report show {view.reports[0].release_id} --env {view.environment}")])


def report(view: Report, page: Page) -> None:
    name = page.t(f"release {view.release}", f", {view.version}" if view.version else "")
    days = dict.fromkeys(day_words(at.astimezone(page.zone)) for at in (view.started_at, view.made_at))
    span = f"{' to '.join(days)} {view.made_at.astimezone(page.zone).year} · {zone_words(view.made_at, page.zone)}"
    page.head(view.environment, name, span)
    sign = _SIGN.get(view.outcome, symbols.PASS)
    took = duration_words((view.finished_at or view.made_at) - view.started_at)
    ran = [run for run in view.commands if run.kind == "deploy"]
    good = sum(1 for run in ran if run.exit_code == 0)
    commands = f"{good} of {len(ran)} commands" if ran else "no command"
    deployed = f"{time_of_day(view.started_at, view.made_at, page.zone)} by {view.by}, {took}, {commands}"
    rows: list[tuple[str, Piece]] = [("outcome", page.t(page.sign(sign), " ", view.summary)), ("deployed", deployed)]
    if view.error:
        rows.append(("error", view.error))
    page.facts(rows)
    _commands(view, page)
    if view.steps:
        page.blank()
        _steps(view.steps, view.made_at, page)
    for act in view.acted:
        page.blank()
        undone = f" Undone by {act.undone_by}." if act.undone_by else ""
        page.sentence(symbols.BACK, paragraph(act.sentence) + undone)
    for one in by_people(view):
        page.blank()
        page.sentence(symbols.ON if one.undoes else symbols.BACK, paragraph(one.sentence))
    page.next([*_way_back(view), _as_markdown(view)])


def _as_markdown(view: Report) -> Offer:
    """For a CI job's page where there is one."""
    page = ' >> "$GITHUB_STEP_SUMMARY"' if os.environ.get("GITHUB_STEP_SUMMARY") else ""
    return Offer(f"deployguard report show {view.release} --env {view.environment} --format markdown{page}")


def _way_back(view: Report) -> list[Offer]:
    """What is taken back and not undone: mended first, then the undo."""
    act = next((act for act in view.acted if act.undo and not act.undone_by), None)
    if act is None or act.undo is None:
        return []
    retry = f"deployguard deploy {view.environment} --retry {act.rollout}"
    return [Offer(retry, "when it is mended"), Offer(act.undo, "it was no fault")]


def _commands(view: Report, page: Page) -> None:
    """Each command, where one failed or a way back was gone; else their count says enough."""
    if all(run.exit_code == 0 and run.kind == "deploy" for run in view.commands):
        return
    page.blank()
    for run in view.commands:
        back = run.kind == "rollback"
        good = run.exit_code == 0
        sign = symbols.BACK if back and good else symbols.PASS if good else symbols.FAIL
        if run.running:
            sign = symbols.MOVING
        command, how, took = command_cells(run)
        page.out.extend(page.ends(page.t(page.sign(sign), " ", (command, "bold"), f"  {how}"), page.t(took)))
        if run.last_line and not good:
            page.para(run.last_line, first=page.t("  ", ("│ ", "dim")))
        if run.output and not good:
            page.para(f"every line: {run.output}", first="  ")


def _steps(steps: tuple[ReportStep, ...], now: datetime, page: Page) -> None:
    rows: list[list[Piece]] = []
    for step in steps:
        local = step.at.astimezone(page.zone)
        name, day, _ = day_words(local).split()
        when = f"{local:%H:%M:%S}" if (now - step.at).days < 1 else f"{name} {day} {local:%H:%M}"
        rows.append([when, step.flag_id or step.rollout, change_words(step), seen_words(step), step.why])
    columns = [
        Column("WHEN"),
        Column("ROLLOUT", shrinks=True),
        Column("CHANGE", right=True),
        Column("SEEN BY", right=True, leaves=1),
        Column("WHY", wraps=True),
    ]
    page.table(columns, rows)
