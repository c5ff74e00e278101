"""`gate`, `monitoring`, `watch --once`: what is seen and judged, made for a log or a quick look."""

from datetime import datetime

from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.errors import render_problem
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.cli.render.watcher import watched_line
from deployguard.cli.render.wrapping import GLUE
from deployguard.errors import Code, Offer, Problem
from deployguard.guard.values import Population
from deployguard.operations.values.watching import ChecksRound, Forgotten, Gate, Imported, MonitoringStatus, Round
from deployguard.story.numbers import (
    age_words,
    column_of_percentages,
    count_words,
    duration_words,
    latency_words,
    out_of_words,
    percent,
    time_of_day,
)
from deployguard.story.verdicts import WHOSE, cause_words, early_words, rule_parts, value_words

_GATE_SIGN = {
    "passed": symbols.PASS,
    "failed": symbols.FAIL,
    "taken-back": symbols.BACK,
    "person": symbols.PAUSED,
    "waiting": symbols.WAIT,
}
_GATE_WORDS = {
    "passed": "gate passed",
    "no-rollout": "gate passed: there is no rollout, so nothing was judged",
    "failed": "gate failed",
    "taken-back": "gate failed: taken back",
    "timed-out": "gate timed out: too little data",
    "person": "gate failed: waits for a person",
    "waiting": "gate waits",
}
_LOWERS = ("disable", "reduce", "pause")
_VERDICT_STYLE = {"fail": "bold red", "inconclusive": "yellow"}


def gate(view: Gate, page: Page) -> None:
    if view.result == "no-controller":
        render_problem(_nobody(view, page), page)
        return
    shares = column_of_percentages([row.percentage for row in view.rollouts])
    rows: list[list[Piece]] = []
    for row, share in zip(view.rollouts, shares, strict=True):
        step = f"step {row.step} of {row.steps}" if row.step and row.result != "taken-back" else ""
        rows.append([page.t(page.sign(_GATE_SIGN[row.result]), " ", row.rollout), share, step, row.text])
    columns = [Column(shrinks=True), Column(right=True), Column(leaves=1), Column(wraps=True)]
    page.table(columns, rows, below=[row.detail for row in view.rollouts])
    for note in view.notes:
        page.sentence(symbols.NONE, note)
    for warning in view.warnings:
        page.sentence(symbols.NEED, warning)
    style = "green" if view.exit_code == 0 else "bold red" if view.exit_code in (1, 3) else "yellow"
    words, _, why = _GATE_WORDS[view.result].partition(": ")
    page.put((words, style), f" after {duration_words(view.took)}{f': {why}' if why else ''} (exit {view.exit_code})")
    page.next(view.next)


def gate_waits(view: Gate, until: datetime, page: Page) -> None:
    """Said at once, for a log that would else be silent: for what it waits, who watches, and until when."""
    for row in view.rollouts:
        if row.result == "waiting":
            page.sentence(symbols.WAIT, f"{row.rollout} waits: {row.detail or row.text}", err=True)
    watched_line(view.controller, view.environment, view.at, page)
    page.say(f"The gate waits until {time_of_day(until, view.at, page.zone)} at the latest.")


def _nobody(view: Gate, page: Page) -> Problem:
    """Nothing would change by waiting: the same page as any error."""
    waits = next((row for row in view.rollouts if row.result in ("passed", "waiting")), view.rollouts[0])
    last = view.controller
    found = "no controller ever ran here"
    if last is not None:
        found = f"last tick {time_of_day(last.last_tick_at, view.at, page.zone, date=True)}, by {last.name}"
    return Problem(
        Code.NO_CONTROLLER,
        f"nothing watches {view.environment}, so no step can be judged",
        where=f"{view.environment}, rollout {waits.rollout}, step {waits.step} of {waits.steps}",
        found=found,
        wanted="a controller that ticks",
        now=f"nothing was changed (exit {view.exit_code})",
        next=view.next,
    )


