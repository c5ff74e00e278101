"""A virtual world: users, requests, vitals and health checks that answer the guard's questions as the telemetry would.

Counts are drawn for each bucket of ten seconds from a fixed seed (never a request at a time), so a test plays days in
seconds; the arms come from the percentages that are really set. A bucket's samples arrive at its end. What was drawn
does not depend on who asks or when, so evidence that is read again is the same.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from deployguard.config.values import Environment
from deployguard.guard.histogram import Histogram, bin_of
from deployguard.guard.questions import questions
from deployguard.guard.units import guarded
from deployguard.guard.values import (
    BUCKET,
    CheckRound,
    Evidence,
    Exposure,
    Question,
    Reading,
    Rounds,
    RoundsQuestion,
    SampleKind,
    SourceState,
)
from deployguard.state import State
from support.crowd import Slice, Span, binomial, meets, poisson, slices, within

START = datetime(2026, 11, 22, 13, 29, 40, tzinfo=UTC)
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)
_PROBE_OFFSET = timedelta(seconds=5)


def histogram_of(values: Iterable[float]) -> Histogram:
    return Histogram(Counter(map(bin_of, values)))


@dataclass(frozen=True)
class Fault:
    """What goes wrong for users who have `flag` on (None: for everyone), from `since` to `until`."""

    flag: str | None = None
    since: datetime = START
    until: datetime = FOREVER
    errors: float = 0.0  # share of their requests that fail on top
    slower: float = 1.0
    vitals: float = 1.0
    checks: bool = False  # health checks fail while it is on for anybody

    def active(self, at: datetime) -> bool:
        return self.since <= at < self.until


@dataclass(frozen=True)
class Cell:
    """The samples of one slice in one bucket."""

    of: Slice
    requests: int
    bad: int
    ms: float
    ms_bin: int
    views: int
    lcp: float
    lcp_bin: int


@dataclass
class World:
    seed: int = 7
    start: datetime = START
    per_second: float = 20.0
    views_per_second: float = 2.0
    users: int = 50_000
    errors: float = 0.004
    ms: float = 200.0
    lcp: float = 2_000.0
    faults: Sequence[Fault] = ()
    quiet: Sequence[Span] = ()  # nobody comes
    broken_log: Sequence[Span] = ()  # the log cannot be read
    offline: Sequence[Span] = ()
    ids: bool = True
    log: bool = True
    every: timedelta = timedelta(seconds=30)
    _layouts: list[tuple[datetime, tuple[Slice, ...]]] = field(default_factory=list)
    _buckets: dict[int, tuple[Cell, ...]] = field(default_factory=dict)
    _failed_in_row: list[int] = field(default_factory=list)
    _salt: int = 0

    def evidence(self, state: State, environment: Environment, now: datetime) -> Evidence:
        """What the telemetry knows at `now`."""
        self.note(state, environment, now)
        asked = questions(state, environment, now)
        return Evidence(
            readings={question: self._read(question, environment, now) for question in asked.samples},
            rounds={question: self._rounds(question, now) for question in asked.rounds},
            checks=self._checks(environment, now),
            sources=self._sources(now),
            exposed={
                unit.key: Exposure(
                    users=round(self.users * unit.percentage / 10_000),
                    requests=round(
                        self.per_second * unit.percentage / 10_000 * (now - unit.entered_at).total_seconds()
                    ),
                )
                for unit in guarded(state, environment, now)
            },
            offline=within(now, self.offline),
        )

    def forget_after(self, now: datetime) -> None:
        """The clock was set back to `now`: the telemetry drops what it dated later."""
        self._layouts = [(at, slices) for at, slices in self._layouts if at < now]
        self._buckets = {index: cells for index, cells in self._buckets.items() if self._at(index) < now}
        kept = self._rounds_until(now)
        del self._failed_in_row[kept:]
        self._salt += 1

    # users

    def note(self, state: State, environment: Environment, now: datetime) -> None:
        """Users see `state` from `now` on."""
        layout = slices(state, environment)
        if not self._layouts or self._layouts[-1][1] != layout:
            self._layouts.append((now, layout))

    def _layout(self, at: datetime) -> tuple[Slice, ...]:
        found = next((layout for since, layout in reversed(self._layouts) if since <= at), None)
        return found if found is not None else self._layouts[0][1]

    # samples

    def _at(self, index: int) -> datetime:
        return self.start + index * BUCKET

    def _cells(self, index: int) -> tuple[Cell, ...]:
        if index not in self._buckets:
            self._buckets[index] = tuple(self._draw(index))
        return self._buckets[index]

    def _draw(self, index: int) -> Iterator[Cell]:
        at = self._at(index)
        if index < 0 or within(at, self.quiet):
            return
        random = Random((self.seed << 40) + (self._salt << 32) + index)
        left = poisson(random, self.per_second * 10)
        views = poisson(random, self.views_per_second * 10)
        share = 1.0
        active = [fault for fault in self.faults if fault.active(at)]
        jitter = random.uniform(0.95, 1.05)
        for part in self._layout(at):
            chance = min(1.0, part.share / share) if share > 1e-12 else 1.0
            requests, seen = binomial(random, left, chance), binomial(random, views, chance)
            left, views, share = left - requests, views - seen, share - part.share
            met = [fault for fault in active if fault.flag is None or fault.flag in part.on]
            bad = binomial(random, requests, min(1.0, self.errors + sum(fault.errors for fault in met)))
            ms = self.ms * jitter * math.prod(fault.slower for fault in met)
            lcp = self.lcp * jitter * math.prod(fault.vitals for fault in met)
            yield Cell(part, requests, bad, ms, bin_of(ms), seen, lcp, bin_of(lcp))

    def _read(self, question: Question, environment: Environment, now: datetime) -> Reading:
        last = (now - self.start) // BUCKET - 1
        floor = -((self.start - question.since) // BUCKET)
        opened = max(floor, (now - question.window - self.start) // BUCKET)
        total = _Sum()
        index, first = last, last + 1
        while index >= opened or (0 < total.count < question.at_least and index >= max(floor, 0)):
            if index < 0:
                break
            self._add(total, question, index, environment)
            first, index = index, index - 1
        recent = _Sum()
        for index in range(max(first, last - 5, 0), last + 1):
            self._add(recent, question, index, environment)
        return total.reading(question, self._at(first), now, self.users, recent.count / 60, self.ids)

    def _add(self, total: "_Sum", question: Question, index: int, environment: Environment) -> None:
        at = self._at(index)
        if question.kind is SampleKind.PROBE:
            checks = [name for name in environment.checks if question.endpoint in (None, name)]
            for number in range(self._rounds_until(at), self._rounds_until(at + BUCKET)):
                failed = self._failed(number) > 0
                total.add(len(checks), len(checks) if failed else 0, 80.0, bin_of(80.0), at)
            return
        if within(at, self.broken_log):
            return
        for cell in self._cells(index):
            if meets(cell.of, question, self.ids):
                if question.kind is SampleKind.REQUEST:
                    total.add(cell.requests, cell.bad, cell.ms, cell.ms_bin, at)
                else:
                    total.add(cell.views, 0, cell.lcp, cell.lcp_bin, at)

    def _sources(self, now: datetime) -> dict[str, SourceState]:
        out = {}
        if self.log:
            out["nginx"] = self._source("nginx", "request", now)
        if self.views_per_second > 0:
            out["vitals"] = self._source("vitals", "lcp", now)
        return out

    def _source(self, name: str, kind: str, now: datetime) -> SourceState:
        index = (now - self.start) // BUCKET - 1
        while index >= 0 and (within(self._at(index), self.quiet) or within(self._at(index), self.broken_log)):
            index -= 1
        newest = self._at(index) + BUCKET if index >= 0 else None
        silent = newest if kind == "request" and newest is not None and now - newest >= 2 * BUCKET else None
        error = "Permission denied" if kind == "request" and within(now, self.broken_log) else None
        seen = 0 if silent else 100
        return SourceState(
            name=name, kinds=(kind,), connected=True, error=error, newest=newest, silent_since=silent,
            with_user=seen if self.ids else 0, samples=seen, per_second=self.per_second,
        )  # fmt: skip

    # checks

    def _rounds_until(self, at: datetime) -> int:
        """How many rounds began before `at`."""
        return max(0, -((self.start + _PROBE_OFFSET - at) // self.every))

    def _failed(self, number: int) -> int:
        """How many rounds in a row had failed with this one."""
        while len(self._failed_in_row) <= number:
            at = self.start + _PROBE_OFFSET + len(self._failed_in_row) * self.every
            on = frozenset[str]().union(*(part.on for part in self._layout(at)))
            fails = any(
                fault.checks and fault.active(at) and (fault.flag is None or fault.flag in on) for fault in self.faults
            )
            before = self._failed_in_row[-1] if self._failed_in_row else 0
            self._failed_in_row.append(before + 1 if fails or within(at, self.offline) else 0)
        return self._failed_in_row[number]

    def _rounds(self, question: RoundsQuestion, now: datetime) -> Rounds:
        first, end = self._rounds_until(question.since), self._rounds_until(now)
        if end <= first:
            return Rounds()
        in_row = self._failed(end - 1)
        newest = self.start + _PROBE_OFFSET + (end - 1) * self.every
        return Rounds(end - first, min(in_row, end - first), newest)

    def _checks(self, environment: Environment, now: datetime) -> dict[str, CheckRound]:
        end = self._rounds_until(now)
        if end == 0:
            return {}
        failed = self._failed(end - 1)
        at = self.start + _PROBE_OFFSET + (end - 1) * self.every
        return {
            name: CheckRound(
                check=name, ok=failed == 0, at=at, latency_ms=80, status=503 if failed else 200,
                why="status" if failed else None, consecutive=failed,
            )
            for name in environment.checks
        }  # fmt: skip


@dataclass
class _Sum:
    count: int = 0
    bad: int = 0
    total: float = 0.0
    largest: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)
    newest: datetime | None = None

    def add(self, count: int, bad: int, value: float, index: int, at: datetime) -> None:
        if count == 0:
            return
        self.count += count
        self.bad += bad
        self.total += count * value
        self.largest = max(self.largest, value)
        self.bins[index] = self.bins.get(index, 0) + count
        self.newest = max(self.newest or at, at + BUCKET)

    def reading(
        self, question: Question, start: datetime, now: datetime, users: int, rate: float, ids: bool
    ) -> Reading:
        known = ids and question.kind is not SampleKind.PROBE
        distinct = round(users * -math.expm1(-self.count / users)) if known else 0
        start, end = max(start, question.since), now
        return Reading(
            min(start, end), end, self.count, self.bad, self.total, self.largest, Histogram(self.bins), distinct,
            self.newest, rate,
        )  # fmt: skip
