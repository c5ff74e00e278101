"""Help pages. The first: groups follow the work, not the alphabet; exit codes where scripts' authors look."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import _click as click

WIDEST = 120
_LONGEST_NAME = 24

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
    names = [
        word
        for parameter in command.params
        if parameter.param_type_name == "argument"
        for word in [placeholder(parameter) if parameter.required else f"[{placeholder(parameter)}]"]
    ]
    options = [
        (_option(parameter), getattr(parameter, "help", None) or "")
        for parameter in command.params
        if parameter.param_type_name == "option"
    ]
    usage = " ".join(["usage:", path, *names, *(["[OPTIONS]"] if options else [])])
    parts = [usage, _wrapped(command.help or "")]
    if options:
        parts.append("Options\n" + _rows(options))
    return "\n\n".join([*parts, "Everywhere\n" + _rows(EVERYWHERE)]) + "\n"


def of_group(does: str, path: str, commands: Mapping[str, "click.Command"]) -> str:
    """The page of a group: each command in a line or two."""
    rows = []
    for name, command in commands.items():
        words = [
            placeholder(p) if p.required else f"[{placeholder(p)}]"
            for p in command.params
            if p.param_type_name == "argument"
        ]
        rows.append((" ".join([name, *words]), command.help or ""))
    parts = [f"usage: {path} COMMAND", _wrapped(does), "Commands\n" + _rows(rows)]
    return "\n\n".join([*parts, f"more: {path} COMMAND --help"]) + "\n"


def placeholder(parameter: "click.Parameter") -> str:
    """What stands for an argument: `FLAG`."""
    shown = getattr(parameter, "metavar", None) or parameter.name or ""
    return shown.strip("[]") if getattr(parameter, "metavar", None) else shown.upper()


def _option(parameter: "click.Parameter") -> str:
    value = getattr(parameter, "metavar", None)
    return f"{parameter.opts[0]} {value}" if value else parameter.opts[0]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width())


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    kept = list(rows)
    size = min(max(len(name) for name, _ in kept), _LONGEST_NAME)
    lines = []
    for name, does in kept:
        indent = " " * (size + 4)
        if len(name) > size or _width() - len(indent) < _LONGEST_NAME:
            lines.append(f"  {name}")
            lines += textwrap.wrap(does, _width(), initial_indent="      ", subsequent_indent="      ")
        else:
            lines += textwrap.wrap(
                does, _width(), initial_indent=f"  {name.ljust(size)}  ", subsequent_indent=indent
            ) or [f"  {name}"]
    return "\n".join(lines)


def _width() -> int:
    return max(30, min(shutil.get_terminal_size((80, 24)).columns, WIDEST))
