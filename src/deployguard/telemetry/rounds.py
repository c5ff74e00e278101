"""Probe rounds in the metric store: each check's last one, and how many of them failed in a row since an anchor.

Each row carries the running counts of its check, so that both ends of a span are enough, however long it is.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from sqlite3 import Connection

from deployguard.guard.values import CheckRound, Rounds, RoundsQuestion
from deployguard.telemetry.schema import from_us, to_us

DETAIL_KEPT = timedelta(hours=48)
_FIELDS = '"check", ok, at, latency_ms, status, why, detail, streak, tries'


def write_rounds(connection: Connection, rounds: Iterable[CheckRound]) -> None:
    """Add rounds. One that comes late (an import) takes its place, and the counts behind it are made again."""
    for found in rounds:
        at = to_us(found.at)
        number, passed, streak = connection.execute(
            'SELECT number, passed, streak FROM rounds WHERE "check" = ? AND at < ? ORDER BY at DESC LIMIT 1',
            (found.check, at),
        ).fetchone() or (0, 0, 0)
        row = (found.check, at, found.ok, found.latency_ms, found.status, found.why, found.detail, found.tries)
        connection.execute("INSERT OR REPLACE INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)", row)
        rows = connection.execute(
            'SELECT at, ok FROM rounds WHERE "check" = ? AND at >= ? ORDER BY at', (found.check, at)
        ).fetchall()
        for moment, ok in rows:
            number, passed, streak = number + 1, passed + ok, 0 if ok else streak + 1
            connection.execute(
                'UPDATE rounds SET number = ?, passed = ?, streak = ? WHERE "check" = ? AND at = ?',
                (number, passed, streak, found.check, moment),
            )


def write_offline(connection: Connection, now: datetime, *, offline: bool) -> None:
    """Whether the newest rounds were asked by a machine that could not reach its `connectivity` target either."""
    connection.execute("DELETE FROM meta WHERE key = 'offline'")
    if offline:
        connection.execute("INSERT INTO meta VALUES ('offline', ?)", (str(to_us(now)),))


def was_offline(connection: Connection, now: datetime) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE key = 'offline'").fetchone()
    return row is not None and int(row[0]) <= to_us(now)


def answer_rounds(connection: Connection, question: RoundsQuestion, now: datetime) -> Rounds:
    """Rounds of a check at or after `since`, up to now; failed ones in a row are counted since then, too."""
    since = to_us(question.since)
    last = connection.execute(
        'SELECT number, streak, at FROM rounds WHERE "check" = ? AND at BETWEEN ? AND ? ORDER BY at DESC LIMIT 1',
        (question.check, since, to_us(now)),
    ).fetchone()
    if last is None:
        return Rounds()
    first = connection.execute(
        'SELECT number FROM rounds WHERE "check" = ? AND at >= ? ORDER BY at LIMIT 1', (question.check, since)
    ).fetchone()
    total = last[0] - first[0] + 1
    return Rounds(total=total, consecutive=min(last[1], total), newest=from_us(last[2]))


def last_rounds(connection: Connection) -> dict[str, CheckRound]:
    """Each check's last round."""
    query = f'SELECT {_FIELDS} FROM rounds WHERE "check" = ? ORDER BY at DESC LIMIT 1'  # noqa: S608  # a constant
    return {name: _round(connection.execute(query, (name,)).fetchone()) for name in check_names(connection)}


def check_names(connection: Connection) -> list[str]:
    """The checks that have rounds: one step through the table's key a name, not a look at every row."""
    rows = connection.execute(
        'WITH RECURSIVE names(name) AS (SELECT min("check") FROM rounds UNION ALL'
        ' SELECT (SELECT min("check") FROM rounds WHERE "check" > name) FROM names WHERE name IS NOT NULL)'
        " SELECT name FROM names WHERE name IS NOT NULL"
    )
    return [row[0] for row in rows]


def _round(row: tuple[str, int, int, int, int | None, str | None, str | None, int, int]) -> CheckRound:
    check, ok, at, latency_ms, status, why, detail, streak, tries = row
    return CheckRound(
        check=check,
        ok=bool(ok),
        at=from_us(at),
        latency_ms=latency_ms,
        status=status,
        why=why,
        detail=detail,
        consecutive=streak,
        tries=tries,
    )


def worst_streaks(connection: Connection, check: str | None, edges: list[int]) -> tuple[float | None, ...]:
    """The longest row of failed rounds in each span between two edges (microseconds), of one check or of all."""
    names = check_names(connection) if check is None else [check]
    out: list[float | None] = []
    for begin, end in pairwise(edges):
        found = [
            row[0]
            for name in names
            for row in connection.execute(
                'SELECT max(streak) FROM rounds WHERE "check" = ? AND at >= ? AND at < ?', (name, begin, end)
            )
            if row[0] is not None
        ]
        out.append(float(max(found)) if found else None)
    return tuple(out)


def forget_rounds(connection: Connection, now: datetime, retention: timedelta) -> None:
    """Rounds older than what is kept go, and what older answers said in full."""
    cut = now - DETAIL_KEPT
    for name in check_names(connection):
        connection.execute('DELETE FROM rounds WHERE "check" = ? AND at < ?', (name, to_us(now - retention)))
        connection.execute(
            'UPDATE rounds SET detail = NULL WHERE "check" = ? AND at BETWEEN ? AND ? AND detail IS NOT NULL',
            (name, to_us(cut - timedelta(days=7)), to_us(cut)),
        )
