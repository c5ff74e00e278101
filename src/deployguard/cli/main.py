"""The entry point: one place that turns every outcome into an exit code, and every error into words.

Nothing but the wanted command's module is imported; `--version` and the first help page import nothing at all.
"""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

from deployguard import __version__
from deployguard.cli.signals import Terminated

READER_GONE = 141  # as a shell shows a program that SIGPIPE ended


def main(argv: list[str] | None = None) -> None:
    """Run one command line and exit."""
    words = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # the terminal has gone; unless nohup said to go on
        signal.signal(signal.SIGHUP, _terminate)
    _prepare_streams()
    try:
        code = _main([_whole(word) for word in words])
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # Whoever read us has gone: nothing is left to say, and Python's own flush must not complain.
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(null, stream.fileno())
        code = READER_GONE
    sys.exit(code)


def _prepare_streams() -> None:
    """A closed stream swallows what is written; one that cannot carry a character shows its escape."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _whole(word: str) -> str:
    """A word of the line without half characters, which come from bytes that are no UTF-8."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


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
