"""`gate`: for CI. Reads, never acts; answers at once where nothing can change by waiting."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from deployguard.errors import EXIT_CODES, Code, Offer, fail
from deployguard.guard.values import Cause, CheckRound, Evidence, Result, Verdict
from deployguard.operations import flags, judged
from deployguard.operations.judged import Look
from deployguard.operations.plan import fact_of
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Gate, GateRow
from deployguard.rollout.plan import step_of
from deployguard.session import Session
from deployguard.state import PausedBy, Phase, ReleasePhase, Rollout, State
from deployguard.story.numbers import age_words
from deployguard.story.verdicts import cause_words, metric_name_words, rule_words, worst

POLL_S = 2.0
SOONEST_AGAIN = timedelta(minutes=15)
_WORST_FIRST = ("taken-back", "failed", "person", "waiting", "passed")
_EXITS = {
    "passed": 0,
    "no-rollout": 0,
    "failed": 1,
    "taken-back": EXIT_CODES[Code.TAKEN_BACK],
    "waiting": EXIT_CODES[Code.WAITS_FOR_DATA],
    "timed-out": EXIT_CODES[Code.TIMED_OUT],
    "person": EXIT_CODES[Code.WAITS_FOR_DATA],
    "no-controller": EXIT_CODES[Code.NO_CONTROLLER],
}
_ON_ITS_WAY = (Phase.PROGRESSING, Phase.PAUSED)
_ENDED_BADLY = {ReleasePhase.FAILED: "failed", ReleasePhase.ABORTED: "was aborted"}


def wait_at_gate(
    operations: Operations,
    lead: str | None,
    *,
    step: int | None,
    completed: bool,
    timeout: timedelta,
    sleep: Callable[[float], None],
    on_wait: Callable[[Gate, datetime], None],
) -> Gate:
    """Ask until the gate is decided or `timeout` is over. Only waiting for data or for a step is worth the time.

    `on_wait` is told once, before the first wait: for what, and until when.
    """
    began = operations.now()
    told = False
    while True:
        found = operations.gate(lead, step=step, completed=completed)
        took = operations.now() - began
        if found.result != "waiting":
            return replace(found, took=took)
        left = (timeout - took).total_seconds()
        if left <= 0:
            longer = round(max(took * 2, SOONEST_AGAIN).total_seconds() / 60)
            asked = f" {lead}" if lead else ""
            asked += f" --step {step}" if step is not None else ""
            asked += " --completed" if completed else ""
            again = Offer(f"deployguard gate{asked} --env {found.environment} --timeout {longer}m")
            return replace(found, result="timed-out", exit_code=_EXITS["timed-out"], took=took, next=(again,))
        if not told:
            on_wait(found, began + timeout)
            told = True
        sleep(min(POLL_S, left))


def gate(session: Session, lead: str | None, *, step: int | None, completed: bool) -> Gate:
    look = Look(session)
    state, now = look.state, look.now
    if lead is not None:
        flags.known(session.definitions(state), lead, f"gate FLAG --env {session.environment}")
    controller, evidence, verdicts = look.controller, look.evidence, look.verdicts
    chosen = _chosen(state, lead, frozenset(verdict.rollout for verdict in verdicts))
    if step is not None and (fewest := min((len(rollout.steps) for rollout in chosen), default=step)) < step:
        raise fail(
            Code.OUT_OF_RANGE,
            f"there is no step {step}",
            where="option --step",
            found=str(step),
            wanted=f"a step from 1 to {fewest}",
        )
    found = tuple(
        _row(state, rollout, judged.of_unit(verdicts, rollout.lead), step=step, completed=completed)
        for rollout in chosen
    )
    result = min((row.result for row in found), key=_WORST_FIRST.index, default="no-rollout")
    moving = any(rollout.phase in _ON_ITS_WAY for rollout in chosen)
    if (result == "waiting" or (result == "passed" and moving)) and not (controller and controller.alive):
        result = "no-controller"
    leads = {rollout.lead for rollout in chosen}
    return Gate(
        result=result,
        environment=session.environment,
        exit_code=_EXITS[result],
        rollouts=found,
        verdicts=tuple(verdict for verdict in verdicts if verdict.unit in leads),
        took=timedelta(0),
        at=now,
        notes=_unseen(verdicts) if chosen else (),
        warnings=(*_release_words(state, now), *(_check_words(check, now) for check in _failing(evidence))),
        controller=controller,
        next=tuple(_next(session.environment, state, evidence, result, found)),
    )


def _chosen(state: State, lead: str | None, judged_now: frozenset[str | None]) -> tuple[Rollout, ...]:
    """The named flag's rollout; else each that moves, waits or is still judged, and what was lost since the release.

    A take-back of before the newest release is told by that release's own gate, and holds up no other.
    """
    if lead is not None:
        rollout = state.rollouts.get(state.flag(lead).rollout or lead)
        return (rollout,) if rollout is not None else ()
    newest = next(reversed(state.releases.values()), None)
    return tuple(
        rollout
        for rollout in state.rollouts.values()
        if rollout.phase in _ON_ITS_WAY
        or rollout.lead in judged_now
        or (newest is not None and rollout.release == newest.id)
        or (rollout.phase is Phase.ROLLED_BACK and (newest is None or _left_at(rollout) >= newest.started_at))
    )


def _left_at(rollout: Rollout) -> datetime:
    return rollout.changed_at or rollout.entered_at


def _row(
    state: State, rollout: Rollout, verdicts: tuple[Verdict, ...], *, step: int | None, completed: bool
) -> GateRow:
    holding = [verdict for verdict in verdicts if verdict.holds]
    by_trigger = {verdict.trigger: worst(v for v in holding if v.trigger == verdict.trigger) for verdict in holding}
    percentage = state.flag(rollout.lead).percentage
    at = step_of(rollout, percentage) if rollout.phase.live else None
    result, text, detail = _answer(rollout, tuple(by_trigger.values()), at, step=step, completed=completed)
    return GateRow(
        rollout=rollout.lead,
        percentage=percentage,
        phase=rollout.phase,
        step=at,
        steps=len(rollout.steps),
        result=result,
        passing=sum(1 for verdict in by_trigger.values() if verdict.verdict is Result.PASS),
        judged=len(by_trigger),
        text=text,
        detail=detail,
    )


def _answer(
    rollout: Rollout, verdicts: tuple[Verdict, ...], at: int | None, *, step: int | None, completed: bool
) -> tuple[str, str, str | None]:
    """The result of one rollout, in words, and the rule or the cause behind it. `verdicts`: the worst of each trigger.

    Where a step or the end was asked for and is there, it is not asked whether the next has data yet.
    """
    by = f" by {rollout.trigger}" if rollout.trigger else ""
    if rollout.phase is Phase.ROLLED_BACK:
        return "taken-back", f"taken back{by}" + (f", {rollout.rollback_id}" if rollout.rollback_id else ""), None
    if rollout.phase is Phase.PAUSED and rollout.paused_by is PausedBy.TRIGGER:
        return "failed", f"paused{by}", rollout.reason
    if rollout.phase is Phase.PAUSED:
        return "person", "paused, waits for a person", rollout.reason
    failing = next((verdict for verdict in verdicts if verdict.verdict is Result.FAIL), None)
    if failing is not None:
        return "failed", f"{failing.trigger} fails", rule_words(failing)
    waiting = [verdict for verdict in verdicts if verdict.verdict is Result.INCONCLUSIVE]
    passing = len(verdicts) - len(waiting)
    passed = "passed", f"{passing} of {len(verdicts)} triggers pass", None
    if rollout.phase is Phase.COMPLETED if completed else step is not None and at is not None and at >= step:
        return passed
    if waiting:
        text = f"{passing} pass, {len(waiting)} {'waits' if len(waiting) == 1 else 'wait'} for data"
        return "waiting", text, f"{waiting[0].trigger}: {cause_words(waiting[0])}"
    if completed or step is not None:
        wanted = "not completed yet" if completed else f"step {step} not reached yet"
        return "waiting", f"step {at} of {len(rollout.steps)}, {wanted}", None
    return passed


def _unseen(verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    """What is not connected and does not hold: said, so that a pass is not read as more than it is."""
    out = {
        verdict.trigger: f"cannot see {metric_name_words(verdict)}; {verdict.trigger} is not connected, does not hold"
        for verdict in verdicts
        if verdict.cause is Cause.NOT_CONNECTED and not verdict.holds
    }
    return tuple(out.values())


def _release_words(state: State, now: datetime) -> Iterator[str]:
    """The last release where it did not end well: what a pass is about is then what stood before it."""
    newest = next(reversed(state.releases.values()), None)
    if newest is None or newest.phase is ReleasePhase.SUCCEEDED:
        return
    name = f"release {newest.id}{f' ({newest.version})' if newest.version else ''}"
    ago = age_words(max(now - (newest.finished_at or newest.started_at), timedelta(0)))
    if newest.phase in _ENDED_BADLY:
        why = f": {newest.error}" if newest.error else ""
        yield f"{name}, the last one, {_ENDED_BADLY[newest.phase]} {ago} ago{why}"
    else:
        yield f"{name} is not at its end: begun {ago} ago"


def _failing(evidence: Evidence) -> list[CheckRound]:
    return [check for check in evidence.checks.values() if not check.ok]


def _check_words(check: CheckRound, now: datetime) -> str:
    return f"check {check.check} fails: {fact_of(check)}; asked {age_words(max(now - check.at, timedelta(0)))} ago"


def _next(env: str, state: State, evidence: Evidence, result: str, rows: tuple[GateRow, ...]) -> Iterator[Offer]:
    if result == "no-controller":
        yield Offer(f"deployguard watch --env {env}", "live view, acts while it runs")
        return
    bad = next((row for row in sorted(rows, key=lambda row: row.result != result) if row.result != "passed"), None)
    if bad is not None:
        yield Offer(f"deployguard rollout status {bad.rollout} --env {env}")
    newest = next(reversed(state.releases.values()), None)
    if newest is not None and newest.phase is not ReleasePhase.SUCCEEDED:
        yield Offer(f"deployguard report show {newest.id} --env {env}")
    if _failing(evidence):
        yield Offer(f"deployguard monitoring check --env {env}", "each check once, now")
