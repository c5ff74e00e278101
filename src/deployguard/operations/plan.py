"""What is agreed to before anything happens: the deploy's plan with its preflight, and a rollout's plan with dates."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.config.units import FULL, format_percentage
from deployguard.config.values import Command, Environment, Flag
from deployguard.effects.commands import child_environment, found
from deployguard.errors import Code, DeployguardError, Offer, fail
from deployguard.flags.dependencies import requirements
from deployguard.guard.values import Cause, CheckRound, Verdict
from deployguard.operations import flags, rows
from deployguard.operations.judged import Look
from deployguard.operations.protocol import DeployAsk
from deployguard.operations.values.releases import DeployPlan, PlannedCommand, Unseen
from deployguard.operations.values.rollouts import PlannedStep, RolloutPlan, RolloutPlans
from deployguard.operations.values.status import FlagRow
from deployguard.rollout.plan import leads_and_riders, plan_for, planned, riders_of
from deployguard.session import Session
from deployguard.state import Phase, State
from deployguard.store.locks import LEASE_LASTS, Lease, read_lease
from deployguard.story.numbers import duration_words
from deployguard.story.verdicts import connecting_line, fed_by
from deployguard.telemetry.probes import probe_all

DAY = timedelta(days=1)


def refuse_second_deploy(session: Session, state: State, lease: Lease | None, now: datetime) -> None:
    """Raise `deploy-running` where a deploy lives, or died less than a minute ago: what it started may still run."""
    if lease is None or (not lease.held and (lease.over or lease.stale(now) or state.running_release() is None)):
        return
    raise deploy_running(session, state, lease, now)


def deploy_running(
    session: Session, state: State, lease: Lease | None, now: datetime, left_running: str | None = None
) -> DeployguardError:
    """The refusal, with everything that is known of the other deploy, or of what a dead one left running."""
    env, running = session.environment, state.running_release()
    parts = []
    if running is not None:
        version = f" ({running.version})" if running.version else ""
        age = duration_words(max(now - running.started_at, timedelta(0)))
        parts.append(f"release {running.id}{version} by {running.by} for {age}")
    if lease is not None:
        ago = duration_words(max(now - lease.at, timedelta(0)))
        parts += [f"on {lease.host}, pid {lease.pid}", f"last sign of life {ago} ago"]
        parts += [f"now at {lease.doing}"] if lease.doing else []
        if left_running is not None:
            parts.append(f"its process is gone; {left_running}")
        elif not lease.held:
            parts.append(f"its process is gone; the next deploy may begin {LEASE_LASTS.seconds}s after that sign")
    offers = [Offer(f"deployguard rollback emergency --env {env}", "ends it, all flags off")]
    if running is not None:
        offers.insert(0, Offer(f"deployguard report show {running.id} --env {env}", "what it does"))
    return fail(
        Code.DEPLOY_RUNNING,
        f"{env} is being deployed",
        found="; ".join(parts) or "its lock is held by a process that has not signed it yet",
        wanted=f"no running deploy of {env}",
        now="nothing was changed",
        allowed=tuple(offers),
    )


def plan_deploy(session: Session, ask: DeployAsk) -> DeployPlan:
    """Validate and preflight; changes nothing. Raises `deploy-running` and `unknown-flag`; other findings are in it."""
    settings, now = session.settings, session.clock()
    state = session.store.read()
    refuse_second_deploy(session, state, read_lease(session.state_dir, session.environment), now)
    definitions = session.definitions(state)
    retried = flags_to_retry(session, state, definitions, ask)
    checks = probe_all(tuple(settings.checks.values()), settings.base_url, session.clock, mask=session.masker.mask)
    env = child_environment(session.environ, settings.name, ask.version)
    commands = tuple(_command(session, command, env) for command in settings.deploy)
    return DeployPlan(
        environment=session.environment,
        base_url=session.masker.mask(settings.base_url),
        version=ask.version,
        at=now,
        confirm=settings.confirm,
        commands=commands,
        rollback=tuple(_command(session, command, env) for command in settings.rollback),
        checks=checks,
        stable=settings.stable,
        starts=starts(session, state, retried, now),
        stays=tuple(
            rows.rollout_row(state, settings, rollout, now)
            for rollout in state.rollouts.values()
            if rollout.phase.live and rollout.lead not in retried
        ),
        off=off_rows(state, settings, definitions, retried, now),
        unseen=unseen(settings, Look(session, state, now).verdicts),
        problems=_problems(commands, checks),
    )


def _problems(commands: tuple[PlannedCommand, ...], checks: tuple[CheckRound, ...]) -> tuple[str, ...]:
    missing = dict.fromkeys(command.program for command in commands if not command.found)
    bad = [f"{program} is not found" for program in missing]
    return (*bad, *(f"check {check.check} fails: {fact_of(check)}" for check in checks if not check.ok))


def fact_of(check: CheckRound) -> str:
    """Why a check fails, in one line: what stands before the answer that it got."""
    return (check.detail or check.why or "").split("\n", 1)[0]


def _command(session: Session, command: Command, env: dict[str, str]) -> PlannedCommand:
    return PlannedCommand(
        text=session.masker.mask(command.text),
        timeout=command.timeout,
        found=found(command, env, session.root),
        program=command.program,
    )


def taken_back(state: State, definitions: Mapping[str, Flag]) -> tuple[str, ...]:
    """What was taken back and stays off until somebody starts it again: leads, and flags that stood by hand."""
    leads = [lead for lead, rollout in state.rollouts.items() if rollout.phase is Phase.ROLLED_BACK]
    by_hand = [
        key for key, flag in state.flags.items() if flag.rollout is None and flag.rollback_id and not flag.percentage
    ]
    return tuple(key for key in dict.fromkeys((*leads, *by_hand)) if key in definitions)


def still_back(state: State, definitions: Mapping[str, Flag], retried: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `retried` that nobody started meanwhile."""
    back = frozenset(taken_back(state, definitions))
    return tuple(key for key in retried if key in back)


