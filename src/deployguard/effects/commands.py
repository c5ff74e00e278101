"""Running the user's commands: the one place that starts a process.

A command runs without a shell (unless it says `shell`), with standard input closed, in a session and process group of
its own, with the caller's environment but none of our secrets. Its output, errors included, is streamed line by line.

Ended early (time, a stop, Ctrl-C) the whole group gets SIGTERM and five seconds later SIGKILL, children included. A
child that moved into a session of its own is out of reach. A child that stays behind after its command ended by
itself is left alone: some commands start servers.
"""

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

from deployguard.config.units import format_duration
from deployguard.config.values import Command
from deployguard.effects.groups import GRACE_S, interrupts_wait, signalled
from deployguard.effects.output import Kept, Lines, Masks, quoted

STOP_EVERY_S = 0.5
LINGER_S = 0.5  # for the last output after the end, where a child keeps the pipe open
PROGRESS_EVERY_S = 5.0
_POLL_S = 0.05
_CHUNK = 65_536
_OURS = ("WEBHOOK_", "SMTP_", "DEPLOYGUARD_TOKEN")
_SECRET_ENDINGS = ("_TOKEN", "_KEY", "_SECRET")


def child_environment(environ: Mapping[str, str], environment: str, version: str | None = None) -> dict[str, str]:
    """What commands inherit: the caller's environment without what is ours, and the environment's name and version.

    Ours are `WEBHOOK_*`, `SMTP_*`, `DEPLOYGUARD_TOKEN` and other secrets of that prefix. What the application's own
    tools need (VERCEL_TOKEN, SENTRY_AUTH_TOKEN) passes; a command's `env` can hand back the rest. A version that the
    caller's environment claims is dropped: only a checked one reaches a command.
    """
    out = {name: value for name, value in environ.items() if not _ours(name) and name != "DEPLOYGUARD_VERSION"}
    out["DEPLOYGUARD_ENVIRONMENT"] = environment
    return out if version is None else {**out, "DEPLOYGUARD_VERSION": version}


def _ours(name: str) -> bool:
    stem = name.removesuffix("_FILE")
    secret = stem.endswith(_SECRET_ENDINGS) or "_PASS" in stem
    return stem.startswith(_OURS) or (stem.startswith("DEPLOYGUARD_") and secret)


def found(command: Command, env: Mapping[str, str], cwd: Path | None = None) -> bool:
    """Whether the command's folder and program are there and may be run: what preflight asks."""
    return missing(command, env, cwd) is None


def missing(command: Command, env: Mapping[str, str], cwd: Path | None = None) -> str | None:
    """Why the command cannot be run, naming the folder or the program; None where it can."""
    folder = folder_of(command, cwd)
    if not folder.is_dir():
        return f"folder not found: {command.cwd or folder}"
    if program_of(command, {**env, **command.env}, folder) is None:
        name = command.program
        is_there = os.sep in name and (folder / name).exists()
        return f"not executable: {name}" if is_there else f"not found: {name}"
    return None


def folder_of(command: Command, cwd: Path | None) -> Path:
    """Where the command runs: its own `cwd` beneath the caller's."""
    base = cwd or Path.cwd()
    return base / command.cwd if command.cwd else base


