"""Lines of JSON objects, read by the config's `fields`: dotted names, with a unit where one is needed."""

import json
from collections.abc import Callable, Mapping

from deployguard.telemetry.logformat import FormatError
from deployguard.telemetry.logtime import read_time
from deployguard.telemetry.parsed import ROLES, Field, NotALineError, Parsed, factor, finite, milliseconds, status_of


def json_parser(fields: Mapping[str, Field]) -> Callable[[bytes], Parsed]:
    if "duration" in fields and not fields["duration"][1]:
        name = fields["duration"][0]
        raise FormatError(f'fields.duration "{name}" has no unit: "{name} ms" or "{name} s"')
    places = {role: fields.get(role, (role, "")) for role in ROLES} | {
        "duration": fields.get("duration", ("durationMs", "ms"))
    }
    time, path, status, duration, user, country, region = (_at(places[role][0]) for role in ROLES)
    scale = 1000 / factor(places["time"]) if places["time"][1] else None
    unit_ms = factor(places["duration"])
    numbers = tuple(
        (role, _at(name), factor((name, unit))) for role, (name, unit) in fields.items() if role not in ROLES
    )

    def parse(line: bytes, /) -> Parsed:
        tree = _tree(line)
        return (
            _time(time(tree), scale),
            _path(path(tree)),
            status_of(status(tree)),
            milliseconds(duration(tree), unit_ms),
            _word(user(tree)),
            _word(country(tree)),
            _word(region(tree)),
            tuple((role, value * unit) for role, read, unit in numbers if (value := finite(read(tree))) is not None),
        )

    return parse


def _tree(line: bytes) -> dict[str, object]:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        raise NotALineError("a line that is no JSON") from None
    if not isinstance(tree, dict):
        raise NotALineError("a line that is no JSON object")
    return tree


def _at(name: str) -> Callable[[dict[str, object]], object]:
    """Reads a dotted name: the key as it is written, else a path into objects."""
    parts = name.split(".")
    if len(parts) == 1:
        return lambda tree: tree.get(name)

    def read(tree: dict[str, object]) -> object:
        if name in tree:
            return tree[name]
        found: object = tree
        for part in parts:
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    return read


def _time(value: object, scale: float | None) -> float:
    try:
        return read_time(value, scale)
    except (ValueError, IndexError, OverflowError):
        raise NotALineError("a time that is none" if value is not None else "no time") from None


def _word(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and value not in ("", "-") else None


def _path(value: object) -> str | None:
    return value.partition("?")[0] if isinstance(value, str) else None
