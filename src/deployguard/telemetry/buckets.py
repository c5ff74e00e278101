"""The buckets of the store: what a batch counted is merged into them, and the old ones become wider.

A bucket's histogram is kept as bytes. Merging is addition, so counts, sums and histograms stay. Ten seconds for 48 h, a
minute for 7 d, then an hour; how far each width is rolled up is noted in the same transaction: done twice, nothing
changes, and a roll-up looks only at what has come of age since the last one.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from sqlite3 import Connection

from deployguard.guard.values import SampleKind
from deployguard.telemetry.batch import Batch, Cell
from deployguard.telemetry.endpoints import MOST_ENDPOINTS, OTHER
from deployguard.telemetry.rounds import check_names, forget_rounds
from deployguard.telemetry.schema import EVERYONE, to_us

_ENTRY = 6  # bytes a bin takes
_LOWEST, _HIGHEST = -(1 << 15), (1 << 15) - 1
_MOST = (1 << 32) - 1


def pack(bins: Mapping[int, int]) -> bytes:
    """Bins beyond 16 bits (no time or vital comes near) are held to the last one; so are counts beyond 32."""
    numbers = [min(max(index, _LOWEST), _HIGHEST) for index in bins]
    counts = [min(count, _MOST) for count in bins.values()]
    return struct.pack(f"<{len(numbers)}h{len(counts)}I", *numbers, *counts)


def unpack_into(bins: dict[int, int], blob: bytes | None) -> None:
    """Add a packed histogram to `bins`."""
    if not blob:
        return
    many = len(blob) // _ENTRY
    values = struct.unpack(f"<{many}h{many}I", blob)
    for index, count in zip(values[:many], values[many:], strict=True):
        bins[index] = bins.get(index, 0) + count


TIERS = ((10, timedelta(hours=48)), (60, timedelta(days=7)), (3600, timedelta.max))
"""Widths in seconds, and the age until which a bucket has it."""

Key = tuple[str, str, str, str, int]
"""A series: kind, metric, endpoint, flag, arm."""


def endpoint_fold(connection: Connection, batch: Batch) -> Callable[[str], str]:
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


def spread(
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
    cell = Cell(count, bad, total, largest, newest)
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
    edges = [(width, edge if done is None else min(edge, done)) for width, edge, done in edges_at(connection, now)]

    def width_of(start: int) -> int:
        return next((width for width, edge in edges if start >= edge), TIERS[-1][0])

    return width_of


def edges_at(connection: Connection, now: datetime) -> list[tuple[int, int, int | None]]:
    """For each width but the widest: how far its buckets are to be rolled up by now, and how far they are."""
    out = []
    for (width, age), (wider, _) in pairwise(TIERS):
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (f"rolled {width}",)).fetchone()
        edge = int((now - age).timestamp()) // wider * wider
        out.append((width, edge, int(row[0]) if row else None))
    return out


SEEN_KEPT = timedelta(hours=48)
DELIVERIES_KEPT = 10_000


def roll_up(connection: Connection, now: datetime, retention: timedelta) -> None:
    """Widen what is of age and forget what is too old, in the caller's transaction."""
    numbers = [row[0] for row in connection.execute("SELECT id FROM series")]
    wider = {width: wide for (width, _), (wide, _) in pairwise(TIERS)}
    for width, edge, done in edges_at(connection, now):
        begin = -(1 << 62) if done is None else min(done, edge)
        for series in numbers:
            _widen(connection, series, width, wider[width], begin, edge)
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"rolled {width}", str(edge)))
    oldest = int((now - retention).timestamp())
    for series in numbers:
        connection.execute("DELETE FROM buckets WHERE series = ? AND start < ? - width", (series, oldest))
    connection.execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM buckets WHERE series = series.id)")
    connection.execute("DELETE FROM seen WHERE start < ?", (int((now - SEEN_KEPT).timestamp()),))
    connection.execute(
        "DELETE FROM deliveries WHERE at < ? OR id <= (SELECT max(id) FROM deliveries) - ?",
        (to_us(now - retention), DELIVERIES_KEPT),
    )
    forget_rounds(connection, now, retention)


def forget_after(connection: Connection, now: datetime) -> None:
    """What is dated later than `now` goes: the clock was set back, and when that time comes again it is no evidence.

    The bucket of `now` stays; every anchor moved to `now`, and windows start at the next edge.
    """
    for (series,) in connection.execute("SELECT id FROM series").fetchall():
        connection.execute("DELETE FROM buckets WHERE series = ? AND start > ?", (series, now.timestamp()))
    connection.execute("DELETE FROM seen WHERE start > ?", (now.timestamp(),))
    for name in check_names(connection):
        connection.execute('DELETE FROM rounds WHERE "check" = ? AND at > ?', (name, to_us(now)))


def _widen(connection: Connection, series: int, width: int, wide: int, begin: int, edge: int) -> None:
    rows = connection.execute(
        "SELECT start, count, bad, total, largest, newest, bins FROM buckets"
        " WHERE series = ? AND start >= ? AND start < ? AND width = ? ORDER BY start",
        (series, begin, edge, width),
    ).fetchall()
    cells: dict[int, Cell] = {}
    for start, *sums in rows:
        cells.setdefault(start // wide * wide, Cell()).add(cell_of(*sums))
    for start, cell in cells.items():
        merge(connection, (series, start, wide), cell)
    connection.execute(
        "DELETE FROM buckets WHERE series = ? AND start >= ? AND start < ? AND width = ?", (series, begin, edge, width)
    )
