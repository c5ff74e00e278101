"""The shape as JSON Schema (draft 2020-12): what an editor completes and checks by, through `$schema`."""

from typing import Any, assert_never

from deployguard.config.kinds import Either, Fields, Key, Kind, Many, Named, Scalar
from deployguard.config.shape import ACTIONS, COMMAND_OBJECT, FILE, RUN, TARGETING

_SHARED: tuple[tuple[str, Kind], ...] = (
    ("actions", ACTIONS),
    ("command", COMMAND_OBJECT),
    ("command", RUN),
    ("targeting", TARGETING),
)
"""Kinds that stand in several places: written once, under `$defs`."""


def schema() -> dict[str, Any]:
    """The schema of a whole config file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deployguard: deployment-config.json",
        "description": "Ship behind flags, watch real users, take it back by itself.",
        **_of(FILE),
        "$defs": {name: _spelt(kind) for name, kind in _SHARED},
    }


def _of(kind: Kind) -> dict[str, Any]:
    name = next((name for name, shared in _SHARED if shared is kind), None)
    return _spelt(kind) if name is None else {"$ref": f"#/$defs/{name}"}


def _spelt(kind: Kind) -> dict[str, Any]:
    match kind:
        case Scalar():
            return dict(kind.schema)
        case Fields():
            return _fields(kind)
        case Named():
            names = {} if kind.known else {"propertyNames": {"pattern": f"^(?:{kind.pattern})$"}}
            return {"type": "object", **names, "additionalProperties": _of(kind.kind)}
        case Many():
            least = {"minItems": kind.least} if kind.least else {}
            return {"type": "array", "items": _of(kind.kind), **least, **({"uniqueItems": True} if kind.once else {})}
        case Either():
            return {"anyOf": _branches(kind)}
        case _:
            assert_never(kind)


def _branches(kind: Either) -> list[dict[str, Any]]:
    """The spellings of a value, those of a spelling with spellings of its own beside them."""
    long = _branches(kind.long) if isinstance(kind.long, Either) else [_of(kind.long)]
    return [_of(kind.short), *long]


def _fields(kind: Fields) -> dict[str, Any]:
    out: dict[str, Any] = {
        "type": "object",
        "properties": {name: _key(key) for name, key in kind.keys.items()},
        "additionalProperties": False,
    }
    required = [name for name, key in kind.keys.items() if key.required]
    if required:
        out["required"] = required
    if kind.one_of:
        out["oneOf"] = [{"required": [name]} for name in kind.one_of]
    return out


def _key(key: Key) -> dict[str, Any]:
    default = {} if key.default is None else {"default": key.default}
    return {"description": key.about, **_of(key.kind), **default}