def off_rows(
    state: State, settings: Environment, definitions: dict[str, Flag], retried: tuple[str, ...], now: datetime
) -> tuple[FlagRow, ...]:
    """What a deploy leaves off because it was taken back."""
    return tuple(
        rows.flag_row(state, settings, definitions, key, now)
        for key in taken_back(state, definitions)
        if key in settings.rollout and key not in retried
    )


def flags_to_retry(session: Session, state: State, definitions: dict[str, Flag], ask: DeployAsk) -> tuple[str, ...]:
    """The flags that `--retry` starts again; `all` is each that was taken back."""
    back = taken_back(state, definitions)
    if "all" in ask.retry:
        return tuple(key for key in back if key in session.settings.rollout)
    out = []
    for key in ask.retry:
        flags.known(definitions, key, f"deploy {session.environment} --retry FLAG")
        lead = state.flag(key).rollout or key
        if lead not in back:
            raise fail(
                Code.NOT_ALLOWED_NOW,
                f"{key} was not taken back",
                where="option --retry",
                found=f"{key} at {format_percentage(state.flag(key).percentage)}",
                wanted=f"one of: {', '.join(back)}" if back else "a rollout that was taken back; there is none",
                now="nothing was changed",
                allowed=(Offer(f"deployguard rollout status {key} --env {session.environment}"),),
            )
        out.append(lead)
    return tuple(dict.fromkeys(out))


def starts(session: Session, state: State, retried: tuple[str, ...], now: datetime) -> tuple[RolloutPlan, ...]:
    """The rollouts that a deploy would begin. What was taken back is not among them, unless it is retried."""
    again = {lead: _riders(session, state, lead) for lead in retried}
    riding = {rider for riders in again.values() for rider in riders}
    fresh = {lead: riders for lead, riders in _fresh(session, state) if lead not in riding}
    return tuple(
        replace(_plan(session, state, lead, riders, now), retried=lead in again)
        for lead, riders in (fresh | again).items()
    )


def _fresh(session: Session, state: State) -> tuple[tuple[str, tuple[str, ...]], ...]:
    definitions = session.definitions(state)
    back = frozenset(taken_back(state, definitions))
    return leads_and_riders(definitions, state, [key for key in session.settings.rollout if key not in back])


