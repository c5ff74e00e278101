"""What a report's tables say, as plain words: markdown, the page and the terminal write them each in its own way."""

from datetime import timedelta

from deployguard.config.units import format_percentage
from deployguard.state import CommandRun, Phase
from deployguard.story.numbers import count_words, duration_words
from deployguard.story.report.values import Report, ReportRollback, ReportRollout, ReportStep
from deployguard.story.telling.releases import ended_words

ROLLOUTS = ("rollout", "now", "step", "state", "users who saw it")
COMMANDS = ("command", "ended", "took")


def rollout_cells(one: ReportRollout) -> tuple[str, ...]:
    step = f"{one.step}/{one.steps}" if one.step and one.steps else ""
    by = f" by {one.trigger}" if one.trigger else ""
    state = "taken back" if one.phase is Phase.ROLLED_BACK else str(one.phase)
    waits = ", waits for a person" if one.phase is Phase.PAUSED else ""
    users = count_words(one.exposed.users) if one.exposed.users else "none counted"
    return one.rollout, format_percentage(one.percentage), step, f"{state}{by}{waits}", users


def command_cells(run: CommandRun) -> tuple[str, ...]:
    took = duration_words(timedelta(milliseconds=run.duration_ms)) if run.duration_ms is not None else ""
    return run.text, ended_words(run.error, run.signal, run.exit_code), took


def change_words(step: ReportStep) -> str:
    """`15% → 30%`; empty where the share stayed as it was."""
    if step.from_ is None or step.to is None or step.from_ == step.to:
        return ""
    return f"{format_percentage(step.from_)} → {format_percentage(step.to)}"


def seen_words(step: ReportStep) -> str:
    return f"{count_words(step.exposed.users)} users" if step.exposed and step.exposed.users else ""


def by_people(report: Report) -> tuple[ReportRollback, ...]:
    """What people took back or restored: the acts tell what triggers did."""
    told = {act.rollback_id for act in report.acted}
    return tuple(one for one in report.rollbacks if one.trigger is None and one.id not in told)
