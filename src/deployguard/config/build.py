"""A document -> the config: `${...}` expanded, every key read by the shape, an environment's overrides applied.

The config in force that the state keeps is read here too: there a variable may be gone since, and an emergency,
status or undo must go on. `lenient` puts nothing in its place and leaves out what no longer makes sense.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from deployguard.config.environ import WEBHOOK, channel_from_environ, expand
from deployguard.config.issues import Issues, TooManyError, config_error
from deployguard.config.kinds import WRONG, Kind, Known, python_name, read, write
from deployguard.config.rules import Tree, known_names, requires, section
from deployguard.config.shape import CHANNEL, COMMAND, FILE, FLAG, OVERRIDABLE, TARGETING
from deployguard.config.values import Command, Config, Environment, Flag, Strategy, Targeting

Read = dict[str, Any]
"""The whole file, read by the shape: values by Python's names of the keys."""


def config_from_document(
    document: Mapping[str, Any], environ: Mapping[str, str], *, lenient: bool = False, file: str | None = None
) -> Config:
    """The config of a document as written. Raises DeployguardError with all errors, each with its path."""
    issues = Issues(bounded=not lenient)
    config = read_config(document, environ, issues, lenient=lenient, file=file)
    if config is None:
        raise config_error(issues, file or "the config in force", None)
    return config


def read_config(
    document: Any, environ: Mapping[str, str], issues: Issues, *, lenient: bool = False, file: str | None = None
) -> Config | None:
    """The config, or None where `issues` has errors (`lenient`: where too little is left)."""
    tree, found = expanded_and_read(document, environ, issues, lenient=lenient)
    if found is WRONG or (issues and not lenient):
        return None
    shared = shared_parts(found, environ)
    environments = {name: _environment(name, tree, own, shared) for name, own in found["environments"].items()}
    if issues:
        environments = {name: one for name, one in environments.items() if one.strategy.steps}
        if not environments:
            return None
    return Config(
        environments=environments,
        document=document,
        hash=_hash_of(document),
        default_environment=found.get("default_environment"),
        state=found["state"],
        file=file,
    )


def expanded_and_read(
    document: object, environ: Mapping[str, str], issues: Issues, *, lenient: bool = False
) -> tuple[Any, Any]:
    """The tree with `${...}` expanded, and what the shape reads of it; errors go to `issues`, at most one a value."""
    found = Issues(bounded=not lenient)
    values: Any = WRONG
    try:
        tree = expand(document, environ, issues, lenient=lenient)
    except TooManyError:
        return document, WRONG
    told = {issue.path for issue in issues}
    with suppress(TooManyError):
        values = read(FILE, tree, known_names(tree), found)
    issues.extend(issue for issue in found if issue.path not in told)
    if values is not WRONG:
        values["strategies"] = {
            name: value if isinstance(value, Strategy) else Strategy(name=name, steps=value)
            for name, value in values["strategies"].items()
        }
    return tree, values


def _hash_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: sorted keys, no spaces, as `codec.canonical`."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def shared_parts(found: Read, environ: Mapping[str, str]) -> Environment:
    """What all environments have in common, as an environment without a name."""
    given = ("flags", "triggers", "strategies", "sources", "endpoints", "connectivity", "guard_for", "min_percentage")
    more = ("guardrails", "server", "retention", "reports")
    return Environment(
        name="",
        base_url="",
        strategy=Strategy(name="", steps=()),
        checks=found.get("health_checks", {}),
        channels=found.get("alerts") or _channel_of_variables(environ),
        **{"triggers": {}} | {key: found[key] for key in (*given, *more) if key in found},
    )


def _channel_of_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """The channel that WEBHOOK_URL makes; it is looked at when it is used, not here."""
    spelt = channel_from_environ(environ)
    return {} if spelt is None else {WEBHOOK: CHANNEL.make(WEBHOOK, spelt, spelt)}


