"""`deploy`: the plan first, what runs as it runs, and an end that says what comes next, when, and who watches."""

from datetime import timedelta

from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Page
from deployguard.cli.render.watcher import watched_line, who
from deployguard.config.units import format_percentage, percentage_number
from deployguard.errors import Offer
from deployguard.operations.values.releases import Deployed, DeployPlan, PlannedRollout
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import ChecksRound
from deployguard.story.numbers import duration_words, hold_words, time_of_day, zone_words


def plan(view: DeployPlan, page: Page, *, dry_run: bool) -> None:
    what = page.t("deploy", (f" {view.version}" if view.version else "", "bold"), ", dry run" if dry_run else "")
    page.head(view.environment, what, f"{view.base_url} · {zone_words(view.at, page.zone)}")
    page.blank()
    page.put(("PLAN", "dim"))
    rows: list[tuple[str, str | Text]] = [("ready", _ready(view))]
    for number, command in enumerate(view.commands):
        rows.append(
            (
                "run" if number == 0 else "",
                page.t((command.text, "bold"), f", at most {duration_words(command.timeout)}"),
            )
        )
    if not view.commands:
        rows.append(("run", "nothing: no deploy command is configured"))
    if view.checks:
        names = ", ".join(check.check for check in view.checks)
        rows.append(("check", f"{names}: until they have passed for {duration_words(view.stable)}"))
    rows += _starts(view, page)
    for row in view.stays:
        rows.append(
            ("stays", f"{row.rollout} at {format_percentage(row.percentage)}, {row.phase}; its figures start again")
        )
    for flag in view.off:
        rollback = f" by {flag.rollback_id}" if flag.rollback_id else ""
        rows.append(
            ("off", f"{flag.flag_id} was taken back{rollback} and stays off; --retry {flag.flag_id} starts it again")
        )
    commands = ", ".join(command.text for command in view.rollback)
    run = (
        page.t("run ", (commands, "bold"), "; flags return to what they were")
        if commands
        else page.t("flags return to what they were; no rollback command is configured")
    )
    rows.append(("on failure", run))
    for number, unseen in enumerate(view.unseen):
        mend = f". To connect them: {unseen.mend}" if unseen.mend else ""
        text = page.t(page.sign(symbols.NEED), f" {unseen.what}, {unseen.consequence}{mend}")
        rows.append(("cannot see" if number == 0 else "", text))
    for warning in view.warnings:
        rows.append(("know", warning))
    page.facts(rows)
    page.blank()


def _ready(view: DeployPlan) -> str:
    parts = []
    if view.checks:
        parts.append(", ".join(f"{c.check} {c.status if c.ok else c.why or 'fails'}" for c in view.checks))
    programs = dict.fromkeys(command.program for command in (*view.commands, *view.rollback) if command.found)
    if programs:
        parts.append(f"{', '.join(programs)} found")
    missing = dict.fromkeys(command.program for command in (*view.commands, *view.rollback) if not command.found)
    if missing:
        parts.append(f"{', '.join(missing)} NOT found")
    return "; ".join([*parts, "no other deploy runs"])


def _starts(view: DeployPlan, page: Page) -> list[tuple[str, str | Text]]:
    if not view.starts:
        return [("start", "no rollout: every listed flag is on, in a rollout, or was taken back")]
    return [("start" if number == 0 else "", _start(start, view, page)) for number, start in enumerate(view.starts)]


def _start(start: PlannedRollout, view: DeployPlan, page: Page) -> Text:
    first, *later = start.percentages
    riders = f" and {len(start.riders)} rider{'s' if len(start.riders) != 1 else ''}" if start.riders else ""
    head = page.t((start.rollout, "bold"), f"{riders} for {format_percentage(first)} of users")
    again = " (again)" if start.retried else ""
    if not later or start.ends_at is None or start.total is None:
        return page.t(head, again)
    numbers = [str(percentage_number(share)) for share in later]
    shares = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    when = time_of_day(start.ends_at, view.at, page.zone, date=True)
    return page.t(head, again, f"; then {shares}%, at the earliest on {when} ({hold_words(start.total)})")


def dry_run_end(view: DeployPlan, page: Page) -> None:
    count = len(view.checks)
    asked = f"; the {count} check{'s were' if count != 1 else ' was'} asked once" if count else ""
    page.para(
        f"dry run: nothing was run, changed or sent{asked}.", first=page.t(page.sign(symbols.PASS), " "), rest="  "
    )
    version = f" --version {view.version}" if view.version else ""
    page.next([Offer(f"deployguard deploy {view.environment}{version}")])


