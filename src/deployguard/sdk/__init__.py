"""What an application imports: its flags in process, from the state folder.

    from deployguard.sdk import Client

    flags = Client("state", "prod")
    if flags.is_on("new_checkout", user=request.cookies.get("dg_id"), country="DZ"):
        ...

`deployguard.sdk.middleware` gives each visitor the cookie that is their user id; `deployguard.sdk.testing` is a pytest
plugin that turns flags on and off for one test. Names are loaded when they are used, so the plugin costs a test run
that does not need it nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployguard.flags.values import Context, Evaluation
    from deployguard.sdk.client import Client

__all__ = ["Client", "Context", "Evaluation"]

_HOMES = {
    "Client": "deployguard.sdk.client",
    "Context": "deployguard.flags.values",
    "Evaluation": "deployguard.flags.values",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
