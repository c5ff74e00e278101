"""`deploy`: the plan first, what runs as it runs, and an end that says what comes next, when, and who watches."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Page, Piece
from deployguard.cli.render.watcher import watched_line, who
from deployguard.config.units import format_percentage, percentage_number
from deployguard.errors import Offer
from deployguard.guard.values import CheckRound
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.values.releases import Deployed, DeployPlan
from deployguard.operations.values.rollouts import RolloutPlan, RolloutRow
from deployguard.operations.values.status import FlagRow
from deployguard.operations.values.watching import ChecksRound
from deployguard.story.numbers import counted, duration_words, hold_words, in_seconds, time_of_day, zone_words


def plan(view: DeployPlan, page: Page, *, dry_run: bool) -> None:
    what = page.t("deploy", (f" {view.version}" if view.version else "", "bold"), ", dry run" if dry_run else "")
    page.head(view.environment, what, f"{view.base_url} · {zone_words(view.at, page.zone)}")
    page.blank()
    page.put(("PLAN", "dim"))
    rows: list[tuple[str, Piece]] = [("ready", _ready(view))]
    runs = [page.t((one.text, "bold"), f", at most {duration_words(one.timeout)}") for one in view.commands]
    rows += _under("run", runs or ["nothing: no deploy command is configured"])
    if view.checks:
        names = ", ".join(check.check for check in view.checks)
        rows.append(("check", f"{names}: until they have passed for {duration_words(view.stable)}"))
    starts = [_start(start, view, page) for start in view.starts]
    rows += _under("start", starts or ["no rollout: every listed flag is on, in a rollout, or was taken back"])
    for row in view.stays:
        stays = f"{row.rollout} at {format_percentage(row.percentage)}, {row.phase}; its figures start again"
        rows.append(("stays", stays))
    rows += _off(view.off)
    back: Piece = "flags return to what they were; no rollback command is configured"
    if view.rollback:
        commands = ", ".join(command.text for command in view.rollback)
        back = page.t("run ", (commands, "bold"), "; flags return to what they were")
    rows.append(("on failure", back))
    unseen: list[Piece] = []
    for one in view.unseen:
        mend = f". To connect them: {one.mend}" if one.mend else ""
        unseen.append(page.t(page.sign(symbols.NEED), f" {one.what}, {one.consequence}{mend}"))
    page.facts([*rows, *_under("cannot see", unseen)])
    page.blank()


def _under(label: str, lines: Sequence[Piece]) -> list[tuple[str, Piece]]:
    """Rows of which only the first has the label."""
    return [(label if number == 0 else "", line) for number, line in enumerate(lines)]


def _off(flags: Sequence[FlagRow]) -> list[tuple[str, Piece]]:
    by = {flag.flag_id: f" by {flag.rollback_id}" if flag.rollback_id else "" for flag in flags}
    return [
        ("off", f"{key} was taken back{rollback} and stays off; --retry {key} starts it again")
        for key, rollback in by.items()
    ]


def _ready(view: DeployPlan) -> str:
    parts = [_answers(view.checks)] if view.checks else []
    for is_there, words in ((True, "found"), (False, "NOT found")):
        of = dict.fromkeys(one.program for one in (*view.commands, *view.rollback) if one.found is is_there)
        parts += [f"{', '.join(of)} {words}"] if of else []
    return "; ".join([*parts, "no other deploy runs"])


def _answers(checks: Sequence[CheckRound]) -> str:
    return ", ".join(f"{check.check} {check.status if check.ok else check.why or 'fails'}" for check in checks)


def _riders(row: RolloutPlan | RolloutRow, its: str = "") -> str:
    return f" and {its}{counted(len(row.riders), 'rider')}" if row.riders else ""


def _start(start: RolloutPlan, view: DeployPlan, page: Page) -> Piece:
    first, *later = (step.percentage for step in start.steps)
    again = " (again)" if start.retried else ""
    head = page.t((start.rollout, "bold"), f"{_riders(start)} for {format_percentage(first)} of users{again}")
    if not later or start.ends_at is None or start.total is None:
        return head
    *between, last = (str(percentage_number(share)) for share in later)
    shares = f"{', '.join(between)} and {last}" if between else last
    exact = any(in_seconds(step.hold) for step in start.steps)
    when = time_of_day(start.ends_at, view.at, page.zone, date=True, exact=exact)
    return page.t(head, f"; then {shares}%, at the earliest on {when} ({hold_words(start.total)})")


def dry_run_end(view: DeployPlan, page: Page, command: str) -> None:
    count = len(view.checks)
    asked = f"; the {counted(count, 'check was', 'checks were')} asked once" if count else ""
    page.sentence(symbols.PASS, f"dry run: nothing was run, changed or sent{asked}.")
    page.next([Offer(command)])


def question(wanted: str, page: Page) -> None:
    page.say("Type ", (wanted, "bold"), " to deploy, anything else to stop:")


def progress(page: Page) -> DeployWatch:
    """What a deploy prints while it runs: on standard error, so that standard output has the result alone.

    A reader who has gone (`| head`, a log's collector that died) ends no deploy in the middle: it goes on unheard.
    """

    def shown(draw: Callable[..., None]) -> Callable[..., None]:
        def told(*words: Any) -> None:
            draw(page, *words)
            try:
                page.flush()
            except OSError:
                page.err.clear()

        return told

    return DeployWatch(
        command_started=shown(_command_started),
        line=shown(_line),
        command_finished=shown(_command_finished),
        checked=shown(_checked),
        rollout_started=shown(_rollout_started),
        said=shown(_said),
    )


def _command_started(page: Page, text: str, kind: str) -> None:
    page.say(page.sign(symbols.BACK if kind == "rollback" else symbols.MOVING), " ", (text, "bold"))


def _line(page: Page, text: str) -> None:
    """A line of a command's output is never broken by us."""
    page.err.append(page.t("  ", ("│ ", "dim"), (text, "dim")))


def _command_finished(page: Page, text: str, kind: str, how: str, ok: bool, took: timedelta) -> None:  # noqa: FBT001
    sign = symbols.BACK if kind == "rollback" and ok else symbols.PASS if ok else symbols.FAIL
    left = page.t(page.sign(sign), " ", (text, "bold"), "" if ok and kind == "deploy" else f"  {how}")
    page.err.extend(page.ends(left, page.t(duration_words(took))))


def _checked(page: Page, rounds: tuple[ChecksRound, ...], stable: bool, took: timedelta) -> None:  # noqa: FBT001
    good = sum(1 for found in rounds if not found.failing)
    sign, word = (symbols.PASS, "stable") if stable else (symbols.FAIL, "not stable")
    words = f"  {_answers(rounds[-1].checks)} in {good} rounds of {len(rounds)}"
    page.err.extend(page.ends(page.t(page.sign(sign), " ", (word, "bold"), words), page.t(duration_words(took))))


def _rollout_started(page: Page, row: RolloutRow) -> None:
    words = f"  {row.rollout}{_riders(row)} at {format_percentage(row.percentage)}"
    page.say(page.sign(symbols.PASS), " ", ("rollout", "bold"), words)


def _said(page: Page, text: str) -> None:
    page.para(text, first="  ", err=True)


def deployed(view: Deployed, page: Page, *, stays: bool = False) -> None:
    """How it ended. `stays`: this process watches from now on, which it will say itself."""
    env = view.environment
    tail = "" if view.rollouts else " No rollout was started."
    page.put()
    done = (f"{view.version or 'the release'} is on {env}", "bold")
    page.sentence(symbols.PASS, done, f" after {duration_words(view.took)}, release {view.release_id}.{tail}")
    page.facts(_outcome(view, page))
    if stays:
        return
    if view.watched_by is None:
        watched_line(None, env, view.at, page)
    does = "looks on" if view.watched_by is not None else "live view, acts while it runs"
    page.next([Offer(f"deployguard watch --env {env}", does)])


def _outcome(view: Deployed, page: Page) -> list[tuple[str, Piece]]:
    """What users get now, what comes next and when, what stays off, and who watches."""
    now = view.at
    rows: list[tuple[str, Piece]] = []
    for row in view.rollouts:
        step = f"step {row.step} of {len(row.steps)}" if row.phase == "progressing" else row.phase
        users = f"{format_percentage(row.percentage)} of users get {row.rollout}{_riders(row, 'its ')} ({step})"
        rows.append(("now", users))
        if row.next_step_at is not None and row.next_percentage is not None:
            when, left = time_of_day(row.next_step_at, now, page.zone), duration_words(row.next_step_at - now)
            share = format_percentage(row.next_percentage)
            rows.append(("then", f"{share} on {when} (in {left}) if every trigger passes until then"))
    for row in view.stays:
        if row.phase in ("progressing", "paused"):
            at = f"{format_percentage(row.percentage)} (step {row.step} of {len(row.steps)})"
            its = "its users got new code, so its figures start again; its hold goes on"
            rows.append(("now", f"{row.rollout} stays at {at}; {its}"))
    rows += _off(view.off)
    if view.rollouts or view.stays:
        triggers = counted(view.triggers, "trigger")
        rows.append(("harm", f"is reduced or taken back by {triggers}, while somebody watches"))
    if view.report:
        rows.append(("report", min(view.report, os.path.relpath(view.report), key=len)))  # as it can be typed from here
    if view.watched_by is not None:
        rows.append(("watched", f"by {who(view.watched_by, now)}"))
    return rows
