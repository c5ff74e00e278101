"""What operations answer: each value is what `--output json` prints and what the views render (SURFACES section 1).

Percentages are hundredths inside and numbers 0 to 100 in JSON; times are UTC; holds are text as in the config.
A value's module is imported when it is first asked for: making these classes is much of what a command's start costs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployguard.operations.values.events import HistoryRow, Told, Watcher
    from deployguard.operations.values.flags import (
        Answer,
        FlagDetail,
        FlagHistory,
        FlagRow,
        FlagsStatus,
        Rung,
        StaleFlags,
        StaleRow,
    )
    from deployguard.operations.values.releases import (
        Deployed,
        DeployPlan,
        NextStep,
        PlannedCommand,
        PlannedRollout,
        ReportRow,
        Reports,
        Unseen,
    )
    from deployguard.operations.values.rollouts import (
        FlagChange,
        FlagPosition,
        Moved,
        PlannedStep,
        RolloutPlan,
        RolloutPlans,
        RolloutRow,
        RolloutsStatus,
        StepRow,
        TriggerLine,
    )
    from deployguard.operations.values.takeback import Emergency, RollbackHistory, RollbackRow, Undone
    from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Finding, Findings, Initialised
    from deployguard.operations.values.watching import (
        ChecksRound,
        EndpointLine,
        Forgotten,
        Gate,
        GateRow,
        Headline,
        Imported,
        MetricLine,
        MonitoringStatus,
        NextCommand,
        Overview,
        Round,
    )

__all__ = [
    "AlertTest",
    "Answer",
    "Backup",
    "ChecksRound",
    "ConfigSummary",
    "DeployPlan",
    "Deployed",
    "Emergency",
    "EndpointLine",
    "Finding",
    "Findings",
    "FlagChange",
    "FlagDetail",
    "FlagHistory",
    "FlagPosition",
    "FlagRow",
    "FlagsStatus",
    "Forgotten",
    "Gate",
    "GateRow",
    "Headline",
    "HistoryRow",
    "Imported",
    "Initialised",
    "MetricLine",
    "MonitoringStatus",
    "Moved",
    "NextCommand",
    "NextStep",
    "Overview",
    "PlannedCommand",
    "PlannedRollout",
    "PlannedStep",
    "ReportRow",
    "Reports",
    "RollbackHistory",
    "RollbackRow",
    "RolloutPlan",
    "RolloutPlans",
    "RolloutRow",
    "RolloutsStatus",
    "Round",
    "Rung",
    "StaleFlags",
    "StaleRow",
    "StepRow",
    "Told",
    "TriggerLine",
    "Undone",
    "Unseen",
    "Watcher",
]

_MODULES = {
    "events": (
        "HistoryRow",
        "Told",
        "Watcher",
    ),
    "flags": (
        "Answer",
        "FlagDetail",
        "FlagHistory",
        "FlagRow",
        "FlagsStatus",
        "Rung",
        "StaleFlags",
        "StaleRow",
    ),
    "releases": (
        "Deployed",
        "DeployPlan",
        "NextStep",
        "PlannedCommand",
        "PlannedRollout",
        "ReportRow",
        "Reports",
        "Unseen",
    ),
    "rollouts": (
        "FlagChange",
        "FlagPosition",
        "Moved",
        "PlannedStep",
        "RolloutPlan",
        "RolloutPlans",
        "RolloutRow",
        "RolloutsStatus",
        "StepRow",
        "TriggerLine",
    ),
    "takeback": (
        "Emergency",
        "RollbackHistory",
        "RollbackRow",
        "Undone",
    ),
    "upkeep": (
        "AlertTest",
        "Backup",
        "ConfigSummary",
        "Finding",
        "Findings",
        "Initialised",
    ),
    "watching": (
        "ChecksRound",
        "EndpointLine",
        "Forgotten",
        "Gate",
        "GateRow",
        "Headline",
        "Imported",
        "MetricLine",
        "MonitoringStatus",
        "NextCommand",
        "Overview",
        "Round",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
