"""Documents of older versions: a table of functions, each from one schema version to the next.

An older document is read as if it had been migrated; the file itself changes with the next commit, which tells it by
`state.migrated`. Version 0 is the shape before `told` stood in the state: what had been told was kept in memory, and a
restart told it again.
"""

from collections.abc import Callable, Mapping

from deployguard.codec import JSON
from deployguard.state import SCHEMA_VERSION


def _told(document: JSON) -> JSON:
    return {**document, "told": {}}


MIGRATIONS: Mapping[int, Callable[[JSON], JSON]] = {0: _told}
"""From the version that is the key to the one after it."""


def migrated(document: JSON, version: int) -> JSON:
    """The document in our version. Raises LookupError where no path leads there."""
    while version < SCHEMA_VERSION:
        step = MIGRATIONS.get(version)
        if step is None:
            raise LookupError(f"schemaVersion {version} is unknown")
        version += 1
        document = {**step(document), "schemaVersion": version}
    return document
