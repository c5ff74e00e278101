"""Distinct users of each flag and arm since its step began, and each user's first events, without knowing anybody.

A user is a 32-bit hash, keyed with random bytes that are deleted with the step, so the same person cannot be followed
from one step to the next and nobody can be found afterwards. The guard's `firsts` need a user to be counted once in all
steps of a rollout, so their salt lives as long as the rollout. Everyone's salt lives a day.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from sqlite3 import Connection

from deployguard.guard.values import Exposure
from deployguard.telemetry.batch import REQUEST, Batch, Person
from deployguard.telemetry.exposer import Exposer
from deployguard.telemetry.schema import EVERYONE, to_us

ERRORS = "errorRate"
RESPONSE_TIME = "responseTime"
MOST_KEPT = 200_000  # hashes of one metric in one scope; above it only those below a cut-off, and counts are scaled
MOST_FIRSTS = 1_000_000  # first events of one rollout of a flag: its metrics and steps together
_ALL = 1 << 32
_DAY_US = 86_400_000_000

Samples = Mapping[tuple[str, str, int], int]
"""How many samples a batch has of a flag ('' is everyone), metric and arm."""

_Life = tuple[int, bytes, int]
"""Number, salt, cut-off."""


def write_users(connection: Connection, batch: Batch, fold: Callable[[str], str], samples: Samples) -> None:
    """The users of a batch, in the transaction of its samples. `fold` says which endpoints are kept apart."""
    people = list(batch.people())
    if not people:
        return
    _write_scope(connection, "", _day_of(batch.now), [(person, EVERYONE) for person in people], samples)
    if batch.exposer is None:
        return
    words = _Words(connection, fold)
    arms = [dict(combo) for combo in batch.combos]
    for flag in batch.exposer.guarded:
        step = batch.exposer.steps[flag]
        mine = [(person, int(arms[person.arms][flag])) for person in people if flag in arms[person.arms]]
        if not mine:
            continue
        _write_scope(connection, flag, to_us(step.since), mine, samples)
        life = _life(connection, flag, to_us(step.started))
        if life is not None:
            rows = list(_firsts(batch, mine, life, to_us(step.since), words))
            before = connection.total_changes
            connection.executemany("INSERT OR IGNORE INTO firsts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            _thin_life(connection, life, connection.total_changes - before)


def _day_of(at: datetime) -> int:
    return to_us(at) // _DAY_US * _DAY_US


def _write_scope(
    connection: Connection, flag: str, since: int, people: Iterable[tuple[Person, int]], samples: Samples
) -> None:
    scope = _scope(connection, flag, since)
    if scope is None:
        return
    number, salt, cutoff = scope
    by_kind: dict[tuple[str, int], list[tuple[int]]] = {}
    for person, arm in people:
        hashed = user_hash(person.user, salt)
        if hashed >= cutoff:
            continue
        if person.requested:
            by_kind.setdefault((REQUEST, arm), []).append((hashed,))
        for metric in person.seen:
            by_kind.setdefault((metric, arm), []).append((hashed,))
    for (metric, arm), rows in by_kind.items():
        # Sorted, so that neighbours in the tree are written together.
        found = [(number, metric, arm, *row) for row in sorted(rows)]
        before = connection.total_changes
        connection.executemany("INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?)", found)
        _count_met(connection, number, metric, arm, users=connection.total_changes - before)
    for (name, metric, arm), count in samples.items():
        if name == flag:
            _count_met(connection, number, metric, arm, samples=count)
    _thin(connection, number, cutoff)


def _count_met(connection: Connection, scope: int, metric: str, arm: int, *, users: int = 0, samples: int = 0) -> None:
    connection.execute(
        "INSERT INTO met VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET users = users + excluded.users, samples = samples + excluded.samples",
        (scope, metric, arm, users, samples),
    )


def _thin(connection: Connection, scope: int, cutoff: int) -> None:
    """Keep a scope bounded: halve the range of hashes that are kept. Which half a user is in tells nothing of them."""
    most = connection.execute("SELECT max(users) FROM met WHERE scope = ?", (scope,)).fetchone()[0] or 0
    if most <= MOST_KEPT or cutoff <= 1:
        return
    cutoff //= 2
    connection.execute("DELETE FROM users WHERE scope = ? AND hash >= ?", (scope, cutoff))
    connection.execute("UPDATE scopes SET cutoff = ? WHERE id = ?", (cutoff, scope))
    connection.execute(
        "UPDATE met SET users = (SELECT count(*) FROM users u WHERE u.scope = met.scope AND u.metric = met.metric"
        " AND u.arm = met.arm) WHERE scope = ?",
        (scope,),
    )


def user_hash(user: str, salt: bytes) -> int:
    return int.from_bytes(blake2b(user.encode("utf-8", "surrogatepass"), key=salt, digest_size=4).digest(), "big")


def _scope(connection: Connection, flag: str, since: int) -> tuple[int, bytes, int] | None:
    """The scope of a step; a new step ends the one before, a late reader of the old state ends nothing.

    Of everyone's days the one before is kept: a window may reach into it.
    """
    row = connection.execute(
        "SELECT id, salt, cutoff, since FROM scopes WHERE flag = ? ORDER BY since DESC LIMIT 1", (flag,)
    ).fetchone()
    if row is not None and row[3] == since:
        return row[0], row[1], row[2]
    if row is not None and row[3] > since:
        return None
    salt = secrets.token_bytes(16)
    drop_scopes(connection, flag, older_than=row[3] if row is not None and not flag else since)
    found = connection.execute(
        "INSERT INTO scopes (flag, since, salt, cutoff) VALUES (?, ?, ?, ?)", (flag, since, salt, _ALL)
    )
    return found.lastrowid or 0, salt, _ALL


def drop_scopes(connection: Connection, flag: str, *, older_than: int) -> None:
    gone = [
        row[0] for row in connection.execute("SELECT id FROM scopes WHERE flag = ? AND since < ?", (flag, older_than))
    ]
    for scope in gone:
        for table, column in (("users", "scope"), ("met", "scope"), ("scopes", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (scope,))  # noqa: S608  # names of ours


def drop_unguarded(connection: Connection, exposer: Exposer) -> None:
    """End the salts of flags that are guarded no more. An exposer of an older state ends nothing."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
    known = int(row[0]) if row else -1
    if exposer.revision <= known:
        return
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (str(exposer.revision),))
    flags = {row[0] for row in connection.execute("SELECT flag FROM scopes UNION SELECT flag FROM lives")}
    for flag in flags - exposer.guarded.keys() - {""}:
        drop_scopes(connection, flag, older_than=1 << 62)
        _drop_life(connection, flag)


