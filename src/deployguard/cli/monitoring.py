"""`monitoring`: the checks, the figures, and samples from files."""

from pathlib import Path
from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.cli.words import standard_input
from deployguard.errors import Code, fail

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
    if file == "-":
        run().emit(operations.import_samples(standard_input("argument FILE").buffer))
        return
    try:
        with Path(file).open("rb") as lines:
            run().emit(operations.import_samples(lines))
    except OSError as error:
        raise fail(
            Code.USAGE,
            "the file of samples cannot be read",
            where="argument FILE",
            found=f"{file}: {error.strerror}",
            wanted="a file of JSON lines, or - for standard input",
            now="nothing was imported",
        ) from error


@app.add("forget", "A source that fed samples once is not waited for any more.")
def forget(source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)]) -> None:
    run().emit(run().operations().forget_source(source))
