"""What is asked for: the config's definitions as the state changes them, and what `DEPLOYGUARD_FLAGS` says instead."""

from collections.abc import Mapping
from dataclasses import replace

from deployguard.config.build import flag_from_json, targeting_from_json
from deployguard.config.values import Flag
from deployguard.errors import Code, fail
from deployguard.state import State

VARIABLE = "DEPLOYGUARD_FLAGS"
_VALUES = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def definitions(flags: Mapping[str, Flag], state: State) -> dict[str, Flag]:
    """The config's flags in their order, targeting overridden where the state says so; then the orphaned ones.

    An orphaned flag stands as it was last defined. One that has come back to the config is the config's again.
    """
    out = dict(flags)
    for key, flag in state.flags.items():
        if key not in out and flag.orphaned is not None:
            out[key] = flag_from_json(key, flag.orphaned)
        if key in out and flag.targeting is not None:
            out[key] = replace(out[key], targeting=targeting_from_json(flag.targeting))
    return out


def parse_overrides(text: str) -> dict[str, bool]:
    """Flags that are as it says, for development and tests: `new_checkout=on,other=off`; empty text has none.

    Raises `usage` for an entry that is neither on nor off.
    """
    out: dict[str, bool] = {}
    for entry in text.split(","):
        if not entry.strip():
            continue
        name, _, value = (part.strip() for part in entry.partition("="))
        if not name or value.lower() not in _VALUES:
            raise fail(
                Code.USAGE,
                f"{VARIABLE} cannot be read",
                where=VARIABLE,
                found=f'"{entry.strip()}"',
                wanted="FLAG=on or FLAG=off, separated by commas",
            )
        out[name] = _VALUES[value.lower()]
    return out
