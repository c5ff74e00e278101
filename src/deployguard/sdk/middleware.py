"""The first-party cookie that is a visitor's user id, for WSGI and ASGI applications of any framework.

A visitor without one gets `dg_id`: a random UUID, SameSite=Lax, for one year, readable by the page's own script (the
browser evaluates under the same id). The application finds the id in the WSGI `environ` or the ASGI `scope` under
`deployguard.user`, on the first request as well. The web server's access log carries the cookie from the second
request on. An answer that sets it says `Vary: Cookie` and must not be kept by a shared cache.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from uuid import uuid4

COOKIE = "dg_id"
KEY = "deployguard.user"
MAX_AGE_S = 31_536_000  # one year

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")  # what we set and a bit more; anything else is not ours and is replaced

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
WsgiApp: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class WsgiMiddleware:
    """`application = WsgiMiddleware(application)`."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        known = user_of(str(environ.get("HTTP_COOKIE", "")))
        user = environ[KEY] = known or new_user()
        if known is not None:
            return self._app(environ, start_response)
        cookie = set_cookie(user, secure=environ.get("wsgi.url_scheme") == "https")

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("Set-Cookie", cookie), ("Vary", "Cookie")], *rest)

        return self._app(environ, start)


class AsgiMiddleware:
    """`app = AsgiMiddleware(app)`. Lifespan and other events pass through."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == b"cookie"]
        known = user_of(";".join(sent))
        user = known or new_user()
        scope = {**scope, KEY: user}
        if known is not None:
            await self._app(scope, receive, send)
            return
        cookie = set_cookie(user, secure=scope.get("scheme") in ("https", "wss"))
        extra = [(b"set-cookie", cookie.encode("ascii")), (b"vary", b"Cookie")]

        async def sending(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self._app(scope, receive, sending)


def user_of(cookies: str) -> str | None:
    """The id in a Cookie header; None where there is none that could be ours."""
    for pair in cookies.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and _ID.fullmatch(value):
            return value
    return None


def new_user() -> str:
    return uuid4().hex


def set_cookie(user: str, *, secure: bool) -> str:
    """The value of a Set-Cookie header that gives a visitor this id."""
    ending = "; Secure" if secure else ""
    return f"{COOKIE}={user}; Max-Age={MAX_AGE_S}; Path=/; SameSite=Lax{ending}"
