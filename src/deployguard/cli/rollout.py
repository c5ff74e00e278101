"""`rollout`: a flag and its riders through a strategy."""

from collections.abc import Callable
from typing import Annotated

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import AnyFlag, By, FlagName, Force, Reason, says

app = Group("A flag and its riders through a strategy.")
apps = {"rollout": app}


@app.add("plan", "The steps with dates, and how many users each meets. Changes nothing.")
def plan(
    flag: AnyFlag = None,
    users: Annotated[int | None, says("--users", "N", "Users a day.", min=0)] = None,
    rps: Annotated[float | None, says("--rps", "N", "Requests a second.", min=0)] = None,
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
