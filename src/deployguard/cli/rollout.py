"""`rollout`: a flag and its riders through a strategy."""

from typing import Annotated

import typer

from deployguard.cli.app import Command, group
from deployguard.cli.context import run
from deployguard.cli.words import By, FlagName, Force, Reason
from deployguard.operations.protocol import Ask
from deployguard.rollout.moves import MoveKind

app = group("A flag and its riders through a strategy.")
apps = {"rollout": app}
AnyFlag = Annotated[str | None, typer.Argument(metavar="[FLAG]", show_default=False)]


@app.command("plan", cls=Command, help="The steps with dates, and how many users each meets. Changes nothing.")
def plan(
    flag: AnyFlag = None,
    users: Annotated[
        int | None, typer.Option("--users", min=0, metavar="N", help="Users a day.", show_default=False)
    ] = None,
    rps: Annotated[
        float | None, typer.Option("--rps", min=0, metavar="N", help="Requests a second.", show_default=False)
    ] = None,
) -> None:
    run().emit(run().operations().plan(flag, users, rps))


@app.command("status", cls=Command, help="Where each rollout stands, and every verdict on it.")
def status(flag: AnyFlag = None) -> None:
    run().emit(run().operations(lenient=True).rollouts(flag))


@app.command("start", cls=Command, help="Start a flag and the listed flags that require it.")
def start(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.START, flag, by, reason)


@app.command("pause", cls=Command, help="Hold a rollout where it is.")
def pause(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.PAUSE, flag, by, reason)


@app.command("resume", cls=Command, help="Let a paused rollout go on; the step's hold starts anew.")
def resume(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.RESUME, flag, by, reason)


@app.command("promote", cls=Command, help="Go to the next step now.")
def promote(flag: FlagName, force: Force = False, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.PROMOTE, flag, by, reason, force=force)


@app.command("abort", cls=Command, help="Take a rollout back to 0 %.")
def abort(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.ABORT, flag, by, reason)


@app.command("retry", cls=Command, help="Start again what was taken back.")
def retry(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    _move(MoveKind.RETRY, flag, by, reason)


def _move(kind: MoveKind, flag: str, by: str | None, reason: str | None, *, force: bool = False) -> None:
    run().emit(run().operations().move(Ask(move=kind, flag=flag, force=force, by=by, reason=reason)))
