"""`doctor`: what is wrong here, each with the command or the line that mends it."""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from deployguard.config.environ import unused_settings
from deployguard.config.values import Environment
from deployguard.effects.commands import child_environment, found
from deployguard.effects.webhook import SIGNED_BY, secret_fault
from deployguard.errors import DeployguardError
from deployguard.guard.values import Cause, SourceState, Verdict
from deployguard.net import clock_offset
from deployguard.operations import plan, watching
from deployguard.operations.judged import Look
from deployguard.operations.values.upkeep import Findings
from deployguard.rollout.plan import hold_ends
from deployguard.session import Session
from deployguard.state import Phase, State
from deployguard.store.damage import Finding, broken, broken_state, kept
from deployguard.store.locks import read_controller, read_lease
from deployguard.store.verify import verify
from deployguard.story.numbers import age_words, bytes_words, duration_words, time_of_day

PAUSED_LONG = timedelta(days=2)
CLOCK_OFF = timedelta(seconds=5)
LITTLE_DISK = 500 * 1024 * 1024


def doctor(session: Session) -> Findings:
    return Findings(environment=session.environment, at=session.clock(), findings=tuple(_findings(session)))


def _know(subject: str, found: str, *, by: str | None = None, command: str | None = None) -> Finding:
    return Finding(subject=subject, level="know", found=found, mend=by, command=command)


def _findings(session: Session) -> Iterator[Finding]:
    yield from _config(session)
    try:
        state = session.store.read()
    except DeployguardError as error:
        yield broken_state(error)
        return
    yield from _state(session, state)
    settings = session.settings_if_any(state)
    if settings is None:
        return
    now = session.clock()
    yield from _commands(session, settings)
    yield _controller(session, now)
    yield from _release(session, state, now)
    yield from _rollouts(session, state, now)
    yield from _checks(session, settings)
    look = Look(session, state, now)
    for source in look.evidence.sources.values():
        yield _source(session, settings, source)
    yield from _unseen(settings, look.verdicts)
    yield from _alerts(session, settings)
    yield from _clock(settings)


def _config(session: Session) -> Iterator[Finding]:
    problem = session.config_problem
    if session.config is not None:
        yield kept("config", f"valid, {len(session.settings.flags)} flags")
    elif problem is not None:
        message = f"{len(problem.errors)} errors" if problem.errors else problem.message
        yield broken("config", message, command="deployguard config validate")


def _state(session: Session, state: State) -> Iterator[Finding]:
    if not session.folder.is_dir():
        yield _know("state", "none yet; the first change creates it")
        return
    bad = [finding for finding in verify(session.state_dir, session.environment) if not finding.ok]
    for finding in bad:
        yield broken("state", finding.found, finding.command)
    if not os.access(session.folder, os.W_OK):
        found = f"{session.folder} cannot be written by this user"
        yield broken("permissions", found, command=f"chmod u+rwx {session.folder}")
    free = shutil.disk_usage(session.folder).free
    if free < LITTLE_DISK:
        yield broken("disk", f"only {bytes_words(free)} free", by="make room")
    if not bad:
        size = bytes_words(sum(file.stat().st_size for file in session.folder.rglob("*") if file.is_file()))
        events = f"{state.head.seq:,} events, chain whole"
        yield kept("state", f"revision {state.revision}, {events}, {size}; disk {bytes_words(free)} free")


def _commands(session: Session, settings: Environment) -> Iterator[Finding]:
    env = child_environment(session.environ, settings.name, None)
    programs: dict[str, bool] = {}
    for command in (*settings.deploy, *settings.rollback):
        programs[command.program] = found(command, env, session.root)
    missing = [name for name, there in programs.items() if not there]
    if missing:
        by = "install it here, or write its whole path into the config"
        yield broken("commands", f"{', '.join(missing)} not found", by=by)
    elif programs:
        yield kept("commands", f"{', '.join(programs)} found")


def _controller(session: Session, now: datetime) -> Finding:
    env, info = session.environment, read_controller(session.state_dir, session.environment, now)
    if info is not None and info.alive:
        ago = age_words(now - info.last_tick_at)
        return kept("controller", f"{info.name} ({info.via}, pid {info.pid}), last tick {ago} ago")
    since = ""
    if info is not None:
        ago = duration_words(now - info.last_tick_at)
        since = f" since {time_of_day(info.last_tick_at, now, session.zone)} ({ago})"
    found = f"none: nothing is watching {env}{since}"
    return broken("controller", found, command=f"deployguard watch --env {env}")


def _release(session: Session, state: State, now: datetime) -> Iterator[Finding]:
    """A deploy that died in the middle: its commands left something that nobody rolled back."""
    running, lease = state.running_release(), read_lease(session.state_dir, session.environment)
    if running is None or (lease is not None and (lease.held or not lease.stale(now))):
        return
    age = duration_words(max(now - running.started_at, timedelta(0)))
    found = f"{running.id} was begun {age} ago and its deploy died; the next deploy closes it as failed"
    yield broken("release", found, command=f"deployguard report show {running.id} --env {session.environment}")


