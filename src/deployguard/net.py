"""Speaking HTTP: the one module through which httpx is used, imported where it is needed, as ssl is.

Why an exchange failed is told in one place, `explained`: a word (dns, refused, tls, timeout) and a fact that mends it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from os import environ
from typing import TYPE_CHECKING

from deployguard import __version__
from deployguard.loop import run
from deployguard.plain import plain_line, shortened

if TYPE_CHECKING:
    import ssl

    import httpx

USER_AGENT = f"deployguard/{__version__}"
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED, and its kin below: openssl/x509_vfy.h
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
_VERIFY = {
    9: "certificate is not valid yet",
    18: "certificate is signed by itself, by no authority known here",
    19: "certificate's chain ends in an authority that is not known here",
    20: "certificate is signed by an authority that is not known here",
    21: "certificate is signed by an authority that is not known here",
}


class Why(StrEnum):
    """Why a request got no good answer. The first that holds."""

    DNS = "dns"
    REFUSED = "refused"
    TLS = "tls"
    TIMEOUT = "timeout"
    STATUS = "status"
    BODY = "body"


def client(*, connections: int = 10, trust_env: bool = True) -> "httpx.AsyncClient":
    """A client that follows no redirect, keeps no cookie, asks for no compression and has no time limit of its own.

    The caller bounds the whole exchange with `asyncio.timeout`: a limit on each read lets a slow drip go on for ever.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    return httpx.AsyncClient(
        verify=_trusted(environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=None,  # noqa: S113  # see above
        auth=_credentials,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        trust_env=trust_env,
    )


def _credentials(request: "httpx.Request") -> "httpx.Request":
    """The user and password of the address; httpx itself would put them in the place of a header that we were given."""
    import httpx

    if not request.url.userinfo or "Authorization" in request.headers:
        return request
    return next(httpx.BasicAuth(request.url.username, request.url.password).auth_flow(request))


@cache
def _trusted(file: str | None, folder: str | None) -> "ssl.SSLContext":
    """Certificates that are trusted: httpx's bundle and the machine's own, or what SSL_CERT_FILE and _DIR name."""
    import httpx

    context = httpx.create_ssl_context()
    if not file and not folder:
        context.load_default_certs()
    return context


class UnreachableError(Exception):
    """No answer came: `why`, and the fact that mends it."""

    def __init__(self, why: Why, fact: str) -> None:
        super().__init__(fact)
        self.why, self.fact = why, fact


def failures() -> tuple[type[Exception], ...]:
    """What an exchange may raise for reasons outside: to be caught and explained."""
    import httpx

    # ValueError: a header or a name that cannot be sent at all (UnicodeError is one).
    return (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


def explained(error: BaseException, *, host: str, address: str) -> tuple[Why, str]:
    """Why an exchange failed, and the fact in a few words. `host` and `address` (with its port) are how to name it."""
    import socket
    import ssl

    for cause in _causes(error):
        match cause:
            case socket.gaierror(errno=socket.EAI_AGAIN):
                return Why.DNS, f"the name server does not answer for {host}"
            case socket.gaierror() | UnicodeError():
                return Why.DNS, f"no address for {host}"
            case ssl.SSLCertVerificationError():
                return Why.TLS, _certificate_fact(cause, host)
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
                return Why.TLS, f"{address} does not speak TLS"
            case ssl.SSLError():
                return Why.TLS, (cause.reason or str(cause)).replace("_", " ").lower()
            case ConnectionRefusedError():
                return Why.REFUSED, f"nothing listens on {address}"
            case ConnectionResetError() | BrokenPipeError():
                return Why.REFUSED, f"{address} closed the connection without an answer"
            case OSError(errno=code) if code is not None and code > 0 and "route" in str(cause).lower():
                return Why.REFUSED, f"no route to {address}"
    return _protocol_fact(error, host, address)


def _protocol_fact(error: BaseException, host: str, address: str) -> tuple[Why, str]:
    import httpx

    match error:
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Why.DNS, f"{host} cannot be asked: {_said(error)}"
        case httpx.ProxyError():
            return Why.REFUSED, f"the proxy refused: {_said(error)}"
        case httpx.RemoteProtocolError() if "disconnected" in str(error) or "closed" in str(error):
            return Why.REFUSED, f"{address} closed the connection without an answer"
        case httpx.RemoteProtocolError():
            return Why.BODY, f"{address} does not speak HTTP: {_said(error)}"
        case httpx.DecodingError():
            return Why.BODY, f"the answer's body is not encoded as its header says: {_said(error)}"
        case httpx.ReadError() | httpx.WriteError():
            return Why.REFUSED, f"{address} closed the connection without an answer"
    return Why.REFUSED, f"{address} could not be asked: {_said(error)}"


def _said(error: BaseException) -> str:
    return shortened(plain_line(str(error)), 120) or type(error).__name__


def _certificate_fact(error: "ssl.SSLCertVerificationError", host: str) -> str:
    if error.verify_code == _EXPIRED:
        return "certificate has ended"
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
        return f"certificate is not for {host}"
    return _VERIFY.get(error.verify_code) or f"certificate refused: {error.verify_message.rstrip('.')}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and the members of groups: anyio tries several addresses at once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


def certificate_ended(error: BaseException) -> bool:
    """Whether the exchange failed because a certificate's time is over."""
    import ssl

    return any(isinstance(c, ssl.SSLCertVerificationError) and c.verify_code == _EXPIRED for c in _causes(error))


async def certificate_end(host: str, port: int, timeout_s: float = 3.0) -> datetime | None:
    """When the certificate at `host` ends, where it is good but for its time; None where that cannot be seen."""
    import asyncio
    import ssl

    import httpx

    context = httpx.create_ssl_context()
    context.load_default_certs()
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            certificate = writer.get_extra_info("peercert") or {}
            writer.close()
    except OSError:  # TimeoutError and ssl.SSLError are such
        return None
    end = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), tz=UTC) if isinstance(end, str) else None


