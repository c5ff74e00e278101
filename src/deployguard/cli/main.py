"""The entry point: one place that turns every outcome into an exit code, and every error into words.

Nothing but the wanted command's module is imported; `--version` and the first help page import nothing at all.
"""

import os
import signal
import sys
from types import FrameType

from deployguard import __version__
from deployguard.cli.signals import Terminated


def main(argv: list[str] | None = None) -> None:
    """Run one command line and exit."""
    words = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _main(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has gone: nothing is left to say, and Python's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _main(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):
        sys.stdout.write(f"deployguard {__version__}\n")
        return 0
    if not words or words in (["--help"], ["-h"], ["help"]):
        from deployguard.cli.help import ROOT

        sys.stdout.write(ROOT)
        return 0
    from deployguard.cli.context import begin
    from deployguard.cli.options import Options, split, wants_json
    from deployguard.errors import DeployguardError

    run = begin(Options(output="json" if wants_json(words) else "table"))
    try:
        options, rest = split(words)
        run = begin(options)
        from deployguard.cli.app import call

        call(rest)
    except DeployguardError as error:
        run.problem(error.problem)
    except Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # the outermost loop: it records what we did not foresee
        from deployguard.cli.bug import report_bug

        return report_bug(error, run)
    return run.exit_code
