"""The config as it is in force: everything filled in, secrets masked; and what differs between two documents."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.config import written
from deployguard.config.build import shared_parts
from deployguard.config.check import Tree, section
from deployguard.config.secrets import MASK, Masker, is_secret_name
from deployguard.config.units import format_duration, format_percentage
from deployguard.config.values import Config, Environment

_LONGEST = 120
_SECRET_PATHS = re.compile(
    r"alerts\.[^.]+\.(url|secret)|(environments\.[^.]+\.)?healthChecks\.[^.]+\.headers(\..*)?|.*\.env(\..*)?"
)


def shown(config: Config, environ: Mapping[str, str]) -> Tree:
    """What `config show` prints: a config with every default. It reads back as the same one, but for what is masked."""
    document = config.document
    base = shared_parts(document, environ)
    out: Tree = {"schemaVersion": 1}
    if config.default_environment:
        out["defaultEnvironment"] = config.default_environment
    out |= {
        "flags": {key: written.flag_filled(flag) for key, flag in base.flags.items()},
        "strategies": {key: written.strategy_filled(strategy) for key, strategy in base.strategies.items()},
        "sources": {key: written.source_filled(source) for key, source in base.sources.items()},
        "endpoints": list(base.endpoints),
        "healthChecks": {key: written.check_filled(check) for key, check in base.checks.items()},
    }
    if base.connectivity:
        out["connectivity"] = base.connectivity
    out["triggers"] = {key: written.trigger_filled(trigger) for key, trigger in base.triggers.items()}
    if base.guardrails:
        out["guardrails"] = written.guardrails_filled(base.guardrails)
    out |= {
        "alerts": {key: written.channel_filled(channel) for key, channel in base.channels.items()},
        "guardFor": format_duration(base.guard_for),
        "minPercentage": format_percentage(base.min_percentage),
        "environments": {
            name: _environment(environment, document) for name, environment in config.environments.items()
        },
        "server": written.server_filled(base.server),
        "state": config.state,
        "reports": base.reports or f"{config.state.rstrip('/')}/<environment>/reports",
        "retention": {
            "metrics": format_duration(base.retention.metrics),
            "reports": format_duration(base.retention.reports),
        },
    }
    masked: Tree = Masker(environ, config).mask_tree(_hidden(out))
    return masked


def _environment(environment: Environment, document: Mapping[str, Any]) -> Tree:
    """An environment's own keys, and what it overrides as it is in force there."""
    own = section(dict(document), "environments", environment.name)
    out: Tree = {
        "baseUrl": environment.base_url,
        "strategy": environment.strategy.name,
        "rollout": list(environment.rollout),
        "confirm": environment.confirm.value,
        "deploy": [written.command_filled(command) for command in environment.deploy],
        "rollback": [written.command_filled(command) for command in environment.rollback],
        "stable": format_duration(environment.stable),
    }
    overridden: Tree = {
        "triggers": {key: written.trigger_filled(environment.triggers[key]) for key in section(own, "triggers")},
        "healthChecks": {key: written.check_filled(environment.checks[key]) for key in section(own, "healthChecks")},
        "flags": {key: written.flag_filled(environment.flags[key]) for key in section(own, "flags")},
    }
    return out | {key: value for key, value in overridden.items() if value}


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
