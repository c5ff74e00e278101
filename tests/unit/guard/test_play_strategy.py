"""The whole prod strategy, 168 hours, through `decide` on a virtual clock."""

import copy
import itertools
from datetime import timedelta
from random import Random

import pytest

from deployguard.config.values import Severity
from deployguard.guard.values import Result
from deployguard.state import Phase, RollbackKind
from deployguard.story.report import Outcome
from support.play import HEAVY_FLAG, MINUTE, H, Play
from support.world import START, Fault, World

STEPS = ((1, 5, 0), (2, 15, 24), (3, 30, 48), (4, 50, 72), (5, 75, 120), (6, 100, 168))
TRIGGERS = {
    "high-error-rate": {"errors": 0.3},
    "slow-response": {"slower": 40.0},
    "poor-web-vitals": {"vitals": 3.0},
    "health-check-failures": {"checks": True},
}


@pytest.fixture(scope="module")
def at_step() -> dict[int, Play]:
    """A clean play, copied one hour into each step."""
    play, copies = Play(), {}
    play.start(HEAVY_FLAG)
    for step, _, hours in STEPS:
        play.run(START + hours * H + H, H)
        play.world._buckets.clear()
        copies[step] = copy.deepcopy(play)
    return copies


def test_a_clean_rollout_takes_168_hours_and_completes() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    play.run(START + 171 * H, 10 * MINUTE)

    assert play.phase(HEAVY_FLAG) is Phase.COMPLETED
    assert play.percentage(HEAVY_FLAG) == 10_000
    assert [
        (draft.type, draft.data["from"], draft.data.get("to")) for draft in play.told() if "from" in draft.data
    ] == [
        ("rollout.started", 0, None),
        ("rollout.advanced", 5, 15),
        ("rollout.advanced", 15, 30),
        ("rollout.advanced", 30, 50),
        ("rollout.advanced", 50, 75),
        ("rollout.completed", 75, 100),
    ]
    assert [at - START for at in play.when("rollout.advanced")] == [hours * H for hours in (24, 48, 72, 120)]
    assert play.when("rollout.completed") == [START + 168 * H]
    advanced = play.told("rollout.advanced")[1].data
    assert {verdict["trigger"] for verdict in advanced["verdicts"]} == set(TRIGGERS)
    assert all(verdict["verdict"] == "pass" for verdict in advanced["verdicts"])
    assert advanced["exposed"]["users"] == 7_500

    report = play.report()
    assert report.outcome is Outcome.COMPLETED
    assert [(row.step, row.to) for row in report.steps] == [(step, share * 100) for step, share, _ in STEPS]
    assert all({verdict.trigger for verdict in row.evidence} == set(TRIGGERS) for row in report.steps[1:])
    assert report.acted == ()


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(("step", "percentage", "_hours"), STEPS)
def test_each_trigger_takes_the_feature_back_at_each_step(
    at_step: dict[int, Play], trigger: str, step: int, percentage: int, _hours: int
) -> None:
    play = copy.deepcopy(at_step[step])
    begun, seen = play.now, len(play.journal)
    assert play.percentage(HEAVY_FLAG) == percentage * 100
    play.world.faults = [Fault(HEAVY_FLAG, since=begun, **TRIGGERS[trigger])]  # type: ignore[arg-type]
    play.run(begun + H, timedelta(seconds=30))

    story = [(at, draft) for at, draft in play.journal[seen:] if not draft.type.startswith("check.")]
    failed = next(draft for _, draft in story if draft.type == "trigger.failed")
    assert failed.data["trigger"] == trigger
    assert failed.data["suppressedBy"] is None
    alone = percentage < 100 and trigger != "health-check-failures"
    assert failed.data["verdict"]["population"] == ("exposed" if alone else "all")
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.percentage(HEAVY_FLAG) == 0

    ends = next(at for at, draft in story if draft.type == "rollout.rolledBack")
    reduced = [(draft.data["from"], draft.data["to"]) for _, draft in story if draft.type == "rollout.reduced"]
    if trigger in ("slow-response", "health-check-failures"):
        assert reduced[0] == (percentage, percentage / 2)
        assert all(to < from_ for from_, to in reduced)
        assert len(reduced) == {5: 2, 15: 3, 30: 4, 50: 5, 75: 6, 100: 6}[percentage]  # halved while at least 1 %
        actions = [at for at, draft in story if draft.type in ("rollout.reduced", "rollout.rolledBack")]
        gaps = [later - earlier for earlier, later in itertools.pairwise(actions)]
        assert all(timedelta(minutes=5) <= gap <= timedelta(minutes=12) for gap in gaps)
    else:
        assert reduced == []
        assert ends - begun <= 6 * MINUTE
    executed = play.told("rollback.executed")[-1]
    emergency = trigger == "high-error-rate" and not alone
    assert executed.data["kind"] == (RollbackKind.EMERGENCY if emergency else RollbackKind.FLAG)
    report = play.report()
    assert report.outcome is Outcome.TAKEN_BACK
    assert [act.trigger for act in report.acted] == [trigger] * (len(reduced) + 1)
    last = report.acted[-1]
    assert last.to == 0
    assert last.verdict is not None
    assert last.verdict.verdict is Result.FAIL
    assert f"{HEAVY_FLAG} taken back from" in last.sentence
    assert last.undo == f"deployguard rollback undo {executed.data['rollbackId']} --env prod"
    first = next(event for event in play.events() if event.type == "rollback.executed")
    assert first.severity is (Severity.WARNING if reduced else Severity.CRITICAL)


def test_the_fail_is_the_cause_of_what_is_done_about_it(at_step: dict[int, Play]) -> None:
    play = copy.deepcopy(at_step[3])
    play.world.faults = [Fault(HEAVY_FLAG, since=play.now, errors=0.3)]
    while play.tick() and not play.decision.actions:  # type: ignore[union-attr]
        play.now += timedelta(seconds=30)
    assert play.decision is not None
    events = play.decision.change.events
    assert [draft.type for draft in events] == ["trigger.failed", "rollout.rolledBack", "rollback.executed"]
    assert [draft.cause for draft in events] == [None, 0, 1]
    (acted,) = play.decision.actions
    assert (acted.action, acted.from_, acted.to, acted.suppressed_by) == ("rollback", 3000, 0, None)
    assert events[1].data["others"]["verdict"] == "pass"
    assert events[1].data["exposed"]["users"] == 15_000


@pytest.mark.parametrize("seed", range(3))
def test_a_controller_that_is_restarted_at_random_moments_decides_the_same(seed: int) -> None:
    faults = [Fault(HEAVY_FLAG, since=START + 50 * H, until=START + 51 * H, slower=40.0)]

    def played(restarts: Random | None) -> Play:
        play = Play(World(faults=faults), restarts=restarts)
        play.start(HEAVY_FLAG)
        play.run(START + 49 * H, H)
        play.run(START + 52 * H, 2 * MINUTE)
        play.by_hand("resume", HEAVY_FLAG) if play.phase(HEAVY_FLAG) is Phase.PAUSED else None
        play.run(START + 140 * H, H)
        return play

    once, again = played(None), played(Random(seed))
    assert again.state == once.state
    assert [(at, draft.type, draft.data) for at, draft in again.journal] == [
        (at, draft.type, draft.data) for at, draft in once.journal
    ]
    assert once.told("rollout.reduced")