def monitoring(view: MonitoringStatus, page: Page) -> None:
    env = view.environment
    page.head(env, f"monitoring, last {duration_words(view.window)}", page.clock(view.at, view.revision))
    _metrics(view, page)
    _endpoints(view, page)
    page.blank()
    seen = _sources(view, page)
    if seen:
        page.para(page.t(*[piece for words in seen for piece in (" · ", words)][1:]))
    failing = any(line.verdict == "fail" for line in view.metrics)
    page.sentence(
        symbols.PASS if view.passing == view.judged else symbols.FAIL if failing else symbols.WAIT,
        f"{view.passing} of {view.judged} triggers pass.",
    )
    watched_line(view.controller, env, view.at, page)
    page.next([Offer(f"deployguard watch --env {env}")])


def _metrics(view: MonitoringStatus, page: Page) -> None:
    rows: list[list[Piece]] = []
    for line in view.metrics:
        sign = page.sign(symbols.OF_VERDICT[line.verdict]) if line.verdict else page.t(" ")
        now = (line.now or "none", _VERDICT_STYLE.get(line.verdict or "", ""))
        metric = page.t(sign, " ", line.metric)
        rows.append([metric, now, line.limit or "none", count_words(line.samples), page.spark(line.spark)])
    columns = [
        Column("  METRIC", shrinks=True),
        Column("NOW", right=True),
        Column("LIMIT", right=True),
        Column("SAMPLES", right=True, leaves=1),
        Column("LAST 2 HOURS, TOP = LIMIT", leaves=2),
    ]
    page.table(columns, rows)


def _endpoints(view: MonitoringStatus, page: Page) -> None:
    if not view.endpoints:
        return
    page.blank()
    rows: list[list[Piece]] = [
        [
            f"  {e.endpoint}",
            count_words(e.requests),
            percent(e.errors),
            latency_words(e.average_ms),
            latency_words(e.p95_ms),
        ]
        for e in view.endpoints
    ]
    numbers = [
        Column("REQUESTS", right=True, leaves=1),
        Column("ERRORS", right=True),
        Column("AVG", right=True, leaves=2),
        Column("P95", right=True),
    ]
    page.table([Column("  ENDPOINT", shrinks=True), *numbers], rows)


def _sources(view: MonitoringStatus, page: Page) -> list[Text]:
    """What feeds the figures, each glued so that it stays on one line."""
    words = []
    for source in view.sources:
        if source.error:
            words.append(page.t(page.sign(symbols.NEED), f" {source.name}: {source.error}"))
        elif source.connected:
            ago = age_words(max(view.at, source.newest) - source.newest) if source.newest else None
            newest = f", newest {ago} ago" if ago else ", nothing yet"
            said = f" {source.name} {source.per_second:.1f}/s{newest}".replace(" ", GLUE)
            words.append(page.t(page.sign(symbols.PASS), said))
    if view.checks:
        good = sum(1 for check in view.checks if check.ok)
        sign = symbols.PASS if good == len(view.checks) else symbols.FAIL
        words.append(page.t(page.sign(sign), f" {good} of {len(view.checks)} checks pass".replace(" ", GLUE)))
    return words


def checks(view: ChecksRound, page: Page) -> None:
    env, failing = view.environment, view.failing
    page.head(env, "health checks, one round", page.clock(view.at))
    if not view.checks:
        page.put("  no check is configured")
        return
    rows: list[list[Piece]] = []
    for check in view.checks:
        result = str(check.status) if check.ok else check.why or "fails"
        rows.append(
            [
                page.t(page.sign(symbols.PASS if check.ok else symbols.FAIL), " ", check.check),
                latency_words(check.latency_ms),
                (result, "" if check.ok else "bold red"),
                next(iter((check.detail or "").splitlines()), ""),
            ]
        )
    columns = [
        Column("  CHECK", shrinks=True),
        Column("TIME", right=True, leaves=1),
        Column("RESULT"),
        Column("FOUND", wraps=True),
    ]
    page.table(columns, rows)
    page.blank()
    if not failing:
        many = f"{len(view.checks)} of {len(view.checks)}"
        page.sentence(symbols.PASS, f"{many} checks pass. This command judges nothing.")
        return
    page.sentence(
        symbols.FAIL,
        f"{failing} of {len(view.checks)} checks {'fails' if failing == 1 else 'fail'}. This command judges nothing: "
        "the controller counts its own rounds. (exit 1)",
    )
    page.next([Offer(f"deployguard doctor --env {env}", "what is wrong on this side")])


