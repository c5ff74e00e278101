"""The whole loop on a virtual clock: a real log, real checks, the real store; what is taken back and what is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployguard.operations import doctor, gate, moves, rollouts, takeback, watching
from deployguard.operations.protocol import Ask
from deployguard.rollout.moves import MoveKind
from deployguard.session import Session
from deployguard.state import Phase
from support.application import Stage, config_of, stage


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def start(session: Session, *flags: str) -> None:
    for flag in flags:
        moves.move(session, Ask(move=MoveKind.START, flag=flag))


def phase(session: Session, flag: str) -> Phase | None:
    state = session.store.read()
    rollout = state.rollouts.get(state.flag(flag).rollout or "")
    return rollout.phase if rollout else None


def percentage(session: Session, flag: str) -> int:
    return session.store.read().flag(flag).percentage


def types(session: Session) -> list[str]:
    return [event.type for event in session.store.events()]


def test_two_clean_features_go_through_every_step(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero", "cart")
    done = play.plays(watch, 12, until=lambda: phase(session, "hero") is phase(session, "cart") is Phase.COMPLETED)
    watch.leave("the test is over")
    assert done
    assert [e.data["to"] for e in session.store.events() if e.type == "rollout.advanced"] == [50, 50]


def test_a_feature_that_fails_for_its_users_is_taken_back_and_the_other_goes_on(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero", "cart")
    play.plays(watch, 1)
    play.app.breaks.add("hero")
    assert play.plays(watch, 3, until=lambda: phase(session, "hero") is Phase.ROLLED_BACK)
    assert phase(session, "cart") is Phase.PROGRESSING
    assert play.plays(watch, 12, until=lambda: phase(session, "cart") is Phase.COMPLETED)
    assert phase(session, "hero") is Phase.ROLLED_BACK, "nobody starts it again"
    watch.leave("the test is over")
    rolled = next(e for e in session.store.events() if e.type == "rollout.rolledBack")
    assert rolled.data["trigger"] == "errors"
    assert rolled.data["verdict"]["population"] == "exposed"


def test_an_outage_for_all_takes_back_every_guarded_unit_and_leaves_what_was_finished_long_ago(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.SET, flag="legacy", percentage=10_000))
    play.clock.passes(hours=72)
    start(session, "hero", "cart")
    play.plays(watch, 1)
    play.app.down = True
    assert play.plays(watch, 3, until=lambda: phase(session, "hero") is phase(session, "cart") is Phase.ROLLED_BACK)
    watch.leave("the test is over")
    assert percentage(session, "legacy") == 10_000
    assert types(session).count("rollback.executed") == 1, "one record restores them all"


def test_with_nothing_guarded_an_outage_only_alerts(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    moves.move(session, Ask(move=MoveKind.SET, flag="hero", percentage=10_000))
    play.clock.passes(hours=72)
    play.plays(watch, 1)
    play.app.down = True
    play.plays(watch, 3)
    watch.leave("the test is over")
    assert "trigger.failed" in types(session)
    assert percentage(session, "hero") == 10_000
    assert "rollback.executed" not in types(session)


def test_slow_answers_of_its_users_reduce_a_rollout_and_pause_it(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero", "cart")
    play.plays(watch, 1)
    play.app.took_ms_with["hero"] = 2_000
    assert play.plays(watch, 3, until=lambda: percentage(session, "hero") < 2_000)
    assert (percentage(session, "hero"), phase(session, "hero")) == (1_000, Phase.PAUSED)
    assert percentage(session, "cart") == 2_000
    watch.leave("the test is over")


def test_failing_checks_halve_it_and_the_cooldown_holds_before_they_halve_it_again(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.plays(watch, 1)
    play.app.healthy = False
    assert play.plays(watch, 1, until=lambda: percentage(session, "hero") == 1_000)
    play.plays(watch, 4)
    assert percentage(session, "hero") == 1_000, "five minutes of cooldown are not over"
    assert play.plays(watch, 2, until=lambda: percentage(session, "hero") == 500)
    watch.leave("the test is over")


def test_a_machine_without_a_network_fails_nothing_whoever_asks(play: Stage) -> None:
    play.write(connectivity="http://127.0.0.1:9/")
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.app.healthy = False
    play.plays(watch, 1)
    assert percentage(session, "hero") == 2_000
    found = gate.gate(session, "hero", step=None, completed=False)
    assert (found.result, found.exit_code) == ("waiting", 4)
    assert watching.overview(session).headline.state != "harm"
    assert "network" in [finding.subject for finding in doctor.doctor(session).findings if finding.level == "mend"]
    moves.move(session, Ask(move=MoveKind.PROMOTE, flag="hero"))
    play.write()
    play.plays(watch, 0.5)
    assert gate.gate(session, "hero", step=None, completed=False).result == "failed"
    watch.leave("the test is over")


def test_on_day_one_health_checks_alone_carry_a_rollout_and_it_says_what_it_cannot_see(tmp_path: Path) -> None:
    triggers = {
        "errors": {"when": "errorRate > 10%", "then": "emergencyRollback", "window": "2m", "minSamples": 6},
        "vitals": {"when": "p75(lcp) > 4s", "then": "disable heavy"},
        "checks": {"when": "consecutiveFailures >= 2", "then": "reduce by 50%"},
    }
    with stage(tmp_path, sources={}, triggers=triggers) as play:
        session, watch = play.session(), play.watch()
        start(session, "hero")
        assert play.plays(watch, 12, visits=0, until=lambda: phase(session, "hero") is Phase.COMPLETED)
        found = watch.tick()
        watch.leave("the test is over")
        vitals = next(v for v in found.verdicts if v.trigger == "vitals")
        assert (vitals.verdict, vitals.cause) == ("inconclusive", "not_connected")
        errors = next(v for v in found.verdicts if v.trigger == "errors")
        assert errors.source == "checks"
        row = rollouts.rollouts(session, "hero").rollouts[0]
        assert any(line.cause and "cannot see" in line.cause for line in row.lines)


def test_a_clock_that_is_set_back_a_day_costs_minutes_not_a_day(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.plays(watch, 1)
    play.clock.passes(days=-1)
    play.app.breaks.add("hero")
    assert play.plays(watch, 3, until=lambda: phase(session, "hero") is Phase.ROLLED_BACK)
    watch.leave("the test is over")
    assert types(session).count("clock.jumped") == 1


def test_a_rotated_log_is_read_on(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.plays(watch, 1)
    play.app.log.rename(play.app.log.with_name("access.jsonl.1"))
    play.app.log.touch()
    play.app.breaks.add("hero")
    assert play.plays(watch, 3, until=lambda: phase(session, "hero") is Phase.ROLLED_BACK)
    watch.leave("the test is over")


@pytest.mark.parametrize("harm", ["deleted", "overwritten", "a folder's worth of nothing"])
def test_a_metric_store_that_is_lost_while_it_watches_begins_anew(play: Stage, harm: str) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.plays(watch, 1)
    store = play.folder / "state" / "prod" / "metrics.sqlite"
    if harm == "deleted":
        for file in store.parent.glob("metrics.sqlite*"):
            file.unlink()
    elif harm == "overwritten":
        store.write_bytes(b"not a database" * 1_000)
    else:
        store.write_bytes(b"")
    play.app.breaks.add("hero")
    assert play.plays(watch, 4, until=lambda: phase(session, "hero") is Phase.ROLLED_BACK)
    assert watching.monitoring(session).endpoints, "who looks on sees the new figures"
    watch.leave("the test is over")


def test_what_was_taken_back_can_be_undone_and_stays_paused_until_somebody_resumes(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    play.plays(watch, 1)
    play.app.breaks.add("hero")
    assert play.plays(watch, 3, until=lambda: phase(session, "hero") is Phase.ROLLED_BACK)
    play.app.breaks.clear()
    play.clock.passes(seconds=1)
    undone = takeback.undo(session, None, force=False, by=None, reason="the database it was")
    assert undone.waiting == ("hero",)
    assert (percentage(session, "hero"), phase(session, "hero")) == (2_000, Phase.PAUSED)
    moves.move(session, Ask(move=MoveKind.RESUME, flag="hero"))
    assert play.plays(watch, 12, until=lambda: phase(session, "hero") is Phase.COMPLETED)
    watch.leave("the test is over")


def test_a_config_that_lost_a_flag_which_was_taken_back_stops_nothing(play: Stage) -> None:
    session, watch = play.session(), play.watch()
    start(session, "hero")
    takeback.emergency(session, None, None)
    changed = config_of(play.app.url)
    del changed["flags"]["hero"]
    changed["environments"]["prod"]["rollout"] = ["cart"]
    play.write(**changed)
    play.plays(watch, 0.5)
    watching.overview(play.session())
    rollouts.rollouts(play.session(), None)
    watch.leave("the test is over")
