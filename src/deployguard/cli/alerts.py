"""`alerts test`: one test notice, now."""

from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run

app = Group("Notices to people.")
apps = {"alerts": app}


@app.add("test", "Send one test notice to every channel, or to the named one.")
def send(channel: Annotated[str | None, typer.Argument(metavar="[CHANNEL]", show_default=False)] = None) -> None:
    found = run().operations().alerts_test(channel)
    failed = any(not delivered for _, delivered, _ in found.results)
    run().emit(found, exit_code=1 if failed else 0)
