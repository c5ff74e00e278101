"""`gate`: for CI. Reads, never acts; answers at once where nothing can change by waiting."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from deployguard.errors import EXIT_CODES, Code, fail
from deployguard.guard.values import Cause, Result, Verdict
from deployguard.operations import flags, judged
from deployguard.operations.protocol import Operations
from deployguard.operations.values.watching import Gate, GateRow
from deployguard.rollout.steps import step_of
from deployguard.session import Session
from deployguard.state import PausedBy, Phase, Rollout, State
from deployguard.store.locks import read_controller
from deployguard.story.verdicts import cause_words, metric_name_words, rule_words, worst

POLL_S = 2.0
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


def wait_at_gate(
    operations: Operations,
    lead: str | None,
    *,
    step: int | None,
    completed: bool,
    timeout: timedelta,
    sleep: Callable[[float], None],
) -> Gate:
    """Ask until the gate is decided or `timeout` is over. Only waiting for data or for a step is worth the time."""
    began = operations.now()
    while True:
        found = operations.gate(lead, step=step, completed=completed)
        took = operations.now() - began
        if found.result != "waiting":
            return replace(found, took=took)
        left = (timeout - took).total_seconds()
        if left <= 0:
            return replace(found, result="timed-out", exit_code=_EXITS["timed-out"], took=took)
        sleep(min(POLL_S, left))


def gate(session: Session, lead: str | None, *, step: int | None, completed: bool) -> Gate:
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    if lead is not None:
        flags.known(session.definitions(state), lead, f"gate FLAG --env {session.environment}")
    chosen = _chosen(state, lead)
    info = read_controller(session.state_dir, session.environment, now)
    answer = Gate(
        result="no-rollout",
        environment=session.environment,
        took=timedelta(0),
        last_tick_at=info.last_tick_at if info else None,
        last_watcher=info.name if info else None,
    )
    if not chosen:
        return answer
    if step is not None and (fewest := min(len(rollout.steps) for rollout in chosen)) < step:
        raise fail(
            Code.OUT_OF_RANGE,
            f"there is no step {step}",
            where="option --step",
            found=str(step),
            wanted=f"a step from 1 to {fewest}",
            now="nothing was changed (exit 2)",
        )
    _, verdicts = judged.observe(session, state, settings, now)
    found = tuple(
        _row(state, rollout, judged.of_unit(verdicts, rollout.lead), step=step, completed=completed)
        for rollout in chosen
    )
    result = min((row.result for row in found), key=_WORST_FIRST.index)
    if result in ("passed", "waiting") and (info is None or not info.alive) and _moves(chosen):
        result = "no-controller"
    leads = {rollout.lead for rollout in chosen}
    return replace(
        answer,
        result=result,
        exit_code=_EXITS[result],
        rollouts=found,
        verdicts=tuple(verdict for verdict in verdicts if verdict.unit in leads),
        notes=_unseen(verdicts),
    )


def _chosen(state: State, lead: str | None) -> tuple[Rollout, ...]:
    """The named flag's rollout; else every one that moves or waits, and what the last release lost."""
    if lead is not None:
        rollout = state.rollouts.get(state.flag(lead).rollout or lead)
        return (rollout,) if rollout is not None else ()
    newest = next(reversed(state.releases), None)
    return tuple(
        rollout
        for rollout in state.rollouts.values()
        if rollout.phase in (Phase.PROGRESSING, Phase.PAUSED) or (newest is not None and rollout.release == newest)
    )


def _moves(chosen: tuple[Rollout, ...]) -> bool:
    return any(rollout.phase in (Phase.PROGRESSING, Phase.PAUSED) for rollout in chosen)


def _row(
    state: State, rollout: Rollout, verdicts: tuple[Verdict, ...], *, step: int | None, completed: bool
) -> GateRow:
    percentage = state.flag(rollout.lead).percentage
    holding = [verdict for verdict in verdicts if verdict.holds]
    by_trigger = {verdict.trigger: worst(v for v in holding if v.trigger == verdict.trigger) for verdict in holding}
    passing = sum(1 for verdict in by_trigger.values() if verdict.verdict is Result.PASS)
    at = step_of(rollout, percentage) if rollout.phase.live else None
    row = GateRow(
        rollout=rollout.lead,
        percentage=percentage,
        phase=rollout.phase,
        step=at,
        steps=len(rollout.steps),
        result="passed",
        passing=passing,
        judged=len(by_trigger),
        text=f"{passing} of {len(by_trigger)} triggers pass",
    )
    by = f" by {rollout.trigger}" if rollout.trigger else ""
    if rollout.phase is Phase.ROLLED_BACK:
        rollback = f", {rollout.rollback_id}" if rollout.rollback_id else ""
        return replace(row, result="taken-back", text=f"taken back{by}{rollback}")
    if rollout.phase is Phase.PAUSED:
        by_trigger_paused = rollout.paused_by is PausedBy.TRIGGER
        return replace(
            row,
            result="failed" if by_trigger_paused else "person",
            text=f"paused{by}" if by_trigger_paused else "paused, waits for a person",
            detail=rollout.reason,
        )
    failing = next((verdict for verdict in by_trigger.values() if verdict.verdict is Result.FAIL), None)
    if failing is not None:
        return replace(row, result="failed", text=f"{failing.trigger} fails", detail=rule_words(failing))
    if _reached(rollout, at, step=step, completed=completed):
        return row
    waiting = next((verdict for verdict in by_trigger.values() if verdict.verdict is Result.INCONCLUSIVE), None)
    if waiting is not None:
        count = len(by_trigger) - passing
        text = f"{passing} pass, {count} {'waits' if count == 1 else 'wait'} for data"
        return replace(row, result="waiting", text=text, detail=f"{waiting.trigger}: {cause_words(waiting)}")
    if completed and rollout.phase is not Phase.COMPLETED:
        return replace(row, result="waiting", text=f"step {at} of {len(rollout.steps)}, not completed yet")
    if step is not None and at is not None and at < step:
        return replace(row, result="waiting", text=f"step {at} of {len(rollout.steps)}, step {step} not reached yet")
    return row


def _reached(rollout: Rollout, at: int | None, *, step: int | None, completed: bool) -> bool:
    """Whether what was asked for, a step or the end, is there: then it is not asked whether the next has data yet."""
    if completed:
        return rollout.phase is Phase.COMPLETED
    return step is not None and at is not None and at >= step


def _unseen(verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    """What is not connected and does not hold: said, so that a pass is not read as more than it is."""
    out = {
        verdict.trigger: f"cannot see {metric_name_words(verdict)}; {verdict.trigger} is not connected, does not hold"
        for verdict in verdicts
        if verdict.cause is Cause.NOT_CONNECTED and not verdict.holds
    }
    return tuple(out.values())
