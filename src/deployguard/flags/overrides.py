"""`DEPLOYGUARD_FLAGS="new_checkout=on,other=off"`: flags that are as it says, for development and tests."""

from deployguard.errors import Code, fail

VARIABLE = "DEPLOYGUARD_FLAGS"
_VALUES = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def parse_overrides(text: str) -> dict[str, bool]:
    """The overrides that `text` names; empty text has none. Raises `usage` for an entry that is neither on nor off."""
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
