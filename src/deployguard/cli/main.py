"""The entry point: one place that turns every outcome into an exit code, and every error into words.

Nothing but the wanted command's module is imported; `--version` and the first help page import nothing at all.
"""

import sys
from typing import TYPE_CHECKING

from deployguard import __version__
from deployguard.cli.process import (
    INTERRUPTED,
    READER_GONE,
    TERMINATED,
    Terminated,
    UnprintableError,
    let_go,
    prepare,
    whole,
)

if TYPE_CHECKING:
    from deployguard.cli.context import Run


def main(argv: list[str] | None = None) -> None:
    """Run one command line and exit."""
    prepare()
    try:
        code = _main([whole(word) for word in (sys.argv[1:] if argv is None else argv)])
        sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    except UnprintableError as error:
        from deployguard.cli.bug import report_unprinted

        code = report_unprinted(error)
    for stream in (sys.stdout, sys.stderr):
        let_go(stream)
    sys.exit(code)


def _main(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):
        sys.stdout.write(f"deployguard {__version__}\n")
        return 0
    if not words or words in (["--help"], ["-h"], ["help"]):
        from deployguard.cli.help import ROOT

        sys.stdout.write(ROOT)
        return 0
    return _command(words)


def _command(words: list[str]) -> int:
    from deployguard.cli.context import begin
    from deployguard.cli.options import Options, split, wants_json
    from deployguard.errors import DeployguardError

    run: Run = begin(Options(output="json" if wants_json(words) else "table"))
    try:
        options, rest = split(words)
        run = begin(options)
        from deployguard.cli.app import call

        call(rest)
    except DeployguardError as error:
        run.problem(error.problem)
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, UnprintableError):
        raise
    except Exception as error:  # noqa: BLE001  # the outermost loop: it records what we did not foresee
        from deployguard.cli.bug import report_bug

        return report_bug(error, run)
    return run.exit_code
