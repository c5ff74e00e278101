"""What follows a commit outside the state: reports that it made old, notices that nobody else would send."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from deployguard.errors import DeployguardError
from deployguard.operations import reports
from deployguard.session import Session
from deployguard.state import EffectKind, Event, State
from deployguard.store.locks import read_controller

NOTICES_S = 5.0  # how long a command waits for the receivers of its notices
_STILL = ("rollout.waiting",)  # told of a rollout that does not move


def follow(session: Session, state: State, events: Iterable[Event], *, always_send: bool = False) -> tuple[str, ...]:
    """After a commit that ended in `state`. Answers what could not be done, in sentences; nothing is raised.

    Notices are left to the controller where one lives, unless `always_send`: a receiver drops a repeat by its id.
    """
    trouble = keep_reports(session, state, events)
    _send_notices(session, state, always=always_send)
    return trouble


def keep_reports(session: Session, state: State, events: Iterable[Event]) -> tuple[str, ...]:
    """A report on disk is written again when one of its rollouts moved."""
    moved = {
        path.removeprefix("rollouts.")
        for event in events
        if event.type.startswith(("rollout.", "rollback.")) and event.type not in _STILL
        for path in event.set
        if path.startswith("rollouts.")
    }
    releases = {rollout.release for lead, rollout in state.rollouts.items() if lead in moved}
    ended = (release.id for release in state.releases.values() if release.id in releases and not release.runs)
    return tuple(why for key in ended if (why := reports.try_to_write(session, key)) is not None)


def _send_notices(session: Session, state: State, *, always: bool) -> None:
    """Send what waits in the outbox, for at most `NOTICES_S`. What does not come through stays there."""
    notices = tuple(effect for effect in state.outbox if effect.kind is EffectKind.NOTIFY)
    settings = session.settings_if_any(state) if notices else None
    if settings is None:
        return
    now = session.clock()
    info = read_controller(session.state_dir, session.environment, now)
    if info is not None and info.alive and not always:
        return
    from deployguard.effects.courier import deliver

    with suppress(DeployguardError):
        deliver(
            replace(state, outbox=notices),
            session.store,
            session.metrics(),
            settings,
            now,
            masker=session.masker,
            cwd=session.root,
            wait_s=NOTICES_S,
        )
