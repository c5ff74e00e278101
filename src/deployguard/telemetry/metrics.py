"""What was observed of one environment: `state/<environment>/metrics.sqlite`.

Everything here may be lost without a wrong decision: then there is no evidence, and no data is never good news. A
reader of a missing file sees nothing and creates nothing. A damaged file is set aside by whoever writes next, a new one
is begun, and `source_states` says so for a while. Several processes may write at once; each waits for the others a
bounded time and then says `state-locked`.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Self, TypeVar

from deployguard.codec import JSON
from deployguard.config.condition import Condition
from deployguard.config.values import Environment
from deployguard.errors import DeployguardError
from deployguard.guard.values import (
    CheckRound,
    Exposure,
    Population,
    Question,
    Questions,
    Reading,
    Rounds,
    RoundsQuestion,
    SampleKind,
    SourceState,
)
from deployguard.telemetry import buckets, reading, rounds, sources, users
from deployguard.telemetry.batch import FUTURE, Batch, Counted
from deployguard.telemetry.database import BUSY_S, DamagedError, Database, empty
from deployguard.telemetry.exposer import KEPT
from deployguard.telemetry.reading import EndpointFigures
from deployguard.telemetry.schema import from_us, to_us

T = TypeVar("T")
NOTHING = Counted()
Tries = tuple[int, datetime | None, datetime | None]


class OvertakenError(Exception):
    """Another process has read the same lines; nothing was written."""


class MetricStore:
    """One environment's observations. Opened when first needed; may be shared by the threads of a process."""

    def __init__(self, path: Path, *, read_only: bool = False, busy_s: float = BUSY_S, forgiving: bool = False) -> None:
        """`forgiving`: a file that cannot be read is as one without figures; `source_states` says why."""
        self._database = Database(path, read_only=read_only, busy_s=busy_s)
        self._forgiving = forgiving
        self._unread: str | None = None  # why this reader sees no figures

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # samples in

    def write(
        self,
        batch: Batch,
        *,
        source: str,
        position: JSON | None = None,
        expected: JSON | None = None,
        counted: Counted = NOTHING,
        rounds_too: Iterable[CheckRound] = (),
    ) -> Counted:
        """One transaction with everything of a batch. Raises OvertakenError where `expected` does not stand."""

        def work(connection: Connection) -> None:
            if position is not None and sources.read_position(connection, source) != expected:
                raise OvertakenError(source)
            _write_samples(connection, batch)
            sources.write_source(connection, source, batch, position, counted)
            rounds.write_rounds(connection, rounds_too)

        self._write(work)
        return batch.counted + counted

    def add_rounds(
        self, found: Iterable[CheckRound], now: datetime, retention: timedelta = KEPT, *, offline: bool = False
    ) -> int:
        """Count rounds in one transaction; answers how many were taken. `offline`: this machine was, as they failed."""
        taken = [one for one in found if now - retention <= one.at <= now + FUTURE]
        batch = Batch(None, now)
        for one in taken:
            batch.probe(one.at.timestamp(), one.check, ok=one.ok, duration=float(one.latency_ms))

        def work(connection: Connection) -> None:
            _write_samples(connection, batch)
            rounds.write_rounds(connection, taken)
            rounds.write_offline(connection, now, offline=offline)

        if taken:
            self._write(work)
        return len(taken)

    def position(self, source: str) -> JSON | None:
        """Where a log is read on."""
        return self._read(lambda connection: sources.read_position(connection, source))

    def note_read(self, source: str, now: datetime, error: str | None = None) -> None:
        """The source was looked at and had nothing new, or could not be read: why."""
        self._write(lambda connection: sources.note_read(connection, source, error, now))

    # answers out

    def answer(
        self, questions: Questions, now: datetime
    ) -> tuple[dict[Question, Reading], dict[RoundsQuestion, Rounds]]:
        """The samples and rounds that the guard asks for, all of one moment."""

        def work(connection: Connection) -> tuple[dict[Question, Reading], dict[RoundsQuestion, Rounds]]:
            return (
                {question: reading.answer(connection, question, now) for question in questions.samples},
                {asked: rounds.answer_rounds(connection, asked, now) for asked in questions.rounds},
            )

        return self._read(work)

    def last_rounds(self) -> dict[str, CheckRound]:
        return self._read(rounds.last_rounds)

    def offline(self, now: datetime) -> bool:
        """Whether the machine that watches was offline at its last round: it says nothing about the application."""
        return self._read(lambda connection: rounds.was_offline(connection, now))

    def exposed(self, units: Sequence[tuple[str, str, datetime]]) -> dict[str, Exposure]:
        """Users and requests that met each unit (key, flag, start of its step) since its step began."""
        return self._read(
            lambda connection: {key: users.exposure(connection, flag, since) for key, flag, since in units}
        )

    def users_per_day(self, now: datetime) -> int | None:
        """Distinct users a day; None where no request carried an id."""
        return self._read(lambda connection: users.users_per_day(connection, now))

    def source_states(self, environment: Environment, now: datetime) -> dict[str, SourceState]:
        """Every source of this environment. A store that was damaged stands as a source `metrics` with an error."""

        return self._read(lambda connection: sources.source_states(connection, environment, now, self._unread))

    def number(self, name: str, since: datetime, until: datetime) -> Reading:
        """A number's values of a span, from everyone."""
        question = Question(SampleKind.NUMBER, name, since, until - since)
        return self._read(lambda connection: reading.answer(connection, question, until))

    def series(
        self,
        condition: Condition,
        *,
        flag: str | None = None,
        population: Population = Population.ALL,
        since: datetime,
        until: datetime,
        points: int,
    ) -> tuple[float | None, ...]:
        """A condition's value in equal spans, oldest first; None is a gap."""
        return self._read(
            lambda connection: reading.series(
                connection, condition, flag=flag, population=population, since=since, until=until, points=points
            )
        )

    def endpoints(self, since: datetime, until: datetime) -> tuple[EndpointFigures, ...]:
        """Requests of a span by endpoint, the busiest first, `other` last."""
        return self._read(lambda connection: reading.endpoints(connection, since, until))

    # upkeep

    def roll_up(self, now: datetime, retention: timedelta) -> None:
        """Widen old buckets and forget what is older than is kept. Twice is as good as once."""
        self._write(lambda connection: buckets.roll_up(connection, now, retention))
        self._database.tidied()

    def forget_after(self, now: datetime) -> None:
        """Drop what is dated later than `now`: for when the clock was set back."""
        self._write(lambda connection: buckets.forget_after(connection, now))

    def forget(self, source: str) -> bool:
        """A source is connected no more until it gives samples again. False where nobody knew it."""
        return self._write(lambda connection: sources.forget_source(connection, source))

    def attempts(self, effect_id: str) -> Tries:
        """How often an effect was tried, when last, and when it is tried again."""
        # Of sqlite's own: with max(), the other columns are of the row that has it.
        query = "SELECT count(*), max(id), at, next_at FROM deliveries WHERE effect = ?"

        def work(connection: Connection) -> Tries:
            count, _, at, next_at = connection.execute(query, (effect_id,)).fetchone()
            return count, from_us(at), from_us(next_at)

        return self._read(work)

    def record_attempt(
        self, effect_id: str, *, target: str, at: datetime, error: str | None, next_at: datetime | None
    ) -> None:
        query = "INSERT INTO deliveries (effect, target, at, error, next_at) VALUES (?, ?, ?, ?, ?)"
        row = (effect_id, target, to_us(at), error, None if next_at is None else to_us(next_at))
        self._write(lambda connection: connection.execute(query, row))

    # the file

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._database.reading() as connection:
                found = work(connection)
        except DamagedError as error:  # a reader may not set the file aside
            damaged = f"metrics.sqlite is damaged ({error}); whoever watches next sets it aside"
            self._unread = damaged if self._database.read_only else None
        except DeployguardError as error:
            if not self._forgiving:
                raise
            self._unread = f"{error.problem.message}: {error.problem.found}"
        else:
            self._unread = None
            return found
        return work(empty())

    def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._database.writing() as connection:
                return work(connection)
        except DamagedError:  # it was set aside, and what is to be written is still here
            with self._database.writing() as connection:
                return work(connection)


def _write_samples(connection: Connection, batch: Batch) -> None:
    fold = buckets.endpoint_fold(connection, batch)
    spread, samples = buckets.spread(batch, fold)
    buckets.write_cells(connection, spread, batch.now)
    if batch.exposer is not None:
        users.drop_unguarded(connection, batch.exposer)
    users.write_users(connection, batch, fold, samples)
