from datetime import UTC, date, datetime, timedelta

import pytest

from deployguard.config.values import Flag
from deployguard.flags.stale import stale
from deployguard.state import ConfigInForce, FlagState, State

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
LIMIT = timedelta(days=30)


def days_ago(days):
    return NOW - timedelta(days=days)


def found(flag, state=None, config_age=None):
    config = ConfigInForce(hash="", document={}, applied_at=days_ago(config_age)) if config_age is not None else None
    states = {} if state is None else {"f": state}
    return stale({"f": flag}, State(environment="prod", flags=states, config=config), NOW, LIMIT)


def owned(**values):
    return Flag(key="f", owner="shop@example.com", **values)


def at(percentage, days, *, enabled=True):
    return FlagState(enabled=enabled, percentage=percentage, updated_at=days_ago(days))


@pytest.mark.parametrize(
    ("flag", "state", "config_age", "why"),
    [
        (owned(), at(10_000, 41), None, "at 100% for 41d"),
        (owned(), at(10_000, 30), None, None),
        (owned(), at(0, 41), None, "at 0% for 41d"),
        (owned(), at(3_000, 41, enabled=False), None, "off for 41d"),
        (owned(), at(5_000, 400), None, None),
        (owned(permanent=True), at(10_000, 400), None, None),
        (owned(), None, 41, "at 0% for at least 41d"),
        (owned(), None, 1, None),
        (owned(), None, None, None),
        (owned(expires=date(2026, 11, 23)), at(5_000, 1), None, "expired on 2026-11-23"),
        (owned(expires=date(2026, 11, 24)), at(5_000, 1), None, None),
        (Flag(key="f"), at(5_000, 1), None, "no owner"),
        (
            Flag(key="f", expires=date(2026, 3, 31)),
            at(10_000, 365),
            None,
            "at 100% for 1y; expired on 2026-03-31; no owner",
        ),
    ],
)
def test_a_flag_is_stale_for_a_reason_that_is_said(flag, state, config_age, why):
    rows = found(flag, state, config_age)
    assert [row.why for row in rows] == ([] if why is None else [why])


def test_the_limit_is_the_callers():
    state = State(environment="prod", flags={"f": at(10_000, 0.2)})
    rows = stale({"f": owned()}, state, NOW, timedelta(hours=1))
    assert [(row.why, row.since, row.percentage, row.owner) for row in rows] == [
        ("at 100% for 4h", days_ago(0.2), 10_000, "shop@example.com")
    ]
