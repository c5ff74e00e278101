"""`gate`: for CI. The exit code says whether the step is good."""

import time
from typing import Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import run
from deployguard.cli.words import duration


def gate(
    flag: Annotated[str | None, typer.Argument(metavar="[FLAG]", show_default=False)] = None,
    step: Annotated[
        int | None, typer.Option("--step", min=1, metavar="N", help="Wait until step N.", show_default=False)
    ] = None,
    completed: Annotated[bool, typer.Option("--completed", help="Wait until it is completed.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION")] = "10m",
) -> None:
    from deployguard.operations.gate import wait_at_gate

    found = wait_at_gate(
        run().operations(lenient=True),
        flag,
        step=step,
        completed=completed,
        timeout=duration(timeout, "option --timeout"),
        sleep=time.sleep,
    )
    run().emit(found, exit_code=found.exit_code)


apps = {
    "gate": single("gate", gate, "For CI: exit 0 passed, 1 failing, 3 taken back, 4 too little data or nobody watches.")
}
