"""The live view: fits the terminal's height; the last lines never leave."""

from datetime import timedelta

from rich.console import Group
from rich.text import Text

from deployguard.cli.render import rollouts, symbols
from deployguard.cli.render.page import Page
from deployguard.cli.render.watcher import who
from deployguard.cli.render.wrapping import unglued
from deployguard.errors import Offer
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import Overview
from deployguard.story.numbers import age_words, day_words, duration_words, latency_words, zone_words

_ENDING_SIGN = {"ok": symbols.PASS, "back": symbols.BACK, "harm": symbols.FAIL, "blind": symbols.WAIT}


def frame(view: Overview, page: Page, *, acting: bool, height: int, trouble: str | None = None) -> Group:
    """One frame of at most `height` lines: first FLAGS leave, then CHECKS, older events, tables of calm rollouts."""
    head = _head(view, page, acting=acting)
    ending = _ending(view, page, acting=acting, trouble=trouble)
    room = height - len(head) - len(ending)
    opened = [
        row.phase == "rolled_back" or any(_not_calm(line.verdict, line.holds) for line in row.lines)
        for row in view.rollouts
    ]
    events = _events(view, page)
    shown_events, flags, checks = len(events), _flags(view, page), _checks(view, page)
    calm_open = True
    while True:
        bodies = [_rollout(row, view, page, table=o or calm_open) for row, o in zip(view.rollouts, opened, strict=True)]
        middle = [line for body in bodies for line in [*body, Text()]]
        middle += [*checks, *flags, *([Text()] if checks or flags else [])]
        told = [line for event in events[:shown_events] for line in event]
        middle += [*told, *([Text()] if told else [])]
        if len(middle) <= room:
            break
        if flags:
            flags = []
        elif checks and not _check_fails(view):
            checks = []
        elif shown_events > 1:
            shown_events -= 1
        elif calm_open:
            calm_open = False
        elif len(view.rollouts) and any(opened):
            last = max(i for i, o in enumerate(opened) if o)
            opened[last] = False
        else:
            middle = middle[: max(room, 0)]
            break
    lines = [*head, *middle, *ending]
    return Group(*[_drawn(line) for line in lines])


def _drawn(line: Text) -> Text:
    out = unglued(line).copy()
    out.no_wrap = True
    out.overflow = "ignore"
    return out


def _not_calm(verdict: str, holds: bool) -> bool:  # noqa: FBT001
    return verdict == "fail" or (verdict == "inconclusive" and holds)


def _check_fails(view: Overview) -> bool:
    return any(not check.ok for check in view.checks)


def _head(view: Overview, page: Page, *, acting: bool) -> list[Text]:
    there = view.at.astimezone(page.zone)
    clock = f"{day_words(there)} {there:%H:%M:%S} {zone_words(view.at, page.zone)}"
    first = page.ends(page.t((view.environment, "bold"), "  watch"), page.t((clock, "dim")))
    sources = _sources(view)
    tail = f" · {sources}" if sources else ""
    watcher = view.controller
    if watcher is None or not watcher.alive:
        return [
            *first,
            page.t(page.sign(symbols.NEED), " ", (f"nothing is watching {view.environment}", "bold yellow")),
            Text(),
        ]
    ago = age_words(max(view.at, watcher.last_tick_at) - watcher.last_tick_at)
    if acting:
        line = page.t(f"acting: {watcher.name}, pid {watcher.pid}, last tick {ago} ago{tail}")
        return [*first, *page.wrapped(line, page.t(page.sign(symbols.ON), " "), "  "), Text()]
    line = page.t(f"standing by: {watcher.name} (pid {watcher.pid}) acts, last tick {ago} ago{tail}")
    return [*first, *page.wrapped(line, page.t(page.sign(symbols.OFF), " "), "  "), Text()]


def _sources(view: Overview) -> str:
    live = [source.name for source in view.sources if source.connected and not source.error and not source.silent_since]
    words = [f"{', '.join(live)} live"] if live else []
    for source in view.sources:
        if source.error:
            words.append(f"{source.name} cannot be read")
        elif source.silent_since is not None:
            words.append(f"{source.name} silent for {duration_words(view.at - source.silent_since)}")
    return ", ".join(words)


