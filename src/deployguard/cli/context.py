"""What one run of the command line has: its options, where it prints, and the operations, opened on first use."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployguard.cli.options import Options
from deployguard.errors import Offer, Problem, usage
from deployguard.plain import plain_line

if TYPE_CHECKING:
    from deployguard.cli.render.page import Page
    from deployguard.operations.protocol import Operations

USAGE_EXIT = 2


@dataclass
class Run:
    """Set once by `main`; commands reach it by `run()`."""

    options: Options
    exit_code: int = 0
    acts: bool = False  # the command leaves something behind, or its exit code is the answer
    stands: bool = False  # it has acted: what cannot be printed is done all the same
    _operations: "Operations | None" = field(default=None, repr=False)
    _page: "Page | None" = field(default=None, repr=False)

    def operations(self, environment: str | None = None, *, lenient: bool = False) -> "Operations":
        """`Local`, for the environment that was asked. `environment` is a command's own argument (`deploy ENV`)."""
        if self._operations is None:
            from deployguard.operations.local import open_local

            named = self.options.environment if "environment" in self.options.given else None
            if environment is not None and named is not None and environment != named:
                raise usage(
                    "two environments are named",
                    "argument ENV and option --env",
                    f'"{environment}" and "{named}"',
                    "one environment",
                )
            self._operations = open_local(
                config_path=self.options.config,
                state_dir=self.options.state,
                environment=self.options.environment if environment is None else environment,
                lenient=lenient,
                on_wait=self.say_waiting,
            )
        return self._operations

    @property
    def as_data(self) -> bool:
        return self.options.output != "table"

    @property
    def page(self) -> "Page":
        if self._page is None:
            from deployguard.cli.render.page import Page

            self._page = Page.of_process()
        return self._page

    def say_waiting(self, holder: str) -> None:
        sys.stderr.write(f"waiting for the state's lock: held by {plain_line(holder)}\n")
        sys.stderr.flush()

    def move(self, kind: str, flag: str, *, lenient: bool = False, **asked: Any) -> None:
        """Ask for a move, by its word, and print what it did. `asked`: the other fields of `Ask`."""
        from deployguard.operations.protocol import Ask
        from deployguard.rollout.moves import MoveKind

        ask = Ask(move=MoveKind(kind), flag=flag, **asked)
        self.emit(self.operations(lenient=lenient).move(ask))

    def say(self, sentence: str) -> None:
        """One sentence as the whole result of a table."""
        self.page.para(sentence)
        self.page.flush()

    def emit(
        self, value: Any, *, exit_code: int | None = None, view: "Callable[[Any, Page], None] | None" = None
    ) -> None:
        """Print one value: as data alone on stdout, or as its view."""
        self.stands = self.acts
        if exit_code is not None:
            self.exit_code = exit_code
        if self.as_data:
            self.print_data(value)
            return
        from deployguard.cli.render.views import render

        (view or render)(value, self.page)
        self.page.flush()

    def print_data(self, value: Any) -> None:
        from deployguard.codec import to_json

        self.stands = self.acts
        tree = to_json(value)
        if self.options.output == "yaml":
            import yaml

            sys.stdout.write(yaml.safe_dump(tree, sort_keys=False, allow_unicode=_carries_unicode()))
        else:
            sys.stdout.write(json_text(tree) + "\n")
        sys.stdout.flush()

    def problem(self, problem: Problem) -> None:
        """An error, in the one style there is; `now` says the exit code, for whoever reads a log later."""
        self.exit_code = problem.exit_code
        problem = replace(problem, now=_with_exit_code(problem))
        if self.as_data:
            self.print_data({"error": problem_tree(problem)})
            return
        from deployguard.cli.render.errors import render_problem

        render_problem(problem, self.page)
        self.page.flush()


def json_text(tree: object, indent: int | None = None) -> str:
    """JSON for standard output; escaped where the stream cannot carry every character."""
    import json

    return json.dumps(tree, ensure_ascii=not _carries_unicode(), indent=indent)


def _carries_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def _with_exit_code(problem: Problem) -> str:
    now = problem.now or ("nothing was changed" if problem.exit_code == USAGE_EXIT else "")
    return now if "(exit " in now else f"{now} (exit {problem.exit_code})".lstrip()


def problem_tree(problem: Problem) -> dict[str, Any]:
    """The JSON of an error (SURFACES section 1): fields without content are left out."""
    from deployguard.errors import Place

    where = problem.where
    place = (
        {k: v for k in ("file", "line", "column", "path") if (v := getattr(where, k)) is not None}
        if isinstance(where, Place)
        else where
    )
    tree: dict[str, Any] = {
        "code": problem.code.value,
        "message": problem.message,
        "where": place,
        "found": problem.found,
        "wanted": problem.wanted,
        "now": problem.now,
        "allowed": [offer_tree(offer) for offer in problem.allowed],
        "next": [offer_tree(offer) for offer in problem.next],
        "errors": [problem_tree(error) for error in problem.errors],
    }
    return {name: value for name, value in tree.items() if value not in (None, [])}


def offer_tree(offer: Offer) -> dict[str, str | None]:
    return {"command": offer.command, "does": offer.does}


_run: Run | None = None


def begin(options: Options) -> Run:
    global _run  # noqa: PLW0603  # one command line, one run
    _run = Run(options)
    return _run


def begun() -> Run | None:
    """The run, where one has begun."""
    return _run


def run() -> Run:
    if _run is None:
        raise RuntimeError("no run has begun")
    return _run
