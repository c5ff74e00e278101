"""A notice over HTTP: what it says, how it is signed, and whether it came through.

A receiver gets one CloudEvent 1.0 in structured mode (`application/cloudevents+json`):

    {"specversion": "1.0", "id": the event's id, "source": "deployguard/<environment>",
     "type": "dev.deployguard.<type>", "subject": the flag, release, check or source, "time": ...,
     "datacontenttype": "application/json",
     "data": {the event of the audit log without `set`, "sentence": what happened in words, "related": [ids]}}

`data.hash` is the log's head at that event: kept outside, it is the anchor that the audit log can be held against.
With a secret the message carries the headers of Standard Webhooks: `webhook-id` is the effect's id, the same in each
repeat, so a receiver can drop what it has. Slack, Discord and Teams, known by their host, get the sentence as text.

No redirect is followed, and only the address that was checked is connected to. Reasons never name the address: it is
a secret of many receivers.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deployguard import net
from deployguard.codec import JSON, to_json
from deployguard.config.values import Channel, Severity
from deployguard.plain import shortened
from deployguard.state import Actor, Event

if TYPE_CHECKING:
    from standardwebhooks.webhooks import Webhook

CONNECT_S = 5.0
TOTAL_S = 15.0
TEST_TYPE = "alerts.test"
SIGNED_BY = "whsec_ and random bytes in base64, as this makes one: echo whsec_$(openssl rand -base64 32)"
_SUBJECTS = ("flagId", "rollout", "releaseId", "check", "source", "trigger", "rollbackId", "tokenId")


class DeliveryFailed(Exception):  # noqa: N818  # it is a fact about a delivery, told and tried again
    """The notice did not come through: why, how long the receiver asked to wait, and whether to give up at once."""

    def __init__(self, reason: str, retry_after: timedelta | None = None, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.final = final


class Form(StrEnum):
    """What a receiver reads."""

    CLOUD_EVENT = "cloudEvent"
    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"
    TEAMS_WORKFLOW = "teamsWorkflow"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the body's exact bytes (they are signed) and its headers."""

    content: bytes
    headers: Mapping[str, str]


def send(
    channel: Channel,
    event: Event,
    related: tuple[str, ...],
    sentence: str,
    effect_id: str,
    timeout: timedelta = timedelta(seconds=TOTAL_S),
) -> None:
    """Send one notice, in at most `timeout`. Raises DeliveryFailed; nothing else for reasons outside."""
    url = _checked_url(channel)
    # The signature carries the wall clock, not the decision's time: receivers refuse what is five minutes off theirs.
    message = build(channel, event, related, sentence, effect_id, datetime.now(UTC))
    try:
        status, retry = net.post(
            url,
            message.content,
            message.headers,
            connect_s=min(CONNECT_S, timeout.total_seconds()),
            total_s=timeout.total_seconds(),
            host_name="its host",
            address_name="its address",
        )
    except net.UnreachableError as error:
        raise DeliveryFailed(error.fact) from error
    _judge(status, retry, datetime.now(UTC))


def trial_event(channel: Channel, environment: str, actor: Actor, now: datetime) -> Event:
    """What `alerts test` sends: an event that says it is a test and stands in no log."""
    return Event(
        seq=0,
        id=f"test-{now:%Y%m%dT%H%M%S%fZ}",
        type=TEST_TYPE,
        severity=Severity.INFO,
        time=now,
        environment=environment,
        revision=0,
        actor=actor,
        data={"channel": channel.name},
    )


def send_test(channel: Channel, environment: str, actor: Actor, now: datetime) -> str | None:
    """Send one notice that says it is a test, and wait for the answer; None where it came through, else why not."""
    event = trial_event(channel, environment, actor, now)
    sentence = f"a test of channel {channel.name} by {actor.shown}; nothing happened on {environment}"
    try:
        send(channel, event, (), sentence, event.id)
    except DeliveryFailed as failed:
        return failed.reason
    return None


