"""Which module holds which command; only the wanted one is imported, and its usage errors become ours."""

import os
import re
from collections.abc import Sequence
from importlib import import_module

import typer
from typer import _click as click
from typer.core import TyperCommand, TyperGroup

from deployguard.cli.context import run
from deployguard.cli.help import of_command, of_group, placeholder
from deployguard.errors import Code, DeployguardError, Offer, Problem, nearest

_NEGATIVE = re.compile(r"-[0-9.]")
COMMANDS = {
    "init": "setup",
    "config": "config",
    "doctor": "setup",
    "demo": "demo",
    "deploy": "deploy",
    "rollout": "rollout",
    "feature-flags": "flags",
    "watch": "watch",
    "monitoring": "monitoring",
    "gate": "gate",
    "alerts": "alerts",
    "rollback": "rollback",
    "report": "report",
    "state": "state",
}


def call(words: Sequence[str]) -> None:
    """Run one command. Raises `DeployguardError` for every way it can fail, usage errors too."""
    if not words:
        raise _no_command(None)
    if "_DEPLOYGUARD_COMPLETE" in os.environ:
        whole()(list(words), prog_name="deployguard")
        return
    name, *rest = words
    if name not in COMMANDS:
        raise _no_command(name)
    command = typer.main.get_command(_app(name))
    grouped = isinstance(command, TyperGroup)
    if grouped and not rest:
        rest = ["--help"]
    try:
        # Not `command.main`: it makes exit codes of its own out of Ctrl-C and a reader that has gone.
        with command.make_context(f"deployguard {name}", list(rest)) as context:
            command.invoke(context)
    except click.exceptions.UsageError as error:
        raise DeployguardError(_usage(error, name)) from error
    except typer.Exit as done:
        run().exit_code = done.exit_code


def whole() -> typer.Typer:
    """Every command as one application: for completion and for the reference page."""
    app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=True)
    for name in COMMANDS:
        app.add_typer(_app(name), name=name)
    return app


def _app(name: str) -> typer.Typer:
    module = import_module(f"deployguard.cli.{COMMANDS[name]}")
    app: typer.Typer = module.apps[name]
    return app


def _no_command(name: str | None) -> DeployguardError:
    close = nearest(name, tuple(COMMANDS)) if name else None
    option = bool(name and name.startswith("-"))
    message = "no command was given" if name is None else f"there is no {'option' if option else 'command'} {name}"
    return DeployguardError(
        Problem(
            Code.USAGE,
            message,
            where="the first word",
            found=f'"{name}"' if name else "options only",
            wanted=f"a command; nearest: {close}" if close else "a command",
            now="nothing was changed (exit 2)",
            next=(Offer("deployguard --help"),),
        )
    )


def _usage(error: click.exceptions.UsageError, name: str) -> Problem:
    """click's sentence in our form: its parameter is `where`, its suggestion is `wanted`."""
    context = error.ctx
    path = context.command_path if context is not None else f"deployguard {name}"
    message = error.format_message().rstrip(".")
    message, _, hint = message.partition(" Did you mean ")
    parameter = getattr(error, "param", None)
    where = None
    if parameter is not None:
        named = parameter.param_type_name == "argument"
        where = f"argument {placeholder(parameter)}" if named else f"option {parameter.opts[0]}"
    return Problem(
        Code.USAGE,
        message[:1].lower() + message[1:].rstrip("."),
        where=where or path,
        wanted=f"nearest: {hint.strip(' ?').replace(chr(39), '')}" if hint else None,
        now="nothing was changed (exit 2)",
        next=(Offer(f"{path} --help"),),
    )


class Command(TyperCommand):
    """A command with help pages of ours, which takes `-1` as a value and not as an option."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(of_command(self, ctx))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _numbers_last(args))


class Group(TyperGroup):
    """A group of commands, its page included."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(of_group(self, ctx))


def _numbers_last(args: list[str]) -> list[str]:
    """`set F -1 --by x` as `set F --by x -- -1`: a negative number is refused as a percentage, not as an option."""
    if "--" in args:
        return args
    before = ("", *args)
    numbers = [at for at, word in enumerate(args) if _NEGATIVE.match(word) and not before[at].startswith("--")]
    if not numbers:
        return args
    return [word for at, word in enumerate(args) if at not in numbers] + ["--", *(args[at] for at in numbers)]


def group(help: str) -> typer.Typer:  # noqa: A002  # Typer's word
    """A group of commands."""
    return typer.Typer(cls=Group, help=help, rich_markup_mode=None, add_completion=False, no_args_is_help=False)


def single(function: object, help: str) -> typer.Typer:  # noqa: A002  # Typer's word
    """A command of its own."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(cls=Command, help=help)(function)  # type: ignore[type-var]
    return app
