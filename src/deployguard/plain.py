"""Text from outside as plain text: what commands print and servers answer, before anybody sees it.

Escape sequences go whole (colours, titles, links), control characters go, tabs become spaces. So nothing that a
program prints can move the reader's cursor, rename their window or forge a line.
"""

import re

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, links; ended by BEL or ST
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # the rest of ECMA-48
)
# C0 and C1 controls, DEL, what reorders or splits a line (Unicode's bidirectional controls, U+2028, U+2029), and halves
# of surrogate pairs, which no stream takes.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` without escape sequences and control characters; newlines stay. Source: ECMA-48, XTerm's OSC."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub("", _ESCAPES.sub("", text).replace("\t", "    "))


def plain_line(text: str) -> str:
    """The same in one line: newlines and runs of spaces become one space."""
    return " ".join(plain(text.replace("\r", "\n")).split())


def shortened(text: str, most: int) -> str:
    """At most `most` characters, the last an ellipsis where something was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def clean(text: object, most: int = 200) -> str:
    """Text from outside (a reason, a name, an answer) as one harmless line of at most `most` characters."""
    return shortened(plain_line(text if isinstance(text, str) else str(text)), most)