def _rollouts(session: Session, state: State, now: datetime) -> Iterator[Finding]:
    env = session.environment
    for lead, rollout in state.rollouts.items():
        ends = hold_ends(rollout, state.flag(lead).percentage)
        if rollout.phase is Phase.PAUSED and now - rollout.entered_at > PAUSED_LONG:
            found = f"{lead} is paused for {duration_words(now - rollout.entered_at)}: "
            found += rollout.reason or "by a person"
            yield broken("rollout", found, command=f"deployguard rollout resume {lead} --env {env}")
        if rollout.phase is Phase.PROGRESSING and ends is not None and now - ends > rollout.max_wait:
            found = f"{lead} waits {duration_words(now - ends)} past its hold, longer than maxWait; "
            found += "a larger first step or a smaller minSamples would decide sooner"
            yield broken("rollout", found, command=f"deployguard rollout promote {lead} --env {env}")
    for key, flag in state.flags.items():
        if flag.orphaned is not None:
            command = f"deployguard feature-flags disable {key} --env {env}"
            yield broken("flag", f"{key} has left the config and is still on", command=command)


def _checks(session: Session, settings: Environment) -> Iterator[Finding]:
    """One round of every check, now: the controller's own may be old, or there is none."""
    rounds = watching.probed(session, settings)
    for check in rounds:
        if not check.ok:
            command = f"deployguard monitoring check --env {session.environment}"
            yield broken("check", f"{check.check} fails: {plan.fact_of(check)}", command=command)
    if rounds and all(check.ok for check in rounds):
        yield kept("checks", f"{', '.join(check.check for check in rounds)} pass")


def _source(session: Session, settings: Environment, source: SourceState) -> Finding:
    name, configured = source.name, settings.sources.get(source.name)
    by = f'mend its path or format in "sources.{name}" of the config'
    if source.error:
        return broken("source", f"{name}: {source.error}", by=by)
    if source.samples and not source.with_user:
        found = f"{source.samples:,} samples of {name}, none with a user id: only everyone is judged"
        by = f"add $cookie_dg_id to the server's log_format and to sources.{name}.format"
        return _know("users", found, by=by)
    if source.newest is not None or configured is None:
        newest = f"newest {source.newest:%H:%M:%SZ}" if source.newest else "nothing yet"
        return kept("source", f"{name} is read, {newest}")
    path = session.root / configured.path
    if not path.exists():
        return broken("source", f"{name}: {configured.path} is not there", by=by)
    if path.stat().st_size:
        found = f"{name}: {configured.path} has lines, and none was counted yet"
        return _know("source", found, command=f"deployguard watch --env {session.environment}")
    return kept("source", f"{name}: {configured.path} has no line yet")


def _unseen(settings: Environment, verdicts: tuple[Verdict, ...]) -> Iterator[Finding]:
    for unseen in plan.unseen(settings, verdicts):
        if unseen.trigger is None:
            yield _know("guardrails", unseen.consequence, by=unseen.mend or None)
            continue
        level = broken if settings.triggers[unseen.trigger].required else _know
        yield level(unseen.trigger, f"cannot see {unseen.what}: {unseen.consequence}", by=unseen.mend or None)
    if any(verdict.cause is Cause.WATCHER_OFFLINE for verdict in verdicts):
        yield broken("network", "this machine is offline: connectivity fails too", by="its network")


def _alerts(session: Session, settings: Environment) -> Iterator[Finding]:
    if not settings.channels:
        found = "no channel: nobody is told when something is taken back"
        yield _know("alerts", found, by="set WEBHOOK_URL, or alerts in the config")
    for name, channel in settings.channels.items():
        if channel.secret is None:
            by = f"set WEBHOOK_SECRET, or its secret in the config: {SIGNED_BY}"
            yield _know("alerts", f"{name} is not signed", by=by)
        elif fault := secret_fault(channel):
            yield broken("alerts", fault, by="set it anew, here and at the receiver")
    unused = unused_settings(session.environ)
    if unused:
        yield _know("settings", f"{', '.join(unused)} do nothing yet")


def _clock(settings: Environment) -> Iterator[Finding]:
    """The application's Date header against this machine's clock: holds and windows stand on it."""
    offset = clock_offset(settings.base_url)
    if offset is None:
        return
    seconds = f"{abs(offset.total_seconds()):.0f}s from {settings.base_url.split('//')[-1].rpartition('@')[2]}"
    if abs(offset) > CLOCK_OFF:
        yield broken("clock", seconds, by="set this machine's clock (NTP)")
    else:
        yield kept("clock", seconds)
