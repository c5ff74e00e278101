"""`rollback`: take back, and restore what a rollback changed."""

from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import By, FlagName, Reason

app = Group("Take back, and the way back.")
apps = {"rollback": app}


@app.add("emergency", "Every flag off that is not permanent, now, without a question.")
def emergency(by: By = None, reason: Reason = None) -> None:
    from deployguard.cli.render.deploying import progress

    run().emit(run().operations(lenient=True).emergency(by=by, reason=reason, watch=progress(run().page)))


@app.add("manual", "One flag off: a lead with its riders, a rider alone.")
def manual(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    run().move("rollback", flag, lenient=True, by=by, reason=reason)


@app.add("undo", "Restore what a rollback changed; without an ID the latest.")
def undo(
    rollback: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Restore the flags that nobody touched since.")] = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    run().emit(run().operations(lenient=True).undo(rollback, force=force, by=by, reason=reason))


@app.add("history", "What was taken back, newest first.")
def history() -> None:
    run().emit(run().operations(lenient=True).rollbacks())
