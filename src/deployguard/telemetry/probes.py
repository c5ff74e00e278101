"""Health checks: every check asked at once, each answer held against what the config expects, and why it failed.

A round is one answer a check, however many tries it took. A try has the check's `timeout` for all of it: lookup,
connection, redirects and body. Redirects are followed only within the check's own host (the same port, or from http
up to https), so that a header with a token never goes to somebody else. At most 1 MB of an answer is read.

Without `expect` a check passes with any status below 400.

`CheckRound.detail` opens with one line, the fact that mends it; where the check failed, the answer's first 2 KB follow.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

from deployguard import net
from deployguard.config.units import format_duration
from deployguard.config.values import HealthCheck
from deployguard.guard.values import CheckRound
from deployguard.loop import run
from deployguard.net import Why
from deployguard.plain import plain
from deployguard.story.numbers import counted, day_words
from deployguard.telemetry.expectations import Answer, judged

if TYPE_CHECKING:
    import httpx

AT_ONCE = 64
MOST_READ = 1_000_000
KEPT = 2_048
REDIRECTS = 5
RETRY_WAIT_S = 0.25
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Try:
    """One try as it went."""

    why: Why | None
    fact: str
    latency_ms: int
    status: int | None = None
    answer: str = ""


def due(checks: Iterable[HealthCheck], last_rounds: Mapping[str, CheckRound], now: datetime) -> tuple[HealthCheck, ...]:
    """The checks whose `every` has passed since their last round (or whose last round lies in the future)."""

    def is_due(check: HealthCheck) -> bool:
        last = last_rounds.get(check.name)
        if last is None or last.at > now:
            return True
        # A tick that comes a moment early must not make every second round wait for the next tick.
        slack = min(timedelta(seconds=1), check.every / 10)
        return now - last.at >= check.every - slack

    return tuple(check for check in checks if is_due(check))


def probe_all(
    checks: Iterable[HealthCheck],
    base_url: str,
    now: Callable[[], datetime],
    *,
    last_rounds: Mapping[str, CheckRound] | None = None,
    at_once: int = AT_ONCE,
    mask: Callable[[str], str] = str,
) -> tuple[CheckRound, ...]:
    """One round of every check, at most `at_once` together; answers in the order of `checks`.

    `now` is asked when a check begins: that is its round's time. `last_rounds` carries on the count of failed rounds.
    `mask` hides secrets in what is kept of an answer.
    """
    wanted = tuple(checks)
    return run(_all(wanted, base_url, now, last_rounds or {}, at_once, mask)) if wanted else ()


def probe_connectivity(url: str, timeout: timedelta = timedelta(seconds=5)) -> bool:
    """Whether `url` answers at all, with any status: if not, it is this machine that is offline."""
    check = HealthCheck(name="connectivity", url=url, timeout=timeout)

    async def ask() -> _Try:
        async with net.client(connections=1) as client:
            return await _one_try(client, check, url, lambda: None)

    return run(ask()).status is not None


async def _all(
    checks: tuple[HealthCheck, ...],
    base_url: str,
    now: Callable[[], datetime],
    last_rounds: Mapping[str, CheckRound],
    at_once: int,
    mask: Callable[[str], str],
) -> tuple[CheckRound, ...]:
    import asyncio

    rounds: dict[int, CheckRound] = {}
    waiting = iter(enumerate(checks))

    async def work() -> None:
        # A client each: httpcore looks through its whole pool for every request, so that one pool for all costs ten
        # times as much at 64 connections.
        async with net.client(connections=2) as client:
            for index, check in waiting:
                rounds[index] = await _round(client, check, base_url, now, last_rounds.get(check.name), mask)

    await asyncio.gather(*(work() for _ in range(min(at_once, len(checks)))))
    return tuple(rounds[index] for index in range(len(checks)))


async def _round(
    client: "httpx.AsyncClient",
    check: HealthCheck,
    base_url: str,
    now: Callable[[], datetime],
    last: CheckRound | None,
    mask: Callable[[str], str],
) -> CheckRound:
    """All tries of one check, counted as one."""
    from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_fixed

    url = absolute(check.url, base_url)
    began = now()
    tries = AsyncRetrying(
        stop=stop_after_attempt(1 + check.retries),
        wait=wait_fixed(RETRY_WAIT_S),
        retry=retry_if_result(lambda result: result.why is not None),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    result: _Try = await tries(_one_try, client, check, url, now)
    made = int(tries.statistics["attempt_number"])
    failed = result.why is not None
    return CheckRound(
        check=check.name,
        ok=not failed,
        at=began,
        latency_ms=result.latency_ms,
        status=result.status,
        why=result.why,
        detail=_detail(result, made, check, mask) or None,
        consecutive=(last.consecutive + 1 if last else 1) if failed else 0,
        tries=made,
    )


def absolute(url: str, base_url: str) -> str:
    """A check's address: a path stands under the environment's `baseUrl`."""
    return url if "://" in url else f"{base_url.rstrip('/')}/{url.lstrip('/')}"


def _detail(result: _Try, tries: int, check: HealthCheck, mask: Callable[[str], str]) -> str:
    if result.why is None:
        return mask(result.fact)
    fact = f"{result.fact}, {tries} tries" if result.why is Why.TIMEOUT and tries > 1 else result.fact

    def hidden(text: str) -> str:
        for value in check.headers.values():  # an answer that echoes what it was sent
            for secret in (value, value.rpartition(" ")[2]):
                if len(secret) >= 8:
                    text = text.replace(secret, "***")
        return mask(text)

    answer = hidden(result.answer).encode()[:KEPT].decode(errors="ignore")
    return f"{hidden(fact)}\n{answer}" if answer else hidden(fact)


class _Clock:
    """When the connection stood: httpcore's trace tells."""

    def __init__(self) -> None:
        self.began = perf_counter()
        self.connected_ms: int | None = None

    @property
    def ms(self) -> int:
        return round((perf_counter() - self.began) * 1000)

    async def trace(self, name: str, _info: Mapping[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            self.connected_ms = self.ms


async def _one_try(
    client: "httpx.AsyncClient", check: HealthCheck, url: str, now: Callable[[], datetime | None]
) -> _Try:
    import asyncio

    clock = _Clock()
    host, port, address = _place(url)
    try:
        async with asyncio.timeout(check.timeout.total_seconds()):
            answer = await _ask(client, check, url, clock)
    except TimeoutError:
        return _Try(Why.TIMEOUT, _timeout_fact(clock, address, check.timeout), clock.ms)
    except net.failures() as error:
        ms = clock.ms
        why, fact = net.explained(error, host=host, address=address)
        if net.certificate_ended(error):
            fact = _ended(await net.certificate_end(host, port), now()) or fact
        return _Try(why, fact, ms)
    why_not, fact = judged(check.expect, answer)
    kept = plain(answer.text[: 2 * KEPT]).strip() if why_not else ""  # masked first, cut then
    return _Try(why_not, fact, round(answer.elapsed_ms), answer.status, kept)


async def _ask(client: "httpx.AsyncClient", check: HealthCheck, url: str, clock: _Clock) -> Answer:
    """The answer behind at most five redirects within the host. A redirect that leads elsewhere is the answer."""
    for hop in range(REDIRECTS + 1):
        async with client.stream("GET", url, headers=check.headers, extensions={"trace": clock.trace}) as response:
            leads_to = _redirect(response)
            if leads_to and hop < REDIRECTS and within_host(url, leads_to):
                url = leads_to
                continue
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= MOST_READ:
                    break
        return Answer(
            status=response.status_code,
            body=bytes(body[:MOST_READ]),
            charset=response.charset_encoding or "utf-8",
            elapsed_ms=(perf_counter() - clock.began) * 1000,
            leads_to=leads_to,
        )
    raise AssertionError("the last hop always answers")


def _redirect(response: "httpx.Response") -> str | None:
    location = response.headers.get("location")
    return str(response.url.join(location)) if location and response.status_code in _REDIRECT else None


def within_host(url: str, target: str) -> bool:
    """Whether a redirect stays with the host that was asked: the same name and port, or from http up to https."""
    asked, leads = _origin(url), _origin(target)
    upgrade = (asked[0], leads[0]) == ("http", "https") and leads[2] == _PORTS["https"]
    return asked[1] == leads[1] and (asked == leads or upgrade)


def _origin(url: str) -> tuple[str, str, int]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _place(url: str) -> tuple[str, int, str]:
    """Host, port and how to name the address: `cart.example.com:8443`, without a port that goes without saying."""
    try:
        scheme, host, port = _origin(url)
    except ValueError:
        return url, 0, url
    shown = f"[{host}]" if ":" in host else host
    return host, port, shown if port == _PORTS.get(scheme) else f"{shown}:{port}"


def _timeout_fact(clock: _Clock, address: str, timeout: timedelta) -> str:
    if clock.connected_ms is None:
        return f"no connection to {address} in {format_duration(timeout)}"
    return f"connected in {clock.connected_ms}ms, no answer in {format_duration(timeout)}"


def _ended(end: datetime | None, now: datetime | None) -> str | None:
    """`certificate ended Sun 22 Nov 23:59 UTC (2 days ago)`."""
    if end is None or now is None or end > now:
        return None
    year = f" {end.year}" if end.year != now.year else ""
    return f"certificate ended {day_words(end)}{year} {end:%H:%M} UTC ({_ago(now - end)} ago)"


def _ago(age: timedelta) -> str:
    counts = ((age.days, "day"), (age.seconds // 3600, "hour"), (age.seconds // 60, "minute"))
    count, name = next((found for found in counts if found[0]), (1, "minute"))
    return counted(count, name)
