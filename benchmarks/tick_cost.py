"""What the guard's questions cost with an hour of history and with thirty days: the ratio is to stay near one.

    python benchmarks/tick_cost.py

Both stores hold the same last hour: five endpoints, five requests a second, one flag at 30 %. One of them holds thirty
days before it, too, rolled up as the controller does it. A tick asks for everyone, the flag's users and the others in
five minutes, for one endpoint, for a number that has to grow backwards for its samples, for the sources, the last
rounds and the exposure. The two are measured by turns in one run; the figures are medians.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from deployguard.config.values import Environment, Flag, Strategy
from deployguard.flags.evaluate import compile_flags
from deployguard.guard.values import CheckRound, Population, Question, Questions, RoundsQuestion, SampleKind
from deployguard.state import FlagState
from deployguard.telemetry.batch import Batch
from deployguard.telemetry.exposer import Exposer, Step
from deployguard.telemetry.metrics import MetricStore

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = 30
ROUNDS = 51
PATHS = ("/", "/lofts/1", "/checkout/pay", "/search", "/about")
SINCE = NOW - DAYS * DAY
SETTINGS = Environment(
    name="prod",
    base_url="https://www.example.com",
    strategy=Strategy(name="s", steps=()),
    flags={},
    triggers={},
    checks={},
    strategies={},
)


def exposer() -> Exposer:
    rules = compile_flags({"f": Flag(key="f")}, {"f": FlagState(enabled=True, percentage=3_000, seed="f")})
    steps = {"f": Step(SINCE, SINCE, 3_000)}
    return Exposer(rules, {"f": SINCE}, steps, retention=2 * DAYS * DAY, revision=1)


def add_samples(metrics: MetricStore, since: datetime, until: datetime, every: timedelta) -> None:
    batch = Batch(exposer(), until)
    at, number = since, 0
    while at < until:
        user = f"u{number % 997}"
        status = 500 if number % 200 == 0 else 200
        batch.request(at.timestamp(), PATHS[number % len(PATHS)], status, 20.0 + number % 300, user)
        if number % 50 == 0:
            batch.number(at.timestamp(), "lcp", 1_800.0 + number % 900, "/", user)
        at, number = at + every, number + 1
    metrics.write(batch, source="log")


def fill(metrics: MetricStore, days: int) -> None:
    for day in range(days, 0, -1):
        begin = NOW - HOUR - day * DAY
        add_samples(metrics, begin, begin + DAY, timedelta(seconds=15))
        metrics.roll_up(begin + DAY, 2 * DAYS * DAY)
        metrics.add_rounds(rounds(begin, begin + DAY), begin + DAY)
    add_samples(metrics, NOW - HOUR, NOW, timedelta(seconds=0.2))
    metrics.add_rounds(rounds(NOW - HOUR, NOW), NOW)
    metrics.roll_up(NOW, 2 * DAYS * DAY)


def rounds(since: datetime, until: datetime) -> list[CheckRound]:
    many = int((until - since) / timedelta(seconds=30))
    return [CheckRound(check="api", ok=True, at=since + timedelta(seconds=30) * number) for number in range(many)]


def questions() -> Questions:
    five = timedelta(minutes=5)
    asked = [
        Question(SampleKind.REQUEST, "request", SINCE, five, 100, flag=flag, population=population)
        for flag, population in ((None, Population.ALL), ("f", Population.EXPOSED), ("f", Population.OTHERS))
    ]
    asked.append(Question(SampleKind.REQUEST, "request", SINCE, five, 100, endpoint="/checkout/*"))
    asked.append(Question(SampleKind.NUMBER, "lcp", SINCE, five, 400))
    return Questions(tuple(asked), (RoundsQuestion("api", SINCE),))


def tick(metrics: MetricStore) -> float:
    began = perf_counter()
    metrics.answer(questions(), NOW)
    metrics.source_states(SETTINGS, NOW)
    metrics.last_rounds()
    metrics.exposed([("f", "f", SINCE)])
    return perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        stores = [MetricStore(Path(folder) / f"{days}" / "metrics.sqlite") for days in (0, DAYS)]
        for metrics, days in zip(stores, (0, DAYS), strict=True):
            fill(metrics, days)
        for metrics in stores:
            tick(metrics)
        taken = [[tick(metrics) for metrics in stores] for _ in range(ROUNDS)]
        short, long = (median(column) * 1000 for column in zip(*taken, strict=True))
        sizes = [sum(file.stat().st_size for file in (Path(folder) / f"{days}").iterdir()) for days in (0, DAYS)]
        for metrics in stores:
            metrics.close()
    print(f"{'history kept':16}{'ms a tick':>10}{'MB':>8}")
    print(f"{'1 hour':16}{short:10.2f}{sizes[0] / 1e6:8.1f}")
    print(f"{f'{DAYS} days':16}{long:10.2f}{sizes[1] / 1e6:8.1f}")
    print(f"ratio {long / short:.2f}")


if __name__ == "__main__":
    main()