def question(wanted: str, page: Page) -> None:
    page.say("Type ", (wanted, "bold"), " to deploy, anything else to stop:")


def command_started(text: str, kind: str, page: Page) -> None:
    sign = symbols.BACK if kind == "rollback" else symbols.MOVING
    page.say(page.sign(sign), " ", (text, "bold"))


def line(text: str, page: Page) -> None:
    """A line of a command's output is never broken by us."""
    page.err.append(page.t("  ", ("│ ", "dim"), (text, "dim")))


def command_finished(text: str, kind: str, how: str, page: Page, *, ok: bool, took: timedelta) -> None:
    sign = symbols.BACK if kind == "rollback" and ok else symbols.PASS if ok else symbols.FAIL
    shown = "" if ok and kind == "deploy" else f"  {how}"
    left = page.t(page.sign(sign), " ", (text, "bold"), shown)
    page.err.extend(page.ends(left, page.t(duration_words(took))))


def checked(rounds: tuple[ChecksRound, ...], page: Page, *, stable: bool, took: timedelta) -> None:
    last = rounds[-1]
    words = ", ".join(f"{c.check} {c.status if c.ok else c.why or 'fails'}" for c in last.checks)
    good = sum(1 for found in rounds if not found.failing)
    sign = symbols.PASS if stable else symbols.FAIL
    left = page.t(
        page.sign(sign),
        " ",
        ("stable" if stable else "not stable", "bold"),
        f"  {words} in {good} rounds of {len(rounds)}",
    )
    page.err.extend(page.ends(left, page.t(duration_words(took))))


def rollout_started(row: RolloutRow, page: Page) -> None:
    riders = f" and {len(row.riders)} rider{'s' if len(row.riders) != 1 else ''}" if row.riders else ""
    page.say(
        page.sign(symbols.PASS),
        " ",
        ("rollout", "bold"),
        f"  {row.rollout}{riders} at {format_percentage(row.percentage)}",
    )


def said(text: str, page: Page) -> None:
    page.para(text, first="  ", err=True)


def deployed(view: Deployed, page: Page) -> None:
    env, now = view.environment, view.at
    name = view.version or "the release"
    tail = "" if view.rollouts else " No rollout was started."
    page.put()
    sentence = page.t(
        (f"{name} is on {env}", "bold"), f" after {duration_words(view.took)}, release {view.release_id}.{tail}"
    )
    page.para(sentence, first=page.t(page.sign(symbols.PASS), " "), rest="  ")
    page.facts(_outcome(view, page))
    if view.watched_by is not None:
        page.next([Offer(f"deployguard watch --env {env}", "looks on")])
        return
    watched_line(None, env, now, page)
    page.next([Offer(f"deployguard watch --env {env}", "live view, acts while it runs")])


def _outcome(view: Deployed, page: Page) -> list[tuple[str, str | Text]]:
    """What users get now, what comes next and when, what stays off, and who watches."""
    now = view.at
    rows: list[tuple[str, str | Text]] = []
    for row in view.rollouts:
        riders = f" and its {len(row.riders)} rider{'s' if len(row.riders) != 1 else ''}" if row.riders else ""
        step = f"step {row.step} of {len(row.steps)}" if row.phase == "progressing" else row.phase
        rows.append(("now", f"{format_percentage(row.percentage)} of users get {row.rollout}{riders} ({step})"))
        if row.next_step_at is not None and row.next_percentage is not None:
            when = time_of_day(row.next_step_at, now, page.zone)
            left = duration_words(row.next_step_at - now)
            share = format_percentage(row.next_percentage)
            rows.append(("then", f"{share} on {when} (in {left}) if every trigger passes until then"))
    for row in view.stays:
        if row.phase in ("progressing", "paused"):
            step = f"step {row.step} of {len(row.steps)}"
            rows.append(
                (
                    "now",
                    (
                        f"{row.rollout} stays at {format_percentage(row.percentage)} ({step}); its users got new code, "
                        "so its figures start again; its hold goes on"
                    ),
                )
            )
    for flag in view.off:
        rollback = f" by {flag.rollback_id}" if flag.rollback_id else ""
        rows.append(
            ("off", f"{flag.flag_id} was taken back{rollback} and stays off; --retry {flag.flag_id} starts it again")
        )
    if view.rollouts or view.stays:
        rows.append(
            (
                "harm",
                (
                    f"is reduced or taken back by {view.triggers} trigger{'s' if view.triggers != 1 else ''}, "
                    "while somebody watches"
                ),
            )
        )
    if view.report:
        rows.append(("report", view.report))
    if view.watched_by is not None:
        rows.append(("watched", f"by {who(view.watched_by, now)}"))
    return rows
