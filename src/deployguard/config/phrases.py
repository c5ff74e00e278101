"""Values that are small sentences: steps (`5% for 24h - canary`), actions (`reduce by 50%`), commands, conditions."""

import re
import shlex
from typing import Any

from deployguard.config.condition import Condition
from deployguard.config.environ import Expanded
from deployguard.config.grammar import GrammarError, Use, parse_condition
from deployguard.config.issue import WrongError, quote
from deployguard.config.metrics import FIELDS, PLAIN, field_unit, or_nearest
from deployguard.config.scalars import VARIABLE, Known, Scalar, duration, percentage
from deployguard.config.values import Action, ActionKind, Step
from deployguard.errors import Code

STEP_PERCENTAGE = percentage(low=1)
HOLD = duration()
SHARE = percentage(low=1)
ACTIONS = ("emergencyRollback", "rollback", "disable TAG", "reduce by N%", "pause", "notify")
STEP_WANTED = 'a step such as "5% for 24h - initial canary" or "100%"'
COMMAND_WANTED = 'a command such as "npm run build", or {"run": "...", "timeout": "10m"}'

_STEP = re.compile(r"\s*(\S+?)\s*(?:\s+for\s+([^\s-]\S*))?\s*(?:\s-\s+(.*?))?\s*", re.DOTALL)
_ACTION = re.compile(r"\s*(\S+)(?:\s+(.*?))?\s*", re.DOTALL)
_BY = re.compile(r"by\s+(.*)", re.DOTALL)


def _part(scalar: Scalar, words: str, offset: int, whole: object) -> Any:
    """Read a part of a sentence; an error points at the part."""
    try:
        return scalar.read(words, Known())
    except WrongError as wrong:
        if isinstance(whole, Expanded):
            raise WrongError(wrong.code, quote(whole), wrong.wanted) from None
        raise WrongError(wrong.code, wrong.found, wrong.wanted, offset=offset, width=len(words)) from None


def _read_step(value: object, _known: Known) -> Step:
    if not isinstance(value, str):
        if isinstance(value, int | float) and not isinstance(value, bool):
            STEP_PERCENTAGE.read(value, Known())
        raise WrongError(Code.WRONG_TYPE, quote(value), STEP_WANTED)
    match = _STEP.fullmatch(value)
    if match is None:
        raise WrongError(Code.SYNTAX, quote(value), STEP_WANTED)
    share: int = _part(STEP_PERCENTAGE, match[1], match.start(1), value)
    hold = None if match[2] is None else _part(HOLD, match[2], match.start(2), value)
    return Step(percentage=share, hold=hold, name=match[3] or None)


def _read_action(value: object, known: Known) -> Action:
    wanted = "one of " + ", ".join(f'"{action}"' for action in ACTIONS) + ', {"run": "..."}'
    if not isinstance(value, str) or not value.strip():
        raise WrongError(Code.WRONG_TYPE, quote(value), wanted)
    match = _ACTION.fullmatch(value)
    assert match is not None  # noqa: S101  # any text with a word in it has the pattern
    word, rest = match[1], match[2] or ""
    text = getattr(value, "raw", value)
    if word == "disable" and rest:
        if rest not in known.tags:
            raise WrongError(
                Code.UNKNOWN_FLAG,
                f'"{rest}", which is no tag' if not isinstance(value, Expanded) else quote(value),
                or_nearest("a tag that a flag of this file has", rest, known.tags),
                offset=match.start(2),
                width=len(rest),
            )
        return Action(kind=ActionKind.DISABLE, tag=rest, text=text)
    by = _BY.fullmatch(rest) if word == "reduce" else None
    if by is not None:
        share = _part(SHARE, by[1], match.start(2) + by.start(1), value)
        return Action(kind=ActionKind.REDUCE, share=share, text=text)
    if word in ("emergencyRollback", "rollback", "pause", "notify") and not rest:
        return Action(kind=ActionKind(word), text=text)
    if word == "reduce":
        wanted = '"reduce by N%", such as "reduce by 50%"'
    elif word == "disable":
        wanted = '"disable TAG", with a tag that a flag of this file has'
    raise WrongError(Code.WRONG_TYPE, quote(value), or_nearest(wanted, word, tuple(a.split()[0] for a in ACTIONS)))


def _read_command_line(value: object, _known: Known) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise WrongError(Code.WRONG_TYPE, quote(value), COMMAND_WANTED)
    try:
        words = value.words(shlex.split) if isinstance(value, Expanded) else shlex.split(value)
    except ValueError:
        raise WrongError(Code.SYNTAX, f"{quote(value)}, with an open quote", "a closed quote") from None
    if not words or "\0" in value:
        raise WrongError(Code.WRONG_TYPE, quote(value) + ", which is no command", COMMAND_WANTED)
    return tuple(words)


def condition(use: Use) -> Scalar:
    """A condition of the grammar."""

    def read(value: object, known: Known) -> Condition:
        if not isinstance(value, str):
            example = {"when": "errorRate > 10%", "expect": "status == 200", "rule": "plan in ['pro']"}[use]
            raise WrongError(Code.WRONG_TYPE, quote(value), f'a condition such as "{example}"')
        try:
            return parse_condition(value, use, numbers=known.numbers, checks=known.checks)
        except GrammarError as error:
            if isinstance(value, Expanded):
                raise WrongError(error.problem.code, quote(value), error.wanted) from None
            raise WrongError(
                error.problem.code, error.found, error.wanted, offset=error.offset, width=error.width
            ) from None

    operators = "==|!=|>=|<=|>|<|in\\b|contains\\b|startsWith\\b|endsWith\\b"
    return Scalar(read, {"type": "string", "pattern": rf"^\s*[A-Za-z_][^=!<>]*?\s*({operators})\s*\S|{VARIABLE}"})


def _read_field(value: object, _known: Known) -> str:
    wanted = 'the name of a field, with a unit where it has one: "took_ms ms"'
    if not isinstance(value, str) or field_unit(value) is None:
        raise WrongError(Code.WRONG_TYPE, quote(value), wanted)
    return str(value)


def field_name_problem(name: str) -> str | None:
    """What is wrong with the name of a source's field, which is a metric unless it is a part of the request."""
    if name in PLAIN or name == "responseTime":
        return f"a name that is no metric of deployguard, or one of {', '.join(FIELDS)}"
    return None


_SHARE_PATTERN = r"\d{1,3}(\.\d{1,2})?\s*%"
STEP = Scalar(
    _read_step,
    {"type": "string", "pattern": rf"^\s*{_SHARE_PATTERN}(\s+for\s+\S+)?(\s+-\s.*)?\s*$|{VARIABLE}"},
)
ACTION = Scalar(
    _read_action,
    {
        "type": "string",
        "pattern": r"^\s*(emergencyRollback|rollback|pause|notify|disable\s+\S+|reduce\s+by\s+"
        rf"{_SHARE_PATTERN})\s*$|{VARIABLE}",
    },
)
COMMAND_LINE = Scalar(_read_command_line, {"type": "string", "minLength": 1})
FIELD = Scalar(_read_field, {"type": "string", "minLength": 1})
WHEN, EXPECT, RULE = condition(Use.WHEN), condition(Use.EXPECT), condition(Use.RULE)
