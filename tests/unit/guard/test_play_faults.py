"""Whole stories on a virtual clock: who is taken back, who goes on, and what cannot be seen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from deployguard.config.values import Mode, OnCommonFault, OnInconclusive, Trigger
from deployguard.guard.clock import settle
from deployguard.rollout.moves import MoveKind
from deployguard.state import Phase
from support.play import ERRORS, GRADUAL, HEAVY_FLAG, MINUTE, NOTIFY, OTHER_FLAG, ROBOT, TRIGGERS, H, Play, prod
from support.world import START, Fault, World

TWO = prod(triggers={"high-error-rate": TRIGGERS["high-error-rate"]})


def test_a_feature_that_fails_for_all_its_users_at_5_percent_is_taken_back_by_a_limit_of_10_percent() -> None:
    play = Play(World(faults=[Fault(HEAVY_FLAG, since=START + H, errors=1.0)]))
    play.start(HEAVY_FLAG)
    play.run(START + H + 5 * MINUTE, timedelta(seconds=30))

    (failed,) = play.told("trigger.failed")
    assert failed.data["verdict"]["population"] == "exposed"
    assert failed.data["verdict"]["flagId"] == HEAVY_FLAG
    assert failed.data["others"]["verdict"] == "pass"
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.when("trigger.failed")[0] - (START + H) <= 2 * MINUTE


def test_a_rider_with_an_own_seed_that_fails_for_one_in_twelve_is_seen() -> None:
    world = World(faults=[Fault("rider", since=START + H, errors=1.0)], per_second=100.0)
    flags = dict(prod().flags) | {"rider": replace(prod().flags["rider"], own_seed=True)}
    play = Play(world, prod(flags=flags))
    play.start("lead")
    assert play.state.flag("rider").seed != play.state.flag("lead").seed
    play.run(START + H + 20 * MINUTE, MINUTE)
    (failed,) = play.told("trigger.failed")
    assert failed.data["verdict"]["flagId"] == "rider"
    assert play.phase("lead") is Phase.ROLLED_BACK


@pytest.mark.parametrize("every", [30, 60, 300])
@pytest.mark.parametrize("percentage", [5, 15, 50])
def test_with_two_rollouts_the_innocent_one_goes_on(percentage: int, every: int) -> None:
    play = Play(World(faults=[Fault(HEAVY_FLAG, since=START + H, errors=1.0)]))
    play.start(HEAVY_FLAG)
    play.start(OTHER_FLAG)
    while play.percentage(HEAVY_FLAG) < percentage * 100:
        play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
        play.by_hand(MoveKind.PROMOTE, OTHER_FLAG)
    play.run(START + 3 * H, timedelta(seconds=every))

    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.phase(OTHER_FLAG) is Phase.PROGRESSING
    assert play.percentage(OTHER_FLAG) == percentage * 100
    assert not [
        draft for draft in play.told("rollout.paused", "rollout.reduced") if draft.data["rollout"] == OTHER_FLAG
    ]
    play.run(START + 49 * H, H)
    assert play.percentage(OTHER_FLAG) > percentage * 100


def test_an_outage_for_all_takes_back_every_guarded_unit_and_leaves_what_was_finished_long_ago() -> None:
    play = Play(World(faults=[Fault(None, since=START + 60 * H, errors=0.9)]))
    play.by_hand(MoveKind.SET, "lead", percentage=10_000)  # 60 h ago: beyond guardFor
    play.start(HEAVY_FLAG)
    play.run(START + 59 * H, H)
    play.by_hand(MoveKind.SET, "legacy", percentage=10_000)  # guarded, but permanent: kept on in an emergency
    play.start(OTHER_FLAG)
    play.run(START + 60 * H + 10 * MINUTE, timedelta(seconds=30))

    assert play.percentage(HEAVY_FLAG) == play.percentage(OTHER_FLAG) == 0
    assert play.percentage("lead") == play.percentage("legacy") == 10_000
    executed = play.told("rollback.executed")
    assert {flag["flagId"] for draft in executed for flag in draft.data["flags"]} == {HEAVY_FLAG, OTHER_FLAG}


def test_an_outage_without_a_guarded_unit_only_alerts_once_and_says_when_it_is_over() -> None:
    notify = {"high-error-rate": replace(TRIGGERS["high-error-rate"], then=(*TRIGGERS["high-error-rate"].then, NOTIFY))}
    fault = Fault(None, since=START + 60 * H, until=START + 61 * H, errors=0.9)
    play = Play(World(faults=[fault]), prod(triggers=notify))
    play.by_hand(MoveKind.SET, "lead", percentage=10_000)
    play.run(START + 59 * H, H)
    revision = play.state.revision
    play.run(START + 62 * H, MINUTE)

    failed, recovered = play.told("trigger.failed", "trigger.recovered")
    assert (failed.type, failed.data["rollout"], failed.data["action"]) == ("trigger.failed", None, None)
    assert failed.data["suppressedBy"] == "unguarded"
    assert failed.data["notify"] is True
    assert recovered.type == "trigger.recovered"
    assert play.percentage("lead") == 10_000
    assert play.state.revision == revision + 2
    assert play.effects == []


def test_on_common_fault_hold_keeps_everything_and_holds_the_step() -> None:
    trigger = replace(TRIGGERS["high-error-rate"], on_common_fault=OnCommonFault.HOLD)
    fault = Fault(None, since=START + 23 * H, until=START + 26 * H, errors=0.9)
    play = Play(World(faults=[fault]), prod(triggers={trigger.name: trigger}))
    play.start(HEAVY_FLAG)
    play.run(START + 25 * H, 5 * MINUTE)
    assert play.percentage(HEAVY_FLAG) == 500
    assert play.decision is not None
    assert play.decision.waiting[HEAVY_FLAG].waits_for == "trigger"
    assert play.told("trigger.failed")[0].data["suppressedBy"] == "onCommonFault"
    play.run(START + 27 * H, 5 * MINUTE)
    assert play.percentage(HEAVY_FLAG) == 1500


def test_a_clock_set_back_a_day_costs_two_minutes_of_blindness_not_a_day() -> None:
    world = World(per_second=2.0, faults=[])
    play = Play(world, TWO)
    play.start(HEAVY_FLAG)
    play.run(START + 30 * H, H)
    assert play.percentage(HEAVY_FLAG) == 1500

    back = START + 6 * H  # a day behind the controller's clock, and 18 h behind its last commit
    play.now = back
    world.forget_after(back)
    world.faults = [Fault(HEAVY_FLAG, since=back, errors=1.0)]
    play.tick()
    assert play.now == back
    assert [draft.data["by"] for draft in play.told("clock.jumped")] == ["18h"]
    play.run(back + 10 * MINUTE, timedelta(seconds=10))
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.when("trigger.failed")[0] - back <= 2 * MINUTE


def test_after_a_clock_set_back_the_hold_runs_from_the_jump() -> None:
    play = Play(environment=TWO)
    play.start(HEAVY_FLAG)
    play.run(START + 30 * H, H)
    play.now = START + 6 * H
    play.world.forget_after(play.now)
    play.tick()
    assert play.state.rollouts[HEAVY_FLAG].entered_at == START + 6 * H
    play.run(START + 30 * H - MINUTE, H)
    assert play.percentage(HEAVY_FLAG) == 1500
    play.run(START + 30 * H, MINUTE)
    assert play.percentage(HEAVY_FLAG) == 3000


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(seconds=1), timedelta(minutes=5)])
def test_a_clock_a_little_behind_uses_the_last_commit_s_time(behind: timedelta) -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    now, change = settle(play.state, START - behind, ROBOT)
    assert (now, change.events, change.state) == (START, (), play.state)


def test_nothing_but_health_checks_goes_through_all_steps_and_says_what_it_cannot_see() -> None:
    play = Play(World(log=False, views_per_second=0), prod(sources={}))
    play.start(HEAVY_FLAG)
    play.run(START + 169 * H, H)

    assert play.phase(HEAVY_FLAG) is Phase.COMPLETED
    assert play.when("rollout.completed") == [START + 168 * H]
    assert play.decision is not None
    by_name = {verdict.trigger: verdict for verdict in play.decision.verdicts}
    errors = by_name["high-error-rate"]
    assert (errors.source, errors.verdict, errors.samples) == ("checks", "pass", 100)
    assert errors.detail == "from 100 health checks; no request source configured"
    vitals = by_name["poor-web-vitals"]
    assert (vitals.cause, vitals.holds, vitals.detail) == ("not_connected", False, "no source gives lcp")
    assert by_name["health-check-failures"].verdict == "pass"


def test_with_nothing_but_health_checks_failing_checks_take_it_back() -> None:
    fault = Fault(HEAVY_FLAG, since=START + 2 * H, checks=True)
    play = Play(World(log=False, views_per_second=0, faults=[fault]), prod(sources={}))
    play.start(HEAVY_FLAG)
    play.run(START + 3 * H, timedelta(seconds=30))
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK
    assert play.told("check.failed", "check.recovered")[-1].type == "check.recovered"


def test_nothing_at_all_to_look_at_still_goes_on_and_says_so() -> None:
    play = Play(World(log=False, views_per_second=0), prod(sources={}, checks={}))
    play.start(HEAVY_FLAG)
    decision = play.tick()
    assert {verdict.cause for verdict in decision.verdicts} == {"not_connected"}
    play.run(START + 25 * H, H)
    assert play.percentage(HEAVY_FLAG) == 1500


def test_a_source_that_goes_down_holds_the_rollout_and_it_goes_on_by_itself() -> None:
    down = (START + 23 * H, START + 30 * H)
    play = Play(World(broken_log=[down]))
    play.start(HEAVY_FLAG)
    play.run(START + 29 * H, 10 * MINUTE)
    assert play.percentage(HEAVY_FLAG) == 500
    assert play.decision is not None
    waiting = play.decision.waiting[HEAVY_FLAG]
    assert waiting.waits_for == "source"
    assert all("Permission denied" in (verdict.detail or "") for verdict in waiting.verdicts)
    assert [draft.data["source"] for draft in play.told("source.lost")] == ["nginx"]
    play.run(START + 31 * H, 10 * MINUTE)
    assert play.percentage(HEAVY_FLAG) == 1500
    assert [draft.data["source"] for draft in play.told("source.recovered")] == ["nginx"]
    assert [draft.data["waitsFor"] for draft in play.told("rollout.waiting")] == ["hold", "source", "hold"]


def test_a_quiet_log_while_checks_pass_is_a_lost_source() -> None:
    play = Play(World(quiet=[(START + H, START + 2 * H)]))
    play.start(HEAVY_FLAG)
    play.run(START + H + 20 * MINUTE, MINUTE)
    (lost,) = play.told("source.lost")
    assert lost.data["error"] == "silent for longer than 5m while checks pass"
    assert [at - START - H for at in play.when("source.lost")] == [6 * MINUTE]


def test_beyond_max_wait_it_says_once_that_it_waits_for_a_person() -> None:
    play = Play(World(broken_log=[(START + 23 * H, START + 80 * H)]))
    play.start(HEAVY_FLAG)
    play.run(START + 79 * H, 30 * MINUTE)
    asks = [(at - START, draft) for at, draft in play.journal if draft.data.get("waitsFor") == "person"]
    assert [at for at, _ in asks] == [48 * H + 30 * MINUTE]
    assert "Permission denied" in asks[0][1].data["verdicts"][0]["detail"]
    play.run(START + 81 * H, 30 * MINUTE)
    assert play.percentage(HEAVY_FLAG) == 1500


def test_a_controller_that_slept_advances_one_step_at_a_time() -> None:
    play = Play()
    play.start(HEAVY_FLAG)
    play.run(START + H, H)
    play.now = START + 100 * H
    play.tick()
    assert play.percentage(HEAVY_FLAG) == 1500
    assert play.state.rollouts[HEAVY_FLAG].entered_at == START + 100 * H
    play.run(START + 123 * H, H)
    assert play.percentage(HEAVY_FLAG) == 1500


def test_a_fault_that_stays_reduces_after_each_cooldown_and_resume_does_not_fire_on_old_faults() -> None:
    fault = Fault(HEAVY_FLAG, since=START + H, until=START + H + 10 * MINUTE, slower=40.0)
    play = Play(World(faults=[fault]), prod(triggers={"slow-response": TRIGGERS["slow-response"]}))
    play.start(HEAVY_FLAG)
    play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
    play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
    play.run(fault.until, timedelta(seconds=30))
    assert len(play.told("rollout.reduced")) == 2
    assert len(play.told("trigger.failed")) == 1  # the same fault all the while
    play.by_hand(MoveKind.RESUME, HEAVY_FLAG)
    play.run(fault.until + H, timedelta(seconds=30))
    assert len(play.told("rollout.reduced")) == 2
    assert play.phase(HEAVY_FLAG) is Phase.PROGRESSING


def test_a_retried_rollout_that_fails_again_is_told_again() -> None:
    play = Play(World(faults=[Fault(HEAVY_FLAG, since=START + H, errors=1.0)]), TWO)
    play.start(HEAVY_FLAG)
    play.run(START + 2 * H, MINUTE)
    play.start(HEAVY_FLAG, retry=True)
    play.run(START + 3 * H, MINUTE)
    assert len([draft for draft in play.told("trigger.failed") if draft.data["rollout"]]) == 2
    assert play.phase(HEAVY_FLAG) is Phase.ROLLED_BACK


def test_a_shadow_trigger_is_judged_and_neither_acts_nor_holds_nor_alerts() -> None:
    shadow = Trigger(name="shadow", when=ERRORS, then=TRIGGERS["high-error-rate"].then, mode=Mode.SHADOW)
    play = Play(World(faults=[Fault(HEAVY_FLAG, errors=1.0)]), prod(triggers={"shadow": shadow}))
    play.start(HEAVY_FLAG)
    play.run(START + 25 * H, H)
    assert play.percentage(HEAVY_FLAG) == 1500
    assert play.decision is not None
    assert {verdict.verdict for verdict in play.decision.verdicts if verdict.population == "exposed"} == {"fail"}
    assert all(verdict.shadow and not verdict.holds for verdict in play.decision.verdicts)
    assert not play.told("trigger.failed")


@pytest.mark.parametrize(
    ("behaviour", "phase", "percentage", "hours"),
    [("hold", Phase.PROGRESSING, 500, 49), ("pause", Phase.PAUSED, 500, 25), ("promote", Phase.PROGRESSING, 1500, 49)],
)
def test_too_little_data_is_met_as_the_strategy_says(behaviour: str, phase: Phase, percentage: int, hours: int) -> None:
    strategy = replace(GRADUAL, on_inconclusive=OnInconclusive(behaviour))
    play = Play(World(quiet=[(START + 23 * H, START + 100 * H)]), prod(strategy=strategy))
    play.start(HEAVY_FLAG)
    play.run(START + 47 * H, H) if behaviour == "promote" else None
    assert play.percentage(HEAVY_FLAG) == 500
    play.run(START + hours * H, H)
    assert (play.phase(HEAVY_FLAG), play.percentage(HEAVY_FLAG)) == (phase, percentage)
