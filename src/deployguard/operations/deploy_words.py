"""A deploy in words and values: why it ended early, what stands now, and what comes next."""

from collections.abc import Sequence
from dataclasses import replace

from deployguard.config.values import Command, Environment
from deployguard.effects.commands import Finished
from deployguard.errors import Code, Offer, Problem
from deployguard.operations import judged, plan, rows
from deployguard.operations.running import how
from deployguard.operations.values.releases import Deployed, NextStep
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import ChecksRound
from deployguard.session import Session
from deployguard.state import Release, ReleasePhase, State
from deployguard.store.locks import read_controller
from deployguard.story.numbers import duration_words

INTERRUPTED = "interrupted by whoever started it"


def command_failed(
    session: Session, version: str | None, number: int, count: int, command: Command, finished: Finished
) -> Problem:
    text = session.masker.mask(command.text)
    last = f': "{finished.last_line}"' if finished.last_line else ""
    return Problem(
        Code.COMMAND_FAILED,
        f"{version or 'the new version'} is not on {session.environment}",
        where=f"command {number} of {count}: {text} (environments.{session.environment}.deploy[{number - 1}])",
        found=f"{how(finished)} after {finished.duration_ms / 1000:.1f}s{last}",
        wanted="exit 0",
    )


def not_stable(session: Session, version: str | None, found: ChecksRound) -> Problem:
    bad = "; ".join(f"{check.check}: {plan.fact_of(check)}" for check in found.checks if not check.ok)
    return Problem(
        Code.NOT_STABLE,
        f"{version or 'the new version'} is not stable on {session.environment}",
        where="health checks after the commands",
        found=bad or "checks pass, but not for long enough without a failure",
        wanted=f"every check passes for {duration_words(session.settings.stable)} without a failure",
    )


def aborted(session: Session, release_id: str, doing: str) -> Problem:
    return Problem(
        Code.TAKEN_BACK,
        f"the deploy of {session.environment} was ended by an emergency rollback",
        where=f"release {release_id}, at {doing}",
        found="rollback emergency, asked while it ran",
    )


def interrupted(session: Session, doing: str) -> Problem:
    return Problem(
        Code.COMMAND_FAILED,
        f"the deploy of {session.environment} was interrupted",
        where=f"at {doing}",
        found=INTERRUPTED,
    )


def what_stands(
    session: Session,
    problem: Problem,
    settings: Environment,
    back: Sequence[Finished],
    before: str | None,
    release_id: str,
    *,
    aborted: bool,
) -> Problem:
    """`problem` with the state that it left and the next command. `back` are the rollback commands that ran."""
    env = session.environment
    failed = next((finished for finished in back if not finished.ok), None)
    if failed is not None:
        running = f"a rollback command failed too ({how(failed)}): look at {env} now"
    elif back:
        running = f"{env} runs {before} again" if before else "what ran before runs again"
    elif settings.deploy and settings.rollback:
        running = "no command had run, so none was rolled back"
    elif settings.deploy:
        running = f"{env} has what the commands left: no rollback command is configured"
    else:
        running = "no command was run"
    flags = "every flag is off" if aborted else "flags are as they were"
    return replace(
        problem,
        now=f"{running}; {flags} (exit {problem.exit_code})",
        next=(Offer(f"deployguard report show {release_id} --env {env}", "every line of output"),),
    )


def deployed(session: Session, version: str | None, release: Release, after: State, begun: tuple[str, ...]) -> Deployed:
    now, settings = session.clock(), session.settings
    definitions = session.definitions(after)
    live = tuple(rollout for rollout in after.rollouts.values() if rollout.phase.live)
    started = tuple(rows.rollout_row(after, settings, one, now) for one in live if one.lead in begun)
    done = [r for r in after.releases.values() if r.phase is ReleasePhase.SUCCEEDED and r.id != release.id]
    info = read_controller(session.state_dir, session.environment, now)
    return Deployed(
        release_id=release.id,
        environment=session.environment,
        version=version,
        outcome=after.releases[release.id].phase.value,
        rollouts=started,
        next=_next_steps(started),
        watched_by=info if info and info.alive else None,
        took=now - release.started_at,
        at=now,
        stays=tuple(rows.rollout_row(after, settings, one, now) for one in live if one.lead not in begun),
        off=plan.off_rows(after, settings, definitions, (), now),
        triggers=judged.acting_triggers(settings),
        previous_version=done[-1].version if done else None,
    )


def _next_steps(started: tuple[RolloutRow, ...]) -> tuple[NextStep, ...]:
    return tuple(
        NextStep(rollout=row.rollout, percentage=row.next_percentage, at=row.next_step_at)
        for row in started
        if row.next_percentage is not None and row.next_step_at is not None
    )
