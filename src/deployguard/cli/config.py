"""`config`: check it, print it filled in, its schema."""

import sys

from deployguard.cli.app import Group
from deployguard.cli.context import json_text, run

app = Group("The config: check it, print it filled in, its schema.")
apps = {"config": app}


@app.add("validate", "Every error at once, with line, column and nearest name. Runs nothing.")
def validate() -> None:
    run().emit(run().operations().config_summary())


@app.add("show", "The config with every default filled in, secrets masked.")
def show() -> None:
    shown = run().operations().config_shown()
    if run().options.output == "yaml":
        run().print_data(shown)
    else:
        sys.stdout.write(json_text(shown, indent=2) + "\n")


@app.add("schema", "The JSON Schema that editors use through $schema.")
def schema() -> None:
    from deployguard.config.schema import schema as document

    sys.stdout.write(json_text(document(), indent=2) + "\n")
