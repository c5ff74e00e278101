"""One column each; a word always says the same. With their ASCII twins, for streams that cannot carry them."""

from typing import NamedTuple


class Symbol(NamedTuple):
    sign: str
    style: str


PASS = Symbol("✓", "green")
FAIL = Symbol("✗", "bold red")
WAIT = Symbol("?", "yellow")
NEED = Symbol("!", "yellow")
MOVING = Symbol("▸", "bold")
PAUSED = Symbol("‖", "yellow")
BACK = Symbol("«", "bold red")
ON = Symbol("●", "green")
OFF = Symbol("○", "dim")
NONE = Symbol("–", "dim")
OF_PHASE = {"rolled_back": BACK, "paused": PAUSED, "progressing": MOVING, "completed": ON}
OF_VERDICT = {"pass": PASS, "fail": FAIL, "inconclusive": WAIT}

SPARKS = "▁▂▃▄▅▆▇"
OVER = "█"
GAP = "·"

_PLAIN = {
    "✓": "+", "✗": "x", "▸": ">", "‖": "=", "«": "<", "●": "*", "○": "o", "–": "-", "│": "|", "━": "=", "─": "-",
    "→": "->", "…": "...", "·": "-", "×": "x",
    "▁": "_", "▂": ":", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%", "█": "#",
}  # fmt: skip
_TABLE = str.maketrans(_PLAIN)
ALL = "".join(_PLAIN)


def plain(text: str) -> str:
    """The text in ASCII symbols; other characters of names and answers stay."""
    return text.translate(_TABLE)


def spark(values: tuple[float | None, ...], *, ascii_only: bool) -> str:
    """One column a value; 1.0 is the limit and the top of the line, above it a full block, None a gap."""
    out = []
    for value in values:
        if value is None:
            out.append("." if ascii_only else GAP)
        elif value > 1:
            out.append(OVER)
        else:
            out.append(SPARKS[min(int(max(value, 0.0) * len(SPARKS)), len(SPARKS) - 1)])
    line = "".join(out)
    return plain(line) if ascii_only else line
