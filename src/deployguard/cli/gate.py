"""`gate`: for CI. The exit code says whether the step is good."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import run
from deployguard.cli.words import AnyFlag, duration, says

if TYPE_CHECKING:
    from deployguard.operations.values.watching import Gate


def gate(
    flag: AnyFlag = None,
    step: Annotated[int | None, says("--step", "N", "Wait until step N.", min=1)] = None,
    completed: Annotated[bool, typer.Option("--completed", help="Wait until it is completed.")] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help="Wait for data or a step at most so long.")
    ] = "10m",
) -> None:
    from deployguard.operations.gate import wait_at_gate

    found = wait_at_gate(
        run().operations(lenient=True),
        flag,
        step=step,
        completed=completed,
        timeout=duration(timeout, "option --timeout"),
        sleep=time.sleep,
        on_wait=_say,
    )
    run().emit(found, exit_code=found.exit_code)


def _say(found: "Gate", until: datetime) -> None:
    from deployguard.cli.render.judging import gate_waits

    gate_waits(found, until, run().page)
    run().page.flush()


apps = {
    "gate": single("gate", gate, "For CI: exit 0 passed, 1 failing, 3 taken back, 4 too little data or nobody watches.")
}
