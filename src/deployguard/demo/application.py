"""A homepage behind eight flags: `python -m deployguard.demo.application --port 8080 --state state --log access.jsonl`.

Every visitor has the cookie `dg_id`; each request evaluates the eight flags for them and writes one line of access log.
The reviews of `trust_social_proof` come from a service that takes so many requests a second and no more: at 10 % of the
visitors it keeps up, at 30 % it does not, and those visitors get a 500. No test of one page would show it.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from deployguard.sdk import Client
from deployguard.sdk.middleware import KEY, WsgiMiddleware

FLAGS = (
    "dual_audience_homepage",
    "enhanced_hero_section",
    "featured_lofts_showcase",
    "trust_social_proof",
    "repositioned_owner_section",
    "multilingual_currency_support",
    "advanced_booking_functionality",
    "analytics_conversion_optimization",
)
_TEXT = {
    "dual_audience_homepage": "<h1>Homes for guests and owners</h1>",
    "enhanced_hero_section": "<p>Find a loft for tonight</p>",
    "featured_lofts_showcase": "<ul><li>Loft 12, by the port</li><li>Loft 31, old town</li></ul>",
    "repositioned_owner_section": "<p>Own a loft? Rent it out.</p>",
    "multilingual_currency_support": "<p>Prices in DZD and EUR</p>",
    "advanced_booking_functionality": "<p>Book in two steps</p>",
    "analytics_conversion_optimization": "<p>Most viewed today</p>",
}


class ReviewsService:
    """Somebody else's service: `per_second` requests, with a small reserve; asked for more it falls over.

    As servers do, it works on what it cannot answer as well, so it stays down for as long as too many ask. All its
    visitors fail then at once: a tenth of them would be, for everybody else, a fault as small as chance.
    """

    def __init__(self, per_second: float, reserve: float) -> None:
        self._per_second = per_second
        self._reserve = reserve
        self._left = reserve
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def reviews(self) -> str | None:
        """The reviews as markup; None where the service is overloaded."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._reserve, self._left + (now - self._at) * self._per_second)
            self._at = now
            self._left = max(self._left - 1, -self._reserve)
            overloaded = self._left < 0
        return None if overloaded else "<blockquote>Clean, quiet, two minutes to the beach.</blockquote>"


class Homepage:
    """The WSGI application."""

    def __init__(self, flags: Client, reviews: ReviewsService, log: TextIO) -> None:
        self._flags = flags
        self._reviews = reviews
        self._log = log
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began = time.perf_counter()
        path = environ.get("PATH_INFO", "/")
        user: str = environ[KEY]
        status, body = self._answer(path, user, environ.get("HTTP_CF_IPCOUNTRY"))
        if path != "/api/health":
            self._write(path, int(status[:3]), time.perf_counter() - began, user)
        start_response(status, [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, path: str, user: str, country: str | None) -> tuple[str, bytes]:
        if path == "/api/health":
            return "200 OK", b'{"status": "ok"}'
        on = {key: self._flags.is_on(key, user, country=country) for key in FLAGS}
        parts = [_TEXT[key] for key in FLAGS if on[key] and key in _TEXT]
        if on["trust_social_proof"]:
            reviews = self._reviews.reviews()
            if reviews is None:
                return "500 Internal Server Error", b"<h1>Something went wrong</h1>"
            parts.append(reviews)
        return "200 OK", f"<!doctype html><title>Lofts</title>{''.join(parts)}".encode()

    def _write(self, path: str, status: int, took_s: float, user: str) -> None:
        line = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "url": path,
            "code": status,
            "took_ms": round(took_s * 1000, 2),
            "uid": user,
        }
        with self._lock:
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's word
        """The access log is ours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--env", default="prod")
    parser.add_argument("--log", required=True)
    parser.add_argument("--reviews-per-second", type=float, default=9.0)
    options = parser.parse_args()
    flags = Client(options.state, options.env, refresh=0.5)
    reviews = ReviewsService(options.reviews_per_second, reserve=20)
    with Path(options.log).open("a", encoding="utf-8") as log:
        server = _Server(("127.0.0.1", options.port), _Quiet)
        server.set_app(WsgiMiddleware(Homepage(flags, reviews, log)))
        server.serve_forever()


if __name__ == "__main__":
    main()
