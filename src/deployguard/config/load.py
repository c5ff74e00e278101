"""Text -> marked tree -> checked tree -> frozen values: the way of a file.

The fast path is `json.loads`; places are looked for only when there is an error, by reading the text again with marks.
So a command whose config is in order pays for neither, and YAML is imported only for a YAML file.
"""

import json
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deployguard.config.build import read_config
from deployguard.config.issues import Issues, config_error
from deployguard.config.values import Config
from deployguard.errors import Code, DeployguardError, Offer, Place, Problem, fail

if TYPE_CHECKING:
    from deployguard.config.marks import Marks

LARGEST = 1_000_000
"""Bytes of a config: far above any real one, far below what hurts."""
NAMES = (
    "deployment-config.json",
    "deployment-config.yaml",
    "deployment-config.yml",
    ".kiro/deployment/deployment-config.json",
)

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def find_config(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The config's path: `--config`, DEPLOYGUARD_CONFIG, then the known names in `cwd`. Raises `no-config`."""
    named = explicit or environ.get("DEPLOYGUARD_CONFIG")
    if named:
        path = cwd / named
        if not path.exists():
            origin = "--config" if explicit else "DEPLOYGUARD_CONFIG"
            raise _no_config(f"there is no file {named}", origin, f"no file at {path}", "the path of a config")
        return path
    for name in NAMES:
        if (cwd / name).exists():
            return cwd / name
    raise _no_config("no config was found", str(cwd), "none of the known names", f"one of {', '.join(NAMES)}")


def _no_config(message: str, where: str, found: str, wanted: str) -> DeployguardError:
    return fail(
        Code.NO_CONFIG,
        message,
        where=where,
        found=found,
        wanted=wanted,
        now="nothing was changed",
        next=(Offer("deployguard init", "writes the default config"),),
    )


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read, check and build a config. Raises DeployguardError: its `errors` has them all, with places."""
    file = shown_path(path)
    text = read_text(path, file)
    marks = _marks(text, path) if path.suffix.lower() in (".yaml", ".yml") else None
    document = _read_json(text) if marks is None else marks.tree
    if document is _UNFIT:
        marks = _marks(text, path)
        document = marks.tree
    issues = Issues()
    issues.extend(marks.issues if marks else ())
    config = None
    if document is not None or not issues:
        _refuse_surrogates(document, text, issues)
        config = read_config(document, environ, issues, file=str(path))
    if config is None:
        found = marks or _marks(text, path)
        raise config_error(issues, file, lambda issue: found.place(issue, file))
    return config


def _marks(text: str, path: Path) -> "Marks":
    """The text read again with marks, or for the first time where it is YAML."""
    if path.suffix.lower() in (".yaml", ".yml"):
        from deployguard.config.yaml_text import yaml_marks

        return yaml_marks(text)
    from deployguard.config.json_text import json_marks

    return json_marks(text)


def shown_path(path: Path) -> str:
    """The path as an error shows it: relative where it is below the current folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_text(path: Path, file: str) -> str:
    """The file's text, or one clear error on why there is none."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise _unreadable(file, "a folder", "a file such as deployment-config.json")
        if not stat.S_ISREG(about.st_mode):
            raise _unreadable(file, "a device or a pipe", "a plain file")
        if about.st_size > LARGEST:
            raise _unreadable(file, f"{about.st_size:,} bytes", f"a config of at most {LARGEST:,} bytes")
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "a path that is none"
        raise _unreadable(file, f"it cannot be read: {reason}", "a file that can be read", Code.NO_CONFIG) from None
    if len(data) > LARGEST:
        raise _unreadable(file, f"more than {LARGEST:,} bytes", f"a config of at most {LARGEST:,} bytes")
    return _decoded(data, file)


def _decoded(data: bytes, file: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(data) > 1 and 0 in data[:2]):
        raise _unreadable(file, "text in UTF-16 or UTF-32", "text in UTF-8")
    if data.startswith(b"\xef\xbb\xbf"):
        raise _unreadable(file, "a byte order mark before the text", "text in UTF-8 without a byte order mark")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        place = Place(file, line, column)
        found = f"the byte 0x{data[error.start]:02x}, which is no UTF-8"
        raise _unreadable(file, found, "text in UTF-8", place=place) from None
    if not text.strip():
        raise _unreadable(file, "an empty file", "a config; deployguard init writes the default")
    return text


def _unreadable(
    file: str, found: str, wanted: str, code: Code = Code.SYNTAX, place: Place | None = None
) -> DeployguardError:
    problem = Problem(code, f"{file} is no config: {found}", place or Place(file), found, wanted, "nothing was changed")
    offers = (Offer("deployguard config validate", "after this edit"),)
    return DeployguardError(replace(problem, next=offers, errors=(problem,)))


_UNFIT = object()
"""What `_read_json` answers for a text that must be read again to say what is wrong with it."""


def _read_json(text: str) -> Any:
    """The tree, quickly."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_float, parse_int=_int)
    except (ValueError, RecursionError):
        return _UNFIT


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    return out if len(out) == len(pairs) else _refuse("a key twice")


def _refuse(text: str) -> NoReturn:
    """JSON that Python reads and we do not."""
    raise ValueError(text)


def _float(text: str) -> float:
    return float(text) if abs(float(text)) < 1e300 else _refuse(text)


def _int(text: str) -> int:
    return int(text) if abs(int(text)) < 10**300 else _refuse(text)


def _refuse_surrogates(tree: object, text: str, issues: Issues) -> None:
    """Half a character, written as an escape, is no text: nothing could store or send it."""
    if not _SURROGATE.search(text):
        return
    walk: list[tuple[tuple[str | int, ...], object, bool]] = [((), tree, False)]
    while walk:
        path, value, on_key = walk.pop()
        if isinstance(value, dict):
            walk += [((*path, key), key, True) for key in value]
            walk += [((*path, key), item, False) for key, item in value.items()]
        elif isinstance(value, list):
            walk += [((*path, index), item, False) for index, item in enumerate(value)]
        elif isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            found = f"{json.dumps(value)[:60]}, with half a character"
            issues.add(Code.SYNTAX, path, found, "whole characters", on_key=on_key)
