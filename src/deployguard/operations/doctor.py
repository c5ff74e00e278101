"""`doctor`: what is wrong here, each with the command or the line that mends it."""

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from deployguard.config.environ import unused_settings
from deployguard.config.values import Environment
from deployguard.effects.commands import child_environment, found
from deployguard.errors import DeployguardError, Problem
from deployguard.guard.values import Cause, Evidence, Verdict
from deployguard.operations import judged, plan
from deployguard.operations.values.upkeep import Finding, Findings
from deployguard.rollout.steps import hold_ends
from deployguard.session import Session
from deployguard.state import Phase, State
from deployguard.store.locks import read_controller, read_lease
from deployguard.store.verify import verify
from deployguard.story.numbers import age_words, bytes_words, duration_words, time_of_day
from deployguard.telemetry.probes import clock_offset

PAUSED_LONG = timedelta(days=2)
CLOCK_OFF = timedelta(seconds=5)
LITTLE_DISK = 500 * 1024 * 1024


def doctor(session: Session) -> Findings:
    return Findings(environment=session.environment, at=session.clock(), findings=tuple(_findings(session)))


def _findings(session: Session) -> Iterator[Finding]:
    yield from _config(session)
    try:
        state = session.store.read()
    except DeployguardError as error:
        yield _broken("state", error.problem)
        return
    yield from _state(session, state)
    settings = session.settings_if_any(state)
    if settings is None:
        return
    now = session.clock()
    yield from _commands(session, settings)
    yield from _controller(session, now)
    yield from _release(session, state, now)
    yield from _rollouts(session, state, now)
    evidence, verdicts = judged.observe(session, state, settings, now)
    yield from _sources(evidence)
    yield from _unseen(settings, verdicts)
    yield from _alerts(session, settings)
    yield from _clock(settings)


def _broken(subject: str, problem: Problem) -> Finding:
    command = problem.next[0].command if problem.next else None
    detail = f": {problem.found}" if problem.found else ""
    return Finding(subject=subject, level="mend", found=f"{problem.message}{detail}", command=command)


def _config(session: Session) -> Iterator[Finding]:
    if session.config is None:
        problem = session.config_problem
        if problem is not None:
            message = f"{len(problem.errors)} errors" if problem.errors else problem.message
            yield Finding(subject="config", level="mend", found=message, command="deployguard config validate")
        return
    yield Finding(subject="config", level="ok", found=f"valid, {len(session.settings.flags)} flags")


def _state(session: Session, state: State) -> Iterator[Finding]:
    if not session.folder.is_dir():
        yield Finding(subject="state", level="know", found="none yet; the first change creates it")
        return
    bad = [finding for finding in verify(session.state_dir, session.environment) if not finding.ok]
    for finding in bad:
        yield Finding(subject="state", level="mend", found=finding.found, command=finding.mend)
    if not os.access(session.folder, os.W_OK):
        yield Finding(
            subject="permissions",
            level="mend",
            found=f"{session.folder} cannot be written by this user",
            command=f"chmod u+rwx {session.folder}",
        )
    free = shutil.disk_usage(session.folder).free
    size = sum(file.stat().st_size for file in session.folder.rglob("*") if file.is_file())
    words = f"revision {state.revision}, {state.head.seq:,} events, chain whole, {bytes_words(size)}"
    if free < LITTLE_DISK:
        yield Finding(subject="disk", level="mend", found=f"only {bytes_words(free)} free", mend="make room")
    if not bad:
        yield Finding(subject="state", level="ok", found=f"{words}; disk {bytes_words(free)} free")


def _commands(session: Session, settings: Environment) -> Iterator[Finding]:
    env = child_environment(session.environ, settings.name, None)
    programs: dict[str, bool] = {}
    for command in (*settings.deploy, *settings.rollback):
        programs[command.program] = found(command, env, session.root)
    missing = [name for name, there in programs.items() if not there]
    if missing:
        yield Finding(
            subject="commands",
            level="mend",
            found=f"{', '.join(missing)} not found",
            mend="install it here, or write its whole path into the config",
        )
    elif programs:
        yield Finding(subject="commands", level="ok", found=f"{', '.join(programs)} found")


def _controller(session: Session, now: datetime) -> Iterator[Finding]:
    env, info = session.environment, read_controller(session.state_dir, session.environment, now)
    if info is not None and info.alive:
        ago = age_words(now - info.last_tick_at)
        yield Finding(
            subject="controller", level="ok", found=f"{info.name} ({info.via}, pid {info.pid}), last tick {ago} ago"
        )
        return
    since = ""
    if info is not None:
        ago = duration_words(now - info.last_tick_at)
        since = f" since {time_of_day(info.last_tick_at, now, session.zone)} ({ago})"
    yield Finding(
        subject="controller",
        level="mend",
        found=f"none: nothing is watching {env}{since}",
        command=f"deployguard watch --env {env}",
    )


