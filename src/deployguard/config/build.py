"""Checked tree -> frozen values: every default of CONFIG.md in one place, an environment's overrides applied.

`config_from_document` also serves the config in force that the state keeps: there a variable may be gone since, and
an emergency, status or undo must go on. `lenient` puts nothing in its place and leaves out what no longer makes sense.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from deployguard.config import parts
from deployguard.config.check import Tree, check, known_names, section
from deployguard.config.environ import WEBHOOK, channel_from_environ, expand
from deployguard.config.issue import Issues, TooManyError
from deployguard.config.report import config_error
from deployguard.config.scalars import Known
from deployguard.config.values import Config, Environment, Flag, Strategy
from deployguard.config.written import (
    command_from_json,
    command_to_json,
    flag_from_json,
    flag_to_json,
    targeting_from_json,
    targeting_to_json,
)

__all__ = [
    "build",
    "command_from_json",
    "command_to_json",
    "config_from_document",
    "expanded_and_checked",
    "flag_from_json",
    "flag_to_json",
    "flags_from_document",
    "hash_of",
    "shared_parts",
    "targeting_from_json",
    "targeting_to_json",
]

_ROUNDS = 20
"""How often a lenient reading leaves out what is wrong; each round takes a level, and the shape has eight."""


def config_from_document(
    document: Mapping[str, Any], environ: Mapping[str, str], *, lenient: bool = False, file: str | None = None
) -> Config:
    """The config of a document as written. Raises DeployguardError with all errors, each with its path."""
    issues = Issues()
    tree = expanded_and_checked(document, environ, issues, lenient=lenient)
    for _ in range(_ROUNDS if lenient else 0):
        if not issues:
            break
        _leave_out(tree, issues)
        issues = Issues()
        check(tree, issues)
    if issues:
        raise config_error(issues, file or "the config in force", None)
    return build(tree, document, environ, file)


def expanded_and_checked(document: object, environ: Mapping[str, str], issues: Issues, *, lenient: bool = False) -> Any:
    """The tree with `${...}` expanded; its errors go to `issues`, at most one a value."""
    try:
        tree = expand(document, environ, issues, lenient=lenient)
    except TooManyError:
        return document
    told = {issue.path for issue in issues}
    found = Issues()
    check(tree, found)
    issues.extend(issue for issue in found if issue.path not in told)
    return tree


def _leave_out(tree: Any, issues: Issues) -> None:
    """Remove what each issue is about: a wrong value, or the object that lacks one."""
    for issue in issues:
        parent, holder = None, tree
        for part in issue.path[:-1]:
            parent, holder = holder, _at(holder, part)
        last = issue.path[-1] if issue.path else None
        if isinstance(holder, dict) and last in holder:
            del holder[last]
        elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
            holder[last] = None  # the indexes of the other issues stay true
        elif isinstance(parent, dict) and len(issue.path) > 1:
            parent.pop(issue.path[-2], None)
    _drop_none(tree)


def _at(holder: Any, part: str | int) -> Any:
    if isinstance(holder, dict):
        return holder.get(part)
    if isinstance(holder, list) and isinstance(part, int) and part < len(holder):
        return holder[part]
    return None


def _drop_none(tree: Any) -> None:
    if isinstance(tree, list):
        tree[:] = [item for item in tree if item is not None]
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _drop_none(item)


def hash_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: sorted keys, no spaces, as `codec.canonical`."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def build(tree: Tree, document: Mapping[str, Any], environ: Mapping[str, str], file: str | None) -> Config:
    """The values of a checked, expanded tree. `document` is the same as written."""
    known = known_names(tree)
    shared = _shared(tree, document, known, environ)
    return Config(
        environments={
            name: _environment(name, tree, document, known, shared) for name in section(tree, "environments")
        },
        document=document,
        hash=hash_of(document),
        default_environment=_text(tree, "defaultEnvironment"),
        state=_text(tree, "state") or "./state",
        file=file,
    )


def _text(tree: Tree, key: str) -> str | None:
    value = tree.get(key)
    return None if value is None else str(value)


def _shared(tree: Tree, document: Mapping[str, Any], known: Known, environ: Mapping[str, str]) -> Environment:
    """What all environments have in common, as an environment without a name."""
    spelt = section(document, "triggers")
    return Environment(
        name="",
        base_url="",
        strategy=Strategy(name="", steps=()),
        flags={key: parts.flag(key, value) for key, value in section(tree, "flags").items()},
        triggers={
            key: parts.trigger(key, value, known, section(spelt, key))
            for key, value in section(tree, "triggers").items()
        },
        checks={key: parts.check(key, value, known) for key, value in section(tree, "healthChecks").items()},
        strategies={key: parts.strategy(key, value) for key, value in section(tree, "strategies").items()},
        sources={key: parts.source(key, value) for key, value in section(tree, "sources").items()},
        channels={key: parts.channel(key, value) for key, value in _channels(tree, environ).items()},
        endpoints=tuple(str(path) for path in tree.get("endpoints", ())),
        connectivity=_text(tree, "connectivity"),
        guard_for=parts.duration(tree, "guardFor", timedelta(hours=48)),
        min_percentage=parts.percentage(tree, "minPercentage", 100),
        guardrails=parts.guardrails(tree.get("guardrails"), known, document.get("guardrails")),
        server=parts.server(section(tree, "server")),
        retention=parts.retention(section(tree, "retention")),
        reports=_text(tree, "reports"),
    )


def shared_parts(document: Mapping[str, Any], environ: Mapping[str, str]) -> Environment:
    """What all environments of a checked document have in common; its name and address are empty."""
    tree = expand(document, environ, Issues(), lenient=True)
    return _shared(tree, document, known_names(tree), environ)


def _overridden(tree: Tree, kind: str, environment: str) -> dict[str, Tree]:
    """The entries that an environment overrides by the same key, one level deep."""
    base = section(tree, kind)
    overrides = section(tree, "environments", environment, kind)
    return {name: {**base[name], **value} for name, value in overrides.items() if name in base}


def _environment(name: str, tree: Tree, document: Mapping[str, Any], known: Known, shared: Environment) -> Environment:
    own = section(tree, "environments", name)
    spelt = section(document, "environments", name)
    written = _overridden(dict(document), "triggers", name)
    flags = {key: parts.flag(key, value) for key, value in _overridden(tree, "flags", name).items()}
    triggers = {
        key: parts.trigger(key, value, known, written.get(key, value))
        for key, value in _overridden(tree, "triggers", name).items()
    }
    checks = {key: parts.check(key, value, known) for key, value in _overridden(tree, "healthChecks", name).items()}
    flags = {**shared.flags, **flags}
    return replace(
        shared,
        name=name,
        base_url=str(own["baseUrl"]).rstrip("/"),
        strategy=shared.strategies[own["strategy"]],
        flags=flags,
        triggers={**shared.triggers, **triggers},
        checks={**shared.checks, **checks},
        sources={key: source for key, source in shared.sources.items() if name in (source.environments or (name,))},
        channels={
            key: channel for key, channel in shared.channels.items() if name in (channel.environments or (name,))
        },
        rollout=_rollout(own, flags),
        confirm=parts.confirm(own),
        deploy=parts.commands(own.get("deploy", ()), spelt.get("deploy", ())),
        rollback=parts.commands(own.get("rollback", ()), spelt.get("rollback", ())),
        stable=parts.duration(own, "stable", timedelta(minutes=1)),
    )


def _channels(tree: Tree, environ: Mapping[str, str]) -> Tree:
    """Those of `alerts`; where it names none, the one that WEBHOOK_URL makes."""
    named = section(tree, "alerts")
    from_environ = None if named else channel_from_environ(environ)
    return named if from_environ is None else {WEBHOOK: from_environ}


def _rollout(own: Tree, flags: Mapping[str, Flag]) -> tuple[str, ...]:
    listed = own.get("rollout")
    if listed is None:
        return tuple(key for key, flag in flags.items() if not flag.permanent)
    return tuple(str(key) for key in listed)


def flags_from_document(
    document: Mapping[str, Any], environment: str, environ: Mapping[str, str] | None = None
) -> dict[str, Flag]:
    """The flags of a document that was checked before, with the environment's overrides; nothing else is read."""
    tree: Tree = {
        "flags": section(document, "flags"),
        "environments": {environment: {"flags": section(document, "environments", environment, "flags")}},
    }
    tree = expand(tree, os.environ if environ is None else environ, Issues(), lenient=True)
    base = {key: parts.flag(key, value) for key, value in tree["flags"].items()}
    return base | {key: parts.flag(key, value) for key, value in _overridden(tree, "flags", environment).items()}
