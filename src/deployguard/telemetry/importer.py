"""`monitoring import`: requests, vitals and probes, one JSON object a line, counted in one transaction.

    {"type": "request", "time", "endpoint", "status", "durationMs", "user"}
    {"type": "vital", "time", "page", "user", "lcp", "inp", "cls", "fcp", "ttfb", "fid"}
    {"type": "probe", "time", "check", "ok", "status", "durationMs", "why"}

`country` and `region` may stand beside `user`. A line that is no sample is refused and told with its number; the others
count. Where no line is one, nothing is written and the error is raised.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from deployguard.config.metrics import VITALS
from deployguard.errors import Code, DeployguardError, Place, Problem
from deployguard.guard.values import CheckRound
from deployguard.telemetry.batch import Batch
from deployguard.telemetry.exposer import Exposer
from deployguard.telemetry.lines import LONGEST, NotALineError, milliseconds, status_of, time_of, tree_of, word_of
from deployguard.telemetry.metrics import MetricStore
from deployguard.telemetry.schema import from_s

SOURCE = "import"
TOLD = 10  # lines that are no samples, told one by one
_MOST_MS = 600_000.0  # ten minutes: no page takes longer
_MOST_SHIFT = 100.0  # cumulative layout shift
_WHYS = ("dns", "refused", "tls", "timeout", "status", "body")
_LONGEST_NAME = 200

Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What `monitoring import` took. `problem` lists up to ten lines that are no samples, with number and reason."""

    accepted: int = 0
    refused: int = 0
    dropped_future: int = 0
    dropped_old: int = 0
    requests: int = 0
    vitals: int = 0
    probes: int = 0
    with_user: int = 0
    problem: Problem | None = None


class _Import:
    """One file on its way in."""

    def __init__(self, exposer: Exposer | None, now: datetime) -> None:
        self.batch = Batch(exposer, now)
        self.rounds: list[CheckRound] = []
        self.taken = {"request": 0, "vital": 0, "probe": 0}
        self.with_user = 0

    def line(self, raw: bytes) -> None:
        """Count one line. Raises NotALineError."""
        if len(raw) > LONGEST:
            raise NotALineError("it is longer than 64 KB")
        tree = tree_of(raw)
        kind = tree.get("type")
        if not isinstance(kind, str) or kind not in self.taken:
            raise NotALineError('"type" is not "request", "vital" or "probe"')
        at = time_of(tree.get("time"), None)
        if self.batch.refuses(at):
            return
        match kind:
            case "request":
                self._request(at, tree)
            case "vital":
                self._vital(at, tree)
            case _:
                self._probe(at, tree)
        self.taken[kind] += 1
        self.with_user += word_of(tree.get("user")) is not None

    def _request(self, at: float, tree: Tree) -> None:
        path, status = _text(tree, "endpoint", "page"), status_of(tree.get("status"))
        self.batch.request(at, path, status, milliseconds(tree.get("durationMs"), 1.0), *_user(tree))

    def _vital(self, at: float, tree: Tree) -> None:
        values = {name: _vital(name, tree[name]) for name in VITALS if tree.get(name) is not None}
        if not values:
            raise NotALineError(f"it has none of {', '.join(VITALS)}")
        page = _text(tree, "page", "endpoint")
        for name, value in values.items():
            self.batch.number(at, name, value, page, *_user(tree))

    def _probe(self, at: float, tree: Tree) -> None:
        check, ok, why = tree.get("check"), tree.get("ok"), tree.get("why")
        if not isinstance(check, str) or not check or len(check) > _LONGEST_NAME:
            raise NotALineError('"check" is no name of a check')
        if not isinstance(ok, bool):
            raise NotALineError('"ok" is neither true nor false')
        latency = milliseconds(tree.get("durationMs"), 1.0) or 0.0
        status = status_of(tree.get("status"))
        self.batch.probe(at, check, ok=ok, duration=latency)
        self.rounds.append(
            CheckRound(
                check=check,
                ok=ok,
                at=from_s(at),
                latency_ms=round(latency),
                status=status,
                why=why if isinstance(why, str) and why in _WHYS else None,
            )
        )


def import_lines(lines: Iterable[bytes], metrics: MetricStore, exposer: Exposer | None, now: datetime) -> ImportResult:
    """Count a file's lines. Raises the error that lists up to ten bad lines where none is a sample."""
    found = _Import(exposer, now)
    bad: list[Problem] = []
    refused = read = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        read += 1
        try:
            found.line(line)
        except NotALineError as error:
            refused += 1
            if len(bad) < TOLD:
                where = Place("the imported lines", line=number)
                bad.append(Problem(Code.WRONG_TYPE, f"line {number}: {error}", where=where, found=str(error)))
    problem = _problem(refused, read, tuple(bad)) if refused else None
    if problem is not None and refused == read:
        raise DeployguardError(problem)
    if read:
        metrics.write(found.batch, source=SOURCE, rounds_too=found.rounds)
    return ImportResult(
        accepted=sum(found.taken.values()),
        refused=refused,
        dropped_future=found.batch.dropped_future,
        dropped_old=found.batch.dropped_old,
        requests=found.taken["request"],
        vitals=found.taken["vital"],
        probes=found.taken["probe"],
        with_user=found.with_user,
        problem=problem,
    )


def _problem(refused: int, read: int, bad: tuple[Problem, ...]) -> Problem:
    rest = f", and {refused - len(bad)} more" if refused > len(bad) else ""
    now = "nothing was imported" if refused == read else f"the other {read - refused} lines were imported"
    return Problem(
        Code.WRONG_TYPE,
        f"{refused} of {read} lines are no samples",
        found="; ".join(problem.message for problem in bad) + rest,
        wanted='one JSON object a line, such as {"type":"request","time":"2026-11-24T14:31:50Z","status":200}',
        now=now,
        errors=bad,
    )


def _user(tree: Tree) -> tuple[str | None, str | None, str | None]:
    return word_of(tree.get("user")), word_of(tree.get("country")), word_of(tree.get("region"))


def _text(tree: Tree, *names: str) -> str | None:
    for name in names:
        value = tree.get(name)
        if isinstance(value, str):
            return value.partition("?")[0]
        if value is not None:
            raise NotALineError(f'"{name}" is no path')
    return None


def _vital(name: str, value: object) -> float:
    """A vital that a page can have. Raises NotALineError."""
    most = _MOST_SHIFT if name == "cls" else _MOST_MS
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotALineError(f'"{name}" is no number')
    if not 0 <= value <= most or not math.isfinite(value):
        unit = "" if name == "cls" else "ms"
        raise NotALineError(f'"{name}" is outside 0 to {most:.0f}{unit}')
    return float(value)
