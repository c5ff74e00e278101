"""Where a line may be broken: between words, never inside a rule with its value, a command only before an option."""

import re

from rich.cells import cell_len
from rich.text import Text

GLUE = "\u00a0"
"""A space that is no line end; printed as a space."""

# A metric with its value, an operator and a limit, as story.rule writes them.
_RULE = re.compile(
    r"[\w.]+(?:\('[^']*'\)|\(\w+(?:, '[^']*')?\))? \([^()]*\) (?:[<>]=?|[=!]=|in|contains|startsWith|endsWith) "
    r"(?:'[^']*'|\[[^\]]*\]|[^\s;,]+)"
)

_WORDS = re.compile(r"""(?:'[^']*'|"[^"]*"|\S)+""")


def glued(text: Text, room: int) -> Text:
    """The text with each rule and its value as one word, where that fits: `errorRate (14.2%) > 10%`."""
    line = text.copy()
    for found in _RULE.finditer(text.plain):
        if cell_len(found[0]) <= room:
            line.plain = line.plain[: found.start()] + found[0].replace(" ", GLUE) + line.plain[found.end() :]
    return line


def words(text: Text) -> list[Text]:
    """The words of a line, styles kept."""
    found: list[Text] = []
    start = None
    for at, sign in enumerate(text.plain + " "):
        if sign == " ":
            if start is not None:
                found.append(text[start:at])
            start = None
        elif start is None:
            start = at
    return found


def unglued(line: Text) -> Text:
    """The line as it is printed: a glued space is a space."""
    if GLUE not in line.plain:
        return line
    out = line.copy()
    out.plain = line.plain.replace(GLUE, " ")
    return out


def broken_command(command: str, room: int) -> list[str]:
    """A command in parts that fit, broken before an option; where one part is too long, between its words, too.

    Later parts stand two columns further in. What is quoted is one word.
    """
    pieces: list[str] = []
    for chunk in re.split(r" (?=--)", command):
        pieces += [chunk] if cell_len(chunk) <= room - 2 else _WORDS.findall(chunk)
    parts: list[str] = []
    for piece in pieces:
        left = room - 2 if len(parts) > 1 else room
        if parts and cell_len(parts[-1]) + 1 + cell_len(piece) <= left:
            parts[-1] += f" {piece}"
        else:
            parts.append(piece)
    return parts


def folded(line: Text, width: int) -> list[Text]:
    """A line in pieces of the width, where even one word is wider: a screen that is drawn in place shows all of it."""
    pieces = []
    while line.cell_len > width:
        end = width
        while line[:end].cell_len > width:
            end -= 1
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]
