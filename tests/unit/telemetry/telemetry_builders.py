"""Metric stores, samples and logs for the tests of this room."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployguard.config.grammar import parse_condition
from deployguard.config.values import (
    Action,
    ActionKind,
    Environment,
    Flag,
    Source,
    SourceType,
    Step,
    Strategy,
    Trigger,
)
from deployguard.flags.evaluate import compile_flags
from deployguard.guard.values import Population, Question, Questions, Reading, SampleKind
from deployguard.state import FlagState
from deployguard.telemetry.batch import Batch
from deployguard.telemetry.endpoints import Endpoints
from deployguard.telemetry.exposer import Arms, Exposer
from deployguard.telemetry.exposer import Step as StepOfFlag
from deployguard.telemetry.metrics import MetricStore
from support.samples import NumberSample, RequestSample

NOW = datetime(2026, 11, 24, 14, 0, 3, tzinfo=UTC)
EDGE = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
HOUR_AGO = EDGE - timedelta(hours=1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def store(folder: Path) -> MetricStore:
    return MetricStore(folder / "prod" / "metrics.sqlite")


def request(
    seconds_ago: float = 0.0, path: str | None = "/", status: int | None = 200, **kept: object
) -> RequestSample:
    return RequestSample(ago(seconds_ago), path, status, **kept)  # type: ignore[arg-type]


def number(seconds_ago: float, name: str, value: float, user: str | None = None) -> NumberSample:
    return NumberSample(ago(seconds_ago), name, value, "/", user)


def exposer(
    flags: Mapping[str, int] | None = None,
    *,
    anchor: datetime = HOUR_AGO,
    endpoints: Iterable[str] = (),
    revision: int = 1,
    **kept: object,
) -> Exposer:
    """Flags by their percentage in hundredths, each under its own key as seed."""
    percentages = {"f": 5_000} if flags is None else flags
    rules = compile_flags(
        {key: Flag(key=key) for key in percentages},
        {key: FlagState(enabled=True, percentage=many, seed=key) for key, many in percentages.items()},
    )
    return Exposer(
        rules,
        dict.fromkeys(percentages, anchor),
        {key: StepOfFlag(anchor, anchor, 0) for key in percentages},
        endpoints=Endpoints(endpoints),
        revision=revision,
        **kept,  # type: ignore[arg-type]
    )


def arms(
    rules: Exposer, user: str | None, country: str | None = None, region: str | None = None, at: datetime = NOW
) -> Arms:
    """The user's arms at a time, as a batch works them out."""
    batch = Batch(rules, NOW)
    batch.request(at.timestamp(), "/", 200, None, user, country, region)
    return batch.combos[next(batch.cells())[4]]


def ask(
    metrics: MetricStore,
    *,
    now: datetime = NOW,
    kind: SampleKind = SampleKind.REQUEST,
    metric: str = "request",
    since: datetime = HOUR_AGO,
    window: timedelta = timedelta(minutes=5),
    at_least: int = 0,
    endpoint: str | None = None,
    flag: str | None = None,
    population: Population = Population.ALL,
) -> Reading:
    question = Question(kind, metric, since, window, at_least, endpoint, flag, population)
    return metrics.answer(Questions((question,)), now)[0][question]


def environment(
    sources: Iterable[Source] = (), triggers: Mapping[str, Trigger] | None = None, flags: Iterable[str] = ()
) -> Environment:
    strategy = Strategy(name="s", steps=(Step(percentage=10_000),))
    return Environment(
        name="prod",
        base_url="https://www.example.com",
        strategy=strategy,
        flags={key: Flag(key=key) for key in flags},
        triggers=triggers or {},
        checks={},
        strategies={"s": strategy},
        sources={source.name: source for source in sources},
    )


def trigger(name: str, when: str, min_samples: int = 100, window: timedelta = timedelta(minutes=5)) -> Trigger:
    action = Action(kind=ActionKind.NOTIFY)
    return Trigger(name=name, when=parse_condition(when), then=(action,), min_samples=min_samples, window=window)


def json_log(path: str = "access.log", **fields: str) -> Source:
    names = {"time": "ts", "path": "url", "status": "code", "duration": "took ms", "user": "uid"}
    return Source(name="app", type=SourceType.ACCESS_LOG, path=path, format="json", fields=names | fields)


def json_line(name: str, seconds_ago: float = 0.0, code: int | None = 200, **more: object) -> bytes:
    """A line whose path is `/name`: unlike any other where the name is."""
    line = {"ts": ago(seconds_ago).timestamp(), "url": f"/{name}", "code": code, "took": 5, "uid": f"u-{name}"}
    return json.dumps(line | more).encode() + b"\n"