def round_(view: Round, page: Page) -> None:
    env = view.environment
    page.head(env, "one round" if view.acted else "verdicts", page.clock(view.at, view.revision))
    if not view.acted and view.controller is not None:
        who = f"{view.controller.name} (pid {view.controller.pid})"
        page.para(f"{who} acts; these are its verdicts, none was made here.", first="  ")
    _verdicts(view, page)
    for event in view.events:
        if not event.repeats:
            style = "bold red" if event.severity == "critical" else ""
            page.sentence(symbols.MOVING, (event.sentence.split(" Undo: ")[0], style))
    done = {one.flag_id or one.rollout: None for one in view.actions if not one.suppressed_by and one.action in _LOWERS}
    if view.turned_off:
        page.sentence(symbols.BACK, (f"taken back: {', '.join(view.turned_off)}", "bold red"), " (exit 3)")
        page.next([Offer(f"deployguard rollback history --env {env}", "what was taken back, with the way back")])
    elif done:
        names = ", ".join(name for name in done if name)
        page.sentence(symbols.PAUSED, f"lowered or paused: {names}. Nothing was turned off.")
        page.next([Offer(f"deployguard feature-flags status --env {env}")])
    elif view.acted:
        page.sentence(symbols.PASS, "nothing was taken back.")


def _verdicts(view: Round, page: Page) -> None:
    """One row a unit, trigger and population, so that no value is read without its limit and its samples."""
    if not view.verdicts:
        page.put("  nothing is guarded and no trigger is configured")
        return
    # The others are shown for the contrast: where nothing was measured there is none.
    shown = [one for one in view.verdicts if one.population is not Population.OTHERS or one.value is not None]
    shown.sort(key=lambda one: one.unit or "")
    why = [cause_words(one, page.zone, view.at) or early_words(one) for one in shown]
    rows: list[list[Piece]] = []
    for one in shown:
        sign = symbols.OF_VERDICT[one.verdict] if one.holds or one.verdict != "inconclusive" else symbols.NONE
        unit = page.t(page.sign(sign), " ", one.flag_id or one.unit or "everything")
        rule = rule_parts(one.rule)
        limit = f"{rule.op} {rule.limit}" if rule else one.rule
        samples = out_of_words(one.samples, one.needed)
        value = (value_words(one), _VERDICT_STYLE.get(one.verdict, ""))
        rows.append([unit, one.trigger, WHOSE[one.population], value, limit, samples])
    columns = [
        Column("  UNIT", shrinks=True),
        Column("TRIGGER", shrinks=True),
        Column("OF"),
        Column("VALUE", right=True),
        Column("LIMIT", right=True),
        Column("SAMPLES", right=True, leaves=1),
    ]
    last = [(one.unit, words) for one, words in zip(shown, why, strict=True)]
    # What several rows of a unit wait for stands once, below the last of them.
    below = [words if after != here else None for words, here, after in zip(why, last, [*last[1:], None], strict=True)]
    page.table(columns, rows, below=below)


def imported(view: Imported, page: Page) -> None:
    parts = [
        f"{count_words(n)} {word}"
        for n, word in ((view.requests, "requests"), (view.vitals, "page views"), (view.probes, "probes"))
        if n
    ]
    users = f", {count_words(view.with_user)} with a user id" if view.with_user else ""
    page.head(view.environment, "samples imported")
    for count, why in (
        (view.dropped_future, "more than 60s in the future"),
        (view.dropped_old, "older than what is kept"),
        (view.refused, "no sample that can be read"),
    ):
        if count:
            page.sentence(symbols.NEED, f"{count_words(count)} dropped: {why}.")
    if view.problem:
        page.para(view.problem, first="  ")
    page.sentence(symbols.PASS, f"{count_words(view.accepted)} counted: {', '.join(parts) or 'nothing'}{users}.")
    page.next([Offer(f"deployguard monitoring status --env {view.environment}")])


def forgotten(view: Forgotten, page: Page) -> None:
    page.sentence(symbols.PASS, f"{view.source} is forgotten in {view.environment}: nothing waits for it any more.")
    if view.configured:
        page.sentence(
            symbols.NEED, f"It stands in the config under sources.{view.source}, so the next tick connects it again."
        )
