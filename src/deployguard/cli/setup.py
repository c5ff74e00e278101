"""`init`, `doctor`: the first and the last commands that a newcomer types."""

from pathlib import Path
from typing import Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import run


def init(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="The application's address.", show_default=False)
    ] = None,
    npm: Annotated[bool, typer.Option("--npm", help="Write the scripts into package.json.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing config.")] = False,
) -> None:
    from deployguard.operations.setup import initialise

    run().emit(initialise(Path.cwd(), url=url, npm=npm, force=force))


def doctor() -> None:
    found = run().operations(lenient=True).doctor()
    run().emit(found, exit_code=1 if found.to_mend else 0)


apps = {
    "init": single("init", init, "Write the default config, its schema, and .gitignore's line."),
    "doctor": single("doctor", doctor, "What is wrong here, and the command that mends it; exit 1 where something is."),
}
