"""What a deploy prints while it runs: on standard error, so that standard output has the result alone."""

from datetime import timedelta

from deployguard.cli.context import Run
from deployguard.operations.protocol import DeployWatch
from deployguard.operations.values.rollouts import RolloutRow
from deployguard.operations.values.watching import ChecksRound


def progress(current: Run) -> DeployWatch:
    from deployguard.cli.render import deploying

    page = current.page

    def command_started(text: str, kind: str) -> None:
        deploying.command_started(text, kind, page)
        page.flush()

    def line(text: str) -> None:
        deploying.line(text, page)
        page.flush()

    def command_finished(text: str, kind: str, how: str, ok: bool, took: timedelta) -> None:  # noqa: FBT001
        deploying.command_finished(text, kind, how, page, ok=ok, took=took)
        page.flush()

    def checked(rounds: tuple[ChecksRound, ...], stable: bool, took: timedelta) -> None:  # noqa: FBT001
        deploying.checked(rounds, page, stable=stable, took=took)
        page.flush()

    def rollout_started(row: RolloutRow) -> None:
        deploying.rollout_started(row, page)
        page.flush()

    def said(text: str) -> None:
        deploying.said(text, page)
        page.flush()

    return DeployWatch(
        command_started=command_started,
        line=line,
        command_finished=command_finished,
        checked=checked,
        rollout_started=rollout_started,
        said=said,
    )
