"""JSON that has an error -> a tree with marks, and what is wrong with the text itself.

Python's own reader says where it stops; the tokens before that place give the path, and what Python takes and we do
not (a key twice, NaN, numbers without end) is told together with it.
"""

import json
import re

from deployguard.config.marks import Builder, Marks
from deployguard.errors import Code

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s,:\[\]{}"]+)', re.DOTALL)
_IN_NUMBER = re.compile(r"[\w.+-]{2}")
_WORD = re.compile(r"[^\s,:\[\]{}\"]+|.", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "null": None}
_ONE_LINE = 'text on one line; \\n, \\t, \\\\ and \\" in it'
_REFUSED = (
    # how Python's message begins; what is wanted there; what is found, where that is not the next word
    ("Expecting value", 'a value: "text", a number, true, false, an object or a list', None),
    ("Expecting property name", 'a key in double quotes: "name"', None),
    ("Expecting ':'", '":" after the key', None),
    ("Unterminated string", 'a closing quote: "', "the end of the file, in the middle of a text"),
    ("Invalid control character", _ONE_LINE, "a line break or control character"),
    ("Invalid \\", _ONE_LINE, "a backslash that begins no escape"),
    ("Extra data", "the end of the file", None),
    ("", '"," or the end of the object or list', None),
)


def json_marks(text: str) -> Marks:
    """Read JSON with marks. `issues` says what is wrong with the text itself; `tree` is None where it stopped."""
    stop, message = _first_error(text)
    builder = Builder(text)
    at = 0
    while not builder.stopped and (token := _TOKEN.match(text, at, stop)) is not None:
        at = token.end()
        _take(builder, token[1], token.span(1))
    if message is not None and not builder.stopped:
        _refuse(builder, stop, message)
    return builder.marks


def _first_error(text: str) -> tuple[int, str | None]:
    """Where Python stops, and its message; nesting without end is for the builder to find."""
    try:
        json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        return error.pos, error.msg
    except RecursionError:
        pass
    return len(text), None


def _take(builder: Builder, word: str, span: tuple[int, int]) -> None:
    match word[0]:
        case "{" | "[":
            builder.start({} if word == "{" else [], span)
        case "}" | "]":
            builder.end()
        case "," | ":":
            pass
        case '"' if builder.wants_key:
            builder.key(json.loads(word), span)
        case '"':
            builder.value(json.loads(word), span)
        case _ if word in _CONSTANTS:
            builder.value(_CONSTANTS[word], span)
        case _ if word in ("NaN", "Infinity", "-Infinity"):
            builder.wrong(Code.OUT_OF_RANGE, f"{word}, which is no number", "a number", span)
            builder.value(None, span)
        case _:
            builder.value(builder.number(word, span), span)


def _refuse(builder: Builder, at: int, message: str) -> None:
    text = builder.marks.text
    _, wanted, found = next(row for row in _REFUSED if message.startswith(row[0]))
    if message.startswith("Illegal trailing comma"):
        at += 1
    space = _SPACE.match(text, at) if found is None else None
    at = space.end() if space else at
    while _IN_NUMBER.fullmatch(text, max(0, at - 1), at + 1):
        at -= 1  # `01`, `1.`: Python stops where its number ends
    word = _WORD.match(text, at)
    if word is None:
        at = len(text.rstrip())
        builder.stop(Code.SYNTAX, "the end of the file, in the middle of a value", wanted, (at, at + 1))
        return
    if text.startswith(("//", "/*", "#"), at):
        found, wanted = "a comment", f"{wanted}; JSON has no comments, a .yaml file has"
    elif word[0].startswith("'"):
        found, wanted = "a single quote", f'{wanted}; texts stand in double quotes: "..."'
    elif word[0] in "}]" and text[:at].rstrip().endswith(","):
        found, wanted = f'"{word[0]}" after a comma', f'another value, or no comma before "{word[0]}"'
    builder.stop(Code.SYNTAX, found or json.dumps(word[0][:60], ensure_ascii=False), wanted, word.span())
