"""The evidence of one decision."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from telemetry_builders import EDGE, HOUR_AGO, NOW, ago, environment, json_log, request, store, trigger

from deployguard.config.grammar import parse_condition
from deployguard.config.values import HealthCheck
from deployguard.guard.values import CheckRound, Exposure, Population
from deployguard.state import FlagState, State
from deployguard.telemetry.exposer import exposer_of
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore
from support.samples import add

SETTINGS = replace(
    environment(
        [json_log()],
        {
            "errors": trigger("errors", "errorRate > 10%"),
            "checks": replace(trigger("checks", "errorRate > 1%"), when=parse_condition("consecutiveFailures >= 2")),
        },
        ("f",),
    ),
    checks={"api": HealthCheck(name="api", url="/api/health")},
)
STATE = State(environment="prod", flags={"f": FlagState(enabled=True, percentage=5_000, seed="f", updated_at=HOUR_AGO)})


def test_without_a_store_there_is_no_evidence_and_nothing_is_made(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    evidence = gather(metrics, STATE, SETTINGS, NOW)
    assert evidence.readings
    assert all(reading.count == 0 for reading in evidence.readings.values())
    assert all(rounds.total == 0 for rounds in evidence.rounds.values())
    assert evidence.checks == {}
    assert evidence.sources["app"].connected
    assert evidence.exposed == {"f": Exposure()}
    assert not evidence.offline
    assert not (tmp_path / "prod").exists()


def test_everything_that_the_guard_asks_for_is_answered(tmp_path: Path) -> None:
    metrics, rules = store(tmp_path), exposer_of(STATE, SETTINGS, NOW)
    samples = [request(5, user=f"u{n}", status=500) for n in range(100)]
    add(metrics, samples, source="app", exposer=rules, now=NOW)
    metrics.add_rounds([CheckRound(check="api", ok=False, at=ago(at)) for at in (60, 30)], NOW)
    evidence = gather(metrics, STATE, SETTINGS, NOW)
    counts = {
        question.population: reading.count
        for question, reading in evidence.readings.items()
        if question.metric == "request" and question.endpoint is None
    }
    assert counts[Population.ALL] == 100
    assert counts[Population.EXPOSED] + counts[Population.OTHERS] == 100
    assert [rounds.consecutive for rounds in evidence.rounds.values()] == [2]
    assert evidence.checks["api"].consecutive == 2
    assert evidence.exposed["f"] == Exposure(users=counts[Population.EXPOSED], requests=counts[Population.EXPOSED])
    assert evidence.sources["app"].with_user == 100
    assert not evidence.offline


def test_whoever_only_looks_knows_that_the_last_round_was_asked_by_a_machine_that_was_offline(tmp_path: Path) -> None:
    metrics, failed = store(tmp_path), CheckRound(check="api", ok=False, at=ago(30))
    metrics.add_rounds([failed], NOW, offline=True)
    with MetricStore(tmp_path / "prod" / "metrics.sqlite", read_only=True) as reader:
        assert gather(reader, STATE, SETTINGS, NOW).offline
        assert not gather(reader, STATE, SETTINGS, ago(1)).offline, "a moment before"
    metrics.add_rounds([failed], NOW)
    assert not gather(metrics, STATE, SETTINGS, NOW).offline


def test_a_reader_and_the_writer_see_the_same(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(5)], source="app", exposer=None, now=NOW)
    from deployguard.telemetry.metrics import MetricStore

    reader = MetricStore(tmp_path / "prod" / "metrics.sqlite", read_only=True)
    assert gather(reader, STATE, SETTINGS, NOW) == gather(metrics, STATE, SETTINGS, NOW)
    add(metrics, [request(4)], source="app", exposer=None, now=NOW + timedelta(seconds=1))
    assert gather(reader, STATE, SETTINGS, EDGE) == gather(metrics, STATE, SETTINGS, EDGE)
    reader.close()
