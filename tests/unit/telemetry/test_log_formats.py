"""Lines of logs as requests: nginx's log_format, combined, JSON."""

import time
from datetime import UTC, datetime

import pytest
from telemetry_builders import json_log

from deployguard.config.values import Source, SourceType
from deployguard.telemetry.lines import FormatError, NotALineError, Parse
from deployguard.telemetry.logformat import COMBINED, parser_of

AT = datetime(2026, 11, 24, 13, 31, 50, tzinfo=UTC).timestamp()
OURS = COMBINED + " $request_time $cookie_dg_id"
HEAD = b'203.0.113.7 - - [24/Nov/2026:14:31:50 +0100] "GET /lofts/42?x=1 HTTP/1.1" 200 512 "-" "Mozilla/5.0"'


def parser(spelling: str, **fields: str) -> Parse:
    return parser_of(Source(name="log", type=SourceType.ACCESS_LOG, path="log", format=spelling, fields=fields))


def test_a_line_of_our_log_format_is_a_request_with_its_user() -> None:
    found = parser(OURS)(HEAD + b" 0.012 u-1")
    assert found == (AT, "/lofts/42", 200, 12.0, "u-1", None, None, ())


def test_a_request_of_more_than_an_hour_counts_without_a_time() -> None:
    assert parser(OURS)(HEAD + b" 3600.0 u-1")[3] == 3_600_000.0
    assert parser(OURS)(HEAD + b" 3600.1 u-1")[:4] == (AT, "/lofts/42", 200, None)
    line = b'{"time": "2026-11-24T13:31:50Z", "path": "/", "status": 200, "durationMs": %d}'
    assert parser("json")(line % 3_600_000)[3] == 3_600_000.0
    assert parser("json")(line % 3_600_001)[:4] == (AT, "/", 200, None)


def test_combined_has_neither_duration_nor_user() -> None:
    assert parser("combined")(HEAD) == (AT, "/lofts/42", 200, None, None, None, None, ())


def test_what_follows_a_combined_line_is_passed_over() -> None:
    assert parser("combined")(HEAD + b" 0.2 more words")[2] == 200


@pytest.mark.parametrize(
    ("request_line", "path"),
    [
        (b"POST /a HTTP/2.0", "/a"),
        (b"GET /a", "/a"),
        (b"GET http://www.example.com/a HTTP/1.1", "http://www.example.com/a"),
        (b"GET /caf\\xC3\\xA9 HTTP/1.1", "/café"),
        (b"GET /caf\xc3\xa9 HTTP/1.1", "/café"),
        (b"GET /\xff HTTP/1.1", "/\udcff"),
        (b"-", None),
        (b"", None),
        (b"\\x16\\x03\\x01\\x00", None),
        (b"one two three four", None),
    ],
)
def test_the_path_is_taken_from_what_the_client_sent(request_line: bytes, path: str | None) -> None:
    line = HEAD.replace(b"GET /lofts/42?x=1 HTTP/1.1", request_line)
    assert parser("combined")(line)[1] == path


@pytest.mark.parametrize(("status", "found"), [(b"200", 200), (b"499", 499), (b"000", 0), (b"-", None), (b"503", 503)])
def test_a_status_is_read_and_a_lone_hyphen_is_none(status: bytes, found: int | None) -> None:
    assert parser("combined")(HEAD.replace(b" 200 ", b" " + status + b" "))[2] == found


@pytest.mark.parametrize(
    ("spelling", "line", "user"),
    [
        ("$time_iso8601 $status $cookie_dg_id", b"2026-11-24T14:31:50+01:00 200 u-1", "u-1"),
        ("$time_iso8601 $status $cookie_dg_id", b"2026-11-24T14:31:50+01:00 200 -", None),
        ("$msec|$status|${cookie_dg_id}|", b"1795527110.000|200|u-1|", "u-1"),
        ('[$time_local] $status "$cookie_dg_id"', b'[24/Nov/2026:13:31:50 +0000] 200 "a\\x22b"', 'a"b'),
        ('[$time_local] $status "$cookie_dg_id"', b'[24/Nov/2026:13:31:50 +0000] 200 "a\\"b"', 'a"b'),
        ("$status $time_local $cookie_dg_id", b"200 24/Nov/2026:13:31:50 +0000 u-1", "u-1"),
        ("$http_x_thing - $cookie_dg_id [$time_local] $status", b"a - b - c [24/Nov/2026:13:31:50 +0000] 200", "b - c"),
        ('{"t":"$time_iso8601","s":$status,"u":"$cookie_dg_id"}',
         b'{"t":"2026-11-24T13:31:50+00:00","s":200,"u":"u\\u002d1"}', "u-1"),
    ],
)  # fmt: skip
def test_any_log_format_is_understood(spelling: str, line: bytes, user: str | None) -> None:
    found = parser(spelling)(line)
    assert (found[0], found[2], found[4]) == (AT, 200, user)


@pytest.mark.parametrize(
    ("took", "milliseconds"),
    [(b"0.250", 250.0), (b"0.1, 0.2", 300.0), (b"0.1 : 0.2", 300.0), (b"0.1, -", 100.0), (b"-", None)],
)
def test_the_times_of_all_servers_that_were_asked_add_up(took: bytes, milliseconds: float | None) -> None:
    found = parser("$msec $status $upstream_response_time")(b"1795527110 200 " + took)
    assert found[3] == pytest.approx(milliseconds)


