"""The config as it is in force: everything filled in, secrets masked; and what differs between two documents."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.config.build import Read, expanded_and_read, shared_parts
from deployguard.config.issues import Issues
from deployguard.config.kinds import write
from deployguard.config.rules import Tree
from deployguard.config.secrets import MASK, Masker, is_secret_name
from deployguard.config.shape import FILE
from deployguard.config.values import Config, Environment

_LONGEST = 120
_SECRET_PATHS = re.compile(
    r"alerts\.[^.]+\.(url|secret)|(environments\.[^.]+\.)?healthChecks\.[^.]+\.headers(\..*)?|.*\.env(\..*)?"
)


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


def _hidden(tree: Any, path: str = "") -> Any:
    """Values that are secret by where they stand."""
    if isinstance(tree, dict):
        return {key: _hidden(value, f"{path}.{key}" if path else key) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_hidden(item, path) for item in tree]
    return MASK if isinstance(tree, str) and tree and _is_secret(path) else tree


def _is_secret(path: str) -> bool:
    match = _SECRET_PATHS.fullmatch(path)
    if match is None:
        return False
    return ".env" not in path or is_secret_name(path.rpartition(".")[2]) or not path.rpartition(".env.")[1]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """What changed from one document to the other, a line a path: `triggers.slow.window: "5m" → "10m"`."""
    return tuple(_differences(dict(old), dict(new), ""))


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*old, *(key for key in new if key not in old)):
            here = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield f"{here}: removed"
            elif key not in old:
                yield f"{here}: added" if isinstance(new[key], dict) else f"{here}: none → {_spelt(new[key], here)}"
            else:
                yield from _differences(old[key], new[key], here)
        return
    yield f"{path}: {_spelt(old, path)} → {_spelt(new, path)}"


def _spelt(value: Any, path: str) -> str:
    if _is_secret(path):
        return MASK
    text = json.dumps(_hidden(value, path), ensure_ascii=False)
    text = Masker({}).mask(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
