"""The config as it is in force: everything filled in, secrets masked; and what differs between two documents."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.config.build import Read, expanded_and_read, shared_parts
from deployguard.config.issues import Issues, Path, dotted
from deployguard.config.kinds import write
from deployguard.config.rules import Tree
from deployguard.config.secrets import MASK, Masker, is_secret_name, without_passwords
from deployguard.config.shape import FILE
from deployguard.config.values import Config, Environment

_LONGEST = 120


def shown(config: Config, environ: Mapping[str, str]) -> Tree:
    """What `config show` prints: a config with every default. It reads back as the same one, but for what is masked."""
    _, found = expanded_and_read(config.document, environ, Issues(bounded=False), lenient=True)
    shared = shared_parts(found, environ)
    filled: Read = {
        **found,
        "$schema": None,
        "sources": shared.sources,
        "endpoints": shared.endpoints,
        "health_checks": shared.checks,
        "triggers": shared.triggers,
        "alerts": shared.channels,
        "server": shared.server,
        "retention": shared.retention,
        "reports": shared.reports or f"{config.state.rstrip('/')}/<environment>/reports",
        "environments": {
            name: _environment(environment, found["environments"][name])
            for name, environment in config.environments.items()
        },
    }
    masked: Tree = Masker(environ, config).mask_tree(_hidden(write(FILE, filled)))
    return masked


def _environment(environment: Environment, own: Read) -> Read:
    """An environment's own keys, and what it overrides as it is in force there."""
    overridden = {
        "triggers": {key: environment.triggers[key] for key in own.get("triggers", ())},
        "health_checks": {key: environment.checks[key] for key in own.get("health_checks", ())},
        "flags": {key: environment.flags[key] for key in own.get("flags", ())},
    }
    filled: Read = {"base_url": environment.base_url, "rollout": environment.rollout}
    filled |= {"deploy": environment.deploy, "rollback": environment.rollback}
    return {**own, **filled, **{section: things or None for section, things in overridden.items()}}


def _hidden(tree: Any, path: Path = ()) -> Any:
    """Values that are secret by where they stand."""
    if isinstance(tree, dict):
        return {key: _hidden(value, (*path, key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_hidden(item, path) for item in tree]
    return MASK if isinstance(tree, str) and tree and _is_secret(path) else tree


def _is_secret(path: Path) -> bool:
    match path:
        case ("alerts", _, "url" | "secret"):
            return True
        case ("healthChecks", _, "headers", *_) | ("environments", _, "healthChecks", _, "headers", *_):
            return True
        case (*_, "env", str(name)):
            return is_secret_name(name)
        case _:
            return False


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """What changed from one document to the other, a line a path: `triggers.slow.window: "5m" → "10m"`."""
    return tuple(_differences(dict(old), dict(new), ()))


def _differences(old: Any, new: Any, path: Path) -> Iterator[str]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*old, *(key for key in new if key not in old)):
            here = (*path, key)
            if key not in new:
                yield f"{dotted(here)}: removed"
            elif key not in old:
                added = isinstance(new[key], dict)
                yield f"{dotted(here)}: added" if added else f"{dotted(here)}: none → {_spelt(new[key], here)}"
            else:
                yield from _differences(old[key], new[key], here)
        return
    yield f"{dotted(path)}: {_spelt(old, path)} → {_spelt(new, path)}"


def _spelt(value: Any, path: Path) -> str:
    if _is_secret(path):
        return MASK
    text = without_passwords(json.dumps(_hidden(value, path), ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
