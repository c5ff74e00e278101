import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployguard.config.grammar import parse_condition
from deployguard.config.meaning import Use
from deployguard.config.values import HealthCheck
from deployguard.guard.values import CheckRound
from deployguard.net import clock_offset
from deployguard.telemetry import probes
from deployguard.telemetry.probes import due, probe_all, probe_connectivity, within_host
from support.certificates import Authority

NOW = datetime(2026, 11, 24, 14, 32, 10, tzinfo=UTC)


def clock() -> datetime:
    return NOW


def check(url: str, *expect: str, name: str = "check", retries: int = 0, **more: object) -> HealthCheck:
    conditions = tuple(parse_condition(text, Use.EXPECT) for text in expect)
    return HealthCheck(name=name, url=url, expect=conditions, retries=retries, **more)  # type: ignore[arg-type]


def probe(one: HealthCheck, base_url: str = "http://localhost") -> CheckRound:
    (found,) = probe_all((one,), base_url, clock)
    return found


class Site:
    """A web server on this machine, each path its own answer; it counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[object] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.headers.append({key.lower(): value for key, value in self.headers.items()})
                site.connections.add(self.client_address)
                site.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.released = threading.Event()
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        match handler.path.partition("?")[0]:
            case "/status/503":
                self.say(handler, 503, b"upstream is down\nsecond line")
            case "/page/502":
                self.say(handler, 502, b"<html><head><title>502 Bad &amp; Gateway</title></head></html>")
            case "/status/404":
                self.say(handler, 404, b"")
            case "/api":
                self.say(handler, 200, json.dumps({"status": "ok", "db": {"up": True, "nodes": [{"n": 3}]}}).encode())
            case "/degraded":
                self.say(handler, 200, b'{"status": "degraded"}')
            case "/hang":
                self.released.wait(20)
            case "/hang-in-body":
                handler.send_response(200)
                handler.send_header("Content-Length", "10")
                handler.end_headers()
                handler.wfile.write(b"half")
                handler.wfile.flush()
                self.released.wait(20)
            case "/slow":
                time.sleep(0.05)
                self.say(handler, 200, b"slow")
            case "/second-time":
                self.say(handler, 200 if self.asked.count("/second-time") > 1 else 500, b"")
            case "/big":
                handler.send_response(200)
                handler.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(1_000):
                        handler.wfile.write(b"x" * 100_000)
            case "/moved":
                self.redirect(handler, "/api")
            case "/elsewhere":
                self.redirect(handler, f"http://localhost:{self.port}/api?token=1")
            case "/round-and-round":
                self.redirect(handler, "/round-and-round")
            case "/echo":
                self.say(handler, 500, f"you sent {handler.headers['authorization']}\x1b[31m!".encode())
            case "/dated":
                self.say(handler, 200, b"")
            case _:
                self.say(handler, 200, b"hello")

    def say(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Set-Cookie", "session=1")
        handler.end_headers()
        handler.wfile.write(body)

    def redirect(self, handler: BaseHTTPRequestHandler, to: str) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    made = Site()
    yield made
    made.released.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def site(shared: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(probes, "RETRY_WAIT_S", 0.01)
    shared.asked.clear()
    shared.headers.clear()
    return shared


@contextlib.contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A bare socket that treats each connection as `serve` says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def loop() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    serve(connection)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("path", "expect", "detail"),
    [
        ("/", (), None),
        ("/", ("status == 200",), None),
        ("/api", ("status == 200", "json.status == 'ok'"), "json.status ('ok') == 'ok'"),
        ("/api", ("json.db.up == true",), "json.db.up (true) == true"),
        ("/api", ("json.db.nodes.0.n >= 3",), "json.db.nodes.0.n (3) >= 3"),
        ("/", ("body contains 'ell'",), "body ('hello') contains 'ell'"),
        ("/", ("responseTime < 20s",), "responseTime (#) < 20s"),
        ("/status/404", ("status == 404",), None),
        ("/moved", ("status == 200", "json.status == 'ok'"), "json.status ('ok') == 'ok'"),
        ("/big", ("body startsWith 'xxx'",), "body ('" + "x" * 59 + "…') startsWith 'xxx'"),
    ],
)
def test_an_answer_as_expected_passes(site: Site, path: str, expect: tuple[str, ...], detail: str | None) -> None:
    found = probe(check(path, *expect), site.url)
    seen = found.detail
    if seen and seen.startswith("responseTime ("):
        seen = f"responseTime (#{seen[seen.index(')') :]}"
    assert (found.ok, found.why, seen, found.consecutive, found.at) == (True, None, detail, 0, NOW)


@pytest.mark.parametrize(
    ("path", "expect", "why", "detail"),
    [
        ("/status/503", ("status == 200",), "status", 'status (503) == 200; "upstream is down"\nupstream is down'),
        ("/status/503", (), "status", 'status (503) < 400; "upstream is down"\nupstream is down'),
        ("/page/502", (), "status", 'status (502) < 400; "502 Bad & Gateway"\n<html>'),
        ("/status/404", ("status == 200",), "status", "status (404) == 200"),
        ("/status/503", ("json.status == 'ok'", "status == 200"), "status", "status (503) == 200"),
        ("/degraded", ("status == 200", "json.status == 'ok'"), "body", "json.status ('degraded') == 'ok'\n"),
        ("/degraded", ("json.db.up == true",), "body", "json.db.up (none) == true\n"),
        ("/", ("json.status == 'ok'",), "body", "json.status (no JSON) == 'ok'\nhello"),
        ("/", ("body contains 'green'",), "body", "body ('hello') contains 'green'\nhello"),
        ("/slow", ("responseTime < 10ms",), "timeout", "responseTime ("),
        ("/elsewhere", ("status == 200",), "status", "status (302) == 200; leads to http://localhost:"),
        ("/round-and-round", ("status == 200",), "status", "status (302) == 200; leads to http://127.0.0.1:"),
    ],
)
def test_an_answer_that_is_not_as_expected_says_the_rule_with_its_value(
    site: Site, path: str, expect: tuple[str, ...], why: str, detail: str
) -> None:
    found = probe(check(path, *expect), site.url)
    assert not found.ok
    assert found.why == why
    assert (found.detail or "").startswith(detail)
    assert "token=1" not in (found.detail or "")


def test_a_redirect_within_the_host_is_followed_at_most_five_times(site: Site) -> None:
    probe(check("/round-and-round"), site.url)
    assert len(site.asked) == 6


@pytest.mark.parametrize(
    ("url", "target", "within"),
    [
        ("http://a.example/x", "http://a.example/y", True),
        ("http://a.example/x", "https://a.example/x", True),
        ("https://a.example/x", "http://a.example/x", False),
        ("http://a.example/x", "http://b.example/x", False),
        ("http://a.example/x", "http://www.a.example/x", False),
        ("http://a.example:8080/x", "http://a.example:9090/x", False),
        ("http://a.example:80/x", "http://a.example/y", True),
        ("http://a.example/x", "https://a.example:8443/x", False),
        ("https://a.example/x", "ftp://a.example/x", False),
    ],
)
def test_redirects_stay_with_the_host(url: str, target: str, *, within: bool) -> None:
    assert within_host(url, target) is within


def test_no_address_is_dns() -> None:
    found = probe(check("https://search.invalid:9200/health"))
    assert (found.why, found.status) == ("dns", None)
    assert "for search.invalid" in (found.detail or "")


@pytest.mark.parametrize("url", ["http://" + "a" * 70 + ".example/", "http://[::1/", "ftp://x.example/", "http:///"])
def test_an_address_that_is_none_is_an_answer_too(url: str) -> None:
    found = probe(check(url))
    assert not found.ok
    assert found.detail


def test_nothing_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = probe(check(f"http://127.0.0.1:{port}/"))
    assert (found.why, found.detail) == ("refused", f"nothing listens on 127.0.0.1:{port}")


def test_each_address_of_a_name_is_tried_before_it_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert probe(check(f"http://localhost:{port}/")).detail == f"nothing listens on localhost:{port}"


def hang_up(connection: socket.socket) -> None:
    connection.recv(1_000)


def close_half_way(connection: socket.socket) -> None:
    connection.recv(1_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def talk_nonsense(connection: socket.socket) -> None:
    connection.recv(1_000)
    connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")


@pytest.mark.parametrize(
    ("serve", "why", "words"),
    [
        (hang_up, "refused", "closed the connection without an answer"),
        (close_half_way, "refused", "closed the connection"),
        (talk_nonsense, "body", "does not speak HTTP"),
    ],
)
def test_what_is_no_http_is_said(serve: Callable[[socket.socket], None], why: str, words: str) -> None:
    with listener(serve) as port:
        found = probe(check(f"http://127.0.0.1:{port}/"))
    assert found.why == why
    assert words in (found.detail or "")
    assert f"127.0.0.1:{port}" in (found.detail or "")


@pytest.mark.parametrize("path", ["/hang", "/hang-in-body"])
def test_a_time_out_says_how_far_it_came_and_how_often(site: Site, path: str) -> None:
    found = probe(check(path, retries=1, timeout=timedelta(milliseconds=200)), site.url)
    assert (found.why, found.tries) == ("timeout", 2)
    assert 200 <= found.latency_ms < 2_000
    head, _, tail = (found.detail or "").partition("ms, ")
    assert head.startswith("connected in ")
    assert tail == "no answer in 200ms, 2 tries"


def test_a_try_that_gets_no_connection_says_so() -> None:
    """A listener with a full queue drops what comes: the connection is never made."""
    with socket.socket() as server, contextlib.ExitStack() as filled:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        for _ in range(4):
            waiting = filled.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        time.sleep(0.05)
        found = probe(check(f"http://127.0.0.1:{address[1]}/", timeout=timedelta(milliseconds=300)))
    assert (found.why, found.detail) == ("timeout", f"no connection to 127.0.0.1:{address[1]} in 300ms")


def test_a_resolver_that_does_not_answer_costs_the_time_out_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def dead(*_: object) -> list[object]:
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", dead)
    began = time.monotonic()
    checks = [check(f"http://host-{n}.example/", timeout=timedelta(milliseconds=200)) for n in range(20)]
    rounds = probe_all(checks, "", clock)
    assert time.monotonic() - began < 3
    assert {found.why for found in rounds} == {"timeout"}
    over.set()


def test_retries_inside_a_round_count_once(site: Site) -> None:
    found = probe(check("/second-time", retries=1), site.url)
    assert (found.ok, found.tries, found.consecutive) == (True, 2, 0)
    found = probe(check("/status/503", retries=2), site.url)
    assert (found.ok, found.tries, found.consecutive) == (False, 3, 1)


def test_failed_rounds_are_counted_on_from_the_last_and_one_success_ends_it(site: Site) -> None:
    last = {"check": CheckRound(check="check", ok=False, at=NOW, consecutive=4)}
    (bad,) = probe_all([check("/status/503")], site.url, clock, last_rounds=last)
    (good,) = probe_all([check("/")], site.url, clock, last_rounds=last)
    assert (bad.consecutive, good.consecutive) == (5, 0)


def test_a_round_asks_at_once_but_not_more_than_allowed_and_answers_in_order(site: Site) -> None:
    site.connections.clear()
    checks = [check("/slow" if n % 2 else "/", name=f"c{n}") for n in range(40)]
    rounds = probe_all(checks, site.url, clock, at_once=8)
    assert [found.check for found in rounds] == [f"c{n}" for n in range(40)]
    assert all(found.ok for found in rounds)
    assert 2 <= len(site.connections) <= 8


def test_headers_are_sent_and_no_cookie_is_kept(site: Site) -> None:
    headers = {"Authorization": "Bearer t0ken-of-health"}
    probe_all([check("/", headers=headers), check("/")], site.url, clock, at_once=1)
    assert site.headers[0]["authorization"] == "Bearer t0ken-of-health"
    assert "authorization" not in site.headers[1]
    assert "cookie" not in site.headers[1]
    assert site.headers[0]["user-agent"].startswith("deployguard/")


def test_a_checks_own_header_wins_over_the_password_of_an_address(site: Site) -> None:
    address = site.url.replace("://", "://ann:s3cret@")
    probe(check("/", headers={"authorization": "Bearer t0ken-of-health"}), address)
    probe(check("/"), address)
    assert site.headers[0]["authorization"] == "Bearer t0ken-of-health"
    assert site.headers[1]["authorization"] == "Basic YW5uOnMzY3JldA=="


def test_a_header_that_cannot_be_sent_is_a_failed_check_not_a_crash(site: Site) -> None:
    assert not probe(check("/", headers={"X-Name": "a\nb"}), site.url).ok
    assert not probe(check("/", headers={"X-Name": "日本"}), site.url).ok


def test_an_answer_that_echoes_a_header_or_a_secret_shows_neither(site: Site) -> None:
    one = check("/echo", headers={"Authorization": "Bearer t0ken-of-health"})
    (found,) = probe_all([one], site.url, clock, mask=lambda text: text.replace("sent", "***"))
    assert found.detail == 'status (500) < 400; "you *** ***!"\nyou *** ***!'


def test_two_kilobytes_of_an_answer_are_kept(site: Site) -> None:
    found = probe(check("/big", "body contains 'y'"), site.url)
    assert len((found.detail or "").partition("\n")[2]) == 2_048


def test_a_path_stands_under_the_base_url(site: Site) -> None:
    probe_all([check("/health"), check("health")], f"{site.url}/shop/", clock)
    assert site.asked == ["/shop/health", "/shop/health"]


def test_no_checks_are_no_round() -> None:
    assert probe_all((), "http://localhost", clock) == ()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def tls_site(authority: Authority, name: str, ends: datetime | None = None) -> Iterator[int]:
    made = authority.certificate(name, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.file, made.key)

    def serve(connection: socket.socket) -> None:
        connection.settimeout(2)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1_000)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listener(serve) as port:
        yield port


DAYS_AGO = datetime.now(UTC) - timedelta(days=2, minutes=5)


@pytest.mark.parametrize(
    ("name", "ends", "trusted", "fact"),
    [
        ("localhost", None, True, None),
        ("localhost", DAYS_AGO, True, "certificate ended #(2 days ago)"),
        ("other.example", None, True, "certificate is not for localhost"),
        ("localhost", None, False, "certificate is signed by an authority that is not known here"),
    ],
)
def test_a_certificate_is_checked_and_what_is_wrong_with_it_is_said(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    ends: datetime | None,
    *,
    trusted: bool,
    fact: str | None,
) -> None:
    other = tmp_path / "other.pem"
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "stranger").file))
    monkeypatch.setenv("SSL_CERT_DIR", str(other))
    with tls_site(authority, name, ends) as port:
        (found,) = probe_all([check(f"https://localhost:{port}/")], "", lambda: datetime.now(UTC))
    if fact is None:
        assert found.ok
        return
    assert found.why == "tls"
    day = f"{DAYS_AGO:%a} {DAYS_AGO.day} {DAYS_AGO:%b %H:%M} UTC "
    assert found.detail == fact.replace("#", day)


def test_plain_http_behind_https_is_tls(site: Site) -> None:
    found = probe(check(f"https://127.0.0.1:{site.port}/"))
    assert (found.why, found.detail) == ("tls", f"127.0.0.1:{site.port} does not speak TLS")


def test_connectivity_is_any_answer_at_all(site: Site) -> None:
    assert probe_connectivity(f"{site.url}/status/503")
    assert not probe_connectivity("http://nowhere.invalid/")
    assert not probe_connectivity(f"{site.url}/hang", timedelta(milliseconds=100))


def test_the_clocks_offset_is_read_from_the_date_header(site: Site) -> None:
    offset = clock_offset(f"{site.url}/dated")
    assert offset is not None
    assert abs(offset) < timedelta(seconds=1)
    assert clock_offset("http://nowhere.invalid/") is None


@pytest.mark.parametrize(
    ("ago_s", "is_due"),
    [(None, True), (0, False), (28.5, False), (29.5, True), (30, True), (300, True), (-60, True)],
)
def test_a_check_is_due_when_its_every_has_passed(ago_s: float | None, *, is_due: bool) -> None:
    one = check("/", every=timedelta(seconds=30))
    last = {} if ago_s is None else {"check": CheckRound(check="check", ok=True, at=NOW - timedelta(seconds=ago_s))}
    assert due([one], last, NOW) == ((one,) if is_due else ())
