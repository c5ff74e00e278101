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
    """A command in parts that fit, broken only before an option; later parts stand two columns further in."""
    parts: list[str] = []
    line, left = "", room
    for number, chunk in enumerate(command.split(" --")):
        piece = chunk if number == 0 else f"--{chunk}"
        if line and cell_len(line) + 1 + cell_len(piece) > left:
            parts.append(line)
            line, left = piece, room - 2
        else:
            line = f"{line} {piece}" if line else piece
    return [*parts, line]
