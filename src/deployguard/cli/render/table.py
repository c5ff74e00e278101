"""Columns: computed widths, names that lose their middle, columns that leave from the right, rows of two lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from deployguard.cli.render.wrapping import GLUE

if TYPE_CHECKING:
    from deployguard.cli.render.page import Column, Page

BETWEEN = 2
SHORTEST_NAME = 12
SHORTEST_PROSE = 24
Rows = Sequence[Sequence[Text]]


def laid_out(
    page: "Page", columns: "Sequence[Column]", rows: Rows, indent: str, below: Sequence[Text | None]
) -> list[Text]:
    """The lines of a table at the page's width; a head line where any column has a head.

    Columns without content leave first; then those that may, from the right; then names lose their middle and prose
    wraps in its column; then a row takes two lines. `below` has a sentence for a row, which stands under it.
    """
    table = _Table(page, columns, rows, indent)
    kept = table.fitting()
    widths = table.widths(kept or [])
    lines = []
    if kept and any(columns[at].head for at in kept):
        lines += table.row([page.t((column.head, "dim")) for column in columns], kept, widths)
    for number, row in enumerate(rows):
        lines += table.row(row, kept, widths) if kept else table.two_lines(row)
        more = below[number] if below else None
        if more is not None:
            lines += page.wrapped(more, Text(indent + "    "), indent + "    ")
    return lines


@dataclass(frozen=True, slots=True)
class _Table:
    page: "Page"
    columns: "Sequence[Column]"
    rows: Rows
    indent: str

    def fitting(self) -> list[int] | None:
        """Which columns stay; None where even those that must stay do not fit on one line."""
        kept = [at for at in range(len(self.columns)) if at == 0 or any(row[at].cell_len for row in self.rows)]
        while self._room(len(kept)) < sum(self._least(at) for at in kept):
            leaving = [at for at in kept if self.columns[at].leaves]
            if not leaving:
                return None
            kept.remove(max(leaving, key=lambda at: self.columns[at].leaves))
        return kept

    def widths(self, kept: list[int]) -> dict[int, int]:
        """Prose gives way first, then names."""
        widths = {at: self._natural(at) for at in kept}
        over = sum(widths.values()) - self._room(len(kept))
        for at in sorted(kept, key=lambda at: self.columns[at].shrinks):
            less = max(0, min(over, widths[at] - self._least(at)))
            widths[at] -= less
            over -= less
        return widths

    def row(self, cells: Sequence[Text], kept: list[int], widths: dict[int, int]) -> list[Text]:
        """One row: more lines than one only where prose wraps."""
        blocks = {at: self._cell(cells[at], at, widths[at]) for at in kept}
        lines = []
        for number in range(max(len(block) for block in blocks.values())):
            line = Text(self.indent)
            for at in kept:
                block = blocks[at]
                cell = block[number] if number < len(block) else Text()
                space = " " * (widths[at] - cell.cell_len)
                line.append(" " * BETWEEN if at != kept[0] else "")
                line.append_text(self.page.t(space, cell) if self.columns[at].right else self.page.t(cell, space))
            line.rstrip()
            lines.append(line)
        return lines

    def two_lines(self, row: Sequence[Text]) -> list[Text]:
        """The name on one line, what must stay below it; numbers keep their column."""
        page, indent = self.page, self.indent
        text = Text()
        for at in range(1, len(self.columns)):
            column, cell = self.columns[at], row[at]
            if not cell.cell_len or column.leaves > 1:
                continue
            if column.shrinks:
                cell = shortened(page, cell, page.width - len(indent) - 2)
            elif not column.wraps:  # a figure and its unit are one word
                cell = cell.copy()
                cell.plain = cell.plain.replace(" ", GLUE)
            if column.label:
                cell = page.t((f"{column.label} ".replace(" ", GLUE), "dim"), cell)
            pad = " " * (self._content(at) - cell.cell_len) if column.right and not text else ""
            text.append_text(page.t(f"{GLUE} " if text else "", pad.replace(" ", GLUE), cell))
        name = page.t(indent, shortened(page, row[0], page.width - len(indent)))
        return [name, *(page.wrapped(text, Text(indent + "  "), indent + "  ") if text else [])]

    def _cell(self, cell: Text, at: int, width: int) -> list[Text]:
        if self.columns[at].wraps and cell.cell_len > width:
            return self.page.wrapped(cell, Text(), "", width=width)
        return [shortened(self.page, cell, width)]

    def _room(self, count: int) -> int:
        return self.page.width - len(self.indent) - BETWEEN * (count - 1)

    def _content(self, at: int) -> int:
        return max((row[at].cell_len for row in self.rows), default=0)

    def _natural(self, at: int) -> int:
        return max(len(self.columns[at].head), self._content(at))

    def _least(self, at: int) -> int:
        column, natural = self.columns[at], self._natural(at)
        shortest = SHORTEST_NAME if column.shrinks else SHORTEST_PROSE if column.wraps else natural
        return min(natural, max(shortest, len(column.head)))


def shortened(page: "Page", cell: Text, width: int) -> Text:
    """A name without its middle, where it is too long; its styles stay."""
    if cell.cell_len <= width:
        return cell
    mark = page.plain("…")
    tail = (width - len(mark)) // 2
    end = cell.copy()
    while end.cell_len > tail:
        end = end[1:]
    start = cell.copy()
    start.truncate(max(width - len(mark) - end.cell_len, 0), overflow="crop")
    start.rstrip()
    return page.t(start, mark, end)
