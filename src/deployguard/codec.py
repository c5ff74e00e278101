"""Values to JSON and back, in one place: camelCase keys, UTC times with Z, durations and percentages as text.

Every value that leaves the process (state, events, reports, `--output json`) goes through here, so they cannot
disagree about spelling. The types are plain frozen dataclasses; pydantic reads their annotations.
"""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from deployguard.config.units import format_duration, parse_duration, percentage_number

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import core_schema

T = TypeVar("T")

JSON = dict[str, Any]
"""A JSON object."""


def spell(name: str) -> str:
    """`flag_id` is flagId; `from_`, a word that Python keeps, is from."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


_CAMEL = {
    "alias_generator": spell,
    "validate_by_name": True,
    "validate_by_alias": True,
    "extra": "forbid",
}


@dataclass(frozen=True, slots=True)
class Spelled:
    """How a value is written in JSON, and how it is read again: for pydantic, which is imported when it is needed."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "core_schema.CoreSchema":
        from pydantic_core import core_schema

        if self.write is None:
            return core_schema.no_info_after_validator_function(self.read, handler(source))
        return core_schema.no_info_before_validator_function(
            self.read, handler(source), serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


def _read_duration(value: object) -> object:
    if isinstance(value, str):
        parsed = parse_duration(value)
        if parsed is None:
            raise ValueError("a duration such as 24h")
        return parsed
    return value


Duration = Annotated[timedelta, Spelled(_read_duration, format_duration)]
"""A timedelta that JSON spells as the config does: `24h`."""


def _in_range(value: int) -> int:
    if not 0 <= value <= 10_000:
        raise ValueError("whole hundredths from 0 to 10000")
    return value


Hundredths = Annotated[int, Spelled(_in_range)]
"""A percentage as the state holds it: whole hundredths."""


def _read_percentage(value: object) -> object:
    return round(value * 100) if isinstance(value, int | float) else value


Percentage = Annotated[int, Spelled(_read_percentage, percentage_number)]
"""Hundredths that JSON shows as a number 0 to 100: what views and events carry."""


_PLAIN = (str, int, float, bool)

_schemas: set[Hashable] = set()


@cache
def _built(cls: Hashable) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    _schemas.add(cls)
    if is_dataclass(cls):  # what stands inside it is spelled as it is
        cls.__pydantic_config__ = _CAMEL  # type: ignore[attr-defined]  # a class, whatever the cache calls it
    return TypeAdapter[Any](cls)  # type: ignore[arg-type]  # a class, whatever the cache calls it


def adapter(cls: Any) -> "TypeAdapter[Any]":
    """How pydantic reads and writes the class; built at its first use, which takes a while."""
    return _built(cls)


def is_built(cls: Any) -> bool:
    """Whether this process has paid for the class's schema already."""
    return cls in _schemas


def to_json(value: object) -> Any:
    """A dataclass, or a container of them, as JSON-ready plain values."""
    if is_dataclass(value):
        return adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    # Inside a container pydantic would guess, and guess a dataclass's own spelling wrong.
    if isinstance(value, dict):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    return value if value is None or type(value) in _PLAIN else adapter(Any).dump_python(value, mode="json")


def dumps(value: object) -> bytes:
    """A dataclass as compact JSON bytes."""
    return adapter(type(value)).dump_json(value, by_alias=True)


def from_json(cls: type[T], data: object) -> T:
    """Plain JSON values as a `cls`. Raises pydantic.ValidationError, which the store turns into `state-damaged`."""
    result: T = adapter(cls).validate_python(data)
    return result


def loads(cls: type[T], text: bytes) -> T:
    """JSON bytes as a `cls`. Raises pydantic.ValidationError."""
    result: T = adapter(cls).validate_json(text)
    return result


def foreign(text: str | bytes) -> Any:
    """JSON from outside, as it is. Raises ValueError whatever is wrong with it, a nesting without end too."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that nests too deep") from None


def canonical(data: object) -> bytes:
    """JSON with sorted keys and no spaces: what is hashed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
