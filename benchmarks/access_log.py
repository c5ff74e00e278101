"""Lines of an access log parsed, exposed and counted: at least 50,000 a second on one core is the aim.

    python benchmarks/access_log.py

A log of made-up visitors is read by `read_new` as the controller does it: two flags are in rollout, each visitor's arms
are computed, the samples, the users and the position are committed to a metric store on disk. Beside it stands
`json.loads` alone over as many lines of the same requests as JSON. The two are measured by turns in one run, in CPU
time, so that whatever else the machine does is not counted; figures are medians, the ratio is our time over theirs.
"""

import json
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import process_time

from deployguard.config.values import Flag, Source, SourceType
from deployguard.flags.evaluate import compile_flags
from deployguard.state import FlagState
from deployguard.telemetry.endpoints import Endpoints
from deployguard.telemetry.exposer import Exposer, Step
from deployguard.telemetry.follow import read_new
from deployguard.telemetry.metrics import MetricStore

LINES = 200_000
ROUNDS = 5
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
SPAN = timedelta(minutes=10)
VISITORS = 8_000
PATHS = ("/", "/lofts/{}", "/checkout/pay", "/search?q={}", "/about", "/api/cart")

COMMON = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
SOURCES = {
    "nginx log_format": Source(
        name="log", type=SourceType.ACCESS_LOG, path="log", format=COMMON + " $request_time $cookie_dg_id"
    ),
    "JSON lines": Source(
        name="log",
        type=SourceType.ACCESS_LOG,
        path="log",
        format="json",
        fields={"time": "ts", "path": "url", "status": "code", "duration": "took s", "user": "uid"},
    ),
}


def requests() -> list[tuple[datetime, str, int, float, str]]:
    rng = random.Random(7)
    users = [f"{rng.getrandbits(128):032x}" for _ in range(VISITORS)]
    return [
        (
            NOW - SPAN + SPAN * number / LINES,
            rng.choice(PATHS).format(rng.randrange(100_000)),
            500 if rng.random() < 0.005 else 200,
            round(rng.lognormvariate(-2.5, 0.6), 3),
            rng.choice(users),
        )
        for number in range(LINES)
    ]


def as_nginx(at: datetime, path: str, status: int, took: float, user: str) -> str:
    return (
        f'203.0.113.7 - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" {status} 5120 "-" "{AGENT}" '
        f"{took:.3f} {user}"
    )


def as_json(at: datetime, path: str, status: int, took: float, user: str) -> str:
    line = {"ts": at.isoformat(timespec="seconds"), "url": path, "code": status, "took": took, "uid": user}
    return json.dumps(line | {"bytes": 5120, "agent": AGENT})


def exposer() -> Exposer:
    flags = ("new_checkout", "trust_social_proof")
    rules = compile_flags(
        {key: Flag(key=key) for key in flags},
        {key: FlagState(enabled=True, percentage=3_000, seed=key) for key in flags},
    )
    anchor = NOW - timedelta(hours=1)
    return Exposer(
        rules,
        dict.fromkeys(flags, anchor),
        dict.fromkeys(flags, Step(anchor, anchor, 3_000)),
        endpoints=Endpoints(("/lofts/:id",)),
        revision=1,
    )


def ours(source: Source, folder: Path) -> float:
    """CPU seconds to read the whole log from its beginning into a new store."""
    with tempfile.TemporaryDirectory() as home, MetricStore(Path(home) / "metrics.sqlite") as metrics:
        exposed = exposer()
        began = process_time()
        counted = read_new(source, metrics, exposed, NOW, root=folder, most_bytes=sys.maxsize)
        took = process_time() - began
        assert counted.requests == LINES
        assert counted.with_user == LINES
        return took


def bare(lines: list[bytes]) -> float:
    began = process_time()
    for line in lines:
        json.loads(line)
    return process_time() - began


def main() -> None:
    made = requests()
    as_lines = [as_json(*one).encode() for one in made]
    print(f"{LINES:,} lines, {VISITORS:,} visitors, 2 flags in rollout")
    print(f"{'':20}{'lines/s':>10}{'json.loads/s':>14}{'ratio of time':>15}")
    for name, source in SOURCES.items():
        spell = as_json if source.format == "json" else as_nginx
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "log").write_text("".join(spell(*one) + "\n" for one in made))
            rounds = [(ours(source, Path(folder)), bare(as_lines)) for _ in range(ROUNDS)]
        mine, theirs = (median(column) for column in zip(*rounds, strict=True))
        print(f"{name:20}{LINES / mine:10,.0f}{LINES / theirs:14,.0f}{mine / theirs:15.2f}")


if __name__ == "__main__":
    main()
