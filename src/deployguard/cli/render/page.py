"""A page: lines for standard output and standard error, laid out by the rules of the terminal.

Widths are computed here, because Rich's tables cut numbers where space is short. Only names lose their middle. A
no-break space glues what must not part at a line end; it is printed as a space.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.symbols import Symbol
from deployguard.cli.render.wrapping import broken_command, glued, unglued, words
from deployguard.errors import Offer
from deployguard.plain import plain
from deployguard.story.numbers import zone_words

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 120
USUAL = 80
Piece = str | Text | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Of those that may leave, the highest `leaves` goes first; 0 stays.

    `shrinks` is for names alone, which lose their middle; `wraps` for prose, which takes more lines. Where a row takes
    two lines there is no head: `label` stands before what would not be understood without it.
    """

    head: str = ""
    right: bool = False
    shrinks: bool = False
    wraps: bool = False
    leaves: int = 0
    label: str = ""


@dataclass
class Plain:
    """A stream that shows no colour. Rich's console would be a tenth of what a command in a script costs to start."""

    file: TextIO
    width: int

    def print(self, line: Text, **_how: object) -> None:
        self.file.write(f"{line.plain}\n")


@dataclass
class Page:
    """Where a view writes. `zone` is the reader's."""

    console: "Console | Plain"
    errors: "Console | Plain"
    width: int = USUAL
    ascii_only: bool = False
    zone: tzinfo = UTC
    out: list[Text] = field(default_factory=list)
    err: list[Text] = field(default_factory=list)
    offering: bool = True  # False where no offered command would work as pasted: the demo's folder goes with it

    @classmethod
    def of_process(cls) -> "Page":
        """For this process's streams: colour, width, symbols and zone as they can be told."""
        zone = datetime.now(UTC).astimezone().tzinfo or UTC
        return cls(_console(sys.stdout), _console(sys.stderr), _width(), _needs_ascii(), zone)

    def resized(self) -> "Page":
        """The same page at the terminal's width now."""
        self.width = self.console.width = _width()
        return self

    # text

    def t(self, *pieces: Piece) -> Text:
        """Pieces joined; a tuple is (words, style). Data never becomes markup."""
        line = Text()
        for piece in pieces:
            if isinstance(piece, Text):
                line.append_text(piece)
            elif isinstance(piece, tuple):
                line.append(self.plain(piece[0]), style=piece[1])
            else:
                line.append(self.plain(piece))
        return line

    def plain(self, text: str) -> str:
        """Text as a page may show it: no control characters, no line ends, symbols that the stream can carry."""
        safe = plain(text).replace("\n", " ")
        return symbols.plain(safe) if self.ascii_only else safe

    def sign(self, symbol: Symbol) -> Text:
        return self.t((symbol.sign, symbol.style))

    def spark(self, values: tuple[float | None, ...]) -> Text:
        line = Text(style="dim")
        for sign in symbols.spark(values, ascii_only=self.ascii_only):
            line.append(sign, style="red not dim" if sign in ("█", "#") else None)
        return line

    # lines

    def put(self, *pieces: Piece) -> None:
        """One line on standard output; wrapped below its first word where it is too long."""
        self.out.extend(self.fitted(self.t(*pieces)))

    def say(self, *pieces: Piece) -> None:
        """The same on standard error."""
        self.err.extend(self.fitted(self.t(*pieces)))

    def fitted(self, line: Text, rest: str = "  ") -> list[Text]:
        return [line] if line.cell_len <= self.width else self.wrapped(line, rest=rest)

    def blank(self, *, err: bool = False) -> None:
        (self.err if err else self.out).append(Text())

    def head(self, environment: str, what: Piece, right: str = "", *, err: bool = False) -> None:
        """The first line: environment in bold, what this is; at the right, dim, revision, time and zone."""
        left, end = self.t((environment, "bold"), "  ", what), self.t((right, "dim"))
        if left.cell_len + end.cell_len + 2 > self.width:
            end = Text()
        (self.err if err else self.out).extend(self.ends(left, end))

    def clock(self, at: datetime, revision: int | None = None) -> str:
        """For the right end of a first line: `revision 418 · 14:32:10 UTC+1`."""
        time = f"{at.astimezone(self.zone):%H:%M:%S} {zone_words(at, self.zone)}"
        return time if revision is None else f"revision {revision} · {time}"

    def ends(self, left: Text, right: Text) -> list[Text]:
        """Left and right ends of one line; two lines where it is too narrow."""
        space = self.width - left.cell_len - right.cell_len
        if right.cell_len and space >= 2:
            return [self.t(left, " " * space, right)]
        lines = self.fitted(left)
        return [*lines, *self.wrapped(right, Text("  "), "  ")] if right.cell_len else lines

    def para(self, text: Piece, *, first: Piece = "", rest: str | None = None, err: bool = False) -> None:
        """Wrapped at the width: `first` opens the first line, `rest` the others (as many spaces, unless said)."""
        opening = self.t(first)
        indent = self.plain(rest) if rest is not None else " " * opening.cell_len
        (self.err if err else self.out).extend(self.wrapped(self.t(text), opening, indent))

    def wrapped(self, text: Text, first: Text | None = None, rest: str = "", *, width: int | None = None) -> list[Text]:
        """Lines of at most `width` columns (else the page's); `first` opens the first, `rest` the others.

        A rule and its value are not parted where one line holds both. A word longer than a line stays whole.
        """
        limit = width or self.width
        line = first.copy() if first is not None else Text()
        lines: list[Text] = []
        empty = True
        for word in words(glued(text, limit - cell_len(rest))):
            full = line.cell_len + (not empty) + word.cell_len > limit
            if full and (not empty or line.cell_len > cell_len(rest)):
                line.rstrip()
                lines.append(line)
                line, empty = Text(rest), True
            line.append("" if empty else " ")
            line.append_text(word)
            empty = False
        return [*lines, line]

    def sentence(self, symbol: Symbol, *pieces: Piece, err: bool = False) -> None:
        """A whole sentence behind its symbol, wrapped under its first word."""
        self.para(self.t(*pieces), first=self.t(self.sign(symbol), " "), rest="  ", err=err)

    def facts(self, rows: Iterable[tuple[str, Piece]], *, err: bool = False) -> None:
        """Labels, lower case and dim, and what they say."""
        kept = [(label, self.t(text)) for label, text in rows]
        size = max((cell_len(label) for label, _ in kept), default=0)
        for label, text in kept:
            self.para(text, first=self.t("  ", (label.ljust(size), "dim"), "  "), err=err)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Piece]], *, below: Sequence[Piece | None] = ()
    ) -> None:
        """Columns two spaces apart; the first cell of a row may open with a symbol. `below`: a sentence under a row."""
        self.out.extend(self.table_lines(columns, rows, below=below))

    def table_lines(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Piece]],
        *,
        indent: str = "",
        below: Sequence[Piece | None] = (),
    ) -> list[Text]:
        """The same as lines."""
        from deployguard.cli.render.table import laid_out

        cells = [[self.t(cell) for cell in row] for row in rows]
        sentences = [None if more is None else self.t(more) for more in below]
        return laid_out(self, columns, cells, indent, sentences)

    def next(self, offers: Sequence[Offer], *, word: str = "next") -> None:
        """`next:` and `or:` with whole commands, which can be pasted: a comment stands behind ` # ` or above."""
        self.err.extend(self.offers(offers, word=word))

    def offers(self, offers: Sequence[Offer], *, word: str = "next") -> list[Text]:
        """The same as lines."""
        if not self.offering:
            return []
        labels = [f"{word}:", *["or:".rjust(len(word) + 1)] * len(offers)]
        return [
            line
            for label, offer in zip(labels, offers, strict=False)
            for line in self.command(offer, self.t((label, "bold"), " "))
        ]

    def command(self, offer: Offer, first: Text, above: str | None = None) -> list[Text]:
        """A command behind its label, broken only before an option, with ` \\`.

        Its comment stands behind it; where that has no room below, or `above` it behind this indent.
        """
        does = self.t((f"# {offer.does}", "dim")) if offer.does else None
        lines = []
        if does is not None and above is not None and self._over(first, offer.command, does):
            lines += self.wrapped(does, Text(above), f"{above}# ")
            does = None
        parts = broken_command(offer.command, self.width - first.cell_len - len(" \\"))
        if not offer.does and first.cell_len + cell_len(offer.command) <= self.width:
            parts = [offer.command]
        indent = " " * (first.cell_len + 2)
        if max(map(cell_len, parts)) + len(indent) + len(" \\") > self.width:
            indent = "    "
        for number, part in enumerate(parts):
            tail = " \\" if number < len(parts) - 1 else ""
            lines.append(self.t(first if number == 0 else indent, (part + tail, "cyan")))
        if does is not None and lines[-1].cell_len + 2 + does.cell_len <= self.width:
            lines[-1] = self.t(lines[-1], "  ", does)
        elif does is not None:
            lines += self.wrapped(does, Text(indent), f"{indent}# ")
        return lines

    def _over(self, first: Text, command: str, does: Text) -> bool:
        return first.cell_len + cell_len(command) + 2 + does.cell_len > self.width

    def flush(self) -> None:
        """Print what has gathered: the result first, then the words around it."""
        for console, lines in ((self.console, self.out), (self.errors, self.err)):
            try:
                for line in lines:
                    console.print(unglued(line), soft_wrap=True)
                console.file.flush()
            except OSError as error:
                # Words around the result must not end what runs: a deploy goes on where its log's disk is full.
                if console is self.console or isinstance(error, BrokenPipeError):
                    raise
            lines.clear()


def _console(stream: TextIO) -> "Console | Plain":
    if not stream.isatty() and not os.environ.get("FORCE_COLOR"):
        return Plain(stream, _width())
    from deployguard.cli.render.terminal import Terminal

    return Terminal(file=stream, width=_width(), highlight=False, emoji=False, markup=False, soft_wrap=True)


def _width() -> int:
    """The terminal's, or `COLUMNS` where that is a number above 0; 80 where there is no terminal."""
    return max(20, min(shutil.get_terminal_size((USUAL, 24)).columns, WIDEST))


def _needs_ascii() -> bool:
    if os.environ.get("TERM") in ("dumb", "linux"):
        return True
    for stream in (sys.stdout, sys.stderr):
        try:
            symbols.ALL.encode(stream.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return True
    return False
