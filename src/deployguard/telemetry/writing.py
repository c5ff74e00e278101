"""A batch into the store, in one transaction: buckets, users and first events, the source's counters, its position.

So a process that is killed has either written all of it or none, and a log is read on from where its samples end.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from sqlite3 import Connection

from deployguard.codec import JSON
from deployguard.guard.values import SampleKind
from deployguard.telemetry.batch import Batch, Cell
from deployguard.telemetry.bins import pack, unpack_into
from deployguard.telemetry.endpoints import MOST_ENDPOINTS, OTHER
from deployguard.telemetry.instants import to_us
from deployguard.telemetry.samples import Counted
from deployguard.telemetry.schema import EVERYONE
from deployguard.telemetry.users import drop_unguarded, write_users

TIERS = ((10, timedelta(hours=48)), (60, timedelta(days=7)), (3600, timedelta.max))
"""Widths in seconds, and the age until which a bucket has it."""

Key = tuple[str, str, str, str, int]
"""A series: kind, metric, endpoint, flag, arm."""


class OvertakenError(Exception):
    """Another process has read the same lines; nothing was written."""


def write_batch(
    connection: Connection,
    batch: Batch,
    source: str,
    *,
    position: JSON | None = None,
    expected: JSON | None = None,
    counted: Counted | None = None,
) -> None:
    """Write everything of `batch`. Where `position` is given, the stored one must still be `expected`."""
    if position is not None and read_position(connection, source) != expected:
        raise OvertakenError(source)
    fold = _fold(connection, batch)
    spread, samples = _spread(batch, fold)
    write_cells(connection, spread, batch.now)
    if batch.exposer is not None:
        drop_unguarded(connection, batch.exposer)
    write_users(connection, batch, fold, samples)
    if source:
        write_source(connection, source, batch, position, counted or Counted())


def _fold(connection: Connection, batch: Batch) -> Callable[[str], str]:
    """At most 200 endpoints are told apart: those of the config, those known, then the busiest new ones."""
    kinds = (SampleKind.REQUEST.value, SampleKind.NUMBER.value)
    known = {
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT endpoint FROM series WHERE kind IN (?, ?) AND flag = '' AND endpoint != ''", kinds
        )
    }
    new: dict[str, int] = {}
    for kind, _, _, endpoint, _, cell in batch.cells():
        if kind in kinds and endpoint not in known and endpoint not in batch.listed:
            new[endpoint] = new.get(endpoint, 0) + cell.count
    room = max(0, MOST_ENDPOINTS - len((known | batch.listed) - {OTHER}))
    kept = known | batch.listed | set(sorted(new, key=lambda name: (-new[name], name))[:room])
    return lambda endpoint: endpoint if endpoint in kept else OTHER


def _spread(
    batch: Batch, fold: Callable[[str], str]
) -> tuple[dict[tuple[Key, int], Cell], dict[tuple[str, str, int], int]]:
    """Cells of combinations as cells of series and start: for everyone and for each flag, by endpoint and together."""
    out: dict[tuple[Key, int], Cell] = {}
    samples: dict[tuple[str, str, int], int] = {}
    populations = [(("", EVERYONE), *((flag, int(on)) for flag, on in arms)) for arms in batch.combos]
    for kind, metric, start, endpoint, arms, cell in batch.cells():
        place = endpoint if kind == SampleKind.PROBE.value else fold(endpoint)
        for flag, arm in populations[arms]:
            samples[flag, metric, arm] = samples.get((flag, metric, arm), 0) + cell.count
            for where in (place, ""):
                key = ((kind, metric, where, flag, arm), start)
                merged = out.get(key)
                if merged is None:
                    merged = out[key] = Cell()
                merged.add(cell)
    return out, samples


def write_cells(connection: Connection, cells: dict[tuple[Key, int], Cell], now: datetime) -> None:
    """Merge cells into the buckets that cover their start: late ones go where the roll-up has put their time."""
    numbers: dict[Key, int] = {}
    merged: dict[tuple[int, int, int], Cell] = {}
    width_of = width_at(connection, now)
    for (key, start), cell in cells.items():
        if key not in numbers:
            numbers[key] = series_number(connection, key)
        width = width_of(start)
        place = (numbers[key], start // width * width, width)
        if place in merged:
            merged[place].add(cell)
        else:
            merged[place] = cell
    for place, cell in merged.items():
        merge(connection, place, cell)


def merge(connection: Connection, place: tuple[int, int, int], cell: Cell) -> None:
    """Add a cell to the bucket (series, start, width). Changes `cell` to the sum."""
    row = connection.execute(
        "SELECT count, bad, total, largest, newest, bins FROM buckets WHERE series = ? AND start = ? AND width = ?",
        place,
    ).fetchone()
    if row is not None:
        cell.add(cell_of(*row))
    connection.execute(
        "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, cell.count, cell.bad, cell.total, cell.largest, cell.newest, pack(cell.bins)),
    )


def cell_of(count: int, bad: int, total: float, largest: float | None, newest: float, bins: bytes | None) -> Cell:
    cell = Cell()
    cell.count, cell.bad, cell.total, cell.largest, cell.newest = count, bad, total, largest, newest
    unpack_into(cell.bins, bins)
    return cell


def series_number(connection: Connection, key: Key) -> int:
    query = "SELECT id FROM series WHERE kind = ? AND metric = ? AND endpoint = ? AND flag = ? AND arm = ?"
    row = connection.execute(query, key).fetchone()
    if row is not None:
        return int(row[0])
    found = connection.execute("INSERT INTO series (kind, metric, endpoint, flag, arm) VALUES (?, ?, ?, ?, ?)", key)
    return found.lastrowid or 0


def width_at(connection: Connection, now: datetime) -> Callable[[int], int]:
    """Which width a start has now: the finest that the roll-up has not yet passed."""
    edges = [(width, min(edge, done)) for width, edge, done in edges_at(connection, now)]

    def width_of(start: int) -> int:
        return next((width for width, edge in edges if start >= edge), TIERS[-1][0])

    return width_of


def edges_at(connection: Connection, now: datetime) -> list[tuple[int, int, int]]:
    """For each width but the widest: how far its buckets are to be rolled up by now, and how far they are."""
    out = []
    for (width, age), (wider, _) in pairwise(TIERS):
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (f"rolled {width}",)).fetchone()
        edge = int((now - age).timestamp()) // wider * wider
        out.append((width, edge, int(row[0]) if row else edge))
    return out


# sources


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


def write_error(connection: Connection, source: str, error: str | None, now: datetime) -> None:
    """A source that could not be read, or can again."""
    connection.execute("INSERT OR IGNORE INTO sources (name) VALUES (?)", (source,))
    connection.execute("UPDATE sources SET error = ?, read_at = ? WHERE name = ?", (error, to_us(now), source))
