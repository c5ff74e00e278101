import asyncio
import re

import pytest

from deployguard.sdk.middleware import AsgiMiddleware, WsgiMiddleware, user_of

KNOWN = "9f1c2b3a4d5e6f708192a3b4c5d6e7f8"
COOKIE = re.compile(r"dg_id=([0-9a-f]{32}); Max-Age=31536000; Path=/; SameSite=Lax(; Secure)?")


def wsgi(cookie=None, scheme="http"):
    """(the user that the application saw, the headers that went out)"""
    seen, sent = {}, []

    def app(environ, start_response):
        seen.update(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    environ = {"wsgi.url_scheme": scheme} | ({"HTTP_COOKIE": cookie} if cookie is not None else {})
    body = WsgiMiddleware(app)(environ, lambda *answer: sent.append(answer))
    assert list(body) == [b"ok"]
    return seen["deployguard.user"], dict(sent[0][1])


def asgi(cookie=None, kind="http", scheme="http"):
    seen, sent = {}, []

    async def app(scope, receive, send):
        seen.update(scope)
        start = "http.response.start" if kind == "http" else "websocket.accept"
        await send({"type": start, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message):
        sent.append(message)

    headers = [(b"Cookie", cookie.encode("latin-1"))] if cookie is not None else []
    scope = {"type": kind, "scheme": scheme, "headers": headers}
    asyncio.run(AsgiMiddleware(app)(scope, None, send))
    assert "deployguard.user" not in scope, "the caller's scope is the caller's"
    out = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return seen["deployguard.user"], {"Set-Cookie": out.get("set-cookie"), "Vary": out.get("vary")}


@pytest.mark.parametrize("kind", [wsgi, asgi])
def test_a_visitor_without_an_id_gets_one_and_has_it_at_once(kind):
    user, headers = kind()
    match = COOKIE.fullmatch(headers["Set-Cookie"])
    assert match is not None
    assert match[1] == user
    assert match[2] is None
    assert headers["Vary"] == "Cookie"
    assert kind()[0] != user


@pytest.mark.parametrize("kind", [wsgi, asgi])
def test_a_visitor_with_an_id_keeps_it(kind):
    user, headers = kind(cookie=f"theme=dark; dg_id={KNOWN}; other=1")
    assert user == KNOWN
    assert headers.get("Set-Cookie") is None


@pytest.mark.parametrize("kind", [wsgi, asgi])
def test_over_https_the_cookie_is_secure(kind):
    assert kind(scheme="https")[1]["Set-Cookie"].endswith("; Secure")


def test_a_websocket_gets_its_id_with_the_answer():
    user, headers = asgi(kind="websocket", scheme="wss")
    assert headers["Set-Cookie"].startswith(f"dg_id={user}")
    assert headers["Set-Cookie"].endswith("; Secure")


def test_other_events_pass_through():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    asyncio.run(AsgiMiddleware(app)({"type": "lifespan"}, None, None))
    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("cookies", "user"),
    [
        ("", None),
        (f"dg_id={KNOWN}", KNOWN),
        (f"xdg_id={KNOWN}", None),
        (f"dg_id=; dg_id={KNOWN}", KNOWN),
        ("dg_id=short", None),
        (f"dg_id={'x' * 65}", None),
        ("dg_id=<script>alert(1)</script>", None),
        (f'dg_id="{KNOWN}"', None),
        ("dg_id=\x80\xff\xff\xff\xff\xff\xff\xff", None),
        (f";;=;dg_id;dg_id={KNOWN}\r\nX: y", None),
    ],
)
def test_only_what_could_be_ours_is_taken_for_an_id(cookies, user):
    assert user_of(cookies) == user
    assert ("Set-Cookie" in wsgi(cookie=cookies)[1]) is (user is None)
