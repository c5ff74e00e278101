"""Issues -> one DeployguardError that carries them all, each with its place in the file."""

from collections.abc import Callable
from dataclasses import replace

from deployguard.config.issue import MANY, Issue, Issues, dotted, printable
from deployguard.errors import DeployguardError, Offer, Place, Problem

Finder = Callable[[Issue], Place]
"""Where an issue stands; made from the file's text only when there is an error."""

VALIDATE = "deployguard config validate"


def config_error(issues: Issues, file: str, find: Finder | None) -> DeployguardError:
    """The error to raise. Without `find` the places have paths only: the text is not at hand."""
    from deployguard.config.secrets import without_passwords

    place = find or (lambda issue: Place(file, path=dotted(issue.path) or None))
    placed = [(place(issue), issue) for issue in issues]
    placed.sort(key=lambda pair: (pair[0].line or 0, pair[0].column or 0))
    problems = tuple(
        Problem(
            issue.code,
            without_passwords(printable(issue.message)),
            replace(where, source=where.source and without_passwords(where.source, each="*")),
            without_passwords(printable(issue.found)),
            printable(issue.wanted),
        )
        for where, issue in placed
    )
    first = problems[0]
    if len(problems) == 1:
        message, found, wanted, does = first.message, first.found, first.wanted, "after this edit"
    else:
        many = f"more than {MANY}" if len(problems) >= MANY else str(len(problems))
        message, found, wanted, does = f"{many} errors in {file}", None, None, "after these edits"
    return DeployguardError(
        Problem(
            first.code,
            message,
            first.where,
            found,
            wanted,
            "nothing was changed",
            next=(Offer(VALIDATE, does),),
            errors=problems,
        )
    )
