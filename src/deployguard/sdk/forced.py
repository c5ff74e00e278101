"""Flags that a test holds on or off, for every client of this process. Written by the pytest fixture only."""

_layers: list[dict[str, bool]] = []

flags: dict[str, bool] = {}
"""What holds now. Replaced as a whole, so a client in another thread never sees half of a change."""


def push(layer: dict[str, bool]) -> None:
    """Put `layer` over what holds."""
    _layers.append(layer)
    _merge()


def pop(layer: dict[str, bool]) -> None:
    """Take away exactly this layer, whichever lies above it."""
    _layers[:] = [other for other in _layers if other is not layer]
    _merge()


def refresh() -> None:
    """A layer was changed in place."""
    _merge()


def _merge() -> None:
    global flags  # noqa: PLW0603  # one process, one set of forced flags: that is what it is
    flags = {key: value for layer in _layers for key, value in layer.items()}
