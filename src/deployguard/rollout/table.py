"""The table of transitions: what may happen to a unit, as data.

Theory of operation. A unit is a rollout with all its riders, or one flag set by hand. A rollout is in one of four
phases; a flag set by hand has none, which the table writes `-`:

    -, rolled_back --start, retry--> progressing --tick: ready--> progressing ... --> completed
    progressing --pause, a failing trigger, too little data--> paused --resume, promote--> progressing, completed
    progressing, paused, completed (the live phases) --rollback, abort, emergency, ...--> rolled_back

A move is what a person or the tick asks of a unit. A row says for which phases and which move it counts, what must
hold besides (its guards), which phase follows, what the percentage becomes, and whether two moments move to now:
`enteredAt`, from which the step's hold runs, and the anchor, before which no sample is evidence. The FIRST row that
matches counts. Where none does the move is refused, nothing changes, and the answer lists what is allowed now.

Two rules hold for every row. All flags of a rollout share one percentage, so a row that sets it sets it for all. A
row that leads from a rollout to `-` concerns the named flag alone: it leaves its rollout and is set by hand from then
on; the others go on as they were. What follows from a row for OTHER units (their anchors move, a rollout whose
requirement went off pauses) is a row of its own, asked by `apply`.

`next` is the lowest step above the percentage, `last` the last step (never less than the percentage now), `p` the
percentage now, `P` the one asked for, `r` the share that a reduce takes away. `on` is enabled and above 0 %.

`docs/transitions.md` is this table, written by `scripts/transitions_page.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from deployguard.config.units import FULL
from deployguard.config.values import OnInconclusive
from deployguard.rollout.moves import Asked, Move, MoveKind, ask
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.plan import Plan, hold_ends
from deployguard.state import Actor, Phase, RollbackKind, State, StepState, Via

BY_HAND: Final = None
"""No phase: a flag set by hand."""

LIVE = (Phase.PROGRESSING, Phase.PAUSED, Phase.COMPLETED)
MOVING = (Phase.PROGRESSING, Phase.PAUSED)
ANY = (BY_HAND, *Phase)


class Same(Enum):
    """The phase stays as it is, whatever it is."""

    SAME = "="


SAME: Final = Same.SAME


@dataclass(frozen=True, slots=True)
class Level:
    """How much of a unit is on: hundredths, and whether it is enabled."""

    percentage: int
    enabled: bool


class Does(Enum):
    """What a row changes; `apply` has one function for each."""

    START = "the flags start as a rollout"
    STEP = "the rollout takes the phase and, if the row says so, the percentage"
    HAND = "the named flag alone is set, and leaves its rollout"
    RIDERS = "the riders met are disabled and leave the rollout"
    TARGET = "the override of targeting is stored"
    ANCHOR = "only the anchor moves"
    RESTORE = "a rollback's record is restored"
    NOTHING = "nothing changes: exit 0, no new revision"


_NO_FAULT = "P <= p, or no trigger fails, or --force"
_JUDGED = "no trigger fails, or --force"
_LAST = "next is the last, or none"

GUARDS: dict[str, Callable[[Asked], bool]] = {
    "lead not on": lambda a: not a.flag.on,
    "lead on, below the last step": lambda a: a.flag.on and a.flag.percentage < a.last,
    "one step": lambda a: len(a.steps) == 1,
    "no next": lambda a: a.next is None,
    _LAST: lambda a: a.next is None or a.next >= a.last,
    _JUDGED: lambda a: a.move.force or not a.move.trigger_fails,
    _NO_FAULT: lambda a: (a.move.percentage or 0) <= a.flag.percentage or a.move.force or not a.move.trigger_fails,
    "P > 0": lambda a: (a.move.percentage or 0) > 0,
    "P = 0": lambda a: not a.move.percentage,
    "--force": lambda a: a.move.force,
    "onInconclusive: pause, hold over": lambda a: (
        a.rollout is not None
        and a.rollout.on_inconclusive is OnInconclusive.PAUSE
        and (hold_ends(a.rollout, a.flag.percentage) or a.now) <= a.now
    ),
    "p(1-r) >= minPercentage": lambda a: a.reduced >= max(1, a.move.min_percentage),
    "r = 0": lambda a: not a.move.share,
    "the flag rides": lambda a: a.rides,
    "meets the lead": lambda a: a.lead in a.met,
    "meets riders only": lambda a: bool(a.met) and a.lead not in a.met,
    "meets no flag": lambda a: not a.met,
    "enabled": lambda a: a.flag.enabled,
    "not enabled": lambda a: not a.flag.enabled,
    "unit unchanged since the record, or --force": lambda _: True,  # undo asks it of each flag, see undo.py
}

RULES: dict[str, Callable[[Asked], Level]] = {
    "steps[1]; enabled": lambda a: Level(a.steps[0].percentage, enabled=True),
    "next": lambda a: Level(a.next or a.last, enabled=True),
    "last": lambda a: Level(max(a.last, a.flag.percentage), enabled=True),
    "P; enabled": lambda a: Level(a.flag.percentage if a.move.percentage is None else a.move.percentage, enabled=True),
    "P; enabled if P > 0": lambda a: Level(a.move.percentage or 0, enabled=bool(a.move.percentage)),
    "p(1-r), down": lambda a: Level(a.reduced, enabled=a.flag.enabled),
    "0; not enabled": lambda _: Level(0, enabled=False),
    "=; enabled": lambda a: Level(a.flag.percentage, enabled=True),
    "=; not enabled": lambda a: Level(a.flag.percentage, enabled=False),
    "= (they: =; not enabled)": lambda a: Level(a.flag.percentage, enabled=False),
    "as before": lambda a: Level(a.flag.percentage, enabled=a.flag.enabled),
    "=": lambda a: Level(a.flag.percentage, enabled=a.flag.enabled),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `event` is the type that tells it, `record` the kind of rollback record that it leaves."""

    phases: tuple[Phase | None, ...]
    moves: tuple[M, ...]
    to: Phase | Same | None
    level: str
    does: Does
    guards: tuple[str, ...] = ()
    entered: bool = True
    anchor: bool = True
    event: str | None = None
    record: RollbackKind | None = None

    def matches(self, asked: Asked) -> bool:
        return (
            asked.phase in self.phases
            and asked.move.kind in self.moves
            and all(GUARDS[guard](asked) for guard in self.guards)
        )


