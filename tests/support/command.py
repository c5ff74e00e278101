"""The installed command in a fresh folder with a clean environment, and a small web server that can be turned bad.

Calling a folder runs the command in a fork that has imported it (`support.warm`); `start` and `cold` start it anew.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import yaml

from support.warm import Streams, Warm

COMMAND = Path(sys.executable).with_name("deployguard")
PATIENCE_S = 90.0
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Ran:
    """One run of the command, as the caller of a program sees it."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output; anything beside it is an error."""
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        return yaml.safe_load(self.out)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    def __str__(self) -> str:
        return f"$ deployguard {' '.join(self.words)}\n{self.out}--- stderr\n{self.err}--- exit {self.code}"


@dataclass
class Folder:
    """An empty folder that is somebody's project. Calling it runs the installed command there."""

    path: Path
    environ: dict[str, str] = field(default_factory=dict)
    cold: bool = False  # start the command anew for each run: where the start itself is tried

    def __call__(
        self,
        *words: str,
        code: int | None = 0,
        stdin: str | None = "",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ran:
        """Run to the end. `code`: the exit code that must come, None for any; `stdin` None: closed."""
        place, environ = str(cwd or self.path), {**self.environ, **(env or {})}
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write((stdin or "").encode())
            given.seek(0)
            streams = (given.fileno(), out.fileno(), err.fileno())
            ended = (_started if self.cold else _forked)(words, place, environ, streams)
            out.seek(0)
            err.seek(0)
            ran = Ran(words, ended, out.read().decode(errors="replace"), err.read().decode(errors="replace"))
        assert "Traceback" not in ran.err + ran.out, ran
        assert "error[bug]" not in ran.err, ran
        assert '"code": "bug"' not in ran.out, ran
        if code is not None:
            assert ran.code == code, ran
        return ran

    def json(self, *words: str, code: int = 0, **options: Any) -> Any:
        """Run with `--output json`; nothing but the one document may stand on standard output."""
        return self(*words, "--output", "json", code=code, **options).json

    def error(self, *words: str, code: int, **options: Any) -> dict[str, Any]:
        return self(*words, "--output", "json", code=code, **options).error

    def start(self, *words: str, env: dict[str, str] | None = None, **options: Any) -> "subprocess.Popen[str]":
        """Start the command in a process group of its own; the caller ends it."""
        return subprocess.Popen(
            [str(COMMAND), *words],
            cwd=self.path,
            env={**self.environ, **(env or {})},
            text=True,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    @property
    def config(self) -> Path:
        return self.path / "deployment-config.json"

    def state(self, environment: str = "prod") -> Path:
        return self.path / "state" / environment

    def write_config(self, base_url: str = "http://127.0.0.1:9", **changes: Any) -> None:
        """A small config: a lead with a rider, a flag alone, a permanent one. `changes` replace whole keys."""
        document = small_config(base_url) | changes
        self.config.write_text(json.dumps(document, indent=2), encoding="utf-8")


def _started(words: tuple[str, ...], cwd: str, environ: dict[str, str], streams: Streams) -> int:
    given, out, err = streams
    ended = subprocess.run(
        [str(COMMAND), *words],
        cwd=cwd,
        env=environ,
        stdin=given,
        stdout=out,
        stderr=err,
        timeout=PATIENCE_S,
        check=False,
    )
    return ended.returncode


def _forked(words: tuple[str, ...], cwd: str, environ: dict[str, str], streams: Streams) -> int:
    with _ONE_AT_A_TIME:
        return _warm().run(words, cwd, environ, streams, PATIENCE_S)


@cache
def _warm() -> Warm:
    found = Warm({"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"})
    atexit.register(found.close)
    return found


def small_config(base_url: str) -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "flags": {
            "homepage": {"description": "The new homepage", "tags": ["performance-heavy"]},
            "hero": {"description": "Its first screen", "requires": ["homepage"]},
            "checkout": {"description": "One-page checkout", "owner": "payments@example.com"},
            "legacy_api": {"description": "Kept on in an emergency", "permanent": True},
        },
        "strategies": {
            "all-at-once": ["100%"],
            "gradual": ["5% for 24h - initial canary", "30% for 24h", "100% - full rollout"],
        },
        "healthChecks": {"home": {"url": "/", "expect": ["status == 200"], "timeout": "2s", "retries": 0}},
        "triggers": {
            "high-error-rate": {"when": "errorRate > 10%", "then": "emergencyRollback"},
            "check-failures": {"when": "consecutiveFailures >= 2", "then": "reduce by 50%"},
        },
        "environments": {
            "dev": {"baseUrl": base_url, "strategy": "all-at-once"},
            "prod": {"baseUrl": base_url, "strategy": "gradual", "confirm": "name", "stable": "1s"},
        },
    }


@dataclass
class Site:
    """A real web server on a free port. `mode`: ok, failing (503), slow (answers after a second)."""

    server: ThreadingHTTPServer
    mode: str = "ok"
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def down(self) -> None:
        """Nothing listens any more."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def serving() -> Iterator[Site]:
    """The server, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            if found.mode == "slow":
                time.sleep(1)
            failing = found.mode == "failing"
            body = b"upstream is down" if failing else b'{"status": "ok"}'
            self.send_response(503 if failing else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    found.down()
    thread.join(timeout=5)


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Until it holds; fails with `what` where it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f}s: {what}"
        time.sleep(0.05)
