"""`feature-flags`: what there is, who gets it, and changing it."""

import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from deployguard.cli.app import Group
from deployguard.cli.context import json_text, run
from deployguard.cli.words import (
    AnyFlag,
    By,
    FlagName,
    Force,
    Reason,
    attributes,
    duration,
    opened,
    percentage,
    says,
    standard_input,
)
from deployguard.codec import foreign
from deployguard.errors import Code, fail, unknown, usage
from deployguard.plain import plain_line

app = Group("Flags: what there is, who gets it, and changing it by hand.")
apps = {"feature-flags": app}


@app.add("list", "The same as status.")
@app.add("status", "Every flag: how many users, which step, what comes next.")
def status() -> None:
    run().emit(run().operations(lenient=True).flags_status())


@app.add("show", "One flag: its state, why, and its past.")
def show(flag: FlagName) -> None:
    run().emit(run().operations(lenient=True).flag(flag))


@app.add("history", "What happened to a flag, or to all, newest first.")
def history(
    flag: AnyFlag = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many lines.")] = 20,
) -> None:
    run().emit(run().operations(lenient=True).flag_history(flag, limit))


@app.add("set", "Set a flag's percentage by hand: 25, 25% or --percentage 25.")
def set_(
    flag: FlagName,
    to: Annotated[str | None, typer.Argument(metavar="[PERCENTAGE]", show_default=False)] = None,
    percent: Annotated[str | None, typer.Option("--percentage", metavar="P", show_default=False)] = None,
    force: Force = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    text = to if to is not None else percent
    if text is None or (to is not None and percent is not None and to != percent):
        raise usage(
            "set needs one percentage",
            "argument PERCENTAGE",
            "none" if text is None else f'"{to}" and "{percent}"',
            "25, 25% or --percentage 25",
        )
    value = percentage(text, "argument PERCENTAGE")
    run().move("set", flag, percentage=value, force=force, by=by, reason=reason)


@app.add("enable", "Turn a flag on at the percentage it has.")
def enable(
    flag: FlagName,
    with_requirements: Annotated[
        bool, typer.Option("--with-requirements", help="Raise what it requires, too.")
    ] = False,
    force: Force = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    run().move("enable", flag, with_requirements=with_requirements, force=force, by=by, reason=reason)


@app.add("disable", "Turn a flag off for everyone, allow lists too; a lead with its riders.")
def disable(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    run().move("disable", flag, by=by, reason=reason)


@app.add("target", "Who is asked before the bucket: adds to the targeting in force.")
def target(
    flag: FlagName,
    allow_user: Annotated[list[str], says("--allow-user", "U", "On for this user's id.")] = [],  # noqa: B006
    allow_group: Annotated[list[str], says("--allow-group", "G", "On for this group.")] = [],  # noqa: B006
    deny_user: Annotated[list[str], says("--deny-user", "U", "Off for this user's id.")] = [],  # noqa: B006
    deny_group: Annotated[list[str], says("--deny-group", "G", "Off for this group.")] = [],  # noqa: B006
    country: Annotated[list[str], says("--country", "C", "Only in this country.")] = [],  # noqa: B006
    region: Annotated[list[str], says("--region", "R", "Only in this region.")] = [],  # noqa: B006
    rule: Annotated[list[str], says("--rule", "RULE", "Only where it holds, as plan == 'pro'.")] = [],  # noqa: B006
    remove: Annotated[bool, typer.Option("--remove", help="Take these away instead.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the config's targeting.")] = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    added = {
        "allow": {"users": allow_user, "groups": allow_group},
        "deny": {"users": deny_user, "groups": deny_group},
        "countries": country,
        "regions": region,
        "rules": rule,
    }
    if not reset and not any((allow_user, allow_group, deny_user, deny_group, country, region, rule)):
        raise usage(
            "target needs something to add, --remove with it, or --reset",
            "options",
            "none",
            "--allow-user, --allow-group, --deny-user, --deny-group, --country, --region, --rule, or --reset",
        )
    run().move("target", flag, targeting=added, remove=remove, reset=reset, by=by, reason=reason)


@app.add("evaluate", "What one user gets, and what decided it; --users FILE for many.")
def evaluate(
    flag: FlagName,
    user: Annotated[str | None, says("--user", "U", "The user's id.")] = None,
    country: Annotated[str | None, says("--country", "C", "Where the user is.")] = None,
    region: Annotated[str | None, says("--region", "R", "Where in it.")] = None,
    groups: Annotated[list[str], says("--group", "G", "A group of the user.")] = [],  # noqa: B006
    attribute: Annotated[list[str], says("--attribute", "K=V", "What a rule may ask for.")] = [],  # noqa: B006
    users: Annotated[str | None, typer.Option("--users", metavar="FILE", help="One id a line; - is stdin.")] = None,
) -> None:
    from deployguard.flags.evaluate import Context

    extra = attributes(attribute)

    def context(key: str | None) -> Context:
        return Context(key, country=country, region=region, groups=frozenset(groups), attributes=extra)

    operations = run().operations(lenient=True)
    if users is None:
        for answer in operations.evaluate(flag, [context(user)]):
            run().emit(answer)
        return
    for answer in operations.evaluate(flag, (context(key) for key in _ids(users))):
        if run().as_data:
            run().print_data(answer)
        else:
            key = plain_line(answer.targeting_key or "")
            sys.stdout.write(f"{key}\t{answer.variant}\t{answer.decided_by}\t{answer.bucket}\n")


def _ids(file: str) -> Iterator[str]:
    with opened(file, "option --users", "ids", "a text file, one id a line", "nothing was evaluated") as lines:
        for line in TextIOWrapper(lines, "utf-8", errors="replace"):
            key = line.rstrip("\r\n")
            if key:
                yield key


@app.add("stale", "Flags at 0 or 100 % for long, past their date, or without an owner.")
def stale(older_than: Annotated[str, typer.Option("--older-than", metavar="DURATION")] = "30d") -> None:
    run().emit(run().operations(lenient=True).stale(duration(older_than, "option --older-than")))


@app.add("export", "All flags as deployguard's JSON, on standard output.")
def export(
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="deployguard")] = "deployguard",
) -> None:
    if form != "deployguard":
        raise unknown("export format", form, ("deployguard",), "option --format")
    sys.stdout.write(json_text(run().operations(lenient=True).export_flags(), indent=2) + "\n")


@app.add("import", "Set flags from an export; all problems are said before anything changes.")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="- is stdin.", show_default=False)],
    by: By = None,
    reason: Reason = None,
) -> None:
    text = standard_input("argument FILE").read() if file == "-" else read_text(file, "argument FILE")
    try:
        data = foreign(text)
    except ValueError as error:
        raise fail(
            Code.SYNTAX,
            "the file is no JSON",
            where=file,
            found=str(error),
            wanted="what feature-flags export wrote",
        ) from error
    moved = run().operations().import_flags(data, by=by, reason=reason)
    if run().as_data:
        run().print_data({"environment": run().operations().environment, "moved": moved})
        return
    if not moved:
        run().say("Every flag is as the export says already. No change.")
    for one in moved:
        run().emit(one)


@app.add("forget", "Drop a flag that has left the config.")
def forget(flag: FlagName, by: By = None, reason: Reason = None) -> None:
    run().emit(run().operations().forget_flag(flag, by=by, reason=reason))


def read_text(file: str, where: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise usage("the file cannot be read", where, f"{file}: {error}", "a UTF-8 text file") from error
