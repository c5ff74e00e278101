"""`Operations` answered from files: each method is one call into the module of its area.

Areas are imported where they are called, so that a command loads only what it needs and starts in a blink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

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
        from deployguard.operations import flags_status

        return flags_status.status(self._session)

    def flag(self, key: str) -> FlagDetail:
        from deployguard.operations import flags

        return flags.detail(self._session, key)

    def flag_history(self, key: str | None, limit: int) -> FlagHistory:
        from deployguard.operations import flags

        return flags.history(self._session, key, limit)

    def evaluate(self, key: str, contexts: Iterable[Context]) -> Iterable[Answer]:
        from deployguard.operations import flags

        return flags.evaluate(self._session, key, contexts)

    def stale(self, older_than: timedelta) -> StaleFlags:
        from deployguard.operations import flags

        return flags.stale_flags(self._session, older_than)

    def export_flags(self) -> JSON:
        from deployguard.operations import flags

        return flags.exported(self._session)

    def import_flags(self, data: JSON, *, by: str | None, reason: str | None) -> tuple[Moved, ...]:
        from deployguard.operations import exchange

        return exchange.imported(self._session, data, by, reason)

    def forget_flag(self, key: str, *, by: str | None, reason: str | None) -> Moved:
        from deployguard.operations import moves

        return moves.forget(self._session, key, by, reason)

    # moves, rollouts, take-backs

    def move(self, ask: Ask) -> Moved:
        from deployguard.operations import moves

        return moves.move(self._session, ask)

    def rollouts(self, lead: str | None = None) -> RolloutsStatus:
        from deployguard.operations import watching

        return watching.rollouts(self._session, lead)

    def plan(self, lead: str | None, users: int | None, rps: float | None) -> RolloutPlans:
        from deployguard.operations import plan

        return plan.plan_rollouts(self._session, lead, users, rps)

    def emergency(self, *, by: str | None, reason: str | None, watch: DeployWatch | None = None) -> Emergency:
        from deployguard.operations import takeback

        return takeback.emergency(self._session, by, reason, watch)

    def undo(self, rollback_id: str | None, *, force: bool, by: str | None, reason: str | None) -> Undone:
        from deployguard.operations import takeback

        return takeback.undo(self._session, rollback_id, force=force, by=by, reason=reason)

    def rollbacks(self) -> RollbackHistory:
        from deployguard.operations import takeback

        return takeback.history(self._session)

    # watching

    def overview(self) -> Overview:
        from deployguard.operations import watching

        return watching.overview(self._session)

    def told(self, after: int) -> tuple[Told, ...]:
        from deployguard.operations import told

        return told.since(self._session, after)

    def gate(self, lead: str | None, *, step: int | None, completed: bool) -> Gate:
        from deployguard.operations import gate

        return gate.gate(self._session, lead, step=step, completed=completed)

    def monitoring(self) -> MonitoringStatus:
        from deployguard.operations import watching

        return watching.monitoring(self._session)

    def check_now(self) -> ChecksRound:
        from deployguard.operations import watching

        return watching.check_now(self._session)

    def import_samples(self, lines: Iterable[bytes]) -> Imported:
        from deployguard.operations import watching

        return watching.import_samples(self._session, lines)

    def forget_source(self, name: str) -> Forgotten:
        from deployguard.operations import watching

        return watching.forget_source(self._session, name)

    def watch_once(self, interval: timedelta | None) -> Round:
        from deployguard.operations import watch

        return watch.once(self._session, interval)

    def take_watch(self, via: str, interval: timedelta) -> bool:
        from deployguard.operations.watch import Watch

        if self._watching is None:
            self._watching = Watch(self._session)
        return self._watching.take(via, interval)

    def tick(self) -> Round:
        from deployguard.operations import watch

        return self._watching.tick() if self._watching is not None else watch.looked_on(self._session)

    def leave_watch(self, why: str) -> None:
        if self._watching is not None:
            self._watching.leave(why)

    # releases

    def plan_deploy(self, ask: DeployAsk) -> DeployPlan:
        from deployguard.operations import plan

        return plan.plan_deploy(self._session, ask)

    def deploy(self, ask: DeployAsk, watch: DeployWatch) -> Deployed:
        from deployguard.operations import deploy

        return deploy.deploy(self._session, ask, watch)

    def reports(self) -> Reports:
        from deployguard.operations import reports

        return reports.listed(self._session)

    def report(self, release_id: str | None) -> Report:
        from deployguard.operations import reports

        return reports.build(self._session, release_id or reports.newest_id(self._session))

    # upkeep

    def doctor(self) -> Findings:
        from deployguard.operations import doctor

        return doctor.doctor(self._session)

    def config_summary(self) -> ConfigSummary:
        from deployguard.operations import upkeep

        return upkeep.config_summary(self._session)

    def config_shown(self) -> JSON:
        from deployguard.operations import upkeep

        return upkeep.config_shown(self._session)

    def alerts_test(self, channel: str | None) -> AlertTest:
        from deployguard.operations import upkeep

        return upkeep.alerts_test(self._session, channel)

    def verify(self) -> Findings:
        from deployguard.operations import upkeep

        return upkeep.verified(self._session)

    def backup(self, file: str | None) -> Backup:
        from deployguard.operations import upkeep

        return upkeep.backup(self._session, file)

    def restore(self, file: str, *, by: str | None, reason: str | None) -> Backup:
        from deployguard.operations import upkeep

        return upkeep.restore(self._session, file, by, reason)


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
