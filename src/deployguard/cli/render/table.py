"""Columns: computed widths, names that lose their middle, columns that leave from the right, rows of two lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from deployguard.cli.render.page import Column, Page

BETWEEN = 2
SHORTEST_NAME = 12


def laid_out(page: "Page", columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], indent: str) -> list[Text]:
    """The lines of a table at the page's width; a head line where any column has a head."""
    kept = _fitting(page, columns, rows, indent)
    if kept is None:
        return _two_lines(page, columns, rows, indent)
    widths = _widths(page, columns, rows, kept, indent)
    lines = []
    if any(columns[at].head for at in kept):
        heads = [page.t((columns[at].head, "dim")) for at in range(len(columns))]
        lines.append(_line(page, columns, heads, kept, widths, indent))
    lines += [_line(page, columns, row, kept, widths, indent) for row in rows]
    return lines


def _natural(columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], at: int) -> int:
    return max([len(columns[at].head), *(row[at].cell_len for row in rows)], default=0)


def _least(columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], at: int) -> int:
    natural = _natural(columns, rows, at)
    return min(natural, SHORTEST_NAME) if columns[at].shrinks else natural


def _fitting(
    page: "Page", columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], indent: str
) -> list[int] | None:
    """Which columns stay; None where even those that must stay do not fit on one line."""
    kept = list(range(len(columns)))
    while True:
        need = len(indent) + sum(_least(columns, rows, at) for at in kept) + BETWEEN * (len(kept) - 1)
        if need <= page.width:
            return kept
        leaving = [at for at in kept if columns[at].leaves]
        if not leaving:
            return None
        kept.remove(max(leaving, key=lambda at: columns[at].leaves))


def _widths(
    page: "Page", columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], kept: list[int], indent: str
) -> dict[int, int]:
    widths = {at: _natural(columns, rows, at) for at in kept}
    over = len(indent) + sum(widths.values()) + BETWEEN * (len(kept) - 1) - page.width
    for at in kept:
        if over > 0 and columns[at].shrinks:
            less = min(over, widths[at] - _least(columns, rows, at))
            widths[at] -= less
            over -= less
    return widths


def _line(
    page: "Page",
    columns: "Sequence[Column]",
    cells: Sequence[Text],
    kept: list[int],
    widths: dict[int, int],
    indent: str,
) -> Text:
    line = Text(indent)
    for number, at in enumerate(kept):
        cell = shortened(page, cells[at], widths[at])
        space = " " * (widths[at] - cell.cell_len)
        last = number == len(kept) - 1
        line.append_text(page.t(space, cell) if columns[at].right else page.t(cell, "" if last else space))
        if not last:
            line.append(" " * BETWEEN)
    line.rstrip()
    return line


def shortened(page: "Page", cell: Text, width: int) -> Text:
    """A name without its middle, where it is too long."""
    if cell.cell_len <= width:
        return cell
    mark = page.plain("…")
    room = max(width - len(mark), 2)
    head = room - room // 2
    return page.t(cell[:head], mark, cell[len(cell) - room // 2 :])


def _two_lines(page: "Page", columns: "Sequence[Column]", rows: Sequence[Sequence[Text]], indent: str) -> list[Text]:
    """The name on one line, what must stay below it."""
    lines: list[Text] = []
    for row in rows:
        lines.append(page.t(indent, shortened(page, row[0], page.width - len(indent))))
        rest = [row[at] for at in range(1, len(columns)) if row[at].cell_len and columns[at].leaves < 2]
        text = Text()
        for number, cell in enumerate(rest):
            text.append("  " if number else "")
            text.append_text(cell)
        lines += page.wrapped(text, Text(indent + "  "), indent + "  ")
    return lines
