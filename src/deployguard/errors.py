"""Everything that can go wrong, said once: what, where, found, wanted, the state it left, and what to type next.

The command line and the server each turn these values into words in one place. The codes and their exit codes are a
contract (SURFACES section 1).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    """What kind of error; programs branch on it."""

    NOT_ALLOWED_NOW = "not-allowed-now"
    TRIGGER_FAILS = "trigger-fails"
    COMMAND_FAILED = "command-failed"
    CHECK_FAILED = "check-failed"
    NOT_STABLE = "not-stable"
    PREFLIGHT_FAILED = "preflight-failed"
    DECLINED = "declined"
    USAGE = "usage"
    NO_CONFIG = "no-config"
    SYNTAX = "syntax"
    DUPLICATE_KEY = "duplicate-key"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_KEY = "unknown-key"
    UNKNOWN_FLAG = "unknown-flag"
    UNKNOWN_METRIC = "unknown-metric"
    UNKNOWN_ENVIRONMENT = "unknown-environment"
    UNKNOWN_STRATEGY = "unknown-strategy"
    UNIT_MISSING = "unit-missing"
    OUT_OF_RANGE = "out-of-range"
    CYCLE = "cycle"
    TAKEN_BACK = "taken-back"
    TIMED_OUT = "timed-out"
    WAITS_FOR_DATA = "waits-for-data"
    NO_CONTROLLER = "no-controller"
    DEPLOY_RUNNING = "deploy-running"
    STATE_LOCKED = "state-locked"
    STATE_DAMAGED = "state-damaged"
    STATE_NEWER = "state-newer"
    CHANGED_SINCE = "changed-since"
    REVISION_CHANGED = "revision-changed"
    CHAIN_BROKEN = "chain-broken"
    SERVER_UNREACHABLE = "server-unreachable"
    SERVER_REFUSED = "server-refused"
    SERVER_FORBIDDEN = "server-forbidden"


_EXIT_OF_GROUP = {
    1: "not-allowed-now trigger-fails command-failed check-failed not-stable preflight-failed declined",
    3: "taken-back",
    4: "timed-out waits-for-data no-controller",
    5: "deploy-running state-locked state-damaged state-newer changed-since revision-changed chain-broken",
    6: "server-unreachable server-refused server-forbidden",
}
EXIT_CODES: dict[Code, int] = dict.fromkeys(Code, 2) | {
    Code(name): exit_code for exit_code, names in _EXIT_OF_GROUP.items() for name in names.split()
}

# The state said no: shown as `refused[...]`; everything else is broken and shown as `error[...]`.
REFUSALS = frozenset(
    {
        Code.NOT_ALLOWED_NOW,
        Code.TRIGGER_FAILS,
        Code.DECLINED,
        Code.DEPLOY_RUNNING,
        Code.STATE_LOCKED,
        Code.CHANGED_SINCE,
        Code.REVISION_CHANGED,
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file. Lines and columns count from 1; `path` is the dotted path of the value."""

    file: str
    line: int | None = None
    column: int | None = None
    path: str | None = None
    # The line's text and how many columns the caret underlines; for people, not for programs.
    source: str | None = field(default=None, compare=False)
    width: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole command that can be pasted, and what it does in a few words."""

    command: str
    does: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as a value: what the JSON of `--output json` and a problem document carry."""

    code: Code
    message: str
    where: Place | str | None = None
    found: str | None = None
    wanted: str | None = None
    now: str | None = None
    allowed: tuple[Offer, ...] = ()
    next: tuple[Offer, ...] = ()
    errors: tuple["Problem", ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.code]


class DeployguardError(Exception):
    """Raised with a `Problem`. The only exception that our own code raises on purpose."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.message}")
        self.problem = problem


def fail(
    code: Code,
    message: str,
    *,
    where: Place | str | None = None,
    found: str | None = None,
    wanted: str | None = None,
    now: str | None = None,
    allowed: tuple[Offer, ...] = (),
    next: tuple[Offer, ...] = (),  # noqa: A002  # the contract's word
) -> DeployguardError:
    """Build the error to raise: `raise fail(Code.USAGE, "...", found=..., wanted=...)`."""
    return DeployguardError(Problem(code, message, where, found, wanted, now, allowed, next))


_NAMED = 5  # of many known names


def usage(message: str, where: str, found: str | None, wanted: str) -> DeployguardError:
    """The error to raise for a word of the command line that cannot be meant."""
    return fail(Code.USAGE, message, where=where, found=found, wanted=wanted)


def nearest(name: str, known: "list[str] | tuple[str, ...] | set[str] | frozenset[str]") -> str | None:
    """The known name most like `name`, or None where nothing is close."""
    import difflib

    lowered = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def unknown(
    kind: str,
    name: str,
    known: Iterable[str],
    where: Place | str,
    *,
    code: Code = Code.USAGE,
    counted: bool = False,
    none: str = "",
    retry: str | None = None,
    next: tuple[Offer, ...] = (),  # noqa: A002  # the contract's word
) -> DeployguardError:
    """A name that nothing has, with the nearest and those there are (where `counted` their number, or a few of them).

    `none` says what is wanted where there is none at all. `retry` is the command with {} where the name stands: it is
    offered with the nearest.
    """
    names = tuple(known)
    close = nearest(name, names)
    wanted = (
        f"one of {_counted(names, kind, near=close is not None) if counted else ', '.join(names)}" if names else none
    )
    return fail(
        code,
        f"there is no {kind} {name}",
        where=where,
        found=f'"{name}"',
        wanted=f"{wanted}; nearest: {close}" if close else wanted,
        next=(*((Offer(retry.replace("{}", close)),) if retry and close else ()), *next),
    )


def _counted(names: tuple[str, ...], kind: str, *, near: bool) -> str:
    """`8 flags`; where none is near, with the first few by name."""
    count = f"{len(names):,} {kind}s"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return count if near else f"{count}: {', '.join(names[:_NAMED])}{more}"
