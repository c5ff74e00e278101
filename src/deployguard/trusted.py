"""JSON that we wrote ourselves, back to values, without pydantic.

Building its schemas costs a command's first read more than all else.

It serves what this program wrote: a document whose checksum was seen to be right, a lock's record. Whatever does not
fit raises without a path; who wants to know what is wrong reads it again through `codec`.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from deployguard.codec import Spelled, spell

T = TypeVar("T")
Reader = Callable[[Any], Any]


class UnfitError(ValueError):
    """The JSON is no value of the class, or the class is none that is read here."""


def trusted(cls: type[T], data: object) -> T:
    """`data` as a `cls`. Raises `UnfitError` where it does not fit."""
    try:
        value: T = _reader(cls)(data)  # type: ignore[arg-type]  # a class is hashable, whatever the cache says
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise UnfitError(str(error)) from error
    return value


@cache
def _reader(kind: Any) -> Reader:
    """How JSON of one type is read."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return _as_it_is
    if origin is Annotated and any(isinstance(one, Spelled) for one in args):
        return next(one.read for one in args if isinstance(one, Spelled))
    if origin in (Union, UnionType) and len(args) == 2 and NoneType in args:
        inner = _reader(args[args[0] is NoneType])
        return lambda value: None if value is None else inner(value)
    if origin is tuple and args[1:] == (Ellipsis,):
        item = _reader(args[0])
        return lambda value: tuple([item(one) for one in value])
    if origin in (dict, Mapping):
        item = _reader(args[1])
        return item if item is _as_it_is else lambda value: {key: item(one) for key, one in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind in (str, int, bool):
        return _exactly(kind)
    if kind in (datetime, float):
        return datetime.fromisoformat if kind is datetime else float
    raise UnfitError(f"{kind} is not read here")


def _dataclass(cls: type) -> Reader:
    hints = get_type_hints(cls, include_extras=True)
    readers = {spell(field.name): (field.name, _reader(hints[field.name])) for field in fields(cls)}
    needed = {
        spell(field.name) for field in fields(cls) if field.default is MISSING and field.default_factory is MISSING
    }

    def read(value: Any) -> Any:
        if needed - value.keys():
            raise UnfitError(f"{cls.__name__} without {', '.join(sorted(needed - value.keys()))}")
        found = {}
        for key, one in value.items():
            name, reader = readers[key]
            found[name] = reader(one)
        return cls(**found)

    return read


def _exactly(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise UnfitError(f"{value!r:.40} is no {kind.__name__}")
        return value

    return read


def _as_it_is(value: Any) -> Any:
    return value
