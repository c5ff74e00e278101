import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from deployguard.config.values import Channel, Severity
from deployguard.effects.webhook import (
    SIGNED_BY,
    DeliveryFailed,
    Form,
    build,
    chat,
    form_of,
    retry_after,
    send,
    trial_event,
)
from deployguard.net import UnreachableError, checked
from deployguard.state import Actor, Event, Via

NOW = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORDS = "trust_social_proof taken back from 30% after 2m 10s"

EVENT = Event(
    seq=418,
    id="ev-418",
    type="rollback.executed",
    severity=Severity.CRITICAL,
    time=NOW,
    environment="prod",
    revision=416,
    actor=Actor(name="deploy@build-1", via=Via.CONTROLLER),
    data={"rollbackId": "rb-12", "flags": [{"flagId": "trust_social_proof"}]},
    set={"flags.trust_social_proof": {"enabled": False}},
    previous_hash="aa",
    hash="bb",
)


def channel(url: str = "https://ops.example.com/hook", secret: str | None = SECRET) -> Channel:
    return Channel(name="ops", type="webhook", url=url, secret=secret)


def test_a_notice_is_a_cloud_event_of_the_log_event_without_what_it_set() -> None:
    message = build(channel(), EVENT, ("ev-417", "ev-419"), WORDS, "ef-418-ops", datetime.now(UTC))
    assert message.headers["Content-Type"].startswith("application/cloudevents+json")
    assert json.loads(message.content) == {
        "specversion": "1.0",
        "id": "ev-418",
        "source": "deployguard/prod",
        "type": "dev.deployguard.rollback.executed",
        "subject": "rb-12",
        "time": "2026-11-24T13:31:50Z",
        "datacontenttype": "application/json",
        "data": {
            "seq": 418,
            "id": "ev-418",
            "type": "rollback.executed",
            "severity": "critical",
            "time": "2026-11-24T13:31:50Z",
            "environment": "prod",
            "revision": 416,
            "actor": {"name": "deploy@build-1", "via": "controller", "token": None, "claimed": None},
            "reason": None,
            "cause": None,
            "data": {"rollbackId": "rb-12", "flags": [{"flagId": "trust_social_proof"}]},
            "previousHash": "aa",
            "hash": "bb",
            "sentence": WORDS,
            "related": ["ev-417", "ev-419"],
        },
    }


def test_the_signature_is_verified_by_the_library_and_covers_every_byte() -> None:
    message = build(channel(), EVENT, (), "naïve 日本", "ef-418-ops", datetime.now(UTC))
    headers = dict(message.headers)
    assert headers["webhook-id"] == "ef-418-ops"
    Webhook(SECRET).verify(message.content, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(message.content + b" ", headers)


def test_without_a_secret_it_is_unsigned_but_a_repeat_can_be_dropped() -> None:
    headers = build(channel(secret=None), EVENT, (), WORDS, "ef-418-ops", NOW).headers
    assert "webhook-signature" not in headers
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("ef-418-ops", str(int(NOW.timestamp())))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_a", "é" * 10])
def test_a_secret_that_is_none_is_said_without_being_shown(secret: str) -> None:
    with pytest.raises(DeliveryFailed, match="the secret of ops is no Standard Webhooks secret") as failed:
        build(channel(secret=secret), EVENT, (), WORDS, "ef", NOW)
    assert secret not in failed.value.reason.replace(SIGNED_BY, "")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://hooks.slack.com/services/T/B/x", Form.SLACK),
        ("https://discord.com/api/webhooks/1/x", Form.DISCORD),
        ("https://canary.discord.com/api/webhooks/1/x", Form.DISCORD),
        ("https://discord.com/api/webhooks/1/x/slack", Form.SLACK),
        ("https://acme.webhook.office.com/webhookb2/x", Form.TEAMS),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", Form.TEAMS_WORKFLOW),
        ("https://ops.example.com/hooks.slack.com", Form.CLOUD_EVENT),
        ("https://hooks.slack.com.evil.example/x", Form.CLOUD_EVENT),
        ("https://nothooks.slack.com/x", Form.CLOUD_EVENT),
    ],
)
def test_a_chat_is_known_by_its_host(url: str, form: Form) -> None:
    assert form_of(url) is form


def test_a_chat_gets_the_sentence_and_a_name_in_it_mentions_nobody() -> None:
    words = "<!channel> & @everyone"
    assert chat(Form.SLACK, EVENT, words) == {"text": "prod critical: &lt;!channel&gt; &amp; @everyone"}
    discord = chat(Form.DISCORD, EVENT, words * 200)
    assert discord["allowed_mentions"] == {"parse": []}
    assert len(discord["content"]) == 2_000
    assert chat(Form.TEAMS, EVENT, WORDS) == {"text": f"prod critical: {WORDS}"}
    card = chat(Form.TEAMS_WORKFLOW, EVENT, WORDS)["attachments"][0]["content"]
    assert card["body"][0]["text"] == f"prod critical: {WORDS}"


def test_a_chat_gets_no_signature() -> None:
    message = build(channel("https://hooks.slack.com/services/T/B/x"), EVENT, (), WORDS, "ef", NOW)
    assert set(message.headers) == {"Content-Type"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Tue, 24 Nov 2026 13:33:50 GMT", 120),
        ("Tue, 24 Nov 2026 13:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 14:33:50 +0100", 120),
        ("2026-11-24T13:33:50Z", None),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_an_http_date(text: str | None, seconds: int | None) -> None:
    assert retry_after(text, NOW) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "url", ["", "ops.example.com/hook", "file:///etc/passwd", "http://", "http://[::1", "http://h:0/"]
)
def test_only_http_addresses_are_sent_to(url: str) -> None:
    with pytest.raises(DeliveryFailed, match="the url of ops"):
        send(channel(url), EVENT, (), WORDS, "ef")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("10.0.0.7", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("224.0.0.1", False),
    ],
)
def test_a_notice_never_goes_to_a_metadata_service(address: str, *, allowed: bool) -> None:
    if allowed:
        assert checked((address,), "its host") == (address,)
    else:
        with pytest.raises(UnreachableError, match="its host has an address"):
            checked(("93.184.216.34", address), "its host")


def test_a_test_says_that_it_is_one() -> None:
    event = trial_event(channel(), "prod", Actor(name="maria", via=Via.CLI), NOW)
    assert (event.type, event.seq, event.environment) == ("alerts.test", 0, "prod")
