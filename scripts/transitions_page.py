"""Write docs/transitions.md from the table of transitions: `python scripts/transitions_page.py [--check]`."""

import sys
from pathlib import Path

from deployguard.rollout import table
from deployguard.rollout.moves import MoveKind
from deployguard.rollout.table import ANY, BY_HAND, LIVE, SAME, TABLE, Does, Row
from deployguard.state import Phase

PAGE = Path(__file__).parent.parent / "docs" / "transitions.md"

HEAD = """\
# The table of transitions

Written by `scripts/transitions_page.py` from `deployguard.rollout.table`; a test holds that the two agree. Do not edit.

{theory}

## The table

`live` is progressing, paused, completed. `=` stays as it is. *nothing* changes nothing: exit 0, no new revision.

| phase | move | guard | phase' | percentage | enteredAt | anchor | event | record |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

FOOT = """
## What no row can say

- A flag that leaves its rollout while that was taken back leaves its fellows taken back: where it was the lead, they
  stay off under the first of them.
- Where a flag was lowered (reduced, disabled, taken back), every other live unit is `disturbed`: its anchor
  moves to now.
- A rollout that progresses and loses a requirement outside itself is paused: `requirement taken back`.
- A trigger's action sets the unit's `actedAt`, from which cooldowns run; start, retry, resume and promote clear it.
- A lead, or a flag set by hand, that comes from 0 % takes its own key as seed; riders take the lead's.
"""


def page() -> str:
    """The whole page as text."""
    return HEAD.format(theory=_theory()) + "".join(_line(row) for row in TABLE) + FOOT


def _theory() -> str:
    """The docstring's theory; its diagram becomes a code block by its indent."""
    text = (table.__doc__ or "").partition("\n\n")[2]
    return text.rpartition("\n\n`docs/transitions.md`")[0]


def _line(row: Row) -> str:
    nothing = row.does is Does.NOTHING
    cells = [
        _phases(row.phases),
        ", ".join(_move(kind) for kind in row.moves),
        "; ".join(row.guards),
        "=" if row.to is SAME else _phase(row.to),
        "*nothing*" if nothing else row.level,
        "now" if row.entered else "=",
        "now" if row.anchor else "=",
        f"`{row.event}`" if row.event else "",
        str(row.record or ""),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _phases(phases: tuple[Phase | None, ...]) -> str:
    known = {LIVE: "live", (BY_HAND, *LIVE): "-, live", ANY: "any"}
    return known.get(phases) or ", ".join(_phase(phase) for phase in phases)


def _phase(phase: Phase | None) -> str:
    return "-" if phase is BY_HAND else str(phase)


def _move(kind: MoveKind) -> str:
    arguments = {MoveKind.SET: "set P", MoveKind.REDUCE: "reduce r"}
    return arguments.get(kind, str(kind))


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
