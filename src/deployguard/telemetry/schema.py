"""The tables of the metric store.

`series` names what a row of `buckets` counts: kind and metric, endpoint ('' is all of them together, so that what
everyone meets is read from one row a bucket), flag ('' is everyone) and arm. A bucket's start is in seconds since 1970,
a multiple of its width; a moment is covered by one width only, except for late samples that wait for the next roll-up.
Instants elsewhere are whole microseconds since 1970, which give the same datetime back.

Users stand as 32-bit hashes under a salt. A `scope` is a step of a flag (or, for everyone, a day): its salt is deleted
with it, and then nobody can be found again. `cutoff` keeps a scope bounded: above it hashes are not kept, whoever they
are, and counts are scaled. A `life` is a rollout of a flag, for the guard, which counts a user once in all steps:
`firsts` has, for each user, flag and step, the first bad request, the first timed one and the first value of a number,
with the arms the user was in (`exposure`, a text in `words`).
"""

from datetime import UTC, datetime, timedelta
from typing import overload

VERSION = 1

EVERYONE = 2  # the arm of everyone; 1 is treatment, 0 control


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


@overload
def from_us(us: int) -> datetime: ...
@overload
def from_us(us: None) -> None: ...
def from_us(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def from_s(seconds: float) -> datetime:
    """Seconds since 1970 as a datetime, to the microsecond."""
    return _EPOCH + timedelta(seconds=seconds)


TABLES = """
CREATE TABLE series (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, metric TEXT NOT NULL, endpoint TEXT NOT NULL, flag TEXT NOT NULL,
  arm INTEGER NOT NULL, UNIQUE (kind, metric, flag, arm, endpoint)
);
CREATE TABLE buckets (
  series INTEGER NOT NULL, start INTEGER NOT NULL, width INTEGER NOT NULL, count INTEGER NOT NULL,
  bad INTEGER NOT NULL, total REAL NOT NULL, largest REAL, newest REAL NOT NULL, bins BLOB,
  PRIMARY KEY (series, start, width)
) WITHOUT ROWID;
CREATE TABLE rounds (
  "check" TEXT NOT NULL, at INTEGER NOT NULL, ok INTEGER NOT NULL, latency_ms INTEGER NOT NULL, status INTEGER,
  why TEXT, detail TEXT, tries INTEGER NOT NULL, number INTEGER NOT NULL, passed INTEGER NOT NULL,
  streak INTEGER NOT NULL, PRIMARY KEY ("check", at)
) WITHOUT ROWID;
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY, flag TEXT NOT NULL, since INTEGER NOT NULL, salt BLOB NOT NULL, cutoff INTEGER NOT NULL,
  UNIQUE (flag, since)
);
CREATE TABLE users (
  scope INTEGER NOT NULL, metric TEXT NOT NULL, arm INTEGER NOT NULL, hash INTEGER NOT NULL,
  PRIMARY KEY (scope, metric, arm, hash)
) WITHOUT ROWID;
CREATE TABLE met (
  scope INTEGER NOT NULL, metric TEXT NOT NULL, arm INTEGER NOT NULL, users INTEGER NOT NULL, samples INTEGER NOT NULL,
  PRIMARY KEY (scope, metric, arm)
) WITHOUT ROWID;
CREATE TABLE lives (
  id INTEGER PRIMARY KEY, flag TEXT NOT NULL UNIQUE, started INTEGER NOT NULL, salt BLOB NOT NULL,
  cutoff INTEGER NOT NULL, firsts INTEGER NOT NULL
);
CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE firsts (
  life INTEGER NOT NULL, metric TEXT NOT NULL, hash INTEGER NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL,
  arm INTEGER NOT NULL, exposure INTEGER NOT NULL, endpoint INTEGER NOT NULL, value REAL,
  PRIMARY KEY (life, metric, hash, since)
) WITHOUT ROWID;
CREATE TABLE sources (
  name TEXT PRIMARY KEY, error TEXT, doubt TEXT, read_at INTEGER, line_at INTEGER, newest REAL, position TEXT,
  skipped INTEGER NOT NULL DEFAULT 0, reason TEXT, dropped_future INTEGER NOT NULL DEFAULT 0,
  dropped_old INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE fed (source TEXT NOT NULL, kind TEXT NOT NULL, samples INTEGER NOT NULL, PRIMARY KEY (source, kind))
  WITHOUT ROWID;
CREATE TABLE seen (
  source TEXT NOT NULL, start INTEGER NOT NULL, samples INTEGER NOT NULL, with_user INTEGER NOT NULL,
  PRIMARY KEY (source, start)
) WITHOUT ROWID;
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY, effect TEXT NOT NULL, target TEXT NOT NULL, at INTEGER NOT NULL, error TEXT, next_at INTEGER
);
CREATE INDEX deliveries_by_effect ON deliveries (effect);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
