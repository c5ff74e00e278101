"""Secrets that must not be shown: known ones, and variables whose names say so. `***` stands in their place."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.config.environ import lookup
from deployguard.config.values import Command, Config, Environment

MASK = "***"
KNOWN = ("WEBHOOK_URL", "SENTRY_DSN", "DATABASE_URL")
"""Variables that are secret though their names do not say so."""

_SECRET_NAME = re.compile(r".*(_TOKEN|_PASS[A-Z0-9_]*|_KEY|_SECRET)|TOKEN|PASSWORD|SECRET", re.IGNORECASE)
_SHORTEST = 4  # a shorter value would mask half of every sentence
_LONE = 8  # below it only as a word of its own
_NO_SECRETS = frozenset({"true", "false", "none", "null"})
_IN_URL = re.compile(
    r"(?<=://)[^\s/?#\"'@:]*:(?!\d*[/?#])[^\s\"']*(?=@)|(?:(?<=http://)|(?<=https://))[^\s/?#\"']+(?=@)", re.IGNORECASE
)
"""Who is named before an address's host: a password, whatever is in it, or for http a token alone."""


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret: `*_TOKEN`, `*_PASS*`, `*_KEY`, `*_SECRET`, a known one."""
    name = name.removesuffix("_FILE")
    return name in KNOWN or _SECRET_NAME.fullmatch(name) is not None


def without_passwords(text: str, *, each: str | None = None) -> str:
    """The text with who is named in its addresses hidden: `https://***@host`; `each` stands for each character."""
    if "://" not in text:
        return text
    return _IN_URL.sub(MASK if each is None else lambda found: each * len(found[0]), text)


class Masker:
    """Replaces every secret of the environment's variables and of the config in a text.

    Values of at least four characters; those under eight only where they stand as a word of their own. Their JSON,
    percent-encoded and line by line spellings too, and passwords in any address. A value of one to three characters
    is hidden only where its place says what it is (`config show`, an address): hiding each `on` or `42` of a text
    would hide what the text says, and such a value is guessed at once anyway.
    """

    def __init__(self, environ: Mapping[str, str], config: Config | None = None) -> None:
        values = set(_of_environ(environ))
        if config is not None:
            for environment in config.environments.values():
                values |= set(_of_environment(environment))
        self._pattern = _pattern(values)

    def mask(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return without_passwords(text)

    def mask_tree(self, tree: Any) -> Any:
        """A copy of a JSON tree with every text masked; keys stay."""
        if isinstance(tree, str):
            return self.mask(tree)
        if isinstance(tree, Mapping):
            return {key: self.mask_tree(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.mask_tree(value) for value in tree]
        return tree


def _of_environ(environ: Mapping[str, str]) -> Iterator[str]:
    for name in {name.removesuffix("_FILE") for name in environ if is_secret_name(name)}:
        value = lookup(environ, name)
        if value:
            yield value


def _of_environment(environment: Environment) -> Iterator[str]:
    for url in (environment.base_url, environment.connectivity, environment.server.url):
        yield from _passwords(url or "")
    for channel in environment.channels.values():
        yield channel.url
        yield from _passwords(channel.url)
        yield channel.secret or ""
    for check in environment.checks.values():
        yield from _passwords(check.url)
        for value in check.headers.values():
            yield value
            yield value.rpartition(" ")[2]  # `Bearer x`: the answer may echo x alone
    for command in (*environment.deploy, *environment.rollback):
        yield from _of_command(command)
    for trigger in environment.triggers.values():
        for action in trigger.then:
            yield from _of_command(action.command) if action.command else ()


def _passwords(url: str) -> Iterator[str]:
    """The password of an address, as it stands and as a server would say it."""
    from urllib.parse import unquote

    for user in _IN_URL.findall(url):
        password = user.partition(":")[2]
        yield password
        yield unquote(password)


def _of_command(command: Command) -> Iterator[str]:
    return (value for name, value in command.env.items() if is_secret_name(name))


def _spellings(value: str) -> Iterator[str]:
    from urllib.parse import quote

    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="", errors="replace")
    yield quote(value, errors="replace")
    yield from (line for line in value.splitlines() if len(line) >= _LONE)


def _pattern(values: set[str]) -> re.Pattern[str] | None:
    spelt = {
        spelling
        for value in (value.strip() for value in values)
        if len(value) >= _SHORTEST and value.lower() not in _NO_SECRETS
        for spelling in _spellings(value)
        if spelling.strip()
    }
    if not spelt:
        return None
    longest_first = sorted(spelt, key=lambda spelling: (-len(spelling), spelling))
    return re.compile("|".join(map(_word, longest_first)))


def _word(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= _LONE else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
