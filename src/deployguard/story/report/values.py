"""A deployment report as a value: what `deployment-report-*.json` holds. docs/report.md says it for people.

Percentages are numbers 0 to 100 in JSON, times UTC, durations whole milliseconds. Words are the story's.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deployguard.codec import Percentage
from deployguard.guard.values import Exposure, Verdict
from deployguard.state import Actor, CommandRun, Phase

REPORT_VERSION = 1
"""Rises when a field changes its meaning or leaves; new fields do not raise it."""


NOBODY = Exposure()


class Outcome(StrEnum):
    """How it stands: the worst that holds, of the deploy first, then of its rollouts."""

    RUNNING = "running"
    FAILED = "failed"
    ABORTED = "aborted"
    TAKEN_BACK = "taken back"
    PAUSED = "paused"
    PROGRESSING = "progressing"
    COMPLETED = "completed"
    DEPLOYED = "deployed"  # and no rollout was started


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCheck:
    """A health check that began to fail, or passed again."""

    at: datetime
    check: str
    ok: bool
    why: str | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStep:
    """One change of a rollout: what it rests on, and who met it until the next one."""

    seq: int  # of the event in the audit log
    at: datetime
    rollout: str
    flag_id: str | None = None  # where one flag of it was changed alone
    event: str  # its type: rollout.advanced
    from_: Percentage | None = None
    to: Percentage | None = None
    step: int | None = None  # that it went to; None where it is off
    steps: int | None = None
    by: str
    why: str
    sentence: str
    held_ms: int | None = None  # how long the state before it lasted
    evidence: tuple[Verdict, ...] = ()  # the verdicts that let it go on, or that ended it
    exposed: Exposure | None = None  # who met this state of it; None where that is not counted yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAct:
    """A verdict that acted: a trigger that took back, reduced, disabled or paused."""

    seq: int
    at: datetime
    trigger: str
    rollout: str
    flag_id: str | None = None
    from_: Percentage | None = None
    to: Percentage | None = None
    verdict: Verdict | None = None
    others: Verdict | None = None
    rollback_id: str | None = None
    undone_by: str | None = None
    sentence: str
    rule: str | None = None  # the part of the sentence that is the rule with its value
    undo: str | None = None  # the command; None where it was undone


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRollout:
    """One rollout of the release as it stands."""

    rollout: str
    riders: tuple[str, ...] = ()
    strategy: str = ""
    phase: Phase
    percentage: Percentage = 0
    step: int | None = None
    steps: int | None = None
    trigger: str | None = None  # that lowered, paused or took it back
    rollback_id: str | None = None
    # Ids are forgotten between steps: users are those of the step that most of them met, requests those of all steps.
    exposed: Exposure = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRollback:
    """A record that changed a rollout of this release, or that restored one."""

    id: str
    at: datetime
    kind: str
    by: str
    trigger: str | None = None
    reason: str | None = None
    flags: tuple[str, ...] = ()
    undoes: str | None = None
    undone_by: str | None = None
    sentence: str = ""
    undo: str | None = None  # the command; None where it was undone


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One release from its start to now."""

    schema_version: int = REPORT_VERSION
    environment: str
    release: str
    version: str | None = None
    by: str
    actor: Actor | None = None  # the real one, with what was claimed
    reason: str | None = None
    started_at: datetime
    finished_at: datetime | None = None  # of the deploy; its rollouts go on
    made_at: datetime
    outcome: Outcome
    summary: str  # the outcome in words: `1 rollout taken back`
    error: str | None = None
    commands: tuple[CommandRun, ...] = ()
    checks: tuple[ReportCheck, ...] = ()
    rollouts: tuple[ReportRollout, ...] = ()
    steps: tuple[ReportStep, ...] = ()
    acted: tuple[ReportAct, ...] = ()
    rollbacks: tuple[ReportRollback, ...] = ()
    exposed: Exposure = NOBODY  # users of the rollout that most met, requests of all
    audit_seq: int = 0
    audit_head: str = ""  # the log's hash when this was made: kept outside, it is the anchor against later edits
    config_hash: str | None = None
