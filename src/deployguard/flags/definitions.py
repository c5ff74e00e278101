"""The definitions in force: the config's, as the state changes them."""

from collections.abc import Mapping
from dataclasses import replace

from deployguard.config.build import flag_from_json, targeting_from_json
from deployguard.config.values import Flag
from deployguard.state import State


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
