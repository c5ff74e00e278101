"""`gate`, `monitoring`, `watch --once`: what is seen and judged, made for a log or a quick look."""

from datetime import timedelta

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.cli.render.watcher import watched_line
from deployguard.errors import Offer
from deployguard.operations.values import ChecksRound, Forgotten, Gate, Imported, MonitoringStatus, Round
from deployguard.story.numbers import (
    column_of_percentages,
    count_words,
    duration_words,
    latency_words,
    share_words,
    zone_words,
)
from deployguard.story.rule import verdict_line

_GATE_SIGN = {
    "passed": symbols.PASS,
    "failed": symbols.FAIL,
    "taken-back": symbols.BACK,
    "person": symbols.PAUSED,
    "waiting": symbols.WAIT,
}
_GATE_WORDS = {
    "passed": "gate passed",
    "no-rollout": "gate passed: there is no rollout",
    "failed": "gate failed",
    "taken-back": "gate failed: taken back",
    "timed-out": "gate timed out",
    "person": "gate failed: waits for a person",
    "no-controller": "gate failed: nothing watches",
    "waiting": "gate waits",
}
_VERDICT_SIGN = {"pass": symbols.PASS, "fail": symbols.FAIL, "inconclusive": symbols.WAIT}


def gate(view: Gate, page: Page) -> None:
    env = view.environment
    shares = column_of_percentages([row.percentage for row in view.rollouts])
    widest = max((len(row.rollout) for row in view.rollouts), default=0)
    for row, share in zip(view.rollouts, shares, strict=True):
        step = f"  step {row.step} of {row.steps}" if row.step and row.result != "taken-back" else ""
        page.para(
            f"{row.rollout.ljust(widest)}  {share.rjust(6)}{step}  {row.text}".replace("  ", "\u00a0\u00a0"),
            first=page.t(page.sign(_GATE_SIGN[row.result]), " "),
            rest="    ",
        )
        if row.detail:
            page.para(row.detail, first="    ")
    for note in view.notes:
        page.para(note, first=page.t(page.sign(symbols.NONE), " "), rest="  ")
    words = _GATE_WORDS[view.result]
    took = duration_words(view.took)
    reason = ": too little data" if view.result == "timed-out" else ""
    style = "green" if view.exit_code == 0 else "bold red" if view.exit_code in (1, 3) else "yellow"
    page.put((words, style), f" after {took}{reason} (exit {view.exit_code})")
    page.next(_gate_next(view, env))


def _gate_next(view: Gate, env: str) -> list[Offer]:
    bad = next((row for row in view.rollouts if row.result != "passed"), None)
    if view.result == "no-controller":
        return [Offer(f"deployguard watch --env {env}")]
    if view.result == "timed-out":
        longer = max(view.took * 2, timedelta(minutes=15))
        return [Offer(f"deployguard gate --env {env} --timeout {round(longer.total_seconds() / 60)}m")]
    if bad is not None and view.exit_code:
        return [Offer(f"deployguard rollout status {bad.rollout} --env {env}")]
    return []


def monitoring(view: MonitoringStatus, page: Page) -> None:
    env, now = view.environment, view.at
    clock = f"{now.astimezone(page.zone):%H:%M:%S} {zone_words(now, page.zone)}"
    page.head(env, f"monitoring, last {duration_words(view.window)}", f"revision {view.revision} · {clock}")
    rows: list[list[Piece]] = []
    for line in view.metrics:
        sign = page.sign(_VERDICT_SIGN[line.verdict]) if line.verdict else page.t(" ")
        style = {"fail": "bold red", "inconclusive": "yellow"}.get(line.verdict or "", "")
        rows.append(
            [
                page.t(sign, " ", line.metric),
                (line.now or "none", style),
                line.limit or "none",
                count_words(line.samples),
                page.spark(line.spark),
            ]
        )
    columns = [
        Column("  METRIC", shrinks=True),
        Column("NOW", right=True),
        Column("LIMIT", right=True),
        Column("SAMPLES", right=True, leaves=1),
        Column("LAST 2 HOURS, TOP = LIMIT", leaves=2),
    ]
    page.table(columns, rows)
    if view.endpoints:
        page.blank()
        cells: list[list[Piece]] = [
            [
                f"  {e.endpoint}",
                count_words(e.requests),
                share_words(e.errors),
                latency_words(e.average_ms),
                latency_words(e.p95_ms),
            ]
            for e in view.endpoints
        ]
        heads = [
            Column("  ENDPOINT", shrinks=True),
            *(Column(name, right=True) for name in ("REQUESTS", "ERRORS", "AVG", "P95")),
        ]
        page.table(heads, cells)
    page.blank()
    words = []
    for source in view.sources:
        if source.error:
            words.append(page.t(page.sign(symbols.NEED), f" {source.name}: {source.error}"))
        elif source.connected:
            newest = (
                f", newest {duration_words(max(now, source.newest) - source.newest)} ago"
                if source.newest
                else ", nothing yet"
            )
            words.append(page.t(page.sign(symbols.PASS), f" {source.name} {source.per_second:.1f}/s{newest}"))
    good = sum(1 for check in view.checks if check.ok)
    if view.checks:
        words.append(
            page.t(
                page.sign(symbols.PASS if good == len(view.checks) else symbols.FAIL),
                f" {good} of {len(view.checks)} checks pass",
            )
        )
    if words:
        joined = words[0]
        for more in words[1:]:
            joined = page.t(joined, " · ", more)
        page.para(joined)
    page.put(
        page.sign(symbols.PASS if view.passing == view.judged else symbols.WAIT),
        f" {view.passing} of {view.judged} triggers pass.",
    )
    watched_line(view.controller, env, now, page, matters=True)
    page.next([Offer(f"deployguard watch --env {env}")])