def _rollout(row: RolloutRow, view: Overview, page: Page, *, table: bool) -> list[Text]:
    lines = rollouts.opening(row, view.at, page)
    if not row.lines:
        return lines
    if not table:
        return [*lines, *rollouts.summary(row, page)]
    kept, page.out = page.out, []
    rollouts.table(row, page, span=rollouts.span_words(row, view.at, page))
    drawn, page.out = page.out, kept
    return [*lines, *drawn]


def _checks(view: Overview, page: Page) -> list[Text]:
    if not view.checks:
        return []
    line = Text()
    for number, check in enumerate(view.checks):
        sign = page.sign(symbols.PASS if check.ok else symbols.FAIL)
        gap = "\u00a0\u00a0 " if number else ""
        what = f"{check.status} in {latency_words(check.latency_ms)}" if check.ok else (check.why or "fails")
        glued = f"{check.check} {what}".replace(" ", "\u00a0")
        line.append_text(page.t(gap, sign, "\u00a0", glued))
    wrapped = page.wrapped(line, page.t(("CHECKS", "dim"), "  "), "        ")
    return [page.t(part) for part in wrapped]


def _flags(view: Overview, page: Page) -> list[Text]:
    everyone = sum(1 for flag in view.flags if flag.enabled and flag.percentage == 10_000)
    off = sum(1 for flag in view.flags if not flag.enabled or flag.percentage == 0)
    between = len(view.flags) - everyone - off
    return [page.t(("FLAGS", "dim"), f"   {everyone} for everyone · {between} rolling out · {off} off")]


def _events(view: Overview, page: Page) -> list[list[Text]]:
    """What happened, newest first; the newest whole, older ones in short."""
    out = []
    told = [
        event
        for event in view.events
        if not event.repeats and not event.type.startswith(("controller.", "trigger.recovered"))
    ]
    for number, event in enumerate(told[:6]):
        words = event.sentence if number == 0 or event.severity == "critical" else event.short or event.sentence
        words = words.split(" Undo: ")[0]
        clock = page.t((f"{event.time.astimezone(page.zone):%H:%M:%S}", "dim"), "  ")
        style = "bold red" if event.severity == "critical" else ""
        name, _, rest = words.partition(" from ") if style else ("", "", words)
        text = page.t((name, style), f" from {rest}") if style and rest else page.t((words, style))
        out.append(page.wrapped(text, clock, "          "))
    return out


def _ending(view: Overview, page: Page, *, acting: bool, trouble: str | None) -> list[Text]:
    said = view.headline
    parts = (said.cause, said.turn) if said.state == "harm" else (said.turn,)
    sentence = " ".join(part for part in parts if part)
    first, dot, rest = sentence.partition(". ")
    sign = page.sign(_ENDING_SIGN.get(said.state, symbols.WAIT))
    lines = []
    if trouble:
        lines += page.wrapped(page.t((trouble, "yellow")), page.t(page.sign(symbols.NEED), " "), "  ")
    if acting:
        leave = (
            "Ctrl-C leaves."
            if said.state in ("back", "harm")
            else f"Ctrl-C leaves; then nothing watches {view.environment}."
        )
    else:
        other = view.controller.host if view.controller else "the other"
        leave = f"This one takes over within 10s if {other} stops. Ctrl-C leaves; {other} goes on."
    text = page.t((first + dot.strip(), "bold"), f" {rest}" if rest else "")
    lines += page.wrapped(text, page.t(sign, " "), "  ")
    lines += page.wrapped(page.t(leave), Text(), "")
    kept, page.err = page.err, []
    page.next([Offer(offer.command, offer.does) for offer in view.next])
    offers, page.err = page.err, kept
    return [*lines, *offers]


def left(view: Overview, page: Page, *, why: str, acting: bool, took: timedelta, changes: int) -> None:
    """The line that stays: who watches now."""
    many = f"{changes} change{'s' if changes != 1 else ''}"
    here = f"Here for {duration_words(took)}, {many}."
    still = view.controller
    if not acting and still is not None and still.alive:
        page.para(
            f"{who(still, view.at)} goes on watching {view.environment}. {here}",
            first=page.t(page.sign(symbols.PASS), " "),
            err=True,
        )
        return
    clock = f"{view.at.astimezone(page.zone):%H:%M:%S}"
    line = page.t((f"Nothing is watching {view.environment} since {clock}", "bold yellow"), f" ({why}). {here}")
    page.err.extend(page.wrapped(line, page.t(page.sign(symbols.NEED), " "), "  "))
    page.next([Offer(f"deployguard watch --env {view.environment}")])
