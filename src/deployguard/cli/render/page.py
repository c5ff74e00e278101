"""A page: lines for standard output and standard error, laid out by the rules of the terminal.

Widths are computed here, because Rich's tables cut numbers where space is short. Only names lose their middle. A
no-break space glues what must not part at a line end; it is printed as a space.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from deployguard.cli.render import symbols
from deployguard.cli.render.symbols import Symbol
from deployguard.errors import Offer
from deployguard.plain import plain

GLUE = "\u00a0"
WIDEST = 120
USUAL = 80
NARROW = 60  # below it a row takes two lines

Piece = str | Text | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Of those that may leave, the highest `leaves` goes first; 0 stays. Only names shrink."""

    head: str = ""
    right: bool = False
    shrinks: bool = False
    leaves: int = 0


@dataclass
class Page:
    """Where a view writes. `zone` is the reader's."""

    console: Console
    errors: Console
    width: int = USUAL
    ascii_only: bool = False
    zone: tzinfo = UTC
    out: list[Text] = field(default_factory=list)
    err: list[Text] = field(default_factory=list)

    @classmethod
    def of_process(cls) -> "Page":
        """For this process's streams: colour, width, symbols and zone as they can be told."""
        console = _console(sys.stdout)
        local = datetime.now(UTC).astimezone().tzinfo or UTC
        return cls(
            console=console,
            errors=_console(sys.stderr),
            width=_width(console),
            ascii_only=_needs_ascii(),
            zone=local,
        )

    def resized(self) -> "Page":
        """The same page at the terminal's width now."""
        self.width = _width(self.console)
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
        """One line on standard output, as it is."""
        self.out.append(self.t(*pieces))

    def say(self, *pieces: Piece) -> None:
        """One line on standard error, as it is."""
        self.err.append(self.t(*pieces))

    def blank(self, *, err: bool = False) -> None:
        (self.err if err else self.out).append(Text())

    def head(self, environment: str, what: Piece, right: str = "", *, err: bool = False) -> None:
        """The first line: environment in bold, what this is; at the right, dim, revision, time and zone."""
        left = self.t((environment, "bold"), "  ", what)
        (self.err if err else self.out).extend(self.ends(left, self.t((right, "dim"))))

    def ends(self, left: Text, right: Text) -> list[Text]:
        """Left and right ends of one line; two lines where it is too narrow."""
        space = self.width - left.cell_len - right.cell_len
        if right.cell_len == 0:
            return [left]
        if space < 2:
            return [left, self.t("  ", right)] if right.cell_len + 2 <= self.width else [left]
        return [self.t(left, " " * space, right)]

    def para(self, text: Piece, *, first: Piece = "", rest: str | None = None, err: bool = False) -> None:
        """Wrapped at the width: `first` opens the first line, `rest` the others (as many spaces, unless said)."""
        opening = self.t(first)
        indent = self.plain(rest) if rest is not None else " " * opening.cell_len
        (self.err if err else self.out).extend(self.wrapped(self.t(text), opening, indent))

    def wrapped(self, text: Text, first: Text, rest: str) -> list[Text]:
        lines: list[Text] = []
        line, room, empty = first.copy(), self.width - first.cell_len, True
        for word in _words(text):
            size = word.cell_len + (0 if empty else 1)
            if size > room and not empty:
                lines.append(line)
                line, room, empty = Text(rest), self.width - cell_len(rest), True
                size = word.cell_len
            if not empty:
                line.append(" ")
            line.append_text(word)
            room -= size
            empty = False
        lines.append(line)
        return lines

    def facts(self, rows: Iterable[tuple[str, Piece]], *, err: bool = False) -> None:
        """Labels, lower case and dim, and what they say."""
        kept = [(label, self.t(text)) for label, text in rows]
        size = max((cell_len(label) for label, _ in kept), default=0)
        for label, text in kept:
            self.para(text, first=self.t("  ", (label.ljust(size), "dim"), "  "), err=err)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Piece]], *, indent: str = "") -> None:
        """Columns two spaces apart; the first cell of a row may open with a symbol. Leaves and shrinks as said."""
        from deployguard.cli.render.table import laid_out

        self.out.extend(laid_out(self, columns, [[self.t(cell) for cell in row] for row in rows], indent))

    def next(self, offers: Sequence[Offer], *, word: str = "next") -> None:
        """`next:` and `or:` with whole commands, which can be pasted: a comment stands behind ` # ` or above."""
        for number, offer in enumerate(offers):
            label = f"{word}:" if number == 0 else "or:"
            self.err.extend(self.command(offer, self.t((label.rjust(len(word) + 1), "bold"), " ")))

    def command(self, offer: Offer, first: Text) -> list[Text]:
        """A command behind its label, broken only before an option, with ` \\`; its comment behind or above."""
        does = f"  # {offer.does}" if offer.does else ""
        whole = self.t(first, (offer.command, "cyan"), (does, "dim"))
        if whole.cell_len <= self.width:
            return [whole]
        lines: list[Text] = []
        if offer.does and first.cell_len + cell_len(offer.command) <= self.width:
            return [self.t(first, (f"# {offer.does}", "dim")), self.t(" " * 2, (offer.command, "cyan"))]
        if offer.does:
            lines.append(self.t(first, (f"# {offer.does}", "dim")))
            first = self.t("  ")
        broken = _broken_command(offer.command, self.width - first.cell_len - 2)
        for number, part in enumerate(broken):
            tail = " \\" if number < len(broken) - 1 else ""
            lead = first if number == 0 else self.t(" " * (first.cell_len + 2))
            lines.append(self.t(lead, (part + tail, "cyan")))
        return lines

    def flush(self) -> None:
        """Print what has gathered: the result first, then the words around it."""
        for console, lines in ((self.console, self.out), (self.errors, self.err)):
            for line in lines:
                console.print(_unglued(line), soft_wrap=True)
            console.file.flush()
            lines.clear()


def _words(text: Text) -> list[Text]:
    """The words of a line, styles kept."""
    words: list[Text] = []
    start = None
    for at, sign in enumerate(text.plain + " "):
        if sign == " ":
            if start is not None:
                words.append(text[start:at])
            start = None
        elif start is None:
            start = at
    return words


def _unglued(line: Text) -> Text:
    if GLUE not in line.plain:
        return line
    out = line.copy()
    out.plain = line.plain.replace(GLUE, " ")
    return out


def _broken_command(command: str, room: int) -> list[str]:
    """A command in parts that fit, broken only before an option."""
    parts: list[str] = []
    line = ""
    for number, chunk in enumerate(command.split(" --")):
        piece = chunk if number == 0 else f"--{chunk}"
        if line and cell_len(line) + 1 + cell_len(piece) > room:
            parts.append(line)
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    return [*parts, line]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Left to `main`: Rich would exit with 1, as if the command had failed."""
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:
    return _Console(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=True)


def _width(console: Console) -> int:
    if console.is_terminal or "COLUMNS" in os.environ:
        return max(20, min(console.width, WIDEST))
    return USUAL


def _needs_ascii() -> bool:
    if os.environ.get("TERM") in ("dumb", "linux"):
        return True
    for stream in (sys.stdout, sys.stderr):
        try:
            symbols.ALL.encode(stream.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return True
    return False
