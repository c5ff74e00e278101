"""`report`: what a release did, told from the audit log."""

import sys
from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import run
from deployguard.errors import unknown

app = Group("What a release did, told from the audit log.")
apps = {"report": app}
FORMATS = ("table", "json", "markdown")


@app.add("list", "The releases, newest first.")
def list_() -> None:
    run().emit(run().operations(lenient=True).reports())


@app.add("show", "One release; without an ID the latest. Works while it runs.")
def show(
    release: Annotated[str | None, typer.Argument(metavar="[RELEASE]", show_default=False)] = None,
    form: Annotated[str | None, typer.Option("--format", metavar="table|json|markdown", show_default=False)] = None,
) -> None:
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, "option --format")
    report = run().operations(lenient=True).report(release)
    if form == "markdown":
        from deployguard.story.report import markdown

        sys.stdout.write(markdown(report))
    elif form == "json":
        run().print_data(report)
    else:
        run().emit(report)
