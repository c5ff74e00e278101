"""`monitoring`: the checks, the figures, and samples from files."""

from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import opened

app = Group("The checks, the figures, and samples from files.")
apps = {"monitoring": app}


@app.add("check", "One round of every check, now. Judges nothing; exit 1 where one fails.")
def check() -> None:
    found = run().operations().check_now()
    run().emit(found, exit_code=1 if found.failing else 0)


@app.add("status", "The figures of the last window beside their limits.")
def status() -> None:
    run().emit(run().operations(lenient=True).monitoring())


@app.add("import", "Requests, vitals and probes from JSON lines; - is stdin.")
def import_(file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)]) -> None:
    operations = run().operations()
    with opened(file, "argument FILE", "samples", "a file of JSON lines", "nothing was imported") as lines:
        found = operations.import_samples(lines)
    run().emit(found)


@app.add("forget", "A source that fed samples once is not waited for any more.")
def forget(source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)]) -> None:
    run().emit(run().operations().forget_source(source))