_OFF = "0; not enabled"
_FLAG = "flag.updated"
_GONE = "rollout.rolledBack"
_R = RollbackKind

# fmt: off
TABLE: tuple[Row, ...] = (
    Row((BY_HAND, Phase.ROLLED_BACK), (M.START, M.RETRY), Phase.COMPLETED, "steps[1]; enabled", Does.START,
        ("lead not on", "one step"), event="rollout.started"),
    Row((BY_HAND, Phase.ROLLED_BACK), (M.START, M.RETRY), Phase.PROGRESSING, "steps[1]; enabled", Does.START,
        ("lead not on",), event="rollout.started"),
    Row((BY_HAND,), (M.START,), Phase.COMPLETED, "next", Does.START,
        ("lead on, below the last step", "one step"), event="rollout.started"),
    Row((BY_HAND,), (M.START,), Phase.PROGRESSING, "next", Does.START,
        ("lead on, below the last step",), event="rollout.started"),
    Row((Phase.PROGRESSING,), (M.READY,), Phase.COMPLETED, "last", Does.STEP, (_LAST,), event="rollout.completed"),
    Row((Phase.PROGRESSING,), (M.READY,), Phase.PROGRESSING, "next", Does.STEP, event="rollout.advanced"),
    Row((Phase.PROGRESSING,), (M.PAUSE, M.REQUIREMENT), Phase.PAUSED, "=", Does.STEP,
        entered=False, anchor=False, event="rollout.paused"),
    Row((Phase.PROGRESSING,), (M.INCONCLUSIVE,), Phase.PAUSED, "=", Does.STEP,
        ("onInconclusive: pause, hold over",), entered=False, anchor=False, event="rollout.paused"),
    Row((Phase.PAUSED,), (M.RESUME,), Phase.COMPLETED, "=", Does.STEP, ("no next",), event="rollout.completed"),
    Row((Phase.PAUSED,), (M.RESUME,), Phase.PROGRESSING, "=", Does.STEP, event="rollout.resumed"),
    Row(MOVING, (M.PROMOTE,), Phase.COMPLETED, "last", Does.STEP, (_JUDGED, _LAST), event="rollout.completed"),
    Row(MOVING, (M.PROMOTE,), Phase.PROGRESSING, "next", Does.STEP, (_JUDGED,), event="rollout.advanced"),
    # A rider asked by name is meant alone.
    Row(LIVE, (M.SET,), BY_HAND, "P; enabled", Does.HAND, ("the flag rides", "P > 0", _NO_FAULT), event=_FLAG),
    Row(LIVE, (M.SET,), BY_HAND, _OFF, Does.HAND, ("the flag rides", "P = 0"), event=_FLAG, record=_R.FLAG),
    Row(LIVE, (M.ENABLE,), BY_HAND, "=; enabled", Does.HAND, ("the flag rides",), event=_FLAG),
    Row(LIVE, (M.ROLLBACK,), BY_HAND, _OFF, Does.HAND, ("the flag rides",), event=_FLAG, record=_R.FLAG),
    # The whole unit.
    Row(LIVE, (M.SET,), Phase.PAUSED, "P; enabled", Does.STEP, ("P > 0", _NO_FAULT), event="rollout.paused"),
    Row((BY_HAND, *LIVE), (M.REDUCE,), SAME, "=", Does.NOTHING, ("r = 0",), entered=False, anchor=False),
    Row(LIVE, (M.REDUCE,), Phase.PAUSED, "p(1-r), down", Does.STEP,
        ("p(1-r) >= minPercentage",), event="rollout.reduced", record=_R.REDUCE),
    Row(LIVE, (M.REDUCE,), Phase.ROLLED_BACK, _OFF, Does.STEP, event=_GONE, record=_R.FLAG),
    Row(LIVE, (M.SET,), Phase.ROLLED_BACK, _OFF, Does.STEP, ("P = 0",), event=_GONE, record=_R.FLAG),
    Row(LIVE, (M.ROLLBACK, M.ABORT), Phase.ROLLED_BACK, _OFF, Does.STEP, event=_GONE, record=_R.FLAG),
    Row(LIVE, (M.EMERGENCY,), Phase.ROLLED_BACK, _OFF, Does.STEP, event=_GONE, record=_R.EMERGENCY),
    Row(LIVE, (M.DISABLE,), Phase.ROLLED_BACK, _OFF, Does.STEP, ("meets the lead",), event=_GONE, record=_R.FLAG),
    Row(LIVE, (M.DISABLE,), SAME, "= (they: =; not enabled)", Does.RIDERS,
        ("meets riders only",), event=_FLAG, record=_R.DISABLE),
    Row(LIVE, (M.DISABLE,), SAME, "=", Does.NOTHING, ("meets no flag",), entered=False, anchor=False),
    Row(LIVE, (M.DEPLOYED, M.DISTURBED), SAME, "=", Does.ANCHOR, entered=False, event="unit.anchored"),
    # What was taken back stays off unless somebody insists.
    Row((Phase.ROLLED_BACK,), (M.ROLLBACK, M.ABORT, M.EMERGENCY, M.DISABLE), SAME, "=", Does.NOTHING,
        entered=False, anchor=False),
    Row((Phase.ROLLED_BACK,), (M.SET,), SAME, "=", Does.NOTHING, ("P = 0",), entered=False, anchor=False),
    Row((Phase.ROLLED_BACK,), (M.SET, M.ENABLE), BY_HAND, "P; enabled", Does.HAND, ("--force",), event=_FLAG),
    # A flag set by hand.
    Row((BY_HAND,), (M.SET,), BY_HAND, _OFF, Does.HAND, ("P = 0",), event=_FLAG, record=_R.FLAG),
    Row((BY_HAND,), (M.SET,), BY_HAND, "P; enabled", Does.HAND, event=_FLAG),
    Row((BY_HAND,), (M.ENABLE,), BY_HAND, "=; enabled", Does.HAND, event=_FLAG),
    Row((BY_HAND,), (M.DISABLE,), SAME, "=", Does.NOTHING, ("meets no flag",), entered=False, anchor=False),
    Row((BY_HAND,), (M.DISABLE,), BY_HAND, "=; not enabled", Does.HAND, event=_FLAG, record=_R.DISABLE),
    Row((BY_HAND,), (M.REDUCE,), SAME, "=", Does.NOTHING, ("not enabled",), entered=False, anchor=False),
    Row((BY_HAND,), (M.REDUCE,), BY_HAND, "p(1-r), down", Does.HAND,
        ("p(1-r) >= minPercentage",), event=_FLAG, record=_R.REDUCE),
    Row((BY_HAND,), (M.REDUCE, M.ROLLBACK), BY_HAND, _OFF, Does.HAND, event=_FLAG, record=_R.FLAG),
    Row((BY_HAND,), (M.EMERGENCY,), BY_HAND, _OFF, Does.HAND, event=_FLAG, record=_R.EMERGENCY),
    Row((BY_HAND,), (M.DEPLOYED, M.DISTURBED), SAME, "=", Does.ANCHOR,
        ("enabled",), entered=False, event="unit.anchored"),
    Row(ANY, (M.TARGET,), SAME, "=", Does.TARGET, entered=False, event=_FLAG),
    Row(ANY, (M.UNDO,), SAME, "as before", Does.RESTORE,
        ("unit unchanged since the record, or --force",), event="rollback.undone", record=_R.UNDO),
)
# fmt: on