def checks(view: ChecksRound, page: Page) -> None:
    env = view.environment
    clock = f"{view.at.astimezone(page.zone):%H:%M:%S} {zone_words(view.at, page.zone)}"
    page.head(env, "health checks, one round", clock)
    if not view.checks:
        page.put("  no check is configured")
        return
    names = max(len(check.check) for check in view.checks)
    times = [latency_words(check.latency_ms) for check in view.checks]
    wide = max(len("TIME"), *(len(time) for time in times))
    page.put(("  " + "CHECK".ljust(names) + "  " + "TIME".rjust(wide) + "  RESULT   FOUND", "dim"))
    for check, time in zip(view.checks, times, strict=True):
        sign = page.sign(symbols.PASS if check.ok else symbols.FAIL)
        result = str(check.status) if check.ok else check.why or "fails"
        first = page.t(
            sign,
            " ",
            check.check.ljust(names),
            "  ",
            time.rjust(wide),
            "  ",
            (result.ljust(7), "" if check.ok else "bold red"),
            "  ",
        )
        found = (check.detail or "").splitlines()
        page.para(found[0] if found else "", first=first)
    page.blank()
    failing = view.failing
    if failing:
        sentence = (
            f"{failing} of {len(view.checks)} checks fail. This command judges nothing: "
            "the controller counts its own rounds. (exit 1)"
        )
        page.para(sentence, first=page.t(page.sign(symbols.FAIL), " "), rest="  ")
        page.next([Offer(f"deployguard doctor --env {env}", "what is wrong on this side")])
        return
    page.para(
        f"{len(view.checks)} of {len(view.checks)} checks pass. This command judges nothing.",
        first=page.t(page.sign(symbols.PASS), " "),
        rest="  ",
    )


def round_(view: Round, page: Page) -> None:
    env = view.environment
    clock = f"{view.at.astimezone(page.zone):%H:%M:%S} {zone_words(view.at, page.zone)}"
    page.head(env, "one round" if view.acted else "verdicts", f"revision {view.revision} · {clock}")
    if not view.acted and view.controller is not None:
        page.para(
            f"{view.controller.name} (pid {view.controller.pid}) acts; these are its verdicts, none was made here.",
            first="  ",
        )
    for verdict in view.verdicts:
        sign = _VERDICT_SIGN[verdict.verdict] if verdict.holds or verdict.verdict != "inconclusive" else symbols.NONE
        unit = verdict.flag_id or verdict.unit or "everyone"
        page.para(
            f"{unit}  {verdict.trigger}: {verdict_line(verdict)}", first=page.t(page.sign(sign), " "), rest="    "
        )
    for event in view.events:
        style = "bold red" if event.severity == "critical" else ""
        page.para(page.t((event.sentence, style)), first=page.t(page.sign(symbols.MOVING), " "), rest="  ")
    if not view.verdicts:
        page.put("  nothing is guarded and no trigger is configured")
    for action in view.actions:
        if action.suppressed_by:
            page.para(
                f"{action.action} of {action.flag_id or action.rollout} waits: {action.suppressed_by}", first="  "
            )
    done = ", ".join(view.turned_off)
    if done:
        page.put(page.sign(symbols.BACK), (f" taken back: {done}", "bold red"), " (exit 3)")
    elif view.acted:
        page.put(page.sign(symbols.PASS), " nothing was taken back.")


def imported(view: Imported, page: Page) -> None:
    parts = [
        f"{count_words(n)} {word}"
        for n, word in ((view.requests, "requests"), (view.vitals, "page views"), (view.probes, "probes"))
        if n
    ]
    users = f", {count_words(view.with_user)} with a user id" if view.with_user else ""
    page.head(view.environment, "samples imported")
    page.put(page.sign(symbols.PASS), f" {count_words(view.accepted)} counted: {', '.join(parts) or 'nothing'}{users}.")
    for count, why in (
        (view.dropped_future, "more than 60s in the future"),
        (view.dropped_old, "older than what is kept"),
        (view.refused, "out of physical range"),
    ):
        if count:
            page.put(page.sign(symbols.NEED), f" {count_words(count)} dropped: {why}.")


def forgotten(view: Forgotten, page: Page) -> None:
    page.para(
        f"{view.source} is forgotten in {view.environment}: nothing waits for it any more.",
        first=page.t(page.sign(symbols.PASS), " "),
        rest="  ",
    )
    if view.configured:
        page.para(
            f"It stands in the config under sources.{view.source}, so the next tick connects it again.",
            first=page.t(page.sign(symbols.NEED), " "),
            rest="  ",
        )
