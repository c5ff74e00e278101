"""What is known of each source: whether it is connected, silent, or wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from telemetry_builders import EDGE, NOW, ago, environment, json_log, number, request, store, trigger

from deployguard.guard.values import SourceState
from support.samples import add

MINUTE = timedelta(minutes=1)
SETTINGS = environment(
    [json_log()],
    {
        "errors": trigger("errors", "errorRate > 10%", 100),
        "vitals": trigger("vitals", "p75(lcp) > 4s", 50),
        "few": trigger("few", "errorRate > 50%", 20),
    },
)


def test_a_configured_source_is_connected_before_anything_came(tmp_path: Path) -> None:
    expected = {"app": SourceState(name="app", kinds=("request",), connected=True)}
    metrics = store(tmp_path)
    assert metrics.source_states(SETTINGS, NOW) == expected
    metrics.note_read("elsewhere", NOW)
    assert metrics.source_states(SETTINGS, NOW)["app"] == expected["app"]
    assert not metrics.source_states(SETTINGS, NOW)["elsewhere"].connected


def test_a_source_of_another_environment_is_none_here(tmp_path: Path) -> None:
    elsewhere = environment([json_log()])
    source = elsewhere.sources["app"]
    moved = environment([type(source)(name="app", type=source.type, path="x", environments=("dev",))])
    assert store(tmp_path).source_states(moved, NOW) == {}


def test_a_logs_own_numbers_are_among_what_it_feeds(tmp_path: Path) -> None:
    state = store(tmp_path).source_states(environment([json_log(cart="cart.total")]), NOW)["app"]
    assert state.kinds == ("request", "cart")


@pytest.mark.parametrize(
    ("requests", "vitals", "connected", "kinds"),
    [
        (19, 0, False, ("request",)),
        (20, 0, True, ("request",)),
        (0, 49, False, ("lcp",)),
        (20, 49, True, ("request",)),
        (20, 50, True, ("lcp", "request")),
        (0, 50, True, ("lcp",)),
    ],
)
def test_an_unconfigured_source_is_connected_by_giving_what_a_trigger_needs(
    tmp_path: Path, requests: int, vitals: int, connected: bool, kinds: tuple[str, ...]
) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(5) for _ in range(requests)], source="import", exposer=None, now=NOW)
    add(metrics, [number(5, "lcp", 9.0) for _ in range(vitals)], source="import", exposer=None, now=NOW)
    state = metrics.source_states(SETTINGS, NOW)["import"]
    assert (state.connected, state.kinds) == (connected, kinds)


def test_forgetting_a_source_ends_it_and_keeps_its_samples(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(5) for _ in range(30)], source="import", exposer=None, now=NOW, position={"a": 1})
    assert metrics.forget("import") is True
    assert metrics.forget("import") is False
    assert "import" not in metrics.source_states(SETTINGS, NOW)
    assert metrics.position("import") is None
    assert len(metrics.endpoints(ago(60), NOW)) == 1


def test_samples_and_ids_of_the_last_window_are_counted(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    samples = [request(at, user="u" if at % 3 == 0 else None) for at in range(60)] + [request(900, user="u")]
    add(metrics, samples, source="app", exposer=None, now=NOW)
    state = metrics.source_states(SETTINGS, NOW)["app"]
    assert (state.samples, state.with_user, state.newest) == (60, 20, NOW)
    assert state.per_second == pytest.approx(1.0, rel=0.15)


def test_silence_counts_from_the_last_line_to_the_last_look(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    add(metrics, [request(0)], source="app", exposer=None, now=NOW)
    assert metrics.source_states(SETTINGS, NOW)["app"].silent_since is None
    metrics.note_read("app", NOW + 4 * MINUTE)
    assert metrics.source_states(SETTINGS, NOW + 4 * MINUTE)["app"].silent_since == NOW
    # Nobody has looked for an hour: that is no silence of the log.
    later = NOW + 64 * MINUTE
    assert metrics.source_states(SETTINGS, later)["app"].silent_since == later - 4 * MINUTE


def test_a_source_that_was_never_heard_is_silent_since_it_was_first_looked_at(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.note_read("app", EDGE)
    metrics.note_read("app", EDGE + MINUTE)
    assert metrics.source_states(SETTINGS, EDGE + MINUTE)["app"].silent_since == EDGE


def test_an_error_stands_until_the_source_can_be_read_again(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    metrics.note_read("app", NOW, "no such file")
    assert metrics.source_states(SETTINGS, NOW)["app"].error == "no such file"
    metrics.note_read("app", NOW)
    assert metrics.source_states(SETTINGS, NOW)["app"].error is None
