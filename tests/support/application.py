"""Somebody's web application: real pages over HTTP, flags asked for each visitor, an access log; it turns bad at will.

With a clock of the test's its log is stamped by that clock, so that a rollout of hours is played in seconds.
"""

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deployguard.operations.watch import Watch
from deployguard.sdk import Client
from deployguard.session import Session, open_session
from deployguard.store.locks import ControllerLock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
USERS = 600


@dataclass
class Clock:
    """The time, moved by the test."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@dataclass
class Application:
    """`breaks`: flags whose users get a 500. `down`: everyone does. `took_ms`: how long an answer takes, as logged."""

    log: Path
    state: Path
    clock: Callable[[], datetime]
    flags: tuple[str, ...]
    breaks: set[str] = field(default_factory=set)
    down: bool = False
    healthy: bool = True
    starting_up: int = 0  # so many health checks still fail
    took_ms: float = 20.0
    took_ms_with: dict[str, float] = field(default_factory=dict)  # for users who have the flag
    _users: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(USERS)))
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_port}"

    def page(self, user: str) -> int:
        """One visit: answers the status, and writes its line."""
        client = Client(self.state, "prod", refresh=0, overrides={})
        return self._page(client, user)

    def visit(self, count: int) -> None:
        """`count` visits, each by the next of 600 users."""
        client = Client(self.state, "prod", refresh=0, overrides={})
        for _ in range(count):
            self._page(client, f"user-{next(self._users)}")

    def _page(self, client: Client, user: str) -> int:
        on = [flag for flag in self.flags if client.is_on(flag, user)]
        status = 500 if self.down or not self.breaks.isdisjoint(on) else 200
        took = max([self.took_ms, *(self.took_ms_with[flag] for flag in on if flag in self.took_ms_with)])
        line = {
            "ts": self.clock().isoformat(timespec="milliseconds"),
            "url": "/",
            "code": status,
            "took_ms": took,
            "uid": user,
        }
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return status


@contextmanager
def serving(app: Application) -> Iterator[Application]:
    """`app` on a free port: `/health` says how it is, every other path is a visit of the cookie's user."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/health":
                status = 200 if app.healthy and not app.down and not app.starting_up else 503
                app.starting_up = max(0, app.starting_up - 1)
            else:
                status = app.page((self.headers.get("Cookie") or "").removeprefix("dg_id="))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_words: object) -> None:
            pass

    app.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app.server.daemon_threads = True
    thread = threading.Thread(target=app.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        app.server.shutdown()
        app.server.server_close()
        thread.join(timeout=5)


def config_of(url: str, **changes: Any) -> dict[str, Any]:
    """Two separate features and a permanent one, a strategy of minutes, an access log, three triggers."""
    return {
        "schemaVersion": 1,
        "flags": {
            "hero": {"description": "A new first screen", "tags": ["heavy"]},
            "cart": {"description": "A new cart"},
            "legacy": {"description": "The old API", "permanent": True},
        },
        "strategies": {"minutes": ["20% for 2m", "50% for 2m", "100%"]},
        "sources": {
            "app": {
                "type": "accessLog",
                "path": "access.jsonl",
                "format": "json",
                "fields": {"time": "ts", "path": "url", "status": "code", "duration": "took_ms ms", "user": "uid"},
            }
        },
        "healthChecks": {
            "home": {"url": "/health", "expect": ["status == 200"], "timeout": "5s", "retries": 0, "every": "10s"}
        },
        "triggers": {
            "errors": {"when": "errorRate > 10%", "then": "emergencyRollback", "window": "1m", "minSamples": 40},
            "slow": {
                "when": "avg(responseTime) > 500ms",
                "then": "reduce by 50%",
                "window": "1m",
                "minSamples": 40,
                "cooldown": "5m",
            },
            "checks": {"when": "consecutiveFailures >= 2", "then": "reduce by 50%", "cooldown": "5m"},
        },
        "environments": {
            "prod": {"baseUrl": url, "strategy": "minutes", "rollout": ["hero", "cart"], "stable": "0s"},
        },
    } | changes


@dataclass
class Stage:
    """One environment on the test's clock, with its application, and whoever watches it."""

    folder: Path
    clock: Clock
    app: Application
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, **changes: Any) -> None:
        """The config, and a moment of its own, so that nobody takes it for half written."""
        self.write_text(json.dumps(config_of(self.app.url, **changes)))

    def write_text(self, text: str) -> None:
        path = self.folder / "deployment-config.json"
        path.write_text(text, encoding="utf-8")
        self._settled = getattr(self, "_settled", 1_000_000_000) + 5
        os.utime(path, (self._settled, self._settled))

    def session(self, *, lenient: bool = False) -> Session:
        opened = open_session(
            config_path=None,
            state_dir=None,
            environment="prod",
            environ=self.environ,
            cwd=self.folder,
            lenient=lenient,
        )
        opened.clock = self.clock
        return opened

    def watch(self, *, lenient: bool = False) -> Watch:
        found = Watch(self.session(lenient=lenient))
        assert found.take("watch", timedelta(seconds=10))
        return found

    def watch_can_be_taken(self) -> bool:
        lock = ControllerLock(self.folder / "state", "prod")
        taken = lock.acquire("a test", "watch", at=self.clock())
        lock.release()
        return taken

    def plays(self, watch: Watch, minutes: float, *, visits: int = 60, until: Callable[[], bool] | None = None) -> bool:
        """Ticks of ten seconds, with visits before each. True as soon as `until` holds."""
        for _ in range(round(minutes * 6)):
            self.clock.passes(seconds=10)
            self.app.visit(visits)
            watch.tick()
            if until is not None and until():
                return True
        return False


@contextmanager
def stage(folder: Path, **changes: Any) -> Iterator[Stage]:
    clock = Clock()
    app = Application(folder / "access.jsonl", folder / "state", clock, ("hero", "cart"))
    app.log.touch()
    with serving(app):
        found = Stage(folder, clock, app)
        found.write(**changes)
        yield found
