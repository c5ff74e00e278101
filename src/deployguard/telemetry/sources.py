"""How each source of samples does: what it feeds, whether it is connected, since when it is silent."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from sqlite3 import Connection

from deployguard.codec import JSON
from deployguard.config.metrics import COUNTING, FIELDS, default_min_samples
from deployguard.config.values import Environment
from deployguard.guard.sight import configured, metric_of
from deployguard.guard.values import SourceState
from deployguard.telemetry.batch import REQUEST, Batch, Counted
from deployguard.telemetry.schema import from_s, from_us, to_us

STORE = "metrics"  # the store itself, where it was damaged
_DAMAGE_SHOWN = timedelta(minutes=5)
_WINDOW = timedelta(minutes=5)


def source_states(
    connection: Connection, environment: Environment, now: datetime, unread: str | None
) -> dict[str, SourceState]:
    """Every source that the config names for this environment, and every one that samples came from.

    A metric store is told like a source that is lost, as long as it is `unread` (why), or was just replaced.
    """
    window = max((trigger.window for trigger in environment.triggers.values()), default=_WINDOW)
    named = {}
    for source in configured(environment, REQUEST):
        numbers = (key for key in source.fields if key not in FIELDS)
        named[source.name] = SourceState(name=source.name, kinds=(REQUEST, *numbers), connected=True)
    rows = connection.execute(
        "SELECT name, coalesce(error, doubt), read_at, line_at, newest FROM sources ORDER BY name"
    )
    out = dict(named)
    for name, error, read_at, line_at, newest in rows.fetchall():
        follows = name in named
        kinds = () if follows else tuple(_connected(connection, name, environment))
        fed = tuple(kind for kind, _ in _fed(connection, name))
        samples, with_user = connection.execute(
            "SELECT coalesce(sum(samples), 0), coalesce(sum(with_user), 0) FROM seen WHERE source = ? AND start >= ?",
            (name, int((now - window).timestamp()) // 10 * 10),
        ).fetchone()
        out[name] = SourceState(
            name=name,
            kinds=named[name].kinds if follows else kinds or fed,
            connected=follows or bool(kinds),
            error=error if follows else None,
            newest=from_s(newest) if newest else None,
            silent_since=_silent_since(read_at, line_at, now) if follows else None,
            with_user=with_user,
            samples=samples,
            per_second=_rate(connection, name, now),
        )
    lost = unread or _damaged(connection, now)
    return out if lost is None else {**out, STORE: SourceState(name=STORE, error=lost)}


def _silent_since(read_at: int | None, line_at: int | None, now: datetime) -> datetime | None:
    """Silence counts only for as long as somebody listened: up to the last time the log was read."""
    if read_at is None or line_at is None or read_at <= line_at:
        return None
    return now - (from_us(read_at) - from_us(line_at))


def _rate(connection: Connection, name: str, now: datetime) -> float:
    """Samples a second over the last minute with samples."""
    newest = connection.execute(
        "SELECT max(start) FROM seen WHERE source = ? AND start <= ?", (name, int(now.timestamp()))
    ).fetchone()[0]
    if newest is None:
        return 0.0
    begin, until = newest - 50, min(newest + 10, max(int(now.timestamp()), newest + 1))
    count = connection.execute(
        "SELECT sum(samples) FROM seen WHERE source = ? AND start BETWEEN ? AND ?", (name, begin, newest)
    ).fetchone()[0]
    return float(count / max(until - begin, 1))


def _fed(connection: Connection, name: str) -> list[tuple[str, int]]:
    return connection.execute("SELECT kind, samples FROM fed WHERE source = ? ORDER BY kind", (name,)).fetchall()


def _connected(connection: Connection, name: str, environment: Environment) -> Iterator[str]:
    """The kinds of which a source has given as many samples as a trigger needs."""
    for kind, samples in _fed(connection, name):
        needed = [
            trigger.min_samples
            for trigger in environment.triggers.values()
            if metric_of(trigger.when).feed == kind and trigger.when.function not in COUNTING
        ]
        if samples >= max(1, min(needed, default=default_min_samples(kind, "avg"))):
            yield kind


def forget_source(connection: Connection, name: str) -> bool:
    """End a source: its counters and its position. Its samples stay. False where nobody knew it."""
    gone = connection.execute("DELETE FROM sources WHERE name = ?", (name,)).rowcount
    connection.execute("DELETE FROM fed WHERE source = ?", (name,))
    connection.execute("DELETE FROM seen WHERE source = ?", (name,))
    return gone > 0


def _damaged(connection: Connection, now: datetime) -> str | None:
    """For a while, that an earlier file was set aside."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'damaged'").fetchone()
    if row is None:
        return None
    at, aside, why = row[0].split(" ", 2)
    file = aside.partition(".damaged-")[0]
    told = f"{file} was damaged ({why}) and set aside as {aside}; figures start again"
    return told if now - from_us(int(at)) <= _DAMAGE_SHOWN else None


def read_position(connection: Connection, source: str) -> JSON | None:
    row = connection.execute("SELECT position FROM sources WHERE name = ?", (source,)).fetchone()
    found: JSON | None = json.loads(row[0]) if row is not None and row[0] is not None else None
    return found


def write_source(connection: Connection, source: str, batch: Batch, position: JSON | None, read: Counted) -> None:
    """What a source has given: totals, ids by bucket, and where it is read on."""
    now, taken = to_us(batch.now), batch.counted
    newest = max((cell.newest for *_, cell in batch.cells()), default=0.0)
    connection.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (source,))
    connection.execute(
        "UPDATE sources SET error = NULL, doubt = CASE WHEN :taken THEN NULL ELSE coalesce(:doubt, doubt) END,"
        " read_at = :now, line_at = CASE WHEN :taken OR :lines THEN :now ELSE coalesce(line_at, :now) END,"
        " newest = max(coalesce(newest, 0), :newest), skipped = skipped + :skipped, reason = coalesce(reason, :reason),"
        " dropped_future = dropped_future + :future, dropped_old = dropped_old + :old,"
        " position = coalesce(:position, position) WHERE name = :name",
        {
            "taken": taken.accepted,
            "doubt": read.error,
            "now": now,
            "lines": read.lines,
            "newest": newest,
            "skipped": read.skipped,
            "reason": read.reason,
            "future": taken.dropped_future,
            "old": taken.dropped_old,
            "position": None if position is None else json.dumps(position),
            "name": source,
        },
    )
    fed: dict[str, int] = {}
    seen: dict[int, list[int]] = {}
    for _, metric, start, _, arms, cell in batch.cells():
        fed[metric] = fed.get(metric, 0) + cell.count
        tally = seen.setdefault(start, [0, 0])
        tally[0] += cell.count
        tally[1] += cell.count if arms else 0
    connection.executemany(
        "INSERT INTO fed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET samples = samples + excluded.samples",
        [(source, kind, samples) for kind, samples in fed.items()],
    )
    connection.executemany(
        "INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET samples = samples + excluded.samples, with_user = with_user + excluded.with_user",
        [(source, start, *tally) for start, tally in seen.items()],
    )


def note_read(connection: Connection, source: str, error: str | None, now: datetime) -> None:
    """The source was looked at and had nothing new, or could not be read."""
    connection.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (source,))
    connection.execute(
        "UPDATE sources SET error = :error, read_at = :now,"
        " line_at = CASE WHEN :error IS NULL THEN coalesce(line_at, :now) ELSE line_at END WHERE name = :name",
        {"error": error, "now": to_us(now), "name": source},
    )
