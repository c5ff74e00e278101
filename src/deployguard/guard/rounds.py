"""`consecutiveFailures`: failed probe rounds in a row, check by check, since the anchor.

One success resets; retries inside a round count once; the telemetry keeps the rounds, so a restart forgets nothing. The
rule fails where any check that it means fails it, and passes once each has had a round and none does.
"""

from datetime import timedelta
from fractions import Fraction

from deployguard.config.condition import Condition
from deployguard.config.values import HealthCheck
from deployguard.guard import sight
from deployguard.guard.measure import Measured, compare
from deployguard.guard.questions import rounds_asked
from deployguard.guard.values import Cause, Result, Rounds, Window
from deployguard.guard.view import Asked, Finding, View


def judge_rounds(view: View, asked: Asked) -> Finding:
    checks = sight.checks_of(view.environment, asked.trigger.when)
    if not checks:
        return no_check(asked.trigger.when)
    asked_rounds = rounds_asked(asked.trigger, asked.unit, view.environment, asked.since)
    found = {query.check: view.evidence.rounds.get(query, Rounds()) for query in asked_rounds}
    worst = max(found, key=lambda name: found[name].consecutive)
    measured = Measured(
        value=float(found[worst].consecutive),
        samples=sum(rounds.total for rounds in found.values()),
        met=compare(asked.trigger.when, Fraction(found[worst].consecutive)),
    )
    result, cause, detail = _result(view, asked, checks, found, measured, worst)
    window = Window(from_=min(asked_rounds[0].since, view.now), to=view.now)
    return Finding(result, cause, measured, 1, None, window, "probes", detail)


def no_check(condition: Condition) -> Finding:
    """The check that a rule names, or any check at all, is not configured."""
    detail = "no health check is configured" if condition.argument is None else f"no check {condition.argument}"
    return Finding(Result.INCONCLUSIVE, Cause.NOT_CONNECTED, detail=detail, source="probes")


def _result(
    view: View,
    asked: Asked,
    checks: tuple[HealthCheck, ...],
    found: dict[str, Rounds],
    measured: Measured,
    worst: str,
) -> tuple[Result, Cause | None, str | None]:
    blind = view.blind_to_checks
    if blind is not None:
        return Result.INCONCLUSIVE, blind, None
    if measured.met and found[worst].total > 0:
        return Result.FAIL, None, worst
    unasked = [check.name for check in checks if found[check.name].total == 0]
    late = [check.name for check in checks if _late(view, asked, check, found[check.name])]
    if late:
        return Result.INCONCLUSIVE, Cause.STALE, ", ".join(late)
    if unasked:
        return Result.INCONCLUSIVE, Cause.TOO_FEW, ", ".join(unasked)
    return Result.PASS, None, None


def _late(view: View, asked: Asked, check: HealthCheck, rounds: Rounds) -> bool:
    """No round for longer than the window; a check that is asked more rarely than that has two of its own intervals."""
    last = rounds.newest or asked.since
    return view.now - last > max(asked.trigger.window, 2 * (check.every + check.timeout), timedelta(0))
