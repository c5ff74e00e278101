"""Which view shows which value."""

from importlib import import_module
from typing import Any

from deployguard.cli.render.page import Page

_VIEWS = {
    "flags": {
        "FlagsStatus": "status",
        "FlagDetail": "show",
        "FlagHistory": "history",
        "Answer": "answer",
        "StaleFlags": "stale",
    },
    "moved": {"Moved": "moved", "Emergency": "emergency", "Undone": "undone", "RollbackHistory": "rollbacks"},
    "rollouts": {"RolloutsStatus": "status"},
    "planning": {"RolloutPlans": "plans"},
    "deploying": {"Deployed": "deployed"},
    "judging": {
        "Gate": "gate",
        "MonitoringStatus": "monitoring",
        "ChecksRound": "checks",
        "Round": "round_",
        "Imported": "imported",
        "Forgotten": "forgotten",
    },
    "upkeep": {
        "Initialised": "initialised",
        "ConfigSummary": "config_summary",
        "Findings": "findings",
        "Backup": "backup",
        "AlertTest": "alert_test",
    },
    "reporting": {"Reports": "listed", "Report": "report"},
}
_HOMES = {kind: (module, view) for module, views in _VIEWS.items() for kind, view in views.items()}


def render(value: Any, page: Page) -> None:
    """Lay out one value on the page. Only the module of its view is imported."""
    module, view = _HOMES[type(value).__name__]
    getattr(import_module(f"deployguard.cli.render.{module}"), view)(value, page)
