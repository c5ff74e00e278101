"""Values that are small sentences: steps (`5% for 24h - canary`), actions (`reduce by 50%`), commands, conditions."""

import re
import shlex
from operator import attrgetter
from typing import Any

from deployguard.config.condition import Condition
from deployguard.config.environ import Expanded, unexpanded
from deployguard.config.grammar import parse_condition
from deployguard.config.issues import WrongError, or_nearest, quote
from deployguard.config.kinds import Known, Scalar
from deployguard.config.meaning import Use
from deployguard.config.metrics import FIELDS, PLAIN, field_unit
from deployguard.config.scalars import VARIABLE, duration, is_number, percentage
from deployguard.config.values import Action, ActionKind, Command, Step
from deployguard.errors import Code

STEP_PERCENTAGE = percentage(low=1)
HOLD = duration()
SHARE = percentage(low=1)
ACTIONS = ("emergencyRollback", "rollback", "disable TAG", "reduce by N%", "pause", "notify")
STEP_WANTED = 'a step such as "5% for 24h - initial canary" or "100%"'
COMMAND_WANTED = 'a command such as "npm run build", or {"run": "...", "timeout": "10m"}'

_NAMED = re.compile(r"\s-\s")
_STEP = re.compile(r"\s*(\S+(?:\s%)?)(?:\s+for\s+(\S+))?\s*")
_BY = re.compile(r"by\s+(.*)", re.DOTALL)


LONGEST = 1_000
"""Characters of a sentence: a longer one is a mistake, and its patterns would be slow."""


def _sentence(value: object, wanted: str) -> str:
    if not isinstance(value, str):
        raise WrongError(Code.WRONG_TYPE, quote(value), wanted)
    if len(value) > LONGEST:
        raise WrongError(Code.OUT_OF_RANGE, f"{len(value):,} characters", f"{wanted}, {LONGEST:,} characters at most")
    return value


def _part(scalar: Scalar, words: str, offset: int) -> Any:
    """Read a part of a sentence; an error points at the part."""
    try:
        return scalar.read(words, Known())
    except WrongError as wrong:
        raise WrongError(wrong.code, wrong.found, wrong.wanted, offset=offset, width=len(words)) from None


def _read_step(value: object, _known: Known) -> Step:
    if is_number(value):
        STEP_PERCENTAGE.read(value, Known())
    text = _sentence(value, STEP_WANTED)
    named = _NAMED.search(text)
    match = _STEP.fullmatch(text[: named.start()] if named else text)
    if match is None:
        raise WrongError(Code.SYNTAX, quote(value), STEP_WANTED)
    share: int = _part(STEP_PERCENTAGE, match[1], match.start(1))
    hold = None if match[2] is None else _part(HOLD, match[2], match.start(2))
    return Step(percentage=share, hold=hold, name=(text[named.end() :].strip() or None) if named else None)


def _read_action(value: object, known: Known) -> Action:
    wanted = "one of " + ", ".join(f'"{action}"' for action in ACTIONS) + ', {"run": "..."}'
    text = _sentence(value, wanted)
    words = text.split(None, 1)
    word, rest = words[0] if words else "", words[1].rstrip() if len(words) > 1 else ""
    at = text.find(rest, text.find(word) + len(word))
    spelt = str(getattr(value, "raw", value))
    if word == "disable" and rest:
        if rest not in known.tags:
            raise WrongError(
                Code.UNKNOWN_FLAG,
                f'"{rest}", which is no tag',
                or_nearest("a tag that a flag of this file has", rest, known.tags),
                offset=at,
                width=len(rest),
            )
        return Action(kind=ActionKind.DISABLE, tag=rest, text=spelt)
    by = _BY.fullmatch(rest) if word == "reduce" else None
    if by is not None:
        share = _part(SHARE, by[1], at + by.start(1))
        return Action(kind=ActionKind.REDUCE, share=share, text=spelt)
    if word in ("emergencyRollback", "rollback", "pause", "notify") and not rest:
        return Action(kind=ActionKind(word), text=spelt)
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


def _read_command(value: object, known: Known) -> Command:
    words, spelt = _read_command_line(value, known), unexpanded(value)
    return Command(argv=words, text=spelt, spelt={"run": spelt})


def condition(use: Use) -> Scalar:
    """A condition of the grammar."""
    example = {"when": "errorRate > 10%", "expect": "status == 200", "rule": "plan in ['pro']"}[use]

    def read(value: object, known: Known) -> Condition:
        text = _sentence(value, f'a condition such as "{example}"')
        return parse_condition(text, use, numbers=known.numbers, checks=known.checks)

    operators = "==|!=|>=|<=|>|<|in\\b|contains\\b|startsWith\\b|endsWith\\b"
    pattern = rf"^\s*[A-Za-z_][^=!<>]*?\s*({operators})\s*\S|{VARIABLE}"
    return Scalar(read, {"type": "string", "pattern": pattern}, attrgetter("text"))


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
    _read_step, {"type": "string", "pattern": rf"^\s*{_SHARE_PATTERN}(\s+for\s+\S+)?(\s+-\s.*)?\s*$|{VARIABLE}"}
)
ACTION = Scalar(
    _read_action,
    {
        "type": "string",
        "pattern": r"^\s*(emergencyRollback|rollback|pause|notify|disable\s+\S+|reduce\s+by\s+"
        rf"{_SHARE_PATTERN})\s*$|{VARIABLE}",
    },
    attrgetter("text"),
)
COMMAND_LINE = Scalar(_read_command_line, {"type": "string", "minLength": 1})
COMMAND = Scalar(_read_command, COMMAND_LINE.schema)
FIELD = Scalar(_read_field, {"type": "string", "minLength": 1})
WHEN, EXPECT, RULE = condition(Use.WHEN), condition(Use.EXPECT), condition(Use.RULE)