def _life(connection: Connection, flag: str, started: int) -> _Life | None:
    row = connection.execute("SELECT id, salt, cutoff, started FROM lives WHERE flag = ?", (flag,)).fetchone()
    if row is not None and row[3] == started:
        return row[0], row[1], row[2]
    if row is not None and row[3] > started:
        return None
    _drop_life(connection, flag)
    salt = secrets.token_bytes(16)
    found = connection.execute(
        "INSERT INTO lives (flag, started, salt, cutoff, firsts) VALUES (?, ?, ?, ?, 0)", (flag, started, salt, _ALL)
    )
    return found.lastrowid or 0, salt, _ALL


def _thin_life(connection: Connection, life: _Life, new: int) -> None:
    number, _, cutoff = life
    connection.execute("UPDATE lives SET firsts = firsts + ? WHERE id = ?", (new, number))
    row = connection.execute("SELECT firsts FROM lives WHERE id = ?", (number,)).fetchone()
    if row[0] > MOST_FIRSTS and cutoff > 1:
        connection.execute("DELETE FROM firsts WHERE life = ? AND hash >= ?", (number, cutoff // 2))
        connection.execute(
            "UPDATE lives SET cutoff = ?2, firsts = (SELECT count(*) FROM firsts WHERE life = ?1) WHERE id = ?1",
            (number, cutoff // 2),
        )


def _drop_life(connection: Connection, flag: str) -> None:
    connection.execute("DELETE FROM firsts WHERE life IN (SELECT id FROM lives WHERE flag = ?)", (flag,))
    connection.execute("DELETE FROM lives WHERE flag = ?", (flag,))


def _firsts(
    batch: Batch, people: Iterable[tuple[Person, int]], life: _Life, since: int, words: "_Words"
) -> Iterator[tuple[object, ...]]:
    """Each user's first events in this batch; those that had theirs already are ignored by the table's key."""
    number, salt, cutoff = life
    exposed: dict[int, int] = {}
    for person, arm in people:
        hashed = user_hash(person.user, salt)
        if hashed >= cutoff:
            continue
        if person.arms not in exposed:
            exposed[person.arms] = words.number(_exposure(batch, person.arms))
        for metric, at, endpoint, value in _first_events(person):
            place = words.number(words.fold(endpoint))
            yield number, metric, hashed, since, int(at), arm, exposed[person.arms], place, value


def _first_events(person: Person) -> Iterator[tuple[str, float, str, float | None]]:
    if person.bad is not None:
        yield ERRORS, *person.bad, None
    if person.timed is not None:
        yield RESPONSE_TIME, *person.timed
    for metric, (at, endpoint, value) in person.seen.items():
        yield metric, at, endpoint, value


def _exposure(batch: Batch, arms: int) -> str:
    """`new_checkout=on/500 express_pay=off/500`: the flags decided, how, and at which percentage in hundredths."""
    exposer = batch.exposer
    if exposer is None:
        return ""
    return " ".join(
        f"{flag}={'on' if treated else 'off'}/{exposer.steps[flag].percentage}" for flag, treated in batch.combos[arms]
    )


class _Words:
    """Texts that stand as numbers in `firsts`; each is looked up once a batch."""

    def __init__(self, connection: Connection, fold: Callable[[str], str]) -> None:
        self.fold = fold
        self._connection = connection
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        if text not in self._known:
            self._connection.execute("INSERT OR IGNORE INTO words (text) VALUES (?)", (text,))
            row = self._connection.execute("SELECT id FROM words WHERE text = ?", (text,)).fetchone()
            self._known[text] = int(row[0])
        return self._known[text]


# reading


def users_met(connection: Connection, metric: str, flag: str | None, arm: int) -> int:
    """Distinct users who gave a sample of `metric` since the step of the flag began.

    Everyone's are counted by day: of today and yesterday the day that has more.
    """
    rows = connection.execute(
        "SELECT users, cutoff FROM met JOIN scopes ON scope = id WHERE flag = ? AND metric = ? AND arm = ?",
        (flag or "", metric, arm),
    )
    return max((users * _ALL // cutoff for users, cutoff in rows), default=0)


def exposure(connection: Connection, flag: str, since: datetime) -> Exposure:
    """Users and requests that met a flag since its step began. Users of the metric that most of them gave."""
    scope = connection.execute(
        "SELECT id, cutoff, since FROM scopes WHERE flag = ? AND since >= ?", (flag, to_us(since))
    ).fetchone()
    if scope is None:
        return Exposure()
    met = connection.execute(
        "SELECT metric, users, samples FROM met WHERE scope = ? AND arm = 1", (scope[0],)
    ).fetchall()
    return Exposure(
        users=max((users for _, users, _ in met), default=0) * _ALL // scope[1],
        requests=sum(samples for metric, _, samples in met if metric == REQUEST),
    )


def users_per_day(connection: Connection, now: datetime) -> int | None:
    """Distinct users of a day: the mean of the whole days that are kept, else today's so far; None where none came."""
    today = _day_of(now)
    rows = connection.execute(
        "SELECT s.since, m.users, s.cutoff FROM scopes s JOIN met m ON m.scope = s.id"
        " WHERE s.flag = '' AND m.metric = ? AND m.arm = ?",
        (REQUEST, EVERYONE),
    ).fetchall()
    days = {since: users * _ALL / cutoff for since, users, cutoff in rows}
    whole = [count for since, count in days.items() if since < today]
    if whole:
        return round(float(sum(whole) / len(whole)))
    return round(float(days[today])) if today in days else None