def program_of(command: Command, env: Mapping[str, str], folder: Path) -> str | None:
    """The program's file: by PATH of the child's environment, or beneath its folder where it has a slash."""
    name = command.program
    if os.sep in name:
        return shutil.which(str((folder / name).absolute()))
    places = env.get("PATH", os.defpath).split(os.pathsep)
    # A relative entry means the child's folder, not ours.
    return shutil.which(name, path=os.pathsep.join(str((folder / place).absolute()) for place in places if place))


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command went. `exit_code` is None where a signal ended it or it never ran; `error` says why it could not
    run or was ended: `not found: npm`, `timed out after 10m`, what `should_stop` said."""

    exit_code: int | None
    signal: str | None = None
    error: str | None = None
    duration_ms: int = 0
    last_line: str | None = None
    kept_error: str | None = None  # why the output's file is not whole

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and self.error is None


def run_command(
    command: Command,
    *,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    should_stop: Callable[[], str | None],
    output: Path | None,
    masker: Masks,
    cwd: Path | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Finished:
    """Run one command to its end and say how it went.

    `env` is what `child_environment` made; the command's own comes on top. `cwd` is the folder that its own is beneath.
    `on_line` gets each line as it is finished: plain, masked, at most 10,000 characters. `should_stop` is asked twice
    a second and answers why the command is to be ended, or None. `output` keeps the lines, at most 1 MB of them.
    `on_start` is told the process's number, which is its group's, too. KeyboardInterrupt, or an error of a callback,
    ends the group and goes on to the caller.
    """
    cause = missing(command, env, cwd)
    if cause is not None:
        return Finished(None, error=cause)
    folder = folder_of(command, cwd)
    child_env = {**env, **command.env}
    argv = ["sh", "-c", command.shell] if command.shell is not None else list(command.argv)
    began = monotonic()
    with ExitStack() as starting:
        starting.enter_context(interrupts_wait())
        try:
            process = subprocess.Popen(
                argv,
                executable=program_of(command, child_env, folder),
                cwd=folder,
                env=child_env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            return Finished(None, error=f"not found: the interpreter of {command.program}")
        except (OSError, ValueError) as error:  # no interpreter named, arguments too long, a NUL byte in them
            return Finished(
                None, error=f"not executable: {command.program} ({getattr(error, 'strerror', None) or error})"
            )
        run = _Run(process, on_line, Kept(output), Lines(masker))
        try:
            starting.close()
            if on_start is not None:
                on_start(process.pid)
            ended = run.until_end(began, command.timeout, should_stop)
        finally:
            run.close()
    return run.finished(ended, began)


class _Run:
    """A process that runs, and the pipe that it writes to."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", on_line: Callable[[str], None], kept: Kept, lines: Lines
    ) -> None:
        self.last_line = ""
        self.kept = kept
        self._process = process
        self._on_line = on_line
        self._lines = lines
        self._progress_at = monotonic()
        self._progress = ""
        assert process.stdout is not None  # noqa: S101  # asked for by PIPE
        self._pipe = process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._open = True

    def finished(self, ended: str | None, began: float) -> Finished:
        """How it went, once it is over. `ended` says why it was ended early."""
        code = self._process.returncode
        return Finished(
            exit_code=code if code is not None and code >= 0 else None,
            signal=signal.Signals(-code).name if code is not None and code < 0 else None,
            error=ended,
            duration_ms=round((monotonic() - began) * 1000),
            last_line=quoted(self.last_line) if self.last_line else None,
            kept_error=self.kept.error,
        )

    def until_end(self, began: float, timeout: timedelta, should_stop: Callable[[], str | None]) -> str | None:
        """Stream until the process has ended; answers why it was ended early, if it was."""
        ask_at, deadline = 0.0, began + timeout.total_seconds()
        while True:
            now = monotonic()
            if now >= deadline:
                self._end()
                return f"timed out after {format_duration(timeout)}"
            if now >= ask_at:
                ask_at = now + STOP_EVERY_S
                if reason := should_stop():
                    self._end()
                    return reason
            self._read(min(STOP_EVERY_S, deadline - now) if self._open else _POLL_S)
            self._tell_progress()
            if self._process.poll() is not None:
                self._drain(LINGER_S)
                return None

    def close(self) -> None:
        """Leave nothing behind: on an error the group is ended; the last line and the file are finished."""
        if self._process.poll() is None:
            self._end()
        self._selector.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        try:
            for line in self._lines.finish():
                self._tell(line)
        finally:
            self.kept.close()

    def _read(self, wait_s: float) -> None:
        """One chunk, or the end of the pipe, within `wait_s`."""
        if not self._open:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)
            return
        # The process may end while a child keeps the pipe open and silent: look up now and then.
        if not self._selector.select(min(wait_s, 0.2)):
            return
        try:
            chunk = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._open = False
            self._selector.unregister(self._pipe)
        for line in self._lines.feed(chunk):
            self._tell(line)

    def _drain(self, most_s: float) -> None:
        until = monotonic() + most_s
        while self._open and monotonic() < until:
            self._read(_POLL_S)

    def _tell(self, line: str) -> None:
        self._progress, self._progress_at = "", monotonic()
        self.kept.add(line)
        if line.strip():
            self.last_line = line
        self._on_line(line)

    def _tell_progress(self) -> None:
        """A line that never ends, such as a progress bar, is shown now and then as it stands."""
        now = monotonic()
        if now - self._progress_at < PROGRESS_EVERY_S:
            return
        self._progress_at = now
        line = self._lines.unfinished()
        if line and line != self._progress:
            self._progress = line
            self._on_line(line)

    def _end(self) -> None:
        """SIGTERM to the group, SIGKILL when the grace is over. A second Ctrl-C shortens the grace."""
        try:
            signalled(self._process.pid, signal.SIGTERM)
            until = monotonic() + GRACE_S
            while monotonic() < until and self._alive():
                self._read(_POLL_S)
        finally:
            signalled(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._drain(LINGER_S)

    def _alive(self) -> bool:
        """Whether anybody of the group is left; the leader is reaped on the way."""
        self._process.poll()
        return signalled(self._process.pid, 0)
