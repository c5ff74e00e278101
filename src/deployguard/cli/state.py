"""`state`: checks every promise, copies, brings back."""

from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import By, Reason

app = Group("The state: check it, copy it, bring it back.")
apps = {"state": app}
CHAIN_BROKEN = 5


@app.add("verify", "Checks every promise that the state makes; exit 5 where one is broken.")
def verify() -> None:
    from deployguard.cli.render.upkeep import verified

    found = run().operations(lenient=True).verify()
    run().emit(found, exit_code=CHAIN_BROKEN if found.to_mend else 0, view=verified)


@app.add("backup", "A consistent copy of one environment as a tar file.")
def backup(file: Annotated[str | None, typer.Argument(metavar="[FILE]", show_default=False)] = None) -> None:
    run().emit(run().operations(lenient=True).backup(file))


@app.add("restore", "Bring a copy back; what stands now is set aside.")
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)], by: By = None, reason: Reason = None
) -> None:
    from deployguard.cli.render.upkeep import restored

    run().emit(run().operations(lenient=True).restore(file, by=by, reason=reason), view=restored)
