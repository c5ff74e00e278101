"""Flags that somebody should look at: decided long ago, past their expiry, or owned by nobody."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from deployguard.codec import Percentage
from deployguard.config.units import FULL, format_duration
from deployguard.config.values import Flag
from deployguard.state import FlagState, State

_IN_DAYS = timedelta(days=3)  # as people write holds: hours up to 72h, then days


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFlag:
    """`since` is when it last changed (or, where nobody touched it, since when it has at least been so)."""

    flag_id: str
    why: str  # `at 100% for 41d`, `expired on 2026-03-31`, `no owner`; several separated by `; `
    percentage: Percentage
    since: datetime | None = None
    owner: str | None = None


def stale(defs: Mapping[str, Flag], state: State, now: datetime, older_than: timedelta) -> tuple[StaleFlag, ...]:
    """The stale flags in the order of the definitions. A permanent flag may stand at 0 or 100 % for ever."""
    out = []
    for key, definition in defs.items():
        flag = state.flag(key)
        since = flag.updated_at or (state.config.applied_at if state.config is not None else None)
        whys = tuple(_whys(definition, flag, since, now, older_than))
        if whys:
            out.append(
                StaleFlag(
                    flag_id=key,
                    why="; ".join(whys),
                    percentage=flag.percentage,
                    since=since,
                    owner=definition.owner,
                )
            )
    return tuple(out)


def _whys(
    definition: Flag, flag: FlagState, since: datetime | None, now: datetime, older_than: timedelta
) -> Iterator[str]:
    if not definition.permanent and since is not None and now - since > older_than:
        lasted = ("for" if flag.updated_at else "for at least") + f" {_age(now - since)}"
        if not flag.on:
            yield f"at 0% {lasted}" if flag.percentage == 0 else f"off {lasted}"
        elif flag.percentage >= FULL:
            yield f"at 100% {lasted}"
    if definition.expires is not None and definition.expires < now.date():
        yield f"expired on {definition.expires.isoformat()}"
    if not definition.owner:
        yield "no owner"


def _age(lasted: timedelta) -> str:
    whole = timedelta(days=1) if lasted > _IN_DAYS else timedelta(hours=1) if lasted >= timedelta(hours=1) else None
    return format_duration(lasted - lasted % (whole or timedelta(seconds=1)))
