"""Old buckets become wider, and what is older than is kept goes: ten seconds for 48 h, a minute for 7 d, then an hour.

Merging is addition, so counts, sums and histograms stay. How far each width is rolled up is noted in the same
transaction: done twice, nothing changes, and a roll-up looks only at what has come of age since the last one.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from sqlite3 import Connection

from deployguard.telemetry.batch import Cell
from deployguard.telemetry.instants import to_us
from deployguard.telemetry.rounds import check_names, forget_rounds
from deployguard.telemetry.writing import TIERS, cell_of, edges_at, merge

SEEN_KEPT = timedelta(hours=48)
DELIVERIES_KEPT = 10_000


def roll_up(connection: Connection, now: datetime, retention: timedelta) -> None:
    """Widen what is of age and forget what is too old, in the caller's transaction."""
    numbers = [row[0] for row in connection.execute("SELECT id FROM series")]
    wider = {width: wide for (width, _), (wide, _) in pairwise(TIERS)}
    for width, edge, done in edges_at(connection, now):
        begin = min(done, edge) if _noted(connection, width) else -(1 << 62)
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


def _noted(connection: Connection, width: int) -> bool:
    return connection.execute("SELECT 1 FROM meta WHERE key = ?", (f"rolled {width}",)).fetchone() is not None


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
