"""Whatever the text, a config loads or has a clear error; and every percentage keeps its hundredths."""

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.config.build import config_from_document
from deployguard.config.defaults import default_config
from deployguard.config.load import load_config
from deployguard.config.units import (
    format_duration,
    format_percentage,
    parse_duration,
    parse_percentage,
    percentage_number,
)
from deployguard.errors import DeployguardError, Place

DEFAULT = default_config(None)
DOCUMENT = json.loads(DEFAULT)


def outcome(path: Path) -> str:
    """`loaded`, or the places of clear errors."""
    try:
        load_config(path, {"A": "a"})
    except DeployguardError as error:
        problem = error.problem
        assert problem.errors
        for one in problem.errors:
            assert one.found
            assert one.wanted
            assert one.message.isprintable()
            assert isinstance(one.where, Place)
            assert one.where.width >= 1
            assert one.where.source is None or one.where.source.isprintable()
        return "refused"
    return "loaded"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configs")


@given(
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    suffix=st.sampled_from(["json", "yaml"]),
)
def test_no_text_whatever_raises_anything_but_a_clear_error(folder: Path, data: bytes, suffix: str) -> None:
    path = folder / f"any.{suffix}"
    path.write_bytes(data)
    assert outcome(path) == "refused"


@given(
    at=st.integers(0, len(DEFAULT)),
    width=st.integers(0, 40),
    new=st.text("{}[]\",:'\\/-%0159eE.naNtrue \n\t\x00\u2028é&*!|>#", max_size=12),
    suffix=st.sampled_from(["json", "yml"]),
)
def test_a_default_with_any_piece_replaced_loads_or_is_refused(
    folder: Path, at: int, width: int, new: str, suffix: str
) -> None:
    path = folder / f"cut.{suffix}"
    path.write_text(DEFAULT[:at] + new + DEFAULT[at + width :], encoding="utf-8", newline="")
    assert outcome(path) in ("loaded", "refused")


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["5%", "24h", "errorRate > 10%", "${A}", "${B}", "https://x.example", "a", "disable a", "5% for 1h", "prod"]
    )
)
_trees = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "steps", "when", "then", "url", "run", "prod", "requires", "allow", "percentage"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    out = [path] if path else []
    if isinstance(tree, dict):
        for key in tree:
            out += _paths(tree[key], (*path, key))
    elif isinstance(tree, list):
        for index in range(len(tree)):
            out += _paths(tree[index], (*path, index))
    return out


_OPTIONAL = (
    "sources",
    "endpoints",
    "connectivity",
    "guardrails",
    "alerts",
    "guardFor",
    "minPercentage",
    "server",
    "retention",
    "reports",
)


@given(path=st.sampled_from([*_paths(DOCUMENT), *((key,) for key in _OPTIONAL)]), value=_trees)
def test_any_value_in_any_place_is_read_or_refused_and_never_stops_a_lenient_reading(
    path: tuple[Any, ...], value: Any
) -> None:
    document = json.loads(DEFAULT)
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    with suppress(DeployguardError):
        assert config_from_document(document, {"A": "a"}).environments
    try:
        lenient = config_from_document(document, {}, lenient=True)
    except DeployguardError:
        assert path[0] in ("flags", "strategies", "environments")  # the file is not there without them
    else:
        assert lenient.environments


@given(number=st.decimals(0, 100_000, places=3), unit=st.sampled_from(["ms", "s", "m", "h", "d", "w", "y"]))
def test_every_duration_is_read_back_as_it_was_spelt(number: Decimal, unit: str) -> None:
    read = parse_duration(f"{number:f}{unit}")
    assert read is None or parse_duration(format_duration(read)) == read


def test_every_percentage_keeps_its_hundredths() -> None:
    for hundredths in range(10_001):
        text = format_percentage(hundredths)
        assert parse_percentage(text) == hundredths
        assert round(percentage_number(hundredths) * 100) == hundredths
