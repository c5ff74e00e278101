"""Events in words: every surface tells them through the one `explain`."""

from collections.abc import Iterable

from deployguard.operations.values import Told
from deployguard.session import Session
from deployguard.state import Event
from deployguard.story.explain import explain


def tell(event: Event) -> Told:
    words = explain(event)
    return Told(
        seq=event.seq,
        type=event.type,
        severity=event.severity,
        time=event.time,
        sentence=words.sentence,
        short=words.short,
    )


def told(events: Iterable[Event]) -> tuple[Told, ...]:
    return tuple(tell(event) for event in events)


def since(session: Session, after: int) -> tuple[Told, ...]:
    """The events behind number `after`, oldest first."""
    return tuple(tell(event) for event in session.store.events(after=after))


def newest(session: Session, limit: int) -> tuple[Told, ...]:
    out: list[Told] = []
    for event in session.store.events(newest_first=True):
        if len(out) >= limit:
            break
        out.append(tell(event))
    return tuple(out)
