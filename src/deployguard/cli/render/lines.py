"""One dated UTC line a change, for logs: the event's name as in the audit log and the same sentence as everywhere."""

from deployguard.operations.values.rollouts import Told
from deployguard.operations.values.watching import Overview, Round


def event_line(event: Told, environment: str) -> str:
    return f"{event.time:%Y-%m-%dT%H:%M:%SZ} {environment} {event.severity} {event.type}: {event.sentence}"


def standing_by_line(found: Round) -> str:
    """The first line of a second watcher: who acts, and that it takes over."""
    who = f"{found.controller.name} (pid {found.controller.pid}) acts" if found.controller else "another one acts"
    return f"{found.at:%Y-%m-%dT%H:%M:%SZ} {found.environment} info standing by: {who}; takes over if it stops"


def quiet_line(view: Overview, found: Round) -> str:
    """Once an hour without a change."""
    progressing = sum(1 for row in view.rollouts if row.phase == "progressing")
    holding = {verdict.trigger: True for verdict in found.verdicts if verdict.holds}
    for verdict in found.verdicts:
        if verdict.holds and verdict.verdict != "pass":
            holding[verdict.trigger] = False
    passing = sum(holding.values())
    many = f"{progressing} rollout{'s' if progressing != 1 else ''} progressing"
    return (
        f"{view.at:%Y-%m-%dT%H:%M:%SZ} {view.environment} info still watching: "
        f"{many}, {passing} of {len(holding)} triggers pass"
    )
