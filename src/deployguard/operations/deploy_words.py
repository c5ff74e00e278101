"""A deploy in words and values: why it ended early, what stands now, and what comes next."""

from collections.abc import Sequence
from dataclasses import replace

from deployguard.effects.commands import Finished
from deployguard.errors import Code, Offer, Problem
from deployguard.operations import judged, plan, rows
from deployguard.operations.running import Running, how
from deployguard.operations.values.releases import Deployed, NextStep
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import ChecksRound
from deployguard.session import Session
from deployguard.state import Release, ReleasePhase, State
from deployguard.store.locks import read_controller
from deployguard.story.numbers import counted, duration_words
from deployguard.story.telling.releases import ended_words


def command_failed(session: Session, release: Release, number: int, finished: Finished) -> Problem:
    commands, env = session.settings.deploy, session.environment
    text = session.masker.mask(commands[number - 1].text)
    last = f': "{finished.last_line}"' if finished.last_line else ""
    return Problem(
        Code.COMMAND_FAILED,
        f"{_name(release)} is not on {env}",
        where=f"command {number} of {len(commands)}: {text} (environments.{env}.deploy[{number - 1}])",
        found=f"{how(finished)} after {finished.duration_ms / 1000:.1f}s{last}",
        wanted="exit 0",
    )


def not_stable(session: Session, release: Release, found: ChecksRound) -> Problem:
    bad = "; ".join(f"{check.check}: {plan.fact_of(check)}" for check in found.checks if not check.ok)
    return Problem(
        Code.NOT_STABLE,
        f"{_name(release)} is not stable on {session.environment}",
        where="health checks after the commands",
        found=bad or "checks pass, but not for long enough without a failure",
        wanted=f"every check passes for {duration_words(session.settings.stable)} without a failure",
    )


def state_failed(session: Session, release: Release, doing: str, problem: Problem) -> Problem:
    """A deploy that cannot read or write its state has failed (DECISIONS section 4), whatever that alone would be."""
    return Problem(
        Code.COMMAND_FAILED,
        f"{_name(release)} is not on {session.environment}",
        where=f"at {doing}",
        found=_why(problem),
        wanted="a state that can be read and written to the end",
    )


def _name(release: Release) -> str:
    return release.version or "the new version"


def _why(problem: Problem) -> str:
    return ": ".join(part for part in (problem.message, problem.found) if part)


def interrupted(session: Session, doing: str) -> Problem:
    return Problem(
        Code.COMMAND_FAILED,
        f"the deploy of {session.environment} was interrupted",
        where=f"at {doing}",
        found="interrupted by whoever started it",
    )


def aborted(session: Session, release_id: str, doing: str) -> Problem:
    return Problem(
        Code.TAKEN_BACK,
        f"the deploy of {session.environment} was ended by an emergency rollback",
        where=f"release {release_id}, at {doing}",
        found="rollback emergency, asked while it ran",
    )


def ended_already(session: Session, problem: Problem, release: Release) -> Problem:
    """It went wrong when the last commit was made: the release stands as that says."""
    rollouts = counted(len(release.rollouts), "rollout") if release.rollouts else "no rollout was"
    stands = f"it is {release.phase}"
    if release.phase is ReleasePhase.SUCCEEDED:
        stands = f"{_name(release)} is on {session.environment}; {rollouts} started"
    return _told(session, problem, stands, release.id)


def what_stands(
    session: Session, problem: Problem, back: Sequence[Finished], running: Running, after: State | None, release_id: str
) -> Problem:
    """`problem` with the state that it left and the next command.

    `back` are the rollback commands that ran; without `after` the release could not be closed.
    """
    env, settings = session.environment, session.settings
    failed = next((finished for finished in back if not finished.ok), None)
    before = _version_before(after, release_id) if after is not None else None
    if failed is not None:
        stands = f"a rollback command failed too ({how(failed)}): look at {env} now"
    elif back:
        stands = f"{env} runs {before} again" if before else "what ran before runs again"
    elif settings.deploy and settings.rollback:
        stands = "no command had run, so none was rolled back"
    elif settings.deploy:
        stands = f"{env} has what the commands left: no rollback command is configured"
    else:
        stands = "no command was run"
    aborted = after is not None and after.releases[release_id].phase is ReleasePhase.ABORTED
    stands += "; every flag is off" if aborted else "; flags are as they were"
    if running.trouble is not None:
        lost = [f"{run.text} ({ended_words(run.error, run.signal, run.exit_code)})" for run in running.unrecorded]
        stands += f"; not written down: {', '.join([*lost, f'the end of {release_id}'])}, since {_why(running.trouble)}"
    return _told(session, problem, stands, release_id)


def _told(session: Session, problem: Problem, stands: str, release_id: str) -> Problem:
    report = Offer(f"deployguard report show {release_id} --env {session.environment}", "every line of output")
    return replace(problem, now=f"{stands} (exit {problem.exit_code})", next=(report,))


def _version_before(state: State, release_id: str) -> str | None:
    done = (r for r in state.releases.values() if r.phase is ReleasePhase.SUCCEEDED and r.id != release_id)
    return next((release.version for release in reversed(list(done))), None)


def deployed(session: Session, release: Release, after: State, begun: tuple[str, ...]) -> Deployed:
    now, settings = session.clock(), session.settings
    definitions = session.definitions(after)
    live = tuple(rollout for rollout in after.rollouts.values() if rollout.phase.live)
    started = tuple(rows.rollout_row(after, settings, one, now) for one in live if one.lead in begun)
    info = read_controller(session.state_dir, session.environment, now)
    return Deployed(
        release_id=release.id,
        environment=session.environment,
        version=release.version,
        outcome=after.releases[release.id].phase.value,
        rollouts=started,
        next=_next_steps(started),
        watched_by=info if info and info.alive else None,
        took=now - release.started_at,
        at=now,
        stays=tuple(rows.rollout_row(after, settings, one, now) for one in live if one.lead not in begun),
        off=plan.off_rows(after, settings, definitions, (), now),
        triggers=judged.acting_triggers(settings),
    )


def _next_steps(started: tuple[RolloutRow, ...]) -> tuple[NextStep, ...]:
    return tuple(
        NextStep(rollout=row.rollout, percentage=row.next_percentage, at=row.next_step_at)
        for row in started
        if row.next_percentage is not None and row.next_step_at is not None
    )
