"""Lines of JSON objects, read by the config's `fields`: dotted names, with a unit where one is needed."""

import json
from collections.abc import Callable, Iterable, Mapping

from deployguard.telemetry.cache import Remembered
from deployguard.telemetry.logformat import FormatError
from deployguard.telemetry.logtime import read_time
from deployguard.telemetry.parsed import (
    MOST_STATUS,
    ROLES,
    Field,
    NotALineError,
    Number,
    Parsed,
    factor,
    finite,
    milliseconds,
    numbers_in,
    status_of,
)

_DECODER = json.JSONDecoder()


def json_parser(fields: Mapping[str, Field]) -> Callable[[bytes], Parsed]:
    if "duration" in fields and not fields["duration"][1]:
        name = fields["duration"][0]
        raise FormatError(f'fields.duration "{name}" has no unit: "{name} ms" or "{name} s"')
    places = {role: fields.get(role, (role, "")) for role in ROLES} | {
        "duration": fields.get("duration", ("durationMs", "ms"))
    }
    scale = 1000 / factor(places["time"]) if places["time"][1] else None
    unit_ms = factor(places["duration"])
    own = numbers_in(fields)
    units = tuple((role, factor(spelt)) for role, spelt in own.items())
    names = [name for name, _ in (*(places[role] for role in ROLES), *own.values())]
    nested = any("." in name for name in names)
    times: Remembered[str, float] = Remembered(lambda text: time_of(text, scale))
    paths = Remembered(_path)

    def parse(line: bytes, /) -> Parsed:
        tree = tree_of(line)
        values = [_at(tree, name) for name in names] if nested else map(tree.get, names)
        time, path, status, duration, user, country, region, *numbers = values
        return (
            times[time] if type(time) is str else time_of(time, scale),
            paths[path] if type(path) is str else None,
            status if type(status) is int and 0 <= status <= MOST_STATUS else status_of(status),
            milliseconds(duration, unit_ms),
            word_of(user),
            word_of(country),
            word_of(region),
            _numbers(units, numbers) if numbers else (),
        )

    return parse


def tree_of(line: bytes) -> dict[str, object]:
    try:
        text = line.decode().strip()
        tree, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise NotALineError("a line that is no JSON") from None
    if end != len(text):
        raise NotALineError("a line that is no JSON")
    if not isinstance(tree, dict):
        raise NotALineError("a line that is no JSON object")
    return tree


def _at(tree: dict[str, object], name: str) -> object:
    """A dotted name: the key as it is written, else a path into objects."""
    if name in tree:
        return tree[name]
    found: object = tree
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _numbers(units: Iterable[tuple[str, float]], values: Iterable[object]) -> tuple[Number, ...]:
    found = ((role, finite(value), unit) for (role, unit), value in zip(units, values, strict=True))
    return tuple((role, value * unit) for role, value, unit in found if value is not None)


def time_of(value: object, scale: float | None) -> float:
    try:
        return read_time(value, scale)
    except (ValueError, IndexError, OverflowError):
        raise NotALineError("a time that is none" if value is not None else "no time") from None


def word_of(value: object) -> str | None:
    if type(value) is int:
        value = str(value)
    return value if isinstance(value, str) and value not in ("", "-") else None


def _path(value: str) -> str:
    return value.partition("?")[0]
