"""Events in words: every surface tells them through the one `explain`."""

from collections.abc import Iterable
from datetime import tzinfo
from itertools import groupby, islice

from deployguard.operations.values.rollouts import Told
from deployguard.session import Session
from deployguard.state import Event, RollbackKind
from deployguard.story.explain import explain

_MOVED = ("rollout.rolledBack", "rollout.reduced", "rollout.paused", "flag.updated")


def told(events: Iterable[Event], zone: tzinfo | None = None) -> tuple[Told, ...]:
    """In the order given. Times inside a sentence are the reader's in `zone`; None: UTC stamps, for logs."""
    return tuple(
        _tell(event, commit, zone)
        for _, group in groupby(events, key=lambda event: event.revision)
        for commit in [tuple(group)]
        for event in commit
    )


def since(session: Session, after: int) -> tuple[Told, ...]:
    """The events behind number `after`, oldest first, for a log."""
    return told(session.store.events(after=after))


def newest(session: Session, limit: int) -> tuple[Told, ...]:
    """The last `limit` events, newest first, for people."""
    return told(islice(session.store.events(newest_first=True), limit), session.zone)


def _tell(event: Event, commit: tuple[Event, ...], zone: tzinfo | None) -> Told:
    words = explain(event, zone)
    return Told(
        seq=event.seq,
        type=event.type,
        severity=event.severity,
        time=event.time,
        sentence=words.sentence,
        short=words.short,
        repeats=_repeats(event, commit),
    )


def _repeats(event: Event, commit: tuple[Event, ...]) -> bool:
    """Whether people read the same elsewhere: in the commit's move, or in the step that the hold belongs to."""
    match event.type:
        case "unit.anchored":
            return True
        case "rollout.waiting":
            rollout = event.data.get("rollout")
            moved = any(one.type in _MOVED and one.data.get("rollout") == rollout for one in commit)
            return moved or event.data.get("waitsFor") == "hold"
        case "rollback.executed":
            return event.data.get("kind") != RollbackKind.EMERGENCY and any(one.type in _MOVED for one in commit)
        case "trigger.failed":
            return any(
                one.type in _MOVED
                and one.data.get("trigger") == event.data.get("trigger")
                and one.data.get("rollout") == event.data.get("rollout")
                for one in commit
            )
    return False
