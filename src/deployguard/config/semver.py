"""Semantic versions (semver.org 2.0) as keys that sort; `v` in front and missing parts are read as flagd reads them."""

import re

_PART = r"(0|[1-9]\d{0,39})"
_VERSION = re.compile(
    rf"[vV]?{_PART}(?:\.{_PART})?(?:\.{_PART}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?",
    re.ASCII,
)

Key = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]


def version_key(text: str) -> Key | None:
    """The sort key of `2.4.0-rc.1`; `v2.4` is 2.4.0. None where it is no version. Build metadata is ignored."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch = (int(match[part] or 0) for part in (1, 2, 3))
    if match[4] is None:
        return (major, minor, patch, 1, ())  # a release stands above its pre-releases
    labels = []
    for label in match[4].split("."):
        if not label.isdecimal():
            labels.append((1, 0, label))
        elif (label != "0" and label.startswith("0")) or len(label) > 40:
            return None
        else:
            labels.append((0, int(label), ""))
    return (major, minor, patch, 0, tuple(labels))


def version_of(actual: object) -> Key | None:
    """The key of what a context carries: text, or a number such as 2 or 1.2 from a client that sends no text."""
    if isinstance(actual, str):
        return version_key(actual)
    if isinstance(actual, int | float) and not isinstance(actual, bool):
        return version_key(str(actual))
    return None
