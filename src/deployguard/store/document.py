"""`state.json` as bytes: the state, the events of the last commits, and a checksum over both.

    {"schemaVersion":1, ... the state ...,
    "logBytes":48212,
    "pending":[
    {an event of the last commits},
    {the next}
    ],
    "checksum":"..."}

Plain JSON that `jq` reads, in a form that is split without being parsed: compact JSON holds no raw line end. `logBytes`
is how long audit.jsonl is once the pending events stand in it, so one look at its end says whether they do. `checksum`
is the SHA-256 of every byte before its line: a flipped bit, a cut file and an edit by hand are noticed by each reader
for the price of one hash. It is no signature.

An older document is read as if it had been migrated; the file itself changes with the next commit, which tells it by
`state.migrated`. Version 0 is the shape before `told` stood in the state: what had been told was kept in memory, and a
restart told it again.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployguard.codec import JSON, dumps, from_json, is_built, loads
from deployguard.state import SCHEMA_VERSION, State
from deployguard.trusted import UnfitError, trusted

_CHECKSUM = b'"checksum":"'
_TAIL = len(_CHECKSUM) + 64 + len(b'"}\n')
_LOG_BYTES = b'"logBytes":'
_PENDING = b'"pending":['
_WANTED = f"a whole document of schemaVersion {SCHEMA_VERSION}"
_VERSION = re.compile(rb'\{"schemaVersion":(\d{1,9}),')


@dataclass(frozen=True, slots=True)
class Document:
    """What one commit left. `version` is the schema version found in the file; the state is of ours."""

    state: State
    pending: tuple[bytes, ...] = ()
    log_bytes: int = 0
    version: int = SCHEMA_VERSION

    @property
    def log_bytes_before(self) -> int:
        """How long audit.jsonl was before the pending events."""
        return self.log_bytes - sum(len(line) + 1 for line in self.pending)


class DamagedError(ValueError):
    """The bytes are no document of ours. `line` and `column` count from 1 where the spot is known."""

    def __init__(self, found: str, wanted: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(found)
        self.found = found
        self.wanted = wanted
        self.line = line
        self.column = column


class NewerError(ValueError):
    """The document was written by a later deployguard."""

    def __init__(self, version: int) -> None:
        super().__init__(f"schemaVersion {version}")
        self.version = version


MIGRATIONS: Mapping[int, Callable[[JSON], JSON]] = {0: lambda document: {**document, "told": {}}}
"""From the schema version that is the key to the one after it."""


def migrated(document: JSON, version: int) -> JSON:
    """The document in our version. Raises LookupError where no path leads there."""
    while version < SCHEMA_VERSION:
        step = MIGRATIONS.get(version)
        if step is None:
            raise LookupError(f"schemaVersion {version} is unknown")
        version += 1
        document = {**step(document), "schemaVersion": version}
    return document


def encode(document: Document) -> bytes:
    """The document's bytes, in our schema version."""
    log_bytes = str(document.log_bytes).encode()
    events = b",\n".join(document.pending) + b"\n" if document.pending else b""
    state = dumps(document.state)[:-1]
    body = b"".join((state, b",\n", _LOG_BYTES, log_bytes, b",\n", _PENDING, b"\n", events, b"],\n"))
    return b"".join((body, _CHECKSUM, hashlib.sha256(body).hexdigest().encode(), b'"}\n'))


def decode(raw: bytes, environment: str) -> Document:
    """The document of `raw`, which is to be `environment`'s. Raises DamagedError or NewerError."""
    body, ending = raw[:-_TAIL], raw[-_TAIL:]
    if not (ending.startswith(_CHECKSUM) and ending.endswith(b'"}\n')):
        raise _diagnosis(raw, sealed=False)
    if hashlib.sha256(body).hexdigest().encode() != ending[len(_CHECKSUM) : -3]:
        raise _diagnosis(raw, sealed=True)
    lines = body.split(b"\n")
    found = _VERSION.match(raw)
    version = int(found[1]) if found else -1
    if version > SCHEMA_VERSION:
        raise NewerError(version)
    try:
        text = lines[0][:-1] + b"}"
        state = _read(text) if version == SCHEMA_VERSION else from_json(State, migrated(json.loads(text), version))
        log_bytes = _log_bytes(lines)
    except (ValueError, LookupError) as error:
        raise DamagedError(_first(error), _WANTED) from error
    if state.environment != environment:
        raise DamagedError(f"the state of {state.environment}", f"the state of {environment}")
    return Document(state, pending_lines(lines), log_bytes, version)


def _read(text: bytes) -> State:
    """A process's first read goes without pydantic's schema, as long as nothing else has asked for it."""
    if not is_built(State):
        try:
            return trusted(State, json.loads(text))
        except (UnfitError, RecursionError):
            pass  # said below, with the path
    return loads(State, text)


def _log_bytes(lines: Sequence[bytes]) -> int:
    if len(lines) < 5 or not lines[1].startswith(_LOG_BYTES) or lines[2] != _PENDING:
        raise ValueError("its lines are not where they belong")
    return int(lines[1][len(_LOG_BYTES) : -1])


def pending_lines(lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """The last commit's events among a document's lines, each as it stands in the log."""
    start = 3
    end = next((number for number, line in enumerate(lines[start:], start) if line == b"],"), len(lines))
    return tuple(line.removesuffix(b",") for line in lines[start:end])


def _first(error: ValueError | LookupError) -> str:
    """The first thing that is wrong, as a path and a sentence where pydantic found it."""
    from pydantic import ValidationError  # heavy, and needed only where something is wrong

    if not isinstance(error, ValidationError):
        return f"no state of ours: {error}"
    first = error.errors(include_url=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']}" if path else str(first["msg"])


def _diagnosis(raw: bytes, *, sealed: bool) -> DamagedError | NewerError:
    """Why the bytes are not a document: said so that a person knows what happened to the file."""
    if not raw.strip(b"\0 \t\r\n"):
        size = f"{len(raw):,} bytes of nothing" if raw else "an empty file"
        return DamagedError(size, _WANTED, line=1, column=1)
    try:
        text = raw.decode()
        tree = json.loads(text)
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        return DamagedError(
            f"byte {raw[error.start]:#04x}, which is no UTF-8", _WANTED, line=before.count(b"\n") + 1, column=column
        )
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            lines = text.split("\n")
            found = f"the file ends in the middle of a value, after {len(raw):,} bytes"
            return DamagedError(found, _WANTED, line=len(lines), column=len(lines[-1]) + 1)
        return DamagedError(f"no JSON: {error.msg}", _WANTED, line=error.lineno, column=error.colno)
    except RecursionError:
        return DamagedError("JSON that nests too deep", _WANTED)
    return _diagnosis_of_json(tree, sealed=sealed)


def _diagnosis_of_json(tree: Any, *, sealed: bool) -> DamagedError | NewerError:
    if not isinstance(tree, dict):
        return DamagedError("JSON, but no object", _WANTED, line=1, column=1)
    version = tree.get("schemaVersion")
    if not sealed and isinstance(version, int) and version > SCHEMA_VERSION:
        return NewerError(version)
    changed = "it was changed by something other than deployguard"
    inner = {key: value for key, value in tree.items() if key not in ("logBytes", "pending", "checksum")}
    try:
        from_json(State, inner)
    except ValueError as error:
        return DamagedError(f"{_first(error)}; {changed}", _WANTED)
    if "checksum" not in tree:
        return DamagedError(f"no checksum; {changed}", _WANTED)
    return DamagedError(f"content that does not match its checksum; {changed}", _WANTED)
