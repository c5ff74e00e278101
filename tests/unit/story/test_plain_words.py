"""Text from outside becomes one harmless line."""

import pytest

from deployguard.plain import clean


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("checkout is down", "checkout is down"),
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("two\nlines\r\n  here", "two lines here"),
        ("\u202eevil\u2066\u061c", "evil"),
        ("bell\x07 nul\x00", "bell nul"),
        ("half \ud800 pair", "half pair"),
        ("[bold]markup[/] stays", "[bold]markup[/] stays"),
        ("", ""),
    ],
)
def test_control_and_reordering_characters_go(text: str, line: str) -> None:
    assert clean(text) == line


def test_a_long_text_is_capped_with_an_ellipsis() -> None:
    assert clean("x" * 500) == "x" * 199 + "…"
    assert len(clean("x" * 500, 12)) == 12
