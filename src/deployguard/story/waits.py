"""What a rollout waits for, in words."""

from deployguard.story.plain import plain

_WAITING = {
    "hold": "the step's hold",
    "samples": "more data",
    "source": "a source that cannot be read",
    "trigger": "a trigger that fails",
    "person": "a person",
}


def waiting_words(waits_for: str) -> str:
    """What a rollout waits for, by the contract's word: `samples` is more data."""
    return _WAITING.get(waits_for, plain(waits_for))
