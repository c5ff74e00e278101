"""`deliver` for a process that ends afterwards, `send_test` for `alerts test`; a controller keeps a `Courier`."""

import os
from datetime import datetime
from pathlib import Path

from deployguard.config.secrets import Masker
from deployguard.config.values import Channel, Environment
from deployguard.effects.attempts import Deliveries
from deployguard.effects.courier import Courier, Delivered, Store
from deployguard.effects.output import Masks
from deployguard.effects.webhook import DeliveryFailed, send, trial_event
from deployguard.state import Actor, State

__all__ = ["Courier", "Delivered", "deliver", "send_test"]


def deliver(
    state: State,
    store: Store,
    metrics: Deliveries | None,
    settings: Environment,
    now: datetime,
    *,
    masker: Masks | None = None,
    cwd: Path | None = None,
    wait_s: float = 20.0,
) -> Delivered:
    """Carry out what is due once, for a process that ends afterwards: waits `wait_s` for receivers, and for commands.

    A controller keeps a `Courier` instead, which waits for nobody.
    """
    hidden = masker if masker is not None else Masker(os.environ, None)
    courier = Courier(store, metrics, masker=hidden, cwd=cwd, turn=len(state.outbox))
    delivered = courier.deliver(state, settings, now, wait_s=wait_s)
    courier.finish_commands(now)
    return delivered


def send_test(channel: Channel, environment: str, actor: Actor, now: datetime) -> str | None:
    """Send one notice that says it is a test, and wait for the answer; None where it came through, else why not."""
    event = trial_event(channel, environment, actor, now)
    sentence = f"a test of channel {channel.name} by {actor.shown}; nothing happened on {environment}"
    try:
        send(channel, event, (), sentence, event.id)
    except DeliveryFailed as failed:
        return failed.reason
    return None
