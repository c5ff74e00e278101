"""`rollback`: take back, and restore what a rollback changed."""

from typing import Annotated

import typer

from deployguard.cli.app import Command, group
from deployguard.cli.context import run
from deployguard.cli.words import By, FlagName, Reason
from deployguard.operations.protocol import Ask
from deployguard.rollout.moves import MoveKind

app = group("Take back, and the way back.")
apps = {"rollback": app}


@app.command("emergency", cls=Command, help="Every flag off that is not permanent, now, without a question.")
def emergency(by: By = None, reason: Reason = None) -> None:
    from deployguard.cli.progress import progress

    run().emit(run().operations(lenient=True).emergency(by=by, reason=reason, watch=progress(run())))


@app.command("manual", cls=Command, help="One flag off: a lead with its riders, a rider alone.")
def manual(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    run().emit(run().operations(lenient=True).move(Ask(move=MoveKind.ROLLBACK, flag=flag, by=by, reason=reason)))


@app.command("undo", cls=Command, help="Restore what a rollback changed; without an ID the latest.")
def undo(
    rollback: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Restore the flags that nobody touched since.")] = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    run().emit(run().operations(lenient=True).undo(rollback, force=force, by=by, reason=reason))


@app.command("history", cls=Command, help="What was taken back, newest first.")
def history() -> None:
    run().emit(run().operations(lenient=True).rollbacks())