def build(
    channel: Channel, event: Event, related: tuple[str, ...], sentence: str, effect_id: str, at: datetime
) -> Message:
    """The message as it leaves, signed where the channel has a secret. Raises DeliveryFailed for a bad secret."""
    form = form_of(channel.url)
    if form is not Form.CLOUD_EVENT:
        return Message(_bytes(chat(form, event, sentence)), {"Content-Type": "application/json"})
    content = _bytes(cloud_event(event, related, sentence))
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": effect_id,
        "webhook-timestamp": str(int(at.timestamp())),
    }
    if channel.secret:
        headers["webhook-signature"] = signer(channel).sign(effect_id, at, content.decode())
    return Message(content, headers)


def cloud_event(event: Event, related: tuple[str, ...], sentence: str) -> JSON:
    """The event as a CloudEvent 1.0. Its `id` is the event's, so that it is the same on every channel."""
    told: JSON = to_json(event)
    del told["set"]  # the state's own entries: long, and nobody else's business
    envelope: JSON = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"deployguard/{event.environment}",
        "type": f"dev.deployguard.{event.type}",
        "time": told["time"],
        "datacontenttype": "application/json",
        "data": {**told, "sentence": sentence, "related": list(related)},
    }
    subject = next((event.data[key] for key in _SUBJECTS if event.data.get(key)), None)
    if isinstance(subject, str):
        envelope["subject"] = subject
    return envelope


def form_of(url: str) -> Form:
    """What the receiver reads, by its host."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path

    def at(*domains: str) -> bool:
        return any(host == domain or host.endswith(f".{domain}") for domain in domains)

    if at("hooks.slack.com", "hooks.slack-gov.com"):
        return Form.SLACK
    if at("discord.com", "discordapp.com") and path.startswith("/api/"):
        # Discord's own Slack-compatible door reads what Slack reads.
        return Form.SLACK if path.endswith("/slack") else Form.DISCORD
    if at("webhook.office.com", "outlook.office.com"):
        return Form.TEAMS
    if at("logic.azure.com", "api.powerplatform.com"):
        return Form.TEAMS_WORKFLOW
    return Form.CLOUD_EVENT


def chat(form: Form, event: Event, sentence: str) -> JSON:
    """The sentence as a chat reads it; a name in it mentions nobody and formats nothing."""
    text = f"{event.environment} {event.severity}: {sentence}"
    match form:
        case Form.SLACK:
            return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        case Form.DISCORD:
            return {"content": shortened(text, 2_000), "allowed_mentions": {"parse": []}}
        case Form.TEAMS_WORKFLOW:
            card = {
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": [{"type": "TextBlock", "text": text, "wrap": True}],
            }
            attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
            return {"type": "message", "attachments": [attachment]}
        case _:
            return {"text": text}


def _bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def secret_fault(channel: Channel) -> str | None:
    """What is wrong with the channel's secret; also where the library reads it and a stricter receiver would not."""
    try:
        signer(channel)
        b64decode((channel.secret or "").removeprefix("whsec_"), validate=True)
    except DeliveryFailed as failed:
        return failed.reason
    except ValueError:
        return f"the secret of {channel.name} is no clean base64, and receivers differ in what they read: {SIGNED_BY}"
    return None


def signer(channel: Channel) -> "Webhook":
    """What signs the channel's messages. Raises DeliveryFailed for a secret that can sign nothing."""
    from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

    try:
        return Webhook(channel.secret or "")
    except (ValueError, EmptyWebhookSecretError):  # binascii.Error is a ValueError
        raise DeliveryFailed(f"the secret of {channel.name} is no Standard Webhooks secret: {SIGNED_BY}") from None


def _checked_url(channel: Channel) -> str:
    try:
        parts = urlsplit(channel.url)
        port = parts.port
    except ValueError:
        raise DeliveryFailed(f"the url of {channel.name} cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise DeliveryFailed(f"the url of {channel.name} is no http or https address")
    return channel.url


def _judge(status: int, retry: str | None, now: datetime) -> None:
    if 200 <= status < 300:
        return
    if status == 410:
        raise DeliveryFailed("status 410: the receiver is gone for good", final=True)
    if 300 <= status < 400:
        raise DeliveryFailed(f"status {status}: redirects are not followed")
    raise DeliveryFailed(f"status {status}", retry_after(retry, now) if status in (429, 503) else None)


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """`Retry-After` in seconds or as an HTTP date; None where it says nothing that can be read. RFC 9110, 10.2.3."""
    if text is None:
        return None
    from email.utils import parsedate_to_datetime

    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 9:
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(timedelta(0), until - now)