def _environment(name: str, tree: Tree, own: Read, shared: Environment) -> Environment:
    flags = {**shared.flags, **_overridden("flags", tree, name, own)}
    settings = {key: own[key] for key in ("confirm", "deploy", "rollback", "stable") if key in own}
    return replace(
        shared,
        name=name,
        base_url=own["base_url"].rstrip("/"),
        strategy=shared.strategies.get(own["strategy"], shared.strategy),
        flags=flags,
        triggers={**shared.triggers, **_overridden("triggers", tree, name, own)},
        checks={**shared.checks, **_overridden("healthChecks", tree, name, own)},
        sources=_of_environment(shared.sources, name),
        channels=_of_environment(shared.channels, name),
        rollout=own.get("rollout", tuple(key for key, flag in flags.items() if not flag.permanent)),
        **settings,
    )


def _overridden(kind: str, tree: Tree, environment: str, own: Read) -> dict[str, Any]:
    """The entries that an environment overrides by the same key, one level deep, with what was read well of them."""
    base, changes = section(tree, kind), section(tree, "environments", environment, kind)
    overrides = own.get(python_name(kind), {})
    known = known_names(tree) if overrides else Known()
    out = {}
    for name, well in overrides.items():
        changed = {key: value for key, value in changes[name].items() if python_name(key) in well}
        value = read(OVERRIDABLE[kind], section(base, name) | changed, known, Issues(bounded=False), (name,))
        if value is not WRONG:
            out[name] = value
    return out


def _of_environment(things: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Sources or channels of an environment: those that name it, and those that name none."""
    return {key: thing for key, thing in things.items() if name in (thing.environments or (name,))}


def flags_from_document(
    document: Mapping[str, Any], environment: str, environ: Mapping[str, str] | None = None
) -> dict[str, Flag]:
    """The flags of a document that was checked before, with the environment's overrides; nothing else is read.

    A requirement may have left the document: it stays a requirement.
    """
    tree: Tree = {
        "flags": section(document, "flags"),
        "environments": {environment: {"flags": section(document, "environments", environment, "flags")}},
    }
    tree = expand(tree, os.environ if environ is None else environ, Issues(bounded=False), lenient=True)
    changes = section(tree, "environments", environment, "flags")
    base = section(tree, "flags")
    known = Known(flags=_required(*base.values(), *changes.values()))
    flags = {}
    for key in base:
        flag = read(FLAG, section(base, key) | section(changes, key), known, Issues(bounded=False), (key,))
        if flag is not WRONG:
            flags[key] = flag
    return flags


def _required(*flags: object) -> frozenset[str]:
    """Every name that stands in a `requires` of these."""
    return frozenset(name for flag in flags for name in requires(flag))


def _part(kind: Kind, tree: object, what: str, known: Known) -> Any:
    """A part of a config that stands alone: in the state, in an import. Raises DeployguardError with all errors."""
    issues = Issues()
    value = WRONG
    with suppress(TooManyError):
        value = read(kind, tree, known, issues)
    if issues:
        raise config_error(issues, what, None)
    return value


def flag_from_json(key: str, data: Mapping[str, Any]) -> Flag:
    """A flag in the config's spelling. Raises DeployguardError; requirements may name any flag."""
    flag: Flag = _part(FLAG, dict(data), f"flag {key}", Known(flags=_required(data)))
    return replace(flag, key=key)


def flag_to_json(flag: Flag) -> Tree:
    """The flag in the config's spelling, without what is as the default says."""
    return {key: value for key, value in write(FLAG, flag).items() if value}


def targeting_from_json(data: Mapping[str, Any]) -> Targeting:
    """Targeting in the config's spelling. Raises DeployguardError with all errors."""
    targeting: Targeting = _part(TARGETING, dict(data), "targeting", Known())
    return targeting


def targeting_to_json(targeting: Targeting) -> Tree:
    """The config's spelling, names sorted, without what is empty."""
    spelt: Tree = write(TARGETING, targeting)
    return spelt


def command_from_json(data: Any, environ: Mapping[str, str] | None = None) -> Command:
    """A command that the state kept, expanded now; a variable that is gone is empty. Raises DeployguardError."""
    tree = expand(data, os.environ if environ is None else environ, Issues(), lenient=True)
    command: Command = _part(COMMAND, tree, "command", Known())
    return command
