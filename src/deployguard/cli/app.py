"""Which module holds which command; only the wanted one is imported, and its usage errors become ours."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer import _click as click
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from deployguard.cli.context import run
from deployguard.cli.help import named, of_command, of_group
from deployguard.errors import Code, DeployguardError, Offer, fail, nearest

Function = TypeVar("Function", bound=Callable[..., Any])
HELP = ("--help", "-h")
_NEGATIVE = re.compile(r"-[0-9.]")
COMMANDS = {
    "init": "upkeep",
    "config": "config",
    "doctor": "upkeep",
    "demo": "demo",
    "deploy": "deploy",
    "rollout": "rollout",
    "feature-flags": "flags",
    "watch": "watch",
    "monitoring": "monitoring",
    "gate": "gate",
    "alerts": "upkeep",
    "rollback": "rollback",
    "report": "report",
    "state": "upkeep",
}
# Beside those that take `--by`: they leave something behind, or their exit code is the answer.
_ACTS = ("init", "demo", "watch", "gate", "import", "forget", "backup")


def call(words: Sequence[str]) -> None:
    """Run one command. Raises `DeployguardError` for every way it can fail, usage errors too.

    Only the wanted command is built, and its `--help` is ours: Typer makes a pydantic adapter for each option.
    """
    if not words:
        raise _no_command(None, COMMANDS, "deployguard")
    name, *rest = words
    if name not in COMMANDS:
        raise _no_command(name, COMMANDS, "deployguard")
    app, path = _app(name), f"deployguard {name}"
    commands = {info.name or name: info for info in app.registered_commands}
    found = commands.get(name)
    if found is None:
        if not rest or rest[0] in HELP:
            sys.stdout.write(of_group(str(app.info.help), path, {key: _built(info) for key, info in commands.items()}))
            return
        sub, *rest = rest
        if sub not in commands:
            raise _no_command(sub, commands, path)
        found, path = commands[sub], f"{path} {sub}"
    command = _built(found)
    run().acts = command.name in _ACTS or any(parameter.name == "by" for parameter in command.params)
    before_dashes = rest[: rest.index("--")] if "--" in rest else rest
    if any(word in HELP for word in before_dashes):
        sys.stdout.write(of_command(command, path))
        return
    try:
        # Not `command.main`: it makes exit codes of its own out of Ctrl-C and a reader that has gone.
        with command.make_context(path, list(rest)) as context:
            command.invoke(context)
    except click.exceptions.UsageError as error:
        raise _usage(error, path) from error
    except typer.Exit as done:
        run().exit_code = done.exit_code


def _app(name: str) -> typer.Typer:
    module = import_module(f"deployguard.cli.{COMMANDS[name]}")
    app: typer.Typer = module.apps[name]
    return app


def _built(info: CommandInfo) -> click.Command:
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def _no_command(name: str | None, known: Iterable[str], path: str) -> DeployguardError:
    close = nearest(name, tuple(known)) if name else None
    option = bool(name and name.startswith("-"))
    message = "no command was given" if name is None else f"there is no {'option' if option else 'command'} {name}"
    return fail(
        Code.USAGE,
        message,
        where=f"the first word behind {path}",
        found=f'"{name}"' if name else "options only",
        wanted=f"a command; nearest: {close}" if close else "a command",
        next=(Offer(f"{path} --help"),),
    )


def _usage(error: click.exceptions.UsageError, path: str) -> DeployguardError:
    """click's sentence in our form: its parameter is `where`, its suggestion is `wanted`."""
    message = error.format_message().rstrip(".")
    message = message.partition(" (Possible options: ")[0].partition(" Did you mean ")[0]
    close = next(iter(getattr(error, "possibilities", None) or ()), None)
    parameter = getattr(error, "param", None)
    where = None
    if parameter is not None:
        argument = parameter.param_type_name == "argument"
        where = f"argument {named(parameter)}" if argument else f"option {parameter.opts[0]}"
    return fail(
        Code.USAGE,
        message[:1].lower() + message[1:].rstrip("."),
        where=where or path,
        wanted=f"nearest: {close}" if close else None,
        next=(Offer(f"{path} --help"),),
    )


class Command(TyperCommand):
    """A command which takes `-1` as a value and not as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _numbers_last(args))


def _numbers_last(args: list[str]) -> list[str]:
    """`set F -1 --by x` as `set F --by x -- -1`: a negative number is refused as a percentage, not as an option."""
    if "--" in args:
        return args
    before = ("", *args)
    numbers = [at for at, word in enumerate(args) if _NEGATIVE.match(word) and not before[at].startswith("--")]
    if not numbers:
        return args
    return [word for at, word in enumerate(args) if at not in numbers] + ["--", *(args[at] for at in numbers)]


class Group(typer.Typer):
    """A group of commands, each built when it is called."""

    def __init__(self, help: str) -> None:  # noqa: A002  # Typer's word
        super().__init__(help=help, rich_markup_mode=None, add_completion=False)

    def add(self, name: str, help: str) -> Callable[[Function], Function]:  # noqa: A002  # Typer's word
        """Register a function as a command; its `--help` is written by `call`."""
        return self.command(name, cls=Command, help=help, add_help_option=False)


def single(name: str, function: Callable[..., None], help: str) -> typer.Typer:  # noqa: A002  # Typer's word
    """A command of its own."""
    app = Group(help)
    app.add(name, help)(function)
    return app
