"""`rollout`: a flag and its riders through a strategy."""

from collections.abc import Callable
from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import By, FlagName, Force, Reason

app = Group("A flag and its riders through a strategy.")
apps = {"rollout": app}
AnyFlag = Annotated[str | None, typer.Argument(metavar="[FLAG]", show_default=False)]


@app.add("plan", "The steps with dates, and how many users each meets. Changes nothing.")
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


@app.add("status", "Where each rollout stands, and every verdict on it.")
def status(flag: AnyFlag = None) -> None:
    run().emit(run().operations(lenient=True).rollouts(flag))


def _promote(flag: FlagName, force: Force = False, by: By = None, reason: Reason = None) -> None:
    run().move("promote", flag, force=force, by=by, reason=reason)


def _asking(kind: str) -> Callable[..., None]:
    def ask(flag: FlagName, by: By = None, reason: Reason = None) -> None:
        run().move(kind, flag, by=by, reason=reason)

    return ask


for _kind, _does in {
    "start": "Start a flag and the listed flags that require it.",
    "pause": "Hold a rollout where it is.",
    "resume": "Let a paused rollout go on; the step's hold starts anew.",
    "promote": "Go to the next step now.",
    "abort": "Take a rollout back to 0 %.",
    "retry": "Start again what was taken back.",
}.items():
    app.add(_kind, _does)(_promote if _kind == "promote" else _asking(_kind))
