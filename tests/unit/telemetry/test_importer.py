"""`monitoring import`: valid lines count, the others are told by number, nothing is half imported."""

import json
from pathlib import Path

import pytest
from telemetry_builders import HOUR_AGO, NOW, ago, ask, exposer, store

from deployguard.errors import Code, DeployguardError
from deployguard.guard.values import SampleKind
from deployguard.telemetry.importer import ImportResult, import_lines
from deployguard.telemetry.lines import milliseconds

TIME = ago(5).isoformat()


def line(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "time": TIME} | fields).encode() + b"\n"


def test_requests_vitals_and_probes_are_counted(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    lines = [
        line("request", endpoint="/a?x=1", status=503, durationMs=12.5, user="u1"),
        line("request", endpoint="/a", status=None),
        b"\n",
        line("vital", page="/a", user="u1", lcp=2_400, inp=180, cls=0.05, fcp=900, ttfb=300, fid=10),
        line("vital", page="/a", user=7, cls=0, lcp=None),
        line("probe", check="api", ok=False, status=503, durationMs=40, why="status"),
    ]
    result = import_lines(lines, metrics, exposer(), NOW)
    assert result == ImportResult(accepted=5, requests=2, vitals=2, probes=1, with_user=3)
    assert (ask(metrics).count, ask(metrics).bad) == (2, 2)
    assert ask(metrics, kind=SampleKind.NUMBER, metric="lcp").count == 1
    assert ask(metrics, kind=SampleKind.NUMBER, metric="cls").users == 2
    last = metrics.last_rounds()["api"]
    assert (last.ok, last.status, last.why, last.latency_ms, last.at) == (False, 503, "status", 40, ago(5))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff\x00", "no JSON"),
        (b"x" * 100_000, "longer than 64 KB"),
        (line("beacon"), '"type" is not'),
        (b'{"time":1795527110}', '"type" is not'),
        (b'{"type":["request"],"time":1795527110}', '"type" is not'),
        (b'{"type":"request","status":200}', "no time"),
        (line("request", time="soon"), "a time that is none"),
        (line("request", status="fine"), "a status"),
        (line("request", endpoint=7), '"endpoint" is no path'),
        (line("request", durationMs="long"), "a duration"),
        (line("vital", page="/"), "it has none of lcp"),
        (line("vital", lcp=99_999_999), '"lcp" is outside 0 to 600000ms'),
        (line("vital", lcp=-1), '"lcp" is outside'),
        (line("vital", lcp=float("nan")), '"lcp" is outside'),
        (line("vital", lcp=float("inf")), '"lcp" is outside'),
        (line("vital", cls=1_000), '"cls" is outside 0 to 100'),
        (line("vital", lcp="2400"), '"lcp" is no number'),
        (line("vital", lcp=True), '"lcp" is no number'),
        (line("probe", ok=True), '"check" is no name'),
        (line("probe", check="api"), '"ok" is neither'),
        (line("probe", check="api", ok=1), '"ok" is neither'),
    ],
)
def test_a_line_that_is_no_sample_is_told_with_its_number_and_the_others_count(
    tmp_path: Path, bad: bytes, said: str
) -> None:
    metrics = store(tmp_path)
    result = import_lines([line("request", status=200), bad, line("request", status=200)], metrics, exposer(), NOW)
    assert (result.accepted, result.refused) == (2, 1)
    assert result.problem is not None
    assert said in result.problem.errors[0].message
    assert result.problem.errors[0].message.startswith("line 2: ")
    assert ask(metrics).count == 2


def test_ten_lines_are_told_and_the_rest_is_counted(tmp_path: Path) -> None:
    result = import_lines([b"x"] * 25 + [line("request", status=200)], store(tmp_path), exposer(), NOW)
    assert result.problem is not None
    assert (result.refused, len(result.problem.errors)) == (25, 10)
    assert "and 15 more" in (result.problem.found or "")
    assert "the other 1 lines were imported" in (result.problem.now or "")


def test_where_no_line_is_a_sample_nothing_is_written_and_the_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(DeployguardError) as caught:
        import_lines([b"x", b"y"], store(tmp_path), exposer(), NOW)
    assert caught.value.problem.code is Code.WRONG_TYPE
    assert caught.value.problem.message == "2 of 2 lines are no samples"
    assert not (tmp_path / "prod").exists()


def test_a_file_that_breaks_off_imports_nothing(tmp_path: Path) -> None:
    metrics = store(tmp_path)

    def broken():  # type: ignore[no-untyped-def]
        yield line("request", status=200)
        raise OSError(5, "input/output error")

    with pytest.raises(OSError, match="input/output"):
        import_lines(broken(), metrics, exposer(), NOW)
    assert ask(metrics).count == 0


def test_an_empty_file_imports_nothing_and_is_no_error(tmp_path: Path) -> None:
    assert import_lines([b"", b"\n"], store(tmp_path), exposer(), NOW) == ImportResult()


def test_samples_of_the_future_and_of_long_ago_are_dropped_by_line(tmp_path: Path) -> None:
    lines = [
        line("vital", time=ago(-3_600).isoformat(), lcp=1, cls=0),
        line("request", time=ago(86_400 * 40).timestamp(), status=200),
        line("probe", time=ago(86_400 * 40).timestamp(), check="api", ok=True),
        line("probe", check="api", ok=True),
    ]
    result = import_lines(lines, store(tmp_path), exposer(), NOW)
    assert (result.accepted, result.dropped_future, result.dropped_old) == (1, 1, 2)


def test_what_is_imported_stands_in_the_arms_of_its_users(tmp_path: Path) -> None:
    metrics = store(tmp_path)
    import_lines([line("request", status=200, user=f"u{n}") for n in range(60)], metrics, exposer(), NOW)
    exposure = metrics.exposed([("f", "f", HOUR_AGO)])["f"]
    assert 0 < exposure.users < 60


@pytest.mark.parametrize("absurd", [1e308, 1e12, 3_600_001, "1y"])
def test_a_duration_that_no_request_lasts_is_no_measurement_and_the_request_still_counts(absurd: object) -> None:
    assert milliseconds(absurd, 1.0) is None
    assert milliseconds(3_600_000, 1.0) == 3_600_000