def find(asked: Asked) -> Row | None:
    """The first row that matches; None where the move is refused."""
    return next((row for row in TABLE if row.matches(asked)), None)


PEOPLE = (
    M.START, M.RETRY, M.PAUSE, M.RESUME, M.PROMOTE, M.SET, M.ENABLE, M.DISABLE, M.ROLLBACK, M.ABORT, M.TARGET, M.UNDO,
)  # fmt: skip
"""The moves that a person can ask of one flag, careful ones first. An emergency asks no flag and is always allowed."""

_ANY_PLAN = Plan(strategy="", steps=(StepState(percentage=1), StepState(percentage=FULL)))
_ANYONE = Actor(name="", via=Via.CLI)


def allowed(state: State, flag: str, *, trigger_fails: bool = False) -> tuple[MoveKind, ...]:
    """What a person may ask of `flag` now without `--force`, as far as it would change something."""
    return tuple(kind for kind in PEOPLE if _would_change(state, flag, kind, trigger_fails))


def _would_change(state: State, flag: str, kind: M, trigger_fails: bool) -> bool:  # noqa: FBT001
    now = state.flag(flag)
    if kind is M.UNDO:
        record = state.rollbacks.get(now.rollback_id or "")
        return record is not None and record.undone_by is None
    move = Move(kind=kind, flag=flag, actor=_ANYONE, plan=_ANY_PLAN, trigger_fails=trigger_fails)
    if kind is M.SET:
        move = replace(move, percentage=now.percentage or 1)
    asked = ask(state, move, datetime.max.replace(tzinfo=UTC))
    row = find(asked)
    if row is None or row.does is Does.NOTHING or (kind is M.ENABLE and now.enabled):
        return False
    idle = row.does is Does.HAND and asked.rollout is None and kind is not M.SET
    return not (idle and RULES[row.level](asked) == Level(now.percentage, now.enabled))
