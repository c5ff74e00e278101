"""The global options, which stand before or after the command, and what they lead to."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployguard.errors import unknown, usage

OUTPUTS = ("table", "json", "yaml")
_VARIABLE = {
    "config": "DEPLOYGUARD_CONFIG",
    "state": "DEPLOYGUARD_STATE",
    "environment": "DEPLOYGUARD_ENVIRONMENT",
    "output": "DEPLOYGUARD_OUTPUT",
}
_OPTION = {"--config": "config", "--state": "state", "--env": "environment", "--output": "output"}


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every command; each also by its variable."""

    config: str | None = None
    state: str | None = None
    environment: str | None = None
    output: str = "table"
    given: frozenset[str] = field(default=frozenset())  # named on the line, not by a variable


def split(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[Options, list[str]]:
    """Take the global options out of the line, wherever they stand before `--`. Raises `usage`."""
    found: dict[str, str] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, value = word.partition("=")
        if name not in _OPTION:
            rest.append(word)
            continue
        if not equals:
            following = next(words, None)
            if following is None:
                raise usage(f"{name} has no value", f"option {name}", "the end of the line", f"{name} VALUE")
            value = following
        if _OPTION[name] in found and found[_OPTION[name]] != value:
            raise usage(
                f"{name} is given twice", f"option {name}", f'"{found[_OPTION[name]]}" and "{value}"', "one value"
            )
        if not value.strip():
            raise usage(f"{name} is empty", f"option {name}", '""', "a value; without it the default holds")
        found[_OPTION[name]] = value
    # A job's DEPLOYGUARD_ENVIRONMENT that expands to nothing is kept, and refused: it must not mean the default, prod.
    from_variables = {
        key: environ[name]
        for key, name in _VARIABLE.items()
        if name in environ and (environ[name] or key == "environment")
    }
    options = replace(Options(), **{**from_variables, **found}, given=frozenset(found))
    if options.output not in OUTPUTS:
        where = "option --output" if "output" in options.given else "DEPLOYGUARD_OUTPUT"
        raise unknown("output", options.output, OUTPUTS, where)
    return options, rest


def wants_json(argv: Sequence[str]) -> bool:
    """Whether errors of a line that could not be parsed are to be JSON all the same."""
    joined = " ".join(argv)
    return "--output json" in joined or "--output=json" in joined or os.environ.get("DEPLOYGUARD_OUTPUT") == "json"