def test_fields_name_other_variables_and_add_numbers() -> None:
    parse = parser(
        "$msec $status $cookie_uid $geo_land $gzip_ratio $took",
        user="$cookie_uid", country="geo_land", duration="took ms", gzip="gzip_ratio", method="request_method",
    )  # fmt: skip
    assert parse(b"1795527110 200 u-1 DZ 2.5 31") == (AT, None, 200, 31.0, "u-1", "DZ", None, (("gzip", 2.5),))


@pytest.mark.parametrize(
    ("spelling", "fields", "said"),
    [
        ("$status", {}, "has no time"),
        ("$msec", {}, "has no status"),
        ("$msec $status", {"user": "$cookie_uid"}, "fields.user names $cookie_uid"),
        ("$msec $status $took", {"duration": "took"}, 'no unit: "took ms" or "took s"'),
        ("$msec $status $took", {"duration": "took parsecs"}, "a name and a unit"),
        ("$msec $status $cookie_dg_id$request_id", {}, "nothing stands between $cookie_dg_id"),
        ("json", {"duration": "took"}, 'no unit: "took ms" or "took s"'),
    ],
)
def test_a_format_that_cannot_tell_a_request_says_why(spelling: str, fields: dict[str, str], said: str) -> None:
    with pytest.raises(FormatError, match=said.replace("$", r"\$")):
        parser(spelling, **fields)


NOT_LINES = [
    b"hello",
    b"\x00\x01\x02\xff\xfe",
    HEAD.replace(b"24/Nov/2026", b"31/Feb/2026"),
    HEAD.replace(b"24/Nov/2026", b"24/Foo/2026"),
    HEAD.replace(b"+0100", b"x0100"),
    HEAD.replace(b"[24/Nov/2026:14:31:50 +0100]", b"[-]"),
    HEAD.replace(b" 200 ", b" 20000 "),
]


@pytest.mark.parametrize("line", NOT_LINES)
def test_a_line_that_is_none_says_why_without_quoting_it(line: bytes) -> None:
    with pytest.raises(NotALineError) as caught:
        parser("combined")(line)
    assert "203.0.113.7" not in str(caught.value)


@pytest.mark.parametrize("line", [b'"' * 60_000, b" - " * 20_000, HEAD[:-1] + b'\\"' * 30_000, b"[" * 60_000])
@pytest.mark.parametrize("spelling", ["combined", OURS, "$a - $b - $c - $d [$time_local] $status $e"])
def test_a_hostile_line_costs_no_more_than_its_length(line: bytes, spelling: str) -> None:
    began = time.process_time()
    with pytest.raises(NotALineError):
        parser(spelling)(line)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"ts":"2026-11-24T13:31:50Z","url":"/a?b=c","code":200,"took":7,"uid":"u"}', (AT, "/a", 200, 7.0, "u")),
        (b'{"ts":1795527110,"url":"/a","code":"503","took":"0.5","uid":12}', (AT, "/a", 503, 0.5, "12")),
        (b'{"ts":1795527110000,"code":null,"took":null,"uid":null}', (AT, None, None, None, None)),
        (b'{"ts":"1795527110.0","code":"-","took":"12ms","uid":"-"}', (AT, None, None, 12.0, None)),
        (b'{"ts":"2026-11-24 13:31:50,000","code":0,"took":-1,"uid":["u"]}', (AT, None, 0, None, None)),
        (b'{"ts":"24/Nov/2026:14:31:50 +0100","code":200.0,"url":7}', (AT, None, 200, None, None)),
    ],
)
def test_a_json_line_is_a_request(line: bytes, found: tuple[object, ...]) -> None:
    assert parser_of(json_log())(line)[:5] == found


def test_names_with_dots_lead_into_objects_and_units_are_applied() -> None:
    parse = parser_of(
        json_log(time="meta.at s", duration="t.total s", user="req.user.id", cart="cart.total", render="render s")
    )
    line = b'{"meta":{"at":1795527110},"t":{"total":0.2},"req":{"user":{"id":"u"}},"cart":{"total":3},"render":2}'
    assert parse(line) == (AT, None, None, 200.0, "u", None, None, (("cart", 3.0), ("render", 2000.0)))
    assert parse(b'{"meta.at":1795527110,"t":5,"req":{"user":7}}')[:5] == (AT, None, None, None, None)


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"7",
        b"{",
        b'{"ts":1} x',
        b'{"code":200}',
        b'{"ts":true}',
        b'{"ts":"soon"}',
        b'{"ts":NaN}',
        b'{"ts":-5}',
        b'{"ts":1795527110,"code":"abc"}',
        b'{"ts":1795527110,"code":true}',
        b'{"ts":1795527110,"code":1000}',
        b'{"ts":1795527110,"code":200.5}',
        b'{"ts":1795527110,"took":{}}',
        b'{"ts":1795527110,"took":"long"}',
        b'{"ts":' + b"9" * 5_000 + b"}",
        b"[" * 60_000,
        b"\xff\xfe",
    ],
)
def test_a_json_line_that_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(NotALineError):
        parser_of(json_log())(line)


@pytest.mark.parametrize("took", ["NaN", "Infinity", "1e999", '"nan"'])
def test_a_duration_that_is_no_number_is_none(took: str) -> None:
    line = f'{{"ts":1795527110,"code":200,"took":{took}}}'.encode()
    try:
        assert parser_of(json_log())(line)[3] is None
    except NotALineError as error:
        assert "duration" in str(error)  # noqa: PT017  # either is right: nothing is counted
