"""A bug of ours says so, keeps the traceback in a file, and says what is safe to do. No traceback on the screen."""

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from deployguard import __version__
from deployguard.cli.context import Run, begun
from deployguard.plain import plain_line

BUG_EXIT = 1


def report_bug(error: BaseException, run: Run) -> int:
    stamp = datetime.now(UTC)
    descriptor, name = tempfile.mkstemp(prefix=f"deployguard-bug-{stamp:%Y%m%dT%H%M%SZ}-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"deployguard {__version__}, Python {sys.version.split()[0]}, {stamp:%Y-%m-%dT%H:%M:%SZ}\n\n")
        file.write("".join(traceback.format_exception(error)))
    message = plain_line(f"{type(error).__name__}: {error}")[:200]
    with suppress(OSError):  # the stream that failed may be the bug: then the file has it all, and the exit code
        _tell(message, name, run)
    return BUG_EXIT


def report_unprinted(error: OSError) -> int:
    """Standard output takes nothing more. What acted has acted and keeps its exit code; a mere answer is lost."""
    done = begun()
    stands, code = (done.stands, done.exit_code) if done else (False, 0)
    code = code if stands else code or BUG_EXIT
    left = "what was asked is done, and it stands" if stands else "nothing was changed"
    with suppress(OSError):
        sys.stderr.write(f"warning: standard output cannot be written ({error.strerror}); {left} (exit {code})\n")
    return code


def _tell(message: str, name: str, run: Run) -> None:
    if run.as_data:
        run.print_data(
            {"error": {"code": "bug", "message": "deployguard itself failed", "where": name, "found": message}}
        )
        return
    sys.stderr.write(
        f"error[bug]: deployguard itself failed\n"
        f"  where   {Path(name)}, the traceback\n"
        f"  found   {message}\n"
        f"  now     what was committed stays; nothing is half written (exit {BUG_EXIT})\n"
        f"next: deployguard state verify\n"
    )
