"""The live view: fits the terminal's height; the last lines never leave."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from rich.console import Group
from rich.text import Text

from deployguard.cli.render import rollouts, symbols
from deployguard.cli.render.page import Page
from deployguard.cli.render.watcher import who
from deployguard.cli.render.wrapping import folded, unglued
from deployguard.errors import Offer
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import Overview
from deployguard.story.numbers import age_words, counted, day_words, duration_words, latency_words, zone_words

_ENDING_SIGN = {"ok": symbols.PASS, "back": symbols.BACK, "harm": symbols.FAIL, "blind": symbols.WAIT}


@dataclass(frozen=True, slots=True)
class _Size:
    """How much of the middle is shown."""

    flags: bool
    checks: bool
    events: int
    calm: int  # of rollouts that are well: 3 their tables, 2 a sentence each, 1 a line each, 0 their number
    opened: int  # how many of the others keep their tables, from the top
    told: bool = True  # whether those of them that lost theirs have a sentence


def frame(view: Overview, page: Page, *, acting: bool, height: int, trouble: str | None = None) -> Group:
    """One frame of at most `height` lines: the head, what fits of the middle, and the last lines, which never leave."""
    head = _fitted(_head(view, page, acting=acting), page)
    ending = _fitted(_ending(view, page, acting=acting, trouble=trouble), page)
    room = max(height - len(head) - len(ending), 0)
    events, middle = _events(view, page), list[Text]()
    for size in _sizes(view, len(events)):
        middle = _fitted(_middle(view, page, size, events), page)
        if len(middle) <= room:
            break
    return Group(*head, *middle[:room], *ending)


def _sizes(view: Overview, events: int) -> Iterator[_Size]:
    """First FLAGS leave, then CHECKS, older events, what is known of calm rollouts, tables from the lowest up."""
    size = _Size(flags=True, checks=True, events=events, calm=3, opened=sum(map(_opens, view.rollouts)))
    yield size
    size = replace(size, flags=False)
    yield size
    size = replace(size, checks=any(not check.ok for check in view.checks))
    yield size
    for count in range(events - 1, 0, -1):
        size = replace(size, events=count)
        yield size
    for calm in (2, 1, 0):
        size = replace(size, calm=calm)
        yield size
    for opened in range(size.opened - 1, 0, -1):
        size = replace(size, opened=opened)
        yield size
    yield replace(size, told=False)
    yield replace(size, told=False, events=0)  # the table has the evidence that the event tells
    yield replace(size, opened=0)


def _opens(row: RolloutRow) -> bool:
    """Whether its table is worth more than that of a rollout that is well."""
    return row.phase == "rolled_back" or any(
        line.verdict == "fail" or (line.verdict == "inconclusive" and line.holds) for line in row.lines
    )


def _middle(view: Overview, page: Page, size: _Size, events: list[list[Text]]) -> list[Text]:
    parts: list[list[Text]] = []
    brief: list[Text] = []
    opened = more = 0
    for row in view.rollouts:
        opened += _opens(row)
        table, told = (opened <= size.opened, size.told) if _opens(row) else (size.calm == 3, size.calm == 2)
        if table or told:
            parts.append(_rollout(row, view, page, table=table))
        elif size.calm or _opens(row):
            brief.append(rollouts.opening(row, view.at, page)[0])
        else:
            more += 1
    if more:
        brief.append(page.t(page.sign(symbols.PASS), f" {counted(more, 'more rollout')}: no trigger of theirs fails"))
    parts.append(brief)
    parts.append([*(_checks(view, page) if size.checks else ()), *(_flags(view, page) if size.flags else ())])
    parts.append([line for event in events[: size.events] for line in event])
    return [line for part in parts if part for line in (*part, Text())]


def _fitted(lines: list[Text], page: Page) -> list[Text]:
    """The lines as they are drawn: what is wider than the screen goes on in the next one."""
    out = []
    for line in lines:
        for piece in folded(unglued(line).copy(), page.width):
            piece.no_wrap, piece.overflow = True, "ignore"
            out.append(piece)
    return out


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
    sign, who = symbols.ON, f"acting: {watcher.name}, pid {watcher.pid}"
    if not acting:
        sign, who = symbols.OFF, f"standing by: {watcher.name} (pid {watcher.pid}) acts"
    line = page.t(f"{who}, last tick {ago} ago{tail}")
    return [*first, *page.wrapped(line, page.t(page.sign(sign), " "), "  "), Text()]


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
        return [*lines, *rollouts.summary(row, view.at, page)]
    return [*lines, *rollouts.table(row, view.at, page)]


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
    return page.wrapped(line, page.t(("CHECKS", "dim"), "  "), "        ")


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
    return [*lines, *page.offers(view.next)]


def left(view: Overview, page: Page, *, why: str, acting: bool, took: timedelta, changes: int) -> None:
    """The line that stays: who watches now."""
    here = f"Here for {duration_words(took)}, {counted(changes, 'change')}."
    still = view.controller
    if not acting and still is not None and still.alive:
        page.sentence(symbols.PASS, f"{who(still, view.at)} goes on watching {view.environment}. {here}", err=True)
        return
    clock = f"{view.at.astimezone(page.zone):%H:%M:%S}"
    line = page.t((f"Nothing is watching {view.environment} since {clock}", "bold yellow"), f" ({why}). {here}")
    page.err.extend(page.wrapped(line, page.t(page.sign(symbols.NEED), " "), "  "))
    page.next([Offer(f"deployguard watch --env {view.environment}")])
