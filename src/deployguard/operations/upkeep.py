"""`config`, `state`, `alerts`: the tool itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployguard.codec import JSON
from deployguard.config.show import shown
from deployguard.errors import Code, DeployguardError, Offer, Problem, fail, unknown
from deployguard.operations import plan
from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Findings
from deployguard.session import Session
from deployguard.state import Phase, State
from deployguard.store.locks import read_controller, read_lease

if TYPE_CHECKING:
    from deployguard.store.backup import Backup as Made


def config_summary(session: Session) -> ConfigSummary:
    """A valid config, and whether the environment's controller has read it."""
    settings = session.settings
    state = session.store.read()
    in_force = state.config is not None and session.config is not None and state.config.hash == session.config.hash
    keep = tuple(
        lead
        for lead, rollout in state.rollouts.items()
        if rollout.phase in (Phase.PROGRESSING, Phase.PAUSED)
        and tuple((s.percentage, s.hold) for s in rollout.steps)
        != tuple((s.percentage, s.hold) for s in settings.strategy.steps)
    )
    return ConfigSummary(
        file=(session.config and session.config.file) or "",
        valid=True,
        flags=len(settings.flags),
        strategies=len(settings.strategies),
        triggers=len(settings.triggers),
        environment=session.environment,
        read_at=state.config.applied_at if in_force and state.config else None,
        in_force=in_force,
        keep_their_steps=keep,
    )


def config_shown(session: Session) -> JSON:
    if session.config is None:
        raise DeployguardError(session.config_problem or Problem(Code.NO_CONFIG, "there is no config"))
    return shown(session.config, session.environ)


def alerts_test(session: Session, channel: str | None) -> AlertTest:
    """Send one test notice to each channel, or to the named one; waits for the answers."""
    from deployguard.effects.webhook import send_test

    channels = session.settings.channels
    if not channels:
        raise fail(
            Code.USAGE,
            f"no alert channel is configured for {session.environment}",
            wanted="WEBHOOK_URL in the environment, or alerts in the config",
            now="nothing was sent",
            next=(Offer(f"deployguard doctor --env {session.environment}", "what each channel still needs"),),
        )
    if channel is not None and channel not in channels:
        retry = f"deployguard alerts test {{}} --env {session.environment}"
        raise unknown("alert channel", channel, channels, "argument CHANNEL", retry=retry)
    now = session.clock()
    results = []
    for name, target in channels.items():
        if channel in (None, name):
            error = send_test(target, session.environment, session.actor(), now)
            results.append((name, error is None, error or "delivered"))
    return AlertTest(environment=session.environment, results=tuple(results))


def verified(session: Session) -> Findings:
    from deployguard.store.verify import verify

    return Findings(
        environment=session.environment,
        at=session.clock(),
        findings=verify(session.state_dir, session.environment),
    )


def backup(session: Session, file: str | None) -> Backup:
    from deployguard.store import backup as copies

    return _copy(session, copies.backup(session.state_dir, session.environment, file, session.clock()))


def restore(session: Session, file: str, by: str | None, reason: str | None) -> Backup:
    from deployguard.store import backup as copies

    now = session.clock()
    info = read_controller(session.state_dir, session.environment, now)
    if info is not None and info.alive:
        raise fail(
            Code.NOT_ALLOWED_NOW,
            f"{session.environment} is being watched; a restore would pull the state from under it",
            found=f"{info.name}, pid {info.pid}",
            wanted="no controller while the state is restored",
            now="nothing was changed",
        )
    lease = read_lease(session.state_dir, session.environment)
    if lease is not None and lease.held:
        state = State(environment=session.environment)  # the one that is there may be damaged
        raise plan.deploy_running(session, state, lease, now)
    made = copies.restore(session.state_dir, session.environment, file, session.actor(by), reason, now)
    return _copy(session, made)


def _copy(session: Session, made: Made) -> Backup:
    return Backup(
        environment=session.environment,
        file=str(made.file),
        revision=made.revision,
        events=made.events,
        bytes=made.bytes,
    )
