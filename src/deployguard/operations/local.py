"""`Operations` answered from files: each method is one call into the module of its area.

An area is imported when it is called, so that a command loads only what it needs and starts in a blink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployguard import operations as areas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    import deployguard.operations.deploy
    import deployguard.operations.doctor
    import deployguard.operations.flags
    import deployguard.operations.gate
    import deployguard.operations.moves
    import deployguard.operations.plan
    import deployguard.operations.reports
    import deployguard.operations.rollouts
    import deployguard.operations.rows
    import deployguard.operations.takeback
    import deployguard.operations.told
    import deployguard.operations.upkeep
    import deployguard.operations.watch
    import deployguard.operations.watching  # noqa: F401  # these are what `areas.flags` and the others are to mypy
    from deployguard.codec import JSON
    from deployguard.flags.evaluate import Context
    from deployguard.operations.protocol import Ask, DeployAsk, DeployWatch
    from deployguard.operations.values.flags import Answer, FlagDetail, FlagHistory, StaleFlags
    from deployguard.operations.values.releases import Deployed, DeployPlan, Reports
    from deployguard.operations.values.rollouts import Moved, RolloutPlans, RolloutsStatus, Told
    from deployguard.operations.values.status import FlagsStatus
    from deployguard.operations.values.takeback import Emergency, RollbackHistory, Undone
    from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Findings
    from deployguard.operations.values.watching import (
        ChecksRound,
        Forgotten,
        Gate,
        Imported,
        MonitoringStatus,
        Overview,
        Round,
    )
    from deployguard.operations.watch import Watch
    from deployguard.session import Session
    from deployguard.story.report import Report


class Local:
    """One environment's files. See `Operations` for what each method does."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watching: Watch | None = None

    @property
    def environment(self) -> str:
        return self._session.environment

    def now(self) -> datetime:
        return self._session.clock()

    # flags

    def flags_status(self) -> FlagsStatus:
        return areas.rows.status(self._session)

    def flag(self, key: str) -> FlagDetail:
        return areas.flags.detail(self._session, key)

    def flag_history(self, key: str | None, limit: int) -> FlagHistory:
        return areas.flags.history(self._session, key, limit)

    def evaluate(self, key: str, contexts: Iterable[Context]) -> Iterable[Answer]:
        return areas.flags.evaluate(self._session, key, contexts)

    def stale(self, older_than: timedelta) -> StaleFlags:
        return areas.flags.stale_flags(self._session, older_than)

    def export_flags(self) -> JSON:
        return areas.flags.exported(self._session)

    def import_flags(self, data: JSON, *, by: str | None, reason: str | None) -> tuple[Moved, ...]:
        return areas.moves.imported(self._session, data, by, reason)

    def forget_flag(self, key: str, *, by: str | None, reason: str | None) -> Moved:
        return areas.moves.forget(self._session, key, by, reason)

    # moves, rollouts, take-backs

    def move(self, ask: Ask) -> Moved:
        return areas.moves.move(self._session, ask)

    def rollouts(self, lead: str | None = None) -> RolloutsStatus:
        return areas.rollouts.rollouts(self._session, lead)

    def plan(self, lead: str | None, users: int | None, rps: float | None) -> RolloutPlans:
        return areas.plan.plan_rollouts(self._session, lead, users, rps)

    def emergency(self, *, by: str | None, reason: str | None, watch: DeployWatch | None = None) -> Emergency:
        return areas.takeback.emergency(self._session, by, reason, watch)

    def undo(self, rollback_id: str | None, *, force: bool, by: str | None, reason: str | None) -> Undone:
        return areas.takeback.undo(self._session, rollback_id, force=force, by=by, reason=reason)

    def rollbacks(self) -> RollbackHistory:
        return areas.takeback.history(self._session)

    # watching

    def overview(self) -> Overview:
        return areas.watching.overview(self._session)

    def told(self, after: int) -> tuple[Told, ...]:
        return areas.told.since(self._session, after)

    def gate(self, lead: str | None, *, step: int | None, completed: bool) -> Gate:
        return areas.gate.gate(self._session, lead, step=step, completed=completed)

    def monitoring(self) -> MonitoringStatus:
        return areas.watching.monitoring(self._session)

    def check_now(self) -> ChecksRound:
        return areas.watching.check_now(self._session)

    def import_samples(self, lines: Iterable[bytes]) -> Imported:
        return areas.watching.import_samples(self._session, lines)

    def forget_source(self, name: str) -> Forgotten:
        return areas.watching.forget_source(self._session, name)

    def watch_once(self, interval: timedelta | None) -> Round:
        return areas.watch.once(self._session, interval)

    def take_watch(self, via: str, interval: timedelta) -> bool:
        if self._watching is None:
            self._watching = areas.watch.Watch(self._session)
        return self._watching.take(via, interval)

    def tick(self) -> Round:
        return self._watching.tick() if self._watching is not None else areas.watch.looked_on(self._session)

    def leave_watch(self, why: str) -> None:
        if self._watching is not None:
            self._watching.leave(why)

    # releases

    def plan_deploy(self, ask: DeployAsk) -> DeployPlan:
        return areas.plan.plan_deploy(self._session, ask)

    def deploy(self, ask: DeployAsk, watch: DeployWatch) -> Deployed:
        return areas.deploy.deploy(self._session, ask, watch)

    def reports(self) -> Reports:
        return areas.reports.listed(self._session)

    def report(self, release_id: str | None) -> Report:
        return areas.reports.build(self._session, release_id or areas.reports.newest_id(self._session))

    # upkeep

    def doctor(self) -> Findings:
        return areas.doctor.doctor(self._session)

    def config_summary(self) -> ConfigSummary:
        return areas.upkeep.config_summary(self._session)

    def config_shown(self) -> JSON:
        return areas.upkeep.config_shown(self._session)

    def alerts_test(self, channel: str | None) -> AlertTest:
        return areas.upkeep.alerts_test(self._session, channel)

    def verify(self) -> Findings:
        return areas.upkeep.verified(self._session)

    def backup(self, file: str | None) -> Backup:
        return areas.upkeep.backup(self._session, file)

    def restore(self, file: str, *, by: str | None, reason: str | None) -> Backup:
        return areas.upkeep.restore(self._session, file, by, reason)


def open_local(
    *,
    config_path: str | None,
    state_dir: str | None,
    environment: str | None,
    lenient: bool,
    on_wait: Callable[[str], None] | None,
) -> Local:
    """`Local` for this process's folder and environment variables."""
    import os
    from pathlib import Path

    from deployguard.session import open_session

    return Local(
        open_session(
            config_path=config_path,
            state_dir=state_dir,
            environment=environment,
            environ=os.environ,
            cwd=Path.cwd(),
            on_wait=on_wait,
            lenient=lenient,
        )
    )
