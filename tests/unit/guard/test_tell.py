"""Events are told on a difference, once: checks, sources, triggers."""

from dataclasses import replace
from datetime import timedelta

from deployguard.guard.decide import decide
from deployguard.guard.values import CheckRound, Evidence, SourceState
from deployguard.rollout.moves import MoveKind
from deployguard.state import Draft, Edit, Release, ReleasePhase, State
from support.play import HEAVY_FLAG, ROBOT, TRIGGERS, Play, prod
from support.world import START, Fault, World

NOW = START + timedelta(hours=1)
GOOD = CheckRound(check="api", ok=True, at=NOW, latency_ms=42, status=200)
BAD = replace(GOOD, ok=False, why="refused", detail="nothing listens", consecutive=1, status=None)
LOG = SourceState(name="nginx", kinds=("request",), connected=True, newest=NOW)


def ticks(*evidence: Evidence, state: State | None = None) -> list[Draft]:
    play = Play()
    play.state = state or play.state
    for seen in evidence:
        play.commit(decide(play.state, seen, prod(), NOW, ROBOT).change)
    return play.told()


def test_a_check_that_fails_is_told_once_and_that_it_recovered_once() -> None:
    seen = [Evidence(checks={"api": one}) for one in (GOOD, BAD, BAD, GOOD, GOOD, BAD)]
    told = ticks(*seen)
    assert [draft.type for draft in told] == ["check.failed", "check.recovered", "check.failed"]
    assert told[0].data == {
        "check": "api",
        "why": "refused",
        "detail": "nothing listens",
        "consecutive": 1,
        "latencyMs": 42,
    }


def test_a_check_of_no_config_is_not_told() -> None:
    assert ticks(Evidence(checks={"other": replace(BAD, check="other")})) == []


def test_checks_are_not_told_while_this_machine_is_offline_or_a_deploy_restarts_what_they_ask() -> None:
    assert ticks(Evidence(checks={"api": BAD}, offline=True)) == []
    release = Release(id="r-1", version=None, by="ci", phase=ReleasePhase.RUNNING, started_at=NOW, deploying=True)
    running = Edit(State(environment="prod")).put_record(release).state
    assert ticks(Evidence(checks={"api": BAD}), state=running) == []
    checking = Edit(State(environment="prod")).put_record(replace(release, deploying=False)).state
    assert len(ticks(Evidence(checks={"api": BAD}), state=checking)) == 1


def test_a_source_is_lost_by_an_error_and_recovers_when_that_is_gone() -> None:
    gone = replace(LOG, error="No such file")
    told = ticks(*(Evidence(sources={"nginx": one}) for one in (LOG, gone, gone, LOG)))
    assert [draft.type for draft in told] == ["source.lost", "source.recovered"]
    assert told[0].data == {"source": "nginx", "error": "No such file", "since": "2026-11-22T14:29:40Z"}


def test_a_lost_log_that_is_still_silent_has_not_recovered_because_the_checks_fail_now() -> None:
    silent = replace(LOG, silent_since=NOW - timedelta(minutes=6))
    told = ticks(
        Evidence(sources={"nginx": silent}, checks={"api": GOOD}),
        Evidence(sources={"nginx": silent}, checks={"api": BAD}),
        Evidence(sources={"nginx": LOG}, checks={"api": BAD}),
    )
    assert [draft.type for draft in told] == ["source.lost", "check.failed", "source.recovered"]


def test_a_lost_source_that_nobody_asks_any_more_is_over() -> None:
    told = ticks(Evidence(sources={"nginx": replace(LOG, error="gone")}), Evidence())
    assert [draft.type for draft in told] == ["source.lost", "source.recovered"]


def test_inconclusive_in_between_neither_recovers_nor_fails_again() -> None:

    trigger = replace(TRIGGERS["high-error-rate"], then=(replace(TRIGGERS["slow-response"].then[0], share=5000),))
    fault = Fault(HEAVY_FLAG, since=START + timedelta(minutes=30), until=START + timedelta(minutes=48), errors=1.0)
    play = Play(World(faults=[fault]), prod(triggers={trigger.name: trigger}))
    play.start(HEAVY_FLAG)
    for _ in range(3):
        play.by_hand(MoveKind.PROMOTE, HEAVY_FLAG)
    play.run(START + timedelta(minutes=75), timedelta(minutes=1))
    assert len(play.told("rollout.reduced")) >= 3
    assert len(play.told("trigger.failed")) == 1
    assert len(play.told("trigger.recovered")) == 1
