"""The installed command without its start: forks of one process that has imported it, each a process of its own.

A start is most of what a short command costs, and there are hundreds of them here. A fork has its own folder,
environment, streams, process id and exit code, and runs the entry point that the command runs. What it cannot show is
the start itself: which modules a command imports, and how the interpreter meets odd streams. Those tests start the
command.

Protocol: the parent sends one JSON line a run (argv, cwd, environ) with three file descriptors; it is answered with the
process id, and with the exit code once the run has ended.
"""

import json
import os
import pkgutil
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

LINE = 1 << 16


Streams = tuple[int, int, int]


class Warm:
    """One process that has imported the command. `run` is a run of it, one at a time."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__], env=environ, cwd="/", stdin=there, start_new_session=True
            )

    def run(
        self,
        words: tuple[str, ...],
        cwd: str,
        environ: dict[str, str],
        streams: tuple[int, int, int],
        patience_s: float,
    ) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` after ending a run that takes longer than `patience_s`."""
        request = json.dumps({"argv": words, "cwd": cwd, "environ": environ}).encode()
        socket.send_fds(self._here, [request], list(streams))
        pid = int(self._here.recv(LINE))
        self._here.settimeout(patience_s)
        try:
            return int(self._here.recv(LINE))
        except TimeoutError:
            os.kill(pid, 9)
            self._here.settimeout(None)
            self._here.recv(LINE)
            raise subprocess.TimeoutExpired(list(words), patience_s) from None
        finally:
            self._here.settimeout(None)

    def close(self) -> None:
        self._here.close()
        self._process.wait(10)


def _serve() -> None:
    """Until the other end is closed."""
    import deployguard

    for module in pkgutil.walk_packages(deployguard.__path__, "deployguard."):
        if not module.name.startswith(("deployguard.demo", "deployguard.sdk")):
            import_module(module.name)
    import typer._adapters  # noqa: F401  # and with it pydantic: what Typer itself imports late

    with socket.socket(fileno=os.dup(0)) as asked:
        while True:
            request, descriptors, _flags, _address = socket.recv_fds(asked, LINE, 3)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                asked.close()
                _become(json.loads(request), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            asked.send(str(pid).encode())
            _pid, status = os.waitpid(pid, 0)
            asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """The run that was asked for, as if it had been started: its folder, environment, streams and words."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    random.seed()
    for wanted, descriptor in enumerate(descriptors):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["deployguard", *request["argv"]]
    from deployguard.cli.main import main

    code: object = 70
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
