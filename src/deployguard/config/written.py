"""Values -> the config's spelling, and parts of a config that stand alone: kept in the state, imported, shown."""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from deployguard.config import parts
from deployguard.config.check import Tree, check_part
from deployguard.config.environ import expand
from deployguard.config.issue import Issues
from deployguard.config.matching import spell_number
from deployguard.config.report import config_error
from deployguard.config.scalars import Known
from deployguard.config.shape import COMMAND, FLAG, TARGETING, Kind
from deployguard.config.units import format_duration, format_percentage
from deployguard.config.values import (
    Action,
    ActionKind,
    Channel,
    Command,
    Flag,
    Guardrails,
    HealthCheck,
    Server,
    Source,
    Strategy,
    Targeting,
    Trigger,
)


def _checked(kind: Kind, tree: object, what: str, known: Known) -> None:
    issues = check_part(kind, tree, known)
    if issues:
        raise config_error(issues, what, None)


def flag_from_json(key: str, data: Mapping[str, Any]) -> Flag:
    """A flag in the config's spelling. Raises DeployguardError; requirements may name any flag."""
    requires = data.get("requires")
    names = {name for name in requires if isinstance(name, str)} if isinstance(requires, list) else set()
    tree = dict(data)
    _checked(FLAG, tree, f"flag {key}", Known(flags=frozenset(names)))
    return parts.flag(key, tree)


def flag_to_json(flag: Flag) -> Tree:
    """The flag in the config's spelling, without what is as the default says."""
    out: Tree = {
        "description": flag.description,
        "owner": flag.owner,
        "expires": flag.expires.isoformat() if flag.expires else None,
        "tags": list(flag.tags),
        "requires": list(flag.requires),
        "targeting": targeting_to_json(flag.targeting),
        "seed": "own" if flag.own_seed else None,
        "private": flag.private,
        "permanent": flag.permanent,
    }
    return {key: value for key, value in out.items() if value}


def targeting_from_json(data: Mapping[str, Any]) -> Targeting:
    """Targeting in the config's spelling. Raises DeployguardError with all errors."""
    _checked(TARGETING, dict(data), "targeting", Known())
    return parts.targeting(data)


def targeting_to_json(targeting: Targeting) -> Tree:
    """The config's spelling, names sorted, without what is empty."""

    def people(users: frozenset[str], groups: frozenset[str]) -> Tree:
        return {key: sorted(names) for key, names in (("users", users), ("groups", groups)) if names}

    out: Tree = {
        "allow": people(targeting.allow_users, targeting.allow_groups),
        "deny": people(targeting.deny_users, targeting.deny_groups),
        "countries": sorted(targeting.countries),
        "regions": sorted(targeting.regions),
        "rules": [rule.text for rule in targeting.rules],
    }
    return {key: value for key, value in out.items() if value}


def command_from_json(data: Any, environ: Mapping[str, str] | None = None) -> Command:
    """A command that the state kept, expanded now; a variable that is gone is empty. Raises DeployguardError."""
    tree = expand(data, os.environ if environ is None else environ, Issues(), lenient=True)
    _checked(COMMAND, tree, "command", Known())
    return parts.command(tree, data)


def command_to_json(command: Command) -> Tree:
    """The command as the config spells it, `${...}` unexpanded: what the state may keep."""
    if command.spelt is not None:
        return dict(command.spelt)
    import shlex

    out: Tree = {"run": shlex.join(command.argv)} if command.shell is None else {"shell": command.shell}
    if command.timeout != timedelta(minutes=10):
        out["timeout"] = format_duration(command.timeout)
    if command.env:
        out["env"] = dict(command.env)
    return out | ({"cwd": command.cwd} if command.cwd else {})


def command_filled(command: Command) -> Tree:
    return {"timeout": format_duration(command.timeout)} | command_to_json(command)


def strategy_filled(strategy: Strategy) -> Tree:
    steps: list[Tree] = []
    for step in strategy.steps:
        spelt: Tree = {"percentage": format_percentage(step.percentage)}
        if step.hold is not None:
            spelt["hold"] = format_duration(step.hold)
        steps.append(spelt | ({"name": step.name} if step.name else {}))
    return {
        "steps": steps,
        "onInconclusive": strategy.on_inconclusive.value,
        "maxWait": format_duration(strategy.max_wait),
        "holdout": format_percentage(strategy.holdout),
    }


def flag_filled(flag: Flag) -> Tree:
    empty: Tree = {"description": "", "tags": [], "requires": [], "private": False, "permanent": False}
    return empty | flag_to_json(flag)


def check_filled(check: HealthCheck) -> Tree:
    return {
        "url": check.url,
        "expect": [condition.text for condition in check.expect],
        "every": format_duration(check.every),
        "timeout": format_duration(check.timeout),
        "retries": check.retries,
        "headers": dict(check.headers),
    }


def _actions(actions: tuple[Action, ...]) -> list[Any]:
    return [
        command_filled(action.command) if action.kind is ActionKind.RUN and action.command else action.text
        for action in actions
    ]


def trigger_filled(trigger: Trigger) -> Tree:
    return {
        "when": trigger.when.text,
        "then": _actions(trigger.then),
        "window": format_duration(trigger.window),
        "minSamples": trigger.min_samples,
        "cooldown": format_duration(trigger.cooldown),
        "minUsers": trigger.min_users,
        "warmUp": format_duration(trigger.warm_up),
        "mode": trigger.mode.value,
        "required": trigger.required,
        "onCommonFault": trigger.on_common_fault.value,
    }


def source_filled(source: Source) -> Tree:
    out: Tree = {
        "type": source.type.value,
        "path": source.path,
        "format": source.format,
        "fields": dict(source.fields),
    }
    return out | ({"environments": list(source.environments)} if source.environments else {})


def channel_filled(channel: Channel) -> Tree:
    out: Tree = {"type": channel.type, "url": channel.url}
    if channel.secret:
        out["secret"] = channel.secret
    if channel.environments:
        out["environments"] = list(channel.environments)
    return out | {"minSeverity": channel.min_severity.value}


def guardrails_filled(guardrails: Guardrails) -> Tree:
    return {
        "metrics": list(guardrails.metrics),
        "margin": guardrails.margin,
        "alpha": f"{spell_number(round(guardrails.alpha * 100, 2))}%",
        "then": _actions(guardrails.then),
    }


def server_filled(server: Server) -> Tree:
    out: Tree = {
        "url": server.url,
        "origins": list(server.origins),
        "trustedProxies": list(server.trusted_proxies),
        "countryHeader": server.country_header,
    }
    return {key: value for key, value in out.items() if value is not None}
