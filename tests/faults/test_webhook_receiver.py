"""One notice against a real receiver that behaves badly."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from deployguard.config.values import Channel, Severity
from deployguard.effects.webhook import DeliveryFailed, send, send_test
from deployguard.state import Actor, Event, Via
from support.certificates import Authority
from support.receiver import Receiver, receiving

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ACTOR = Actor(name="maria", via=Via.CLI)
EVENT = Event(
    seq=7,
    id="ev-7",
    type="trigger.failed",
    severity=Severity.WARNING,
    time=NOW,
    environment="prod",
    revision=7,
    actor=ACTOR,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def channel(url: str, secret: str | None = SECRET) -> Channel:
    return Channel(name="ops", type="webhook", url=url, secret=secret)


def deliver(url: str, *, timeout_s: float = 5.0) -> None:
    send(channel(url), EVENT, ("ev-6",), "words", "ef-7-ops", timedelta(seconds=timeout_s))


def refused(url: str, *, timeout_s: float = 5.0) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        deliver(url, timeout_s=timeout_s)
    return failed.value


def test_a_notice_arrives_once_signed_with_its_id(receiver: Receiver) -> None:
    deliver(receiver.url)
    (got,) = receiver.received
    told = Webhook(SECRET).verify(got.body, got.headers)
    assert (told["type"], told["data"]["related"]) == ("dev.deployguard.trigger.failed", ["ev-6"])
    assert got.headers["webhook-id"] == "ef-7-ops"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_repeat_carries_the_same_id(receiver: Receiver) -> None:
    receiver.plan = [500]
    refused(receiver.url)
    deliver(receiver.url)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "ef-7-ops"
    assert first.body == second.body


@pytest.mark.parametrize(
    ("answer", "reason", "asked_s", "final"),
    [
        (500, "status 500", None, False),
        (404, "status 404", None, False),
        (410, "status 410: the receiver is gone for good", None, True),
        ((429, {"Retry-After": "120"}), "status 429", 120, False),
        ((503, {"Retry-After": "7"}), "status 503", 7, False),
        ((503, {}), "status 503", None, False),
        ((500, {"Retry-After": "7"}), "status 500", None, False),
        ((301, {"Location": "http://127.0.0.1:1/"}), "status 301: redirects are not followed", None, False),
        ((307, {"Location": "/other"}), "status 307: redirects are not followed", None, False),
        ("close", "its address closed the connection without an answer", None, False),
    ],
)
def test_what_is_no_2xx_is_a_failure_with_its_reason(
    receiver: Receiver,
    answer: int | str | tuple[int, dict[str, str]],
    reason: str,
    asked_s: int | None,
    *,
    final: bool,
) -> None:
    receiver.plan = [answer]
    failed = refused(receiver.url)
    asked = None if failed.retry_after is None else failed.retry_after.total_seconds()
    assert (failed.reason, asked, failed.final) == (reason, asked_s, final)
    assert [got.path for got in receiver.received] == ["/hook"], "nothing was followed, nothing sent twice"


def test_a_retry_date_counts_from_now(receiver: Receiver) -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    receiver.plan = [(429, {"Retry-After": f"{until:%a, %d %b %Y %H:%M:%S} GMT"})]
    asked = refused(receiver.url).retry_after
    assert asked is not None
    assert 80 <= asked.total_seconds() <= 91


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_receiver_that_hangs_or_drips_costs_the_time_limit_and_no_more(receiver: Receiver, answer: str) -> None:
    receiver.plan = [answer]
    began = time.monotonic()
    failed = refused(receiver.url, timeout_s=0.4)
    assert failed.reason == "no answer from its host in 0.4s"
    assert time.monotonic() - began < 2


def test_an_answer_that_comes_twice_is_one_answer(receiver: Receiver) -> None:
    receiver.plan = ["twice"]
    deliver(receiver.url)
    deliver(receiver.url)
    assert len(receiver.received) == 2


def test_nobody_listening_is_said_without_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert refused(f"http://user:pw@127.0.0.1:{port}/s3cret").reason == "nothing listens on its address"
    assert refused("https://hooks.invalid/s3cret").reason.endswith("for its host")


def test_a_redirect_to_the_metadata_service_is_not_gone_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("169.254.169.254"))
    assert refused("http://rebound.example/x").reason == "its host has an address that notices never go to"


def answers(*addresses: str) -> Callable[..., list[tuple[int, int, int, str, tuple[str, int]]]]:
    """A resolver that gives the addresses in turn, one a lookup: a name that is rebound."""
    left = list(addresses)

    def getaddrinfo(_host: object, port: int, *_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return getaddrinfo


def test_the_address_that_was_checked_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1", "169.254.169.254"))
    deliver(f"http://ops.example.com:{receiver.port}/hook")
    assert receiver.received[0].headers["host"] == f"ops.example.com:{receiver.port}"


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    deliver(receiver.url)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("name", "reason"), [("ops.example.com", None), ("other.example", "certificate is not for its host")]
)
def test_the_certificate_is_held_against_the_name_though_the_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, reason: str | None
) -> None:
    authority = Authority(tmp_path)
    made = authority.certificate(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.file, made.key)
    asked_for: list[str | None] = []
    context.sni_callback = lambda _socket, server_name, _context: asked_for.append(server_name)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65_536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://ops.example.com:{server.getsockname()[1]}/hook"
        if reason is None:
            deliver(url)
        else:
            assert refused(url).reason == reason
        thread.join(5)
    assert asked_for == ["ops.example.com"]


def test_alerts_test_says_whether_it_came_through(receiver: Receiver) -> None:
    receiver.plan = [204, 500]
    assert send_test(channel(receiver.url), "prod", ACTOR, NOW) is None
    assert send_test(channel(receiver.url), "prod", ACTOR, NOW) == "status 500"
    told = json.loads(receiver.received[0].body)
    assert told["type"] == "dev.deployguard.alerts.test"
    assert told["data"]["sentence"] == "a test of channel ops by maria; nothing happened on prod"
