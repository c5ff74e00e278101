"""Which view shows which value."""

from collections.abc import Callable
from typing import Any

from deployguard.cli.render.page import Page
from deployguard.operations import values


def _view_of(value: object) -> Callable[[Any, Page], None]:  # one line a kind
    from deployguard.cli.render import flags

    match value:
        case values.FlagsStatus():
            return flags.status
        case values.FlagDetail():
            return flags.show
        case values.FlagHistory():
            return flags.history
        case values.Answer():
            return flags.answer
        case values.StaleFlags():
            return flags.stale
    return _other(value)


def _other(value: object) -> Callable[[Any, Page], None]:
    from deployguard.cli.render import deploying, judging, moved, planning, reporting, rollouts, upkeep
    from deployguard.story.report import Report

    table: dict[type, Callable[[Any, Page], None]] = {
        values.Moved: moved.moved,
        values.Emergency: moved.emergency,
        values.Undone: moved.undone,
        values.RollbackHistory: moved.rollbacks,
        values.RolloutsStatus: rollouts.status,
        values.RolloutPlans: planning.plans,
        values.Deployed: deploying.deployed,
        values.Gate: judging.gate,
        values.MonitoringStatus: judging.monitoring,
        values.ChecksRound: judging.checks,
        values.Round: judging.round_,
        values.Imported: judging.imported,
        values.Forgotten: judging.forgotten,
        values.Initialised: upkeep.initialised,
        values.ConfigSummary: upkeep.config_summary,
        values.Findings: upkeep.findings,
        values.Backup: upkeep.backup,
        values.AlertTest: upkeep.alert_test,
        values.Reports: reporting.listed,
        Report: reporting.report,
    }
    return table[type(value)]


def render(value: object, page: Page) -> None:
    """Lay out one value on the page."""
    _view_of(value)(value, page)
