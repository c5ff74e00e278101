"""Windows, guarded units, `nextAt`, waiting, the clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployguard.config.values import OnInconclusive, Targeting
from deployguard.guard.clock import settle
from deployguard.guard.questions import edge_after, edge_at_or_after, questions, start_of
from deployguard.guard.units import guarded
from deployguard.guard.values import Evidence
from deployguard.guard.waiting import next_at
from deployguard.rollout.moves import MoveKind
from deployguard.state import LogHead, Phase
from support.play import HEAVY_FLAG, MARIA, MINUTE, OTHER_FLAG, ROBOT, TRIGGERS, H, Play, on_inconclusive, prod
from support.world import START, Fault, World

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("anchor", "warm_up", "start"),
    [(0.0, 0, 0), (0.001, 0, 10), (9.999, 0, 10), (10.0, 0, 10), (3.0, 120, 130), (3.0, 5, 20), (10.0, 5, 20)],
)
def test_a_window_starts_at_the_first_bucket_edge_at_or_after_the_anchor_plus_warm_up(
    anchor: float, warm_up: int, start: int
) -> None:
    minute = datetime(2026, 11, 24, 14, 29, tzinfo=UTC)
    assert start_of(minute + timedelta(seconds=anchor), warm_up * SECOND) == minute + start * SECOND


def test_edges() -> None:
    assert edge_at_or_after(START) == START
    assert edge_after(START) == START + 10 * SECOND


def test_no_question_reaches_behind_the_anchor() -> None:
    play = Play(now=START + 3 * SECOND)
    play.start(HEAVY_FLAG)
    asked = questions(play.state, prod(), START + H)
    assert {question.since for question in asked.samples} == {START + 10 * SECOND}
    assert {question.since for question in asked.rounds} == {START + 3 * SECOND}


def test_without_a_guarded_unit_nothing_older_than_the_last_change_is_asked() -> None:
    play = Play()
    assert {question.since for question in questions(play.state, prod(), START).samples} == {START - 48 * H}
    play.start(HEAVY_FLAG)
    play.by_hand(MoveKind.ROLLBACK, HEAVY_FLAG)
    asked = questions(play.state, prod(), START + H)
    assert {question.since for question in asked.samples} == {START}


def _keys(play: Play, after: timedelta) -> list[str]:
    return [unit.key for unit in guarded(play.state, play.environment, START + after)]


def test_guarded_is_what_is_on_and_on_its_way_or_was_changed_within_guard_for() -> None:
    play = Play()
    assert _keys(play, H) == []
    play.start(HEAVY_FLAG)
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=3000)
    assert _keys(play, 47 * H) == [HEAVY_FLAG, OTHER_FLAG]
    assert _keys(play, 48 * H) == [HEAVY_FLAG]  # by hand: from `updatedAt`
    play.by_hand(MoveKind.PAUSE, HEAVY_FLAG)
    assert _keys(play, 1000 * H) == [HEAVY_FLAG]
    play.by_hand(MoveKind.RESUME, HEAVY_FLAG)
    for _ in range(5):
        play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
    assert _keys(play, 48 * H - SECOND) == [HEAVY_FLAG, OTHER_FLAG]
    assert _keys(play, 48 * H) == []
    play.by_hand(MoveKind.ROLLBACK, HEAVY_FLAG)
    assert _keys(play, H) == [OTHER_FLAG]


def test_a_deploy_is_no_change() -> None:
    play = Play()
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=3000)
    play.now = START + 47 * H
    play.by_hand(MoveKind.DEPLOYED, OTHER_FLAG)
    assert play.state.flag(OTHER_FLAG).anchor == START + 47 * H
    assert _keys(play, 48 * H) == []


def test_a_flag_at_0_percent_is_on_for_those_whom_its_allow_list_names() -> None:
    flags = dict(prod().flags)
    play = Play(environment=prod(flags=flags))
    play.by_hand(MoveKind.ENABLE, OTHER_FLAG)
    assert _keys(play, H) == []
    flags[OTHER_FLAG] = replace(flags[OTHER_FLAG], targeting=Targeting(allow_groups=frozenset({"staff"})))
    assert _keys(play, H) == [OTHER_FLAG]


def after(play: Play, evidence: Evidence | None = None) -> timedelta | None:
    found = next_at(play.state, evidence or Evidence(), play.environment, play.now)
    return None if found is None else found - play.now


def test_next_at_is_the_earliest_thing_that_can_change_a_decision() -> None:
    play = Play(environment=prod(triggers={}))
    assert after(play) is None
    play.start(HEAVY_FLAG)
    assert after(play) == 24 * H  # the hold
    play.now = START + 24 * H
    assert after(play) == 24 * H  # hold + maxWait
    play.now = START + 48 * H
    assert after(play) is None
    play.environment = prod()
    play.now = START + SECOND
    play.by_hand(MoveKind.PAUSE, HEAVY_FLAG)
    assert after(play) is None
    play.by_hand(MoveKind.RESUME, HEAVY_FLAG)
    assert after(play) == 9 * SECOND  # the first bucket edge after the anchor
    play.environment = prod(triggers={"slow": replace(TRIGGERS["slow-response"], warm_up=2 * MINUTE)})
    assert after(play) == 2 * MINUTE + 9 * SECOND
    play.now = START + H
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=1)
    play.now = START + 3 * H
    assert after(play) == 21 * H + SECOND


def test_next_at_knows_cooldowns_bakes_promotions_and_samples() -> None:
    play = Play(environment=prod(triggers={"slow": TRIGGERS["slow-response"]}))
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=10_000)
    play.now = START + H
    assert after(play) == 47 * H  # guardFor
    flag = replace(play.state.flag(OTHER_FLAG), acted_at=START + H - 2 * MINUTE)
    play.state = replace(play.state, flags={OTHER_FLAG: flag})
    assert after(play) == 3 * MINUTE
    play.now = START + H + 3 * SECOND
    evidence = World().evidence(play.state, play.environment, play.now)
    assert after(play, evidence) == 7 * SECOND  # the next bucket edge
    slept = Play(environment=prod(triggers={}, strategy=on_inconclusive(OnInconclusive.PROMOTE)))
    slept.start(HEAVY_FLAG)
    slept.now = START + 25 * H
    assert after(slept) == 23 * H  # twice the hold


def test_a_sample_that_turns_stale_wakes_the_controller() -> None:
    play = Play(environment=prod(triggers={"slow": TRIGGERS["slow-response"]}))
    play.start(HEAVY_FLAG)
    play.now = START + H
    quiet = World(quiet=[(START + H - 5 * MINUTE + 10 * SECOND, START + 2 * H)])
    evidence = quiet.evidence(play.state, play.environment, play.now)
    assert after(play, evidence) == 10 * SECOND


def test_a_paused_rollout_waits_for_a_person_and_says_why() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    play.run(START + MINUTE, MINUTE)
    play.by_hand(MoveKind.PAUSE, HEAVY_FLAG)
    waiting = play.tick().waiting[HEAVY_FLAG]
    assert (waiting.waits_for, waiting.until, waiting.verdicts) == ("person", None, ())
    assert [draft.data["waitsFor"] for draft in play.told("rollout.waiting")] == ["hold"]


def test_a_rollout_that_a_trigger_paused_waits_for_a_person_and_tells_it_once() -> None:
    play = Play(World(faults=[Fault(HEAVY_FLAG, since=START + H, slower=40.0)]))
    play.start(HEAVY_FLAG)
    play.run(START + H + 5 * MINUTE, MINUTE)
    told = play.told("rollout.waiting")
    assert [draft.data["waitsFor"] for draft in told] == ["hold", "person"]
    assert (told[1].data["pausedBy"], told[1].data["trigger"]) == ("trigger", "slow-response")


def test_while_the_hold_runs_it_waits_for_that_until_its_end() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    waiting = play.tick().waiting[HEAVY_FLAG]
    assert (waiting.waits_for, waiting.until) == ("hold", START + 24 * H)


def test_when_the_hold_is_over_it_waits_for_samples_and_says_of_what() -> None:
    play = Play(World(views_per_second=0.002), prod())
    play.start(HEAVY_FLAG)
    play.run(START + 25 * H, H)
    assert play.decision is not None
    waiting = play.decision.waiting[HEAVY_FLAG]
    assert waiting.waits_for == "samples"
    assert [verdict.trigger for verdict in waiting.verdicts] == ["poor-web-vitals"]
    assert play.percentage(HEAVY_FLAG) == 500


def test_a_unit_whose_evidence_starts_again_in_this_tick_does_not_wait_for_what_was_seen_before() -> None:
    faults = [Fault(HEAVY_FLAG, since=START + H, errors=1.0)]
    play = Play(World(faults=faults), prod(triggers={"high-error-rate": TRIGGERS["high-error-rate"]}))
    for flag in (HEAVY_FLAG, OTHER_FLAG):
        play.start(flag)
        for _ in range(3):
            play.by_hand(MoveKind.PROMOTE, flag)
    play.run(START + H + 4 * MINUTE, 4 * MINUTE)
    assert play.decision is not None
    failed = [draft.data["rollout"] for draft in play.told("trigger.failed")]
    assert failed == [HEAVY_FLAG, OTHER_FLAG]  # everyone fails, too, but the other one only holds
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.decision.waiting[OTHER_FLAG].waits_for == "hold"
    assert HEAVY_FLAG not in play.decision.waiting


def test_a_clock_set_back_moves_anchors_and_entry_times_that_are_later_to_now_and_ends_cooldowns() -> None:
    play = Play()
    play.by_hand(MoveKind.SET, OTHER_FLAG, percentage=3000)
    play.now = START + 10 * H
    play.start(HEAVY_FLAG)
    rollout = replace(play.state.rollouts[HEAVY_FLAG], acted_at=START)
    told = {
        "trigger.x.errors": "fail 2026-11-23T20:00:00Z",
        "trigger.x.slow": "fail 2026-11-01T00:00:00Z",
        "check.a": "fail",
    }
    play.state = replace(play.state, rollouts={HEAVY_FLAG: rollout}, told=told)
    wall = START + 2 * H
    now, change = settle(play.state, wall, ROBOT)
    moved = change.state.rollouts[HEAVY_FLAG]
    assert now == wall
    assert (moved.started_at, moved.entered_at, moved.anchor, moved.acted_at) == (wall, wall, wall, None)
    assert change.state.flag(OTHER_FLAG).updated_at == START  # earlier than now: untouched
    assert change.state.told == {**told, "trigger.x.errors": f"fail {wall.isoformat().replace('+00:00', 'Z')}"}
    (draft,) = change.events
    assert (draft.type, draft.data["by"]) == ("clock.jumped", "8h")


def test_before_the_first_commit_the_wall_clock_counts() -> None:
    play = Play()
    assert settle(play.state, START - 1000 * H, ROBOT)[0] == START - 1000 * H
    play.state = replace(play.state, head=LogHead(seq=1, time=START))
    assert settle(play.state, START - 5 * MINUTE - SECOND, MARIA)[0] == START - 5 * MINUTE - SECOND