def _riders(session: Session, state: State, lead: str) -> tuple[str, ...]:
    return riders_of(session.definitions(state), state, lead, session.settings.rollout)


def unseen(settings: Environment, verdicts: tuple[Verdict, ...]) -> tuple[Unseen, ...]:
    """What no connected source feeds, with the line that connects it."""
    out: dict[str, Unseen] = {}
    for verdict in verdicts:
        if verdict.cause is not Cause.NOT_CONNECTED or verdict.trigger not in settings.triggers:
            continue
        name = settings.triggers[verdict.trigger].when.name
        out[verdict.trigger] = Unseen(
            what=fed_by(name),
            trigger=verdict.trigger,
            consequence=f"so {verdict.trigger} never fires",
            mend=connecting_line(name, settings),
        )
    if settings.guardrails is not None:
        out["guardrails"] = Unseen(
            what="guardrails", consequence="they are checked and kept; nothing judges them yet", mend=""
        )
    return tuple(out.values())


def plan_rollouts(session: Session, lead: str | None, users: int | None, rps: float | None) -> RolloutPlans:
    """`rollout plan`: steps with dates, and how many users each step meets at this traffic."""
    state, now = session.store.read(), session.clock()
    if lead is not None:
        flags.known(session.definitions(state), lead, f"rollout plan FLAG --env {session.environment}")
    pairs = _fresh(session, state) if lead is None else ((lead, _riders(session, state, lead)),)
    # Distinct users a day over the last week; None where no sample carried an id.
    measured = session.metrics(read_only=True).users_per_day(now)
    # Of a request rate: at 30 requests a user, the figure that the guard's simulations use.
    of_rate = round(rps * DAY.total_seconds() / 30) if rps is not None else measured
    per_day = users if users is not None else of_rate
    rate = rps if users is None else None
    return RolloutPlans(
        environment=session.environment,
        plans=tuple(
            replace(
                _plan(session, state, key, riders, now, per_day),
                users_per_day=per_day,
                measured_users_per_day=measured,
                requests_per_second=rate,
            )
            for key, riders in pairs
        ),
    )


def _plan(
    session: Session, state: State, lead: str, riders: tuple[str, ...], now: datetime, per_day: int | None = None
) -> RolloutPlan:
    strategy, definitions = session.settings.strategy, session.definitions(state)
    flag, rollout = state.flag(lead), state.rollouts.get(state.flag(lead).rollout or "")
    ahead, refused = plan_for(strategy, definitions, riders).steps, None
    if rollout is not None and rollout.phase.live:
        refused = f"{lead} is already in a rollout ({rollout.phase}); these dates are of a new one"
    # A lead that is on begins with the step above its percentage; one in a rollout is shown as if it began anew.
    first = 1
    if rollout is None and flag.on:
        above = [number for number, step in enumerate(ahead, 1) if step.percentage > flag.percentage]
        if not above:
            refused = f"{lead} is at {format_percentage(flag.percentage)}: no step of the strategy is above it"
        first = above[0] if above else 1
    ahead = ahead[first - 1 :]
    dates = planned(ahead, now)
    return RolloutPlan(
        environment=session.environment,
        rollout=lead,
        riders=riders,
        strategy=strategy.name,
        steps=tuple(
            PlannedStep(
                step=number,
                percentage=step.percentage,
                hold=step.hold,
                name=step.name,
                from_=begins,
                seen_by=_seen(per_day, step.percentage, begins, ended),
            )
            for number, (step, begins, ended) in enumerate(zip(ahead, dates, [*dates[1:], None], strict=True), first)
        ),
        requires={key: state.flag(key).percentage for key in requirements(definitions, lead)},
        ends_at=dates[-1],
        total=dates[-1] - now,
        refused=refused,
        at=now,
    )


def _seen(per_day: int | None, percentage: int, begins: datetime, ended: datetime | None) -> int | None:
    """Users of a step; None where no traffic is known, and for the last step, which does not end."""
    if per_day is None or ended is None:
        return None
    return round(per_day * max((ended - begins) / DAY, 0) * percentage / FULL)
