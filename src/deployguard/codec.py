"""Values to JSON and back, in one place: camelCase keys, UTC times with Z, durations and percentages as text.

Every value that leaves the process (state, events, reports, `--output json`) goes through here, so they cannot
disagree about spelling. The types are plain frozen dataclasses; pydantic reads their annotations.
"""

import json
from collections.abc import Hashable
from dataclasses import is_dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter
from pydantic.alias_generators import to_camel

from deployguard.config.units import format_duration, parse_duration, percentage_number

T = TypeVar("T")

JSON = dict[str, Any]
"""A JSON object."""


def _spell(name: str) -> str:
    """`flag_id` is flagId; `from_`, a word that Python keeps, is from."""
    return to_camel(name.rstrip("_"))


CAMEL = ConfigDict(alias_generator=_spell, validate_by_name=True, validate_by_alias=True, extra="forbid")


def _read_duration(value: object) -> object:
    if isinstance(value, str):
        parsed = parse_duration(value)
        if parsed is None:
            raise ValueError("a duration such as 24h")
        return parsed
    return value


Duration = Annotated[timedelta, BeforeValidator(_read_duration), PlainSerializer(format_duration, return_type=str)]
"""A timedelta that JSON spells as the config does: `24h`."""


def _in_range(value: int) -> int:
    if not 0 <= value <= 10_000:
        raise ValueError("whole hundredths from 0 to 10000")
    return value


Hundredths = Annotated[int, AfterValidator(_in_range)]
"""A percentage as the state holds it: whole hundredths."""

Percentage = Annotated[
    int,
    BeforeValidator(lambda value: round(value * 100) if isinstance(value, int | float) else value),
    PlainSerializer(percentage_number, return_type=float | int),
]
"""Hundredths that JSON shows as a number 0 to 100: what views and events carry."""


@cache
def _built(cls: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter[Any](cls)  # type: ignore[arg-type]  # a class, whatever the cache calls it


def _adapter(cls: Any) -> TypeAdapter[Any]:
    return _built(cls)


def to_json(value: object) -> Any:
    """A dataclass (or a container of them) as JSON-ready plain values."""
    return _adapter(type(value) if is_dataclass(value) else Any).dump_python(value, mode="json", by_alias=True)


def dumps(value: object) -> bytes:
    """A dataclass as compact JSON bytes."""
    return _adapter(type(value)).dump_json(value, by_alias=True)


def from_json(cls: type[T], data: object) -> T:
    """Plain JSON values as a `cls`. Raises pydantic.ValidationError, which the store turns into `state-damaged`."""
    result: T = _adapter(cls).validate_python(data)
    return result


def loads(cls: type[T], text: bytes) -> T:
    """JSON bytes as a `cls`. Raises pydantic.ValidationError."""
    result: T = _adapter(cls).validate_json(text)
    return result


def canonical(data: object) -> bytes:
    """JSON with sorted keys and no spaces: what is hashed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