def _release(session: Session, state: State, now: datetime) -> Iterator[Finding]:
    """A deploy that died in the middle: its commands left something that nobody rolled back."""
    running, lease = state.running_release(), read_lease(session.state_dir, session.environment)
    if running is None or (lease is not None and (lease.held or not lease.stale(now))):
        return
    age = duration_words(max(now - running.started_at, timedelta(0)))
    yield Finding(
        subject="release",
        level="mend",
        found=f"{running.id} was begun {age} ago and its deploy died; the next deploy closes it as failed",
        command=f"deployguard report show {running.id} --env {session.environment}",
    )


def _rollouts(session: Session, state: State, now: datetime) -> Iterator[Finding]:
    env = session.environment
    for lead, rollout in state.rollouts.items():
        if rollout.phase is Phase.PAUSED and now - rollout.entered_at > PAUSED_LONG:
            age = duration_words(now - rollout.entered_at)
            yield Finding(
                subject="rollout",
                level="mend",
                found=f"{lead} is paused for {age}: {rollout.reason or 'by a person'}",
                command=f"deployguard rollout resume {lead} --env {env}",
            )
        ends = hold_ends(rollout, state.flag(lead).percentage)
        if rollout.phase is Phase.PROGRESSING and ends is not None and now - ends > rollout.max_wait:
            yield Finding(
                subject="rollout",
                level="mend",
                found=f"{lead} waits {duration_words(now - ends)} past its hold, longer than maxWait; "
                "a larger first step or a smaller minSamples would decide sooner",
                command=f"deployguard rollout promote {lead} --env {env}",
            )
    for key, flag in state.flags.items():
        if flag.orphaned is not None:
            yield Finding(
                subject="flag",
                level="mend",
                found=f"{key} has left the config and is still on",
                command=f"deployguard feature-flags disable {key} --env {env}",
            )


def _sources(evidence: Evidence) -> Iterator[Finding]:
    for name, source in evidence.sources.items():
        if source.error:
            mend = f'mend its path or format in "sources.{name}" of the config'
            yield Finding(subject="source", level="mend", found=f"{name}: {source.error}", mend=mend)
        elif source.samples and not source.with_user:
            yield Finding(
                subject="users",
                level="know",
                found=f"{source.samples:,} samples of {name}, none with a user id: only everyone is judged",
                mend=f"add $cookie_dg_id to the server's log_format and to sources.{name}.format",
            )
        else:
            newest = f", newest {source.newest:%H:%M:%SZ}" if source.newest else ", no line yet"
            yield Finding(subject="source", level="ok", found=f"{name} is read{newest}")


def _unseen(settings: Environment, verdicts: tuple[Verdict, ...]) -> Iterator[Finding]:
    for unseen in plan.unseen(settings, verdicts):
        subject = unseen.trigger or "guardrails"
        required = unseen.trigger is not None and settings.triggers[unseen.trigger].required
        yield Finding(
            subject=subject,
            level="mend" if required else "know",
            found=f"cannot see {unseen.what}: {unseen.consequence}" if unseen.trigger else unseen.consequence,
            mend=unseen.mend or None,
        )
    offline = [verdict for verdict in verdicts if verdict.cause is Cause.WATCHER_OFFLINE]
    if offline:
        yield Finding(
            subject="network", level="mend", found="this machine is offline: connectivity fails too", mend="its network"
        )


def _alerts(session: Session, settings: Environment) -> Iterator[Finding]:
    if not settings.channels:
        yield Finding(
            subject="alerts",
            level="know",
            found="no channel: nobody is told when something is taken back",
            mend="set WEBHOOK_URL, or alerts in the config",
        )
    for name, channel in settings.channels.items():
        if channel.secret is None:
            yield Finding(
                subject="alerts",
                level="know",
                found=f"{name} is not signed",
                mend="set WEBHOOK_SECRET, or its secret in the config",
            )
    unused = unused_settings(session.environ)
    if unused:
        yield Finding(subject="settings", level="know", found=f"{', '.join(unused)} do nothing yet")


def _clock(settings: Environment) -> Iterator[Finding]:
    """The application's Date header against this machine's clock: holds and windows stand on it."""
    offset = clock_offset(settings.base_url)
    if offset is None:
        return
    seconds = f"{abs(offset.total_seconds()):.0f}s from {settings.base_url.split('//')[-1].rpartition('@')[2]}"
    if abs(offset) > CLOCK_OFF:
        yield Finding(subject="clock", level="mend", found=seconds, mend="set this machine's clock (NTP)")
    else:
        yield Finding(subject="clock", level="ok", found=seconds)
