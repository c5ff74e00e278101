"""An event of the audit log in words: the one voice of reports, watch, alerts and status.

`explain` never raises, whatever an event's data holds, and what it answers has no control characters: names, reasons
and answers are other people's text. It escapes nothing for markdown or HTML; whoever renders does.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo

from deployguard.plain import clean
from deployguard.state import Event
from deployguard.story.telling import around, releases, units
from deployguard.story.telling.facts import Explanation, Facts, told

TABLE: Mapping[str, Callable[[Facts], Explanation]] = {
    **units.TABLE,
    **releases.TABLE,
    **around.TABLE,
}
"""How each type of event is told."""


def explain(event: Event, zone: tzinfo | None = None) -> Explanation:
    """The event as a sentence and a short form. Times are the reader's in `zone`; None: UTC stamps."""
    return TABLE.get(event.type, _unknown)(Facts(event, zone, event.data))


def paragraph(sentence: str) -> str:
    """The sentence with its full stop, where no command stands last that would take it up."""
    ends = sentence.endswith((".", "?", ":")) or "deployguard " in sentence.rpartition(": ")[2]
    return sentence if ends else f"{sentence}."


def _unknown(facts: Facts) -> Explanation:
    """A type of a later version: its name and who, so that nothing is passed over in silence."""
    return told(f"{clean(facts.event.type)}{facts.by}")
