"""Errors, in the one style there is: what, where, found, wanted, what state it left, and what may be done now."""

from rich.cells import cell_len
from rich.text import Text

from deployguard.cli.render.page import Page
from deployguard.cli.render.symbols import FAIL
from deployguard.errors import REFUSALS, Offer, Place, Problem

_AROUND = 30  # columns of the source line that are shown before the caret, at most


def render_problem(problem: Problem, page: Page) -> None:
    if problem.errors:
        _all_of_a_config(problem, page)
        return
    title = _title(problem, page)
    page.para(page.t((problem.message, "bold")), first=title, rest="    ", err=True)
    rows = [
        ("where", _where(problem.where)),
        ("found", problem.found),
        ("wanted", problem.wanted),
        ("now", problem.now),
    ]
    for label, text in rows:
        if text:
            page.para(text, first=page.t("  ", (label.ljust(6), "dim"), "  "), err=True)
    if isinstance(problem.where, Place) and problem.where.source is not None:
        _code(problem.where, page)
    _allowed(problem.allowed, page)
    page.next(problem.next)


def _title(problem: Problem, page: Page) -> Text:
    if problem.code in REFUSALS:
        return page.t((f"refused[{problem.code}]", "bold yellow"), ": ")
    return page.t((f"error[{problem.code}]", "bold red"), ": ")


def _where(where: Place | str | None) -> str | None:
    if not isinstance(where, Place):
        return where
    spot = where.file
    if where.line is not None:
        spot += f":{where.line}:{where.column or 1}"
    return f"{spot}, {where.path}" if where.path else spot


def _allowed(offers: tuple[Offer, ...], page: Page) -> None:
    if not offers:
        return
    page.say("  ", ("allowed now", "dim"))
    for offer in offers:
        page.err.extend(page.command(offer, page.t("    "), "    "))


def _all_of_a_config(problem: Problem, page: Page) -> None:
    """Every error with its line and carets, then the count."""
    for error in problem.errors:
        place = error.where if isinstance(error.where, Place) else None
        spot = _where(Place(place.file, place.line, place.column)) if place else _where(error.where)
        page.say((f"error[{error.code}]", "bold red"), " ", (spot or "", "bold"))
        gutter = page.t("     ", ("│ ", "dim"))
        if place is not None and place.path:
            page.say(gutter, (place.path, "dim"))
        if place is not None and place.source is not None:
            _code(place, page)
        for label, text in (("found", error.found or error.message), ("wanted", error.wanted)):
            if text:
                rest = page.plain("     │         ")
                page.para(text, first=page.t(gutter, (label.ljust(6), "dim"), "  "), rest=rest, err=True)
        page.blank(err=True)
    count = len(problem.errors)
    many = f"{count} errors" if count != 1 else "1 error"
    page.sentence(
        FAIL, (f"{many} in {_file_of(problem)}.", "bold"), f" Nothing was changed. (exit {problem.exit_code})", err=True
    )
    if problem.now and not problem.now.startswith("nothing was changed"):
        page.para(problem.now, first="  ", err=True)
    edits = {1: "after this edit", 2: "after these two edits", 3: "after these three edits"}
    page.next(problem.next or (Offer("deployguard config validate", edits.get(count, "after these edits")),))


def _file_of(problem: Problem) -> str:
    for error in problem.errors:
        if isinstance(error.where, Place):
            return error.where.file
    return _where(problem.where) or "the config"


def _code(place: Place, page: Page) -> None:
    """The line with carets under what is wrong, cut at both ends where it is longer than the page."""
    source, column = (place.source or "").replace("\t", " "), (place.column or 1) - 1
    stripped = len(source) - len(source.lstrip())
    start, room = stripped, page.width - 8
    if column - start + place.width > room - 1:
        start = max(column - max(0, min(_AROUND, room - place.width - 4)), 0)
    shown = source[start : start + room]
    head = page.plain("…") if start > stripped else ""
    cut = start + room < len(source)
    body = head + shown[len(head) : room - 1] + (page.plain("…") if cut else shown[room - 1 :])
    number = str(place.line or "").rjust(4)
    page.say((f"{number} ", "dim"), ("│ ", "dim"), body)
    # A value that spans more than its line is underlined to the line's end.
    width = max(1, min(place.width, len(body) - (column - start)))
    before, under = body[: column - start], body[column - start : column - start + width]
    page.say("     ", ("│ ", "dim"), " " * cell_len(before), ("^" * max(1, cell_len(under)), "bold red"))
