"""`init`, `doctor`, `alerts`, `state`: the tool itself."""

from pathlib import Path
from typing import Annotated

import typer

from deployguard.cli.app import Group, single
from deployguard.cli.context import run
from deployguard.cli.words import By, Reason, says
from deployguard.errors import EXIT_CODES, Code


def init(
    url: Annotated[str | None, says("--url", "URL", "The application's address.")] = None,
    npm: Annotated[bool, typer.Option("--npm", help="Write the scripts into package.json.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing config.")] = False,
) -> None:
    from deployguard.operations.setup import initialise

    run().emit(initialise(Path.cwd(), url=url, npm=npm, force=force))


def doctor() -> None:
    found = run().operations(lenient=True).doctor()
    run().emit(found, exit_code=1 if found.to_mend else 0)


alerts = Group("Notices to people.")
state = Group("The state: check it, copy it, bring it back.")


@alerts.add("test", "Send one test notice to every channel, or to the named one.")
def send(channel: Annotated[str | None, typer.Argument(metavar="[CHANNEL]", show_default=False)] = None) -> None:
    found = run().operations().alerts_test(channel)
    failed = any(not delivered for _, delivered, _ in found.results)
    run().emit(found, exit_code=1 if failed else 0)


@state.add("verify", "Checks every promise that the state makes; exit 5 where one is broken.")
def verify() -> None:
    from deployguard.cli.render.upkeep import verified

    found = run().operations(lenient=True).verify()
    run().emit(found, exit_code=EXIT_CODES[Code.CHAIN_BROKEN] if found.to_mend else 0, view=verified)


@state.add("backup", "A consistent copy of one environment as a tar file.")
def backup(file: Annotated[str | None, typer.Argument(metavar="[FILE]", show_default=False)] = None) -> None:
    run().emit(run().operations(lenient=True).backup(file))


@state.add("restore", "Bring a copy back; what stands now is set aside.")
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)], by: By = None, reason: Reason = None
) -> None:
    from deployguard.cli.render.upkeep import restored

    run().emit(run().operations(lenient=True).restore(file, by=by, reason=reason), view=restored)


apps = {
    "init": single("init", init, "Write the default config, its schema, and .gitignore's line."),
    "doctor": single("doctor", doctor, "What is wrong here, and the command that mends it; exit 1 where something is."),
    "alerts": alerts,
    "state": state,
}