async def addresses(host: str, port: int) -> tuple[str, ...]:
    """The host's addresses, in the resolver's order. Raises OSError or UnicodeError, to be `explained`."""
    import asyncio
    import socket

    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    connect_s: float,
    total_s: float,
    host_name: str,
    address_name: str,
) -> tuple[int, str | None]:
    """POST to the address that was checked: the name is looked up once, and that address is connected to.

    Host and SNI stay the name's, no redirect is followed, no proxy is used, the body of the answer is not read.
    Answers its status and Retry-After. `host_name` and `address_name` are how failures call the receiver, whose
    address may be a secret. Raises UnreachableError.
    """
    import asyncio

    import httpx

    async def send() -> tuple[int, str | None]:
        async with asyncio.timeout(total_s), client(connections=1, trust_env=False) as sender:
            target = httpx.URL(url)
            port = target.port or {"http": 80, "https": 443}[target.scheme]
            async with asyncio.timeout(connect_s):
                found = checked(await addresses(target.host, port), host_name)
            failed: Exception = OSError("no address")
            for address in found:
                request = sender.build_request(
                    "POST",
                    target.copy_with(host=address),
                    content=content,
                    headers={**headers, "Host": target.netloc.decode("ascii")},
                    extensions={"sni_hostname": target.host, "timeout": {"connect": connect_s}},
                )
                try:
                    response = await sender.send(request, stream=True)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error  # nothing was sent yet: the name's next address
                    continue
                await response.aclose()
                return response.status_code, response.headers.get("retry-after")
            raise failed

    try:
        return run(send())
    except (TimeoutError, httpx.ConnectTimeout):
        raise UnreachableError(Why.TIMEOUT, f"no answer from {host_name} in {total_s:g}s") from None
    except failures() as error:
        raise UnreachableError(*explained(error, host=host_name, address=address_name)) from error


def checked(found: tuple[str, ...], host_name: str) -> tuple[str, ...]:
    """Addresses that a notice may go to. Raises UnreachableError where one of them is none.

    Private and loopback addresses are allowed: whoever writes the config may have the receiver beside them. Link-local
    ones are not (the metadata service of every cloud is there), nor are those that name no host.
    """
    for text in found:
        address = ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise UnreachableError(Why.DNS, f"{host_name} has an address that notices never go to")
    return found


def clock_offset(url: str, timeout_s: float = 5.0) -> timedelta | None:
    """This machine's clock less the server's Date, taken at the middle of the exchange (RFC 9110, 6.6.1).

    Whole seconds, so half a second either way is nothing; None where there is no answer or no date in it.
    """
    import asyncio
    from email.utils import parsedate_to_datetime

    async def ask() -> tuple[datetime, datetime]:
        asked = datetime.now(UTC)
        async with asyncio.timeout(timeout_s), client(connections=1) as asker, asker.stream("GET", url) as response:
            middle = asked + (datetime.now(UTC) - asked) / 2
            return middle, parsedate_to_datetime(response.headers.get("date", ""))

    try:
        middle, said = run(ask())
    except failures():  # ValueError: no date
        return None
    # The header drops the fraction: half a second on the average.
    return middle - said - timedelta(seconds=0.5) if said.tzinfo else None
