"""Help pages. The first: groups follow the work, not the alphabet; exit codes where scripts' authors look."""

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import _click as click

WIDEST = 120
ROOM_FOR_TWO = 60  # columns; below it what an option does stands under its name

ROOT = """\
deployguard: ship behind flags, watch real users, take it back by itself.

usage: deployguard [--env ENV] [--output table|json|yaml] COMMAND [ARGUMENTS]

Set up
  init                write the default config, its schema, .gitignore's line
  config              validate, show, schema
  doctor              what is wrong here, and the command that mends it
  demo                the whole story in two minutes, made up, offline

Ship
  deploy ENV          plan, ask, run the commands, start the rollouts
  rollout             plan, start, status, pause, resume, promote, abort, retry
  feature-flags       status, list, show, set, enable, disable, target,
                      evaluate, history, stale, export, import, forget

Watch
  watch               judge and act, with a live view; --once for cron
  monitoring          check, status, import, forget
  gate [FLAG]         for CI: the exit code says whether the step is good
  alerts test         send a test notice

Take back
  rollback emergency  every flag off, now, without a question
  rollback            manual FLAG, undo [ID], history

Look back
  report              list, show as table, markdown or json
  state               verify, backup, restore

Examples
  deployguard deploy prod --dry-run     # what would happen
  deployguard deploy prod --watch       # ship and stay until it is decided
  deployguard rollback emergency        # turn everything off

Everywhere  --config PATH  --state DIR  --env ENV  --output table|json|yaml
Exit codes  0 done  1 failed or refused  2 usage or config  3 taken back
            4 not enough data or time out  5 state
more: deployguard COMMAND --help
"""

EVERYWHERE = (
    ("--config PATH", "The config; else DEPLOYGUARD_CONFIG, else the known names here."),
    ("--state DIR", "The state folder; else DEPLOYGUARD_STATE, else as the config says."),
    ("--env ENV", "The environment; else DEPLOYGUARD_ENVIRONMENT, else the default."),
    ("--output FORMAT", "table, json or yaml; else DEPLOYGUARD_OUTPUT, else table."),
    ("--help", "This page."),
)


def of_command(command: "click.Command", path: str) -> str:
    """The page of one command: usage, what it does, its options, those that stand everywhere."""
    from typer import _click as click

    context = click.Context(command, info_name=path)
    records = (p.get_help_record(context) for p in command.params if p.param_type_name == "option")
    options = [record for record in records if record]
    usage = [path, *(["[OPTIONS]"] if options else []), *_arguments(command)]
    return _page(usage, command.help or "", {"Options": options, "Everywhere": EVERYWHERE})


def of_group(does: str, path: str, commands: Mapping[str, "click.Command"]) -> str:
    """The page of a group: each command in a line or two."""
    rows = [(" ".join([name, *_arguments(command)]), command.help or "") for name, command in commands.items()]
    return _page([path, "COMMAND"], does, {"Commands": rows}) + f"\nmore: {path} COMMAND --help\n"


def named(argument: "click.Parameter") -> str:
    """What stands for an argument: `FLAG`."""
    return str(getattr(argument, "metavar", None) or argument.name).strip("[]").upper()


def _arguments(command: "click.Command") -> list[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    return [named(argument) if argument.required else f"[{named(argument)}]" for argument in arguments]


def _page(usage: Sequence[str], does: str, sections: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    from typer import _click as click

    width = max(30, min(shutil.get_terminal_size((80, 24)).columns, WIDEST))
    page = click.HelpFormatter(width=width)
    page.write(f"usage: {' '.join(usage)}\n\n")
    page.write_text(does)
    for title, rows in sections.items():
        if rows:
            with page.section(title):
                page.write_dl(rows, col_max=24 if width >= ROOM_FOR_TWO else 2)
    return page.getvalue()
