"""Everything that can be asked of deployguard, as one protocol of values in and values out.

`Operations` is the protocol, `Local` answers it from files. The command line and the server know only the protocol.
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """A module of this room, imported when it is first asked for."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
