"""Every pair of phase and move, refusals included: one line says what comes of it."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from rollouts import GRADUAL, MARIA, at, by_trigger, move, plan, settled, standing

from deployguard.codec import JSON
from deployguard.errors import Code, DeployguardError
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.table import GUARDS, RULES, TABLE
from deployguard.state import Phase, RollbackKind, State

HAND = None
PROG, PAUSED, DONE, BACK = Phase.PROGRESSING, Phase.PAUSED, Phase.COMPLETED, Phase.ROLLED_BACK
NOW = at(0)
REFUSED, FAILS = "refused", "fails"
NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    phase: Phase | None
    kind: M
    says: str  # phase', percentage in hundredths, `e` entered moved, `a` anchor moved, or `refused`, `fails`, `nothing`
    events: tuple[str, ...] = ()
    flag: str = "lead"
    more: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        extra = ",".join(f"{key}={value}" for key, value in self.more if key != "plan")
        return f"{self.phase or '-'} {self.kind} {self.flag if self.flag != 'lead' else ''} {extra} -> {self.says}"


def case(phase: Phase | None, kind: M, says: str, *events: str, flag: str = "lead", **more: Any) -> Case:
    return Case(phase, kind, says, events, flag, tuple(more.items()))


UPDATED, PAUSE, EXECUTED = "flag.updated", "rollout.paused", "rollback.executed"
GONE = ("rollout.rolledBack", EXECUTED)
BY_HAND_OFF = (UPDATED, EXECUTED)
ONE = plan(10_000)

CASES = [
    # start, retry
    case(HAND, M.START, "progressing 2500 e a", "rollout.started", plan=GRADUAL),
    case(HAND, M.START, "completed 10000 e a", "rollout.started", "rollout.completed", plan=ONE),
    case(HAND, M.START, REFUSED, plan=plan(500, 2000)),
    case(HAND, M.START, "progressing 9900 e a", "rollout.started", plan=plan(500, 10_000, holdout=100)),
    case(HAND, M.RETRY, REFUSED, plan=GRADUAL),
    case(HAND, M.START, "progressing 500 e a", "rollout.started", flag="fresh", plan=GRADUAL),
    case(HAND, M.RETRY, "progressing 500 e a", "rollout.started", flag="fresh", plan=GRADUAL),
    case(HAND, M.START, "completed 10000 e a", "rollout.started", "rollout.completed", flag="fresh", plan=ONE),
    *(case(phase, kind, REFUSED, plan=GRADUAL) for phase in (PROG, PAUSED, DONE) for kind in (M.START, M.RETRY)),
    case(BACK, M.START, "progressing 500 e a", "rollout.started", plan=GRADUAL),
    case(BACK, M.RETRY, "progressing 500 e a", "rollout.started", plan=GRADUAL),
    case(BACK, M.RETRY, "completed 10000 e a", "rollout.started", "rollout.completed", plan=ONE),
    # the tick
    case(PROG, M.READY, "completed 10000 e a", "rollout.completed"),
    *(case(phase, M.READY, REFUSED) for phase in (HAND, PAUSED, DONE, BACK)),
    *(case(phase, M.INCONCLUSIVE, REFUSED) for phase in (HAND, PROG, PAUSED, DONE, BACK)),
    # pause, resume, promote
    case(PROG, M.PAUSE, "paused 2500", PAUSE),
    *(case(phase, M.PAUSE, REFUSED) for phase in (HAND, PAUSED, DONE, BACK)),
    case(PROG, M.REQUIREMENT, "paused 2500", PAUSE),
    *(case(phase, M.REQUIREMENT, REFUSED) for phase in (HAND, PAUSED, DONE, BACK)),
    case(PAUSED, M.RESUME, "progressing 2500 e a", "rollout.resumed"),
    *(case(phase, M.RESUME, REFUSED) for phase in (HAND, PROG, DONE, BACK)),
    case(PROG, M.PROMOTE, "completed 10000 e a", "rollout.completed"),
    case(PAUSED, M.PROMOTE, "completed 10000 e a", "rollout.completed"),
    case(PROG, M.PROMOTE, FAILS, trigger_fails=True),
    case(PAUSED, M.PROMOTE, FAILS, trigger_fails=True),
    case(PAUSED, M.PROMOTE, "completed 10000 e a", "rollout.completed", trigger_fails=True, force=True),
    *(case(phase, M.PROMOTE, REFUSED) for phase in (HAND, DONE, BACK)),
    # set
    case(HAND, M.SET, "- 3000 e a", UPDATED, percentage=3000),
    case(HAND, M.SET, "- 3000 e a", UPDATED, percentage=3000, trigger_fails=True),
    case(HAND, M.SET, "- 0 off e a", *BY_HAND_OFF, percentage=0),
    case(HAND, M.SET, "nothing", percentage=2000),
    *(case(phase, M.SET, "paused 1000 e a", PAUSE, percentage=1000) for phase in (PROG, PAUSED, DONE)),
    *(case(phase, M.SET, "paused 1000 e a", PAUSE, percentage=1000, trigger_fails=True) for phase in (PROG, PAUSED)),
    *(case(phase, M.SET, "paused 9000 e a", PAUSE, percentage=9000) for phase in (PROG, PAUSED, DONE)),
    *(case(phase, M.SET, FAILS, percentage=9000, trigger_fails=True) for phase in (PROG, PAUSED)),
    case(PROG, M.SET, "paused 9000 e a", PAUSE, percentage=9000, trigger_fails=True, force=True),
    *(case(phase, M.SET, "rolled_back 0 off e a", *GONE, percentage=0) for phase in (PROG, PAUSED, DONE)),
    case(BACK, M.SET, "nothing", percentage=0),
    case(BACK, M.SET, REFUSED, percentage=1000),
    case(BACK, M.SET, "- 1000 e a", UPDATED, percentage=1000, force=True),
    *(case(p, M.SET, "- 1000 e a", UPDATED, flag="rider", percentage=1000) for p in (PROG, PAUSED, DONE)),
    case(PROG, M.SET, FAILS, flag="rider", percentage=9000, trigger_fails=True),
    case(PROG, M.SET, "- 0 off e a", *BY_HAND_OFF, flag="rider", percentage=0),
    case(BACK, M.SET, REFUSED, flag="rider", percentage=1000),
    case(BACK, M.SET, "- 1000 e a", UPDATED, flag="rider", percentage=1000, force=True),
    # enable, disable
    case(HAND, M.ENABLE, "nothing"),
    case(HAND, M.ENABLE, "- 0 e a", UPDATED, flag="fresh"),
    *(case(phase, M.ENABLE, REFUSED) for phase in (PROG, PAUSED, DONE, BACK)),
    case(BACK, M.ENABLE, "- 0 e a", UPDATED, force=True),
    *(case(phase, M.ENABLE, "- = e a", UPDATED, flag="rider") for phase in (PROG, PAUSED, DONE)),
    case(HAND, M.DISABLE, "- 2000 off e a", *BY_HAND_OFF),
    case(HAND, M.DISABLE, "nothing", flag="fresh"),
    *(case(phase, M.DISABLE, "rolled_back 0 off e a", *GONE) for phase in (PROG, PAUSED, DONE)),
    *(case(p, M.DISABLE, "rolled_back 0 off e a", *GONE, flags=("rider", "lead")) for p in (PROG, PAUSED, DONE)),
    *(case(p, M.DISABLE, f"{p} = e a", *BY_HAND_OFF, flags=("rider",)) for p in (PROG, PAUSED, DONE)),
    case(PROG, M.DISABLE, "progressing 2500 e a", UPDATED, *BY_HAND_OFF, flags=("other", "rider")),
    case(PROG, M.DISABLE, "- = off e a", *BY_HAND_OFF, flag="rider"),
    case(PROG, M.DISABLE, "nothing", flags=("elsewhere",)),
    case(BACK, M.DISABLE, "nothing"),
    # reduce
    case(HAND, M.REDUCE, "- 1000 e a", *BY_HAND_OFF, share=5000),
    case(HAND, M.REDUCE, "- 0 off e a", *BY_HAND_OFF, share=9600),
    case(HAND, M.REDUCE, "nothing", flag="fresh", share=5000),
    case(PROG, M.REDUCE, "paused 1250 e a", "rollout.reduced", EXECUTED, share=5000),
    case(PAUSED, M.REDUCE, "paused 1250 e a", "rollout.reduced", EXECUTED, share=5000),
    case(DONE, M.REDUCE, "paused 6666 e a", "rollout.reduced", EXECUTED, share=3334),
    case(PROG, M.REDUCE, "paused 832 e a", "rollout.reduced", EXECUTED, share=6670),
    case(PROG, M.REDUCE, "paused 100 e a", "rollout.reduced", EXECUTED, share=9600),
    *(case(p, M.REDUCE, "rolled_back 0 off e a", *GONE, share=9999) for p in (PROG, PAUSED, DONE)),
    *(case(p, M.REDUCE, "nothing", share=0) for p in (HAND, PROG, PAUSED, DONE)),
    case(BACK, M.REDUCE, REFUSED, share=5000),
    # take back
    case(HAND, M.ROLLBACK, "- 0 off e a", *BY_HAND_OFF),
    case(HAND, M.ROLLBACK, "nothing", flag="fresh"),
    case(HAND, M.ABORT, REFUSED),
    case(HAND, M.EMERGENCY, "- 0 off e a", *BY_HAND_OFF),
    *(case(p, k, "rolled_back 0 off e a", *GONE) for p in (PROG, PAUSED, DONE) for k in (M.ROLLBACK, M.ABORT)),
    *(case(p, M.EMERGENCY, "rolled_back 0 off e a", *GONE) for p in (PROG, PAUSED, DONE)),
    *(case(BACK, kind, "nothing") for kind in (M.ROLLBACK, M.ABORT, M.EMERGENCY)),
    *(case(p, M.ROLLBACK, "- 0 off e a", *BY_HAND_OFF, flag="rider") for p in (PROG, PAUSED, DONE)),
    # anchors
    case(HAND, M.TARGET, "- 2000 a", UPDATED, targeting={"countries": ["DZ"]}),
    *(case(p, M.TARGET, f"{p} = a", UPDATED, targeting={"countries": ["DZ"]}) for p in (PROG, PAUSED, DONE)),
    case(BACK, M.TARGET, "rolled_back 0 off a", UPDATED, targeting={"countries": ["DZ"]}),
    case(PROG, M.TARGET, "nothing", targeting=None),
    *(case(HAND, kind, "- 2000 a", "unit.anchored") for kind in (M.DEPLOYED, M.DISTURBED)),
    *(case(p, k, f"{p} = a", "unit.anchored") for p in (PROG, PAUSED, DONE) for k in (M.DEPLOYED, M.DISTURBED)),
    *(case(BACK, kind, REFUSED) for kind in (M.DEPLOYED, M.DISTURBED)),
    *(case(HAND, kind, REFUSED, flag="fresh") for kind in (M.DEPLOYED, M.DISTURBED)),
    # undo: what is undone is told in test_undo.py
    *(case(phase, M.UNDO, REFUSED) for phase in (HAND, PROG, PAUSED, DONE)),
    case(BACK, M.UNDO, "paused 2500 e a", "rollback.undone"),
]


def test_every_pair_of_phase_and_move_has_a_case() -> None:
    assert {(one.phase, one.kind) for one in CASES} == set(product((HAND, *Phase), M))


@pytest.mark.parametrize("one", CASES, ids=str)
def test_what_comes_of_it(one: Case) -> None:
    before = standing(one.phase)
    asked = move(one.kind, one.flag, **dict(one.more))
    if one.says in (REFUSED, FAILS):
        refused(before, one, asked)
        return
    change = apply(before, asked, NOW)
    after = settled(before, change)
    if one.says == "nothing":
        assert after is before
        return
    assert tuple(draft.type for draft in change.events) == one.events
    assert after.revision == before.revision  # the store counts, not apply
    words = one.says.split()
    assert seen(before, after, one) == (
        words[0],
        before.flag(one.flag).percentage if words[1] == "=" else int(words[1]),
        "off" not in words,
        "e" in words,
        "a" in words,
    )


def seen(before: State, after: State, one: Case) -> tuple[Any, ...]:
    flag = after.flag(one.flag)
    rollout = after.rollouts.get(flag.rollout or "")
    if rollout is None:
        moved = flag.updated_at == NOW, flag.anchor == NOW
        return ("-", flag.percentage, flag.enabled, *moved)
    assert all(after.flag(key).percentage == flag.percentage for key in rollout.flags)
    assert all(after.flag(key).enabled == flag.enabled for key in rollout.flags)
    return (str(rollout.phase), flag.percentage, flag.enabled, rollout.entered_at == NOW, rollout.anchor == NOW)


def refused(before: State, one: Case, asked: Any) -> None:
    with pytest.raises(DeployguardError) as error:
        apply(before, asked, NOW)
    problem = error.value.problem
    assert problem.code is (Code.TRIGGER_FAILS if one.says == FAILS else Code.NOT_ALLOWED_NOW)
    assert problem.now == "nothing was changed"
    assert problem.allowed
    assert all(
        offer.command.startswith("deployguard ") and offer.command.endswith(" --env prod") for offer in problem.allowed
    )


def test_a_row_is_known_by_its_guards_and_rules() -> None:
    for row in TABLE:
        assert set(row.guards) <= GUARDS.keys()
        assert row.level in RULES


def test_each_row_is_reached_by_some_case() -> None:
    """A row that an earlier one hides would be a lie on the page."""
    from deployguard.rollout.moves import ask
    from deployguard.rollout.table import find

    tick = move(M.INCONCLUSIVE)
    reached = {id(find(ask(standing(one.phase), move(one.kind, one.flag, **dict(one.more)), NOW))) for one in CASES}
    for hours, percentages in ((200, (500, 2500, 10_000)), (0, (500, 1500, 10_000))):
        reached |= set(rows_of_longer_ways(hours, percentages, tick))
    assert [row for row in TABLE if id(row) not in reached] == []


def rows_of_longer_ways(hours: float, percentages: tuple[int, ...], tick: Any) -> list[int]:
    """Rows that need a step between, a hold that is over, or a last step reached by hand."""
    from rollouts import empty, walk

    from deployguard.config.values import OnInconclusive
    from deployguard.rollout.moves import ask
    from deployguard.rollout.table import find

    steps = plan(*percentages, on_inconclusive=OnInconclusive.PAUSE)
    first = walk(empty(), move(M.START, plan=steps))
    full = walk(first, move(M.SET, percentage=10_000), start=1)
    pairs = (
        (first, tick),
        (first, move(M.READY)),
        (first, move(M.PROMOTE)),
        (full, move(M.RESUME)),
    )
    return [id(find(ask(state, asked, at(hours)))) for state, asked in pairs]


def test_records_are_left_by_every_kind_of_take_back() -> None:
    kinds = {
        M.REDUCE: RollbackKind.REDUCE,
        M.ROLLBACK: RollbackKind.FLAG,
        M.ABORT: RollbackKind.FLAG,
        M.EMERGENCY: RollbackKind.EMERGENCY,
        M.DISABLE: RollbackKind.FLAG,
    }
    for kind, record in kinds.items():
        after = apply(standing(PROG), move(kind, share=5000), NOW).state
        kept = after.rollbacks["rb-1"]
        assert (kept.kind, kept.by, kept.at) == (record, MARIA.name, NOW)
        assert kept.flags_before["lead"].percentage == 2500
        assert after.flag("lead").rollback_id == after.rollouts["lead"].rollback_id == "rb-1"
    assert apply(standing(PROG), move(M.SET, percentage=1), NOW).state.rollbacks == {}


def test_the_executed_event_is_caused_by_the_units_event() -> None:
    change = apply(standing(PROG), by_trigger(M.ROLLBACK), NOW)
    told, executed = change.events
    data: JSON = told.data
    assert executed.cause == 0
    assert (data["from"], data["to"], data["step"], data["steps"]) == (25, 0, 2, 3)
    assert (data["trigger"], data["rollbackId"], data["kind"]) == ("slow-response", "rb-1", "flag")
    assert (data["lastedMs"], data["heldFor"]) == (3_600_000, "1h")
    assert data["verdict"] == {"rule": "x > 1"}
    assert executed.data["flags"][0] == {
        "flagId": "lead",
        "from": {"enabled": True, "percentage": 25},
        "to": {"enabled": False, "percentage": 0},
    }
