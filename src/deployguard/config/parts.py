"""One part of a config after the other: what was read of its keys -> its value, and back.

`shape` names these beside the keys; a default that depends on other keys is filled in here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from deployguard.config.environ import unexpanded
from deployguard.config.kinds import part
from deployguard.config.metrics import GUARDED, default_min_samples, default_min_users
from deployguard.config.units import format_duration
from deployguard.config.values import Action, ActionKind, Channel, Command, Flag, Guardrails, Targeting, Trigger

Parts = dict[str, Any]
Tree = Mapping[str, Any]

_DEFAULT_TIMEOUT = Command().timeout


def made(cls: Callable[..., Any]) -> Callable[[str, Parts, Tree], Any]:
    """Makes a value of what was read, as it is."""
    return lambda _name, parts, _tree: cls(**parts)


def named(cls: Callable[..., Any]) -> Callable[[str, Parts, Tree], Any]:
    """As `made`, for a value that knows its name."""
    return lambda name, parts, _tree: cls(name=name, **parts)


def targeting(_name: str, parts: Parts, _tree: Tree) -> Targeting:
    people = {
        f"{kind}_{who}": frozenset(parts.get(kind, {}).get(who, ()))
        for kind in ("allow", "deny")
        for who in ("users", "groups")
    }
    return Targeting(
        **people,
        countries=frozenset(parts.get("countries", ())),
        regions=frozenset(parts.get("regions", ())),
        rules=parts.get("rules", ()),
    )


def of_targeting(value: Targeting, name: str) -> Any:
    if name in ("allow", "deny"):
        people = {who: getattr(value, f"{name}_{who}") for who in ("users", "groups")}
        return {who: names for who, names in people.items() if names} or None
    return getattr(value, name) or None


def flag(name: str, parts: Parts, _tree: Tree) -> Flag:
    own_seed = parts.pop("seed", None) == "own"
    return Flag(key=name, own_seed=own_seed, **parts)


def of_flag(value: Any, name: str) -> Any:
    if name == "seed":
        return "own" if part(value, "own_seed") else part(value, "seed")
    found = part(value, name)
    return None if found == Targeting() else found


def command(_name: str, parts: Parts, tree: Tree) -> Command:
    spelt = unexpanded(tree)
    argv = parts.pop("run", ())
    return Command(argv=argv, **parts, text=spelt.get("run") or spelt.get("shell"), spelt=spelt)


def command_to_json(value: Command) -> Parts:
    """The command as the config spells it, `${...}` unexpanded: what the state may keep."""
    if value.spelt is not None:
        return dict(value.spelt)
    import shlex

    out: Parts = {"run": shlex.join(value.argv)} if value.shell is None else {"shell": value.shell}
    if value.timeout != _DEFAULT_TIMEOUT:
        out["timeout"] = format_duration(value.timeout)
    if value.env:
        out["env"] = dict(value.env)
    return out | ({"cwd": value.cwd} if value.cwd else {})


def spelt_command(value: Command) -> Parts:
    return {"timeout": format_duration(value.timeout)} | command_to_json(value)


def run(name: str, parts: Parts, tree: Tree) -> Action:
    run = command(name, parts, tree)
    return Action(kind=ActionKind.RUN, command=run, text=f"run {run.text}")


def actions(value: Action | tuple[Action, ...]) -> tuple[Action, ...]:
    """One action stands for a list of it."""
    return value if isinstance(value, tuple) else (value,)


def spelt_actions(value: tuple[Action, ...]) -> list[Any]:
    return [spelt_command(action.command) if action.command else action.text for action in value]


def trigger(name: str, parts: Parts, _tree: Tree) -> Trigger:
    """`minSamples` and `minUsers` depend on the metric; `cooldown` is the window where it is not given."""
    when = parts["when"]
    depends: Parts = {
        "min_samples": default_min_samples(when.name, when.function),
        "min_users": default_min_users(when.name),
        "cooldown": parts["window"],
    }
    return Trigger(name=name, **{**depends, **parts, "then": actions(parts["then"])})


def channel(name: str, parts: Parts, _tree: Tree) -> Channel:
    return Channel(name=name, **{**parts, "secret": parts.get("secret") or None})


def guardrails(_name: str, parts: Parts, _tree: Tree) -> Guardrails:
    return Guardrails(**{"metrics": GUARDED[:4], **parts, "then": actions(parts["then"])})
