import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.effects.output import Lines
from deployguard.plain import plain, plain_line


class Open:
    def mask(self, text: str) -> str:
        return text


def lines_of(*chunks: bytes) -> list[str]:
    lines = Lines(Open())
    out = [line for chunk in chunks for line in lines.feed(chunk)]
    return [*out, *lines.finish()]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a\nb",), ["a", "b"]),
        ((b"a\r\nb\r\n",), ["a", "b"]),
        ((b"a\r", b"\nb"), ["a", "b"]),
        ((b"10%\r20%\r30%\ndone\n",), ["30%", "done"]),
        ((b"10%\r", b"20%\r", b"30%", b"\n"), ["30%"]),
        ((b"\r10%\r20%\n",), ["20%"]),
        ((b"50%\r\r\n",), ["50%"]),
        ((b"\n\n",), ["", ""]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"\xff\xfe\n",), ["\ufffd\ufffd"]),
        ((b"",), []),
    ],
)
def test_bytes_become_lines_as_a_terminal_shows_them(chunks: tuple[bytes, ...], lines: list[str]) -> None:
    assert lines_of(*chunks) == lines


@given(st.binary(max_size=200), st.integers(1, 7))
def test_lines_do_not_depend_on_where_the_chunks_are_cut(data: bytes, size: int) -> None:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert lines_of(*chunks) == lines_of(data)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;32;40mok\x1b[K", "ok"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]52;c;ZXZpbA==\x07clip", "clip"),
        ("\x1bPq#0;2\x1b\\sixel", "sixel"),
        ("\x1b(Bcharset", "charset"),
        ("\x9b31mc1", "c1"),
        ("a\tb", "a    b"),
        ("bell\x07 back\x08 null\x00 del\x7f", "bell back null del"),
        ("\u202eevil\u2066", "evil"),
        ("\x1b", ""),
        ("naïve 日本 🚀", "naïve 日本 🚀"),
    ],
)
def test_nothing_that_steers_a_terminal_is_left(text: str, seen: str) -> None:
    assert plain(text) == seen


@given(st.text())
def test_plain_text_is_plain_whatever_came(text: str) -> None:
    left = plain(text)
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) <= 0x9F for c in left)
    assert plain(left) == left
    assert "\n" not in plain_line(text)
