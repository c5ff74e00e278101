"""One part of a config after the other: a checked object -> its value, defaults filled in.

Objects here have passed `check`, so the readers of `scalars` and `phrases` answer; the defaults are CONFIG.md's.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from deployguard.config import phrases as say
from deployguard.config import scalars as a
from deployguard.config.environ import Expanded
from deployguard.config.metrics import GUARDED, default_min_samples, default_min_users
from deployguard.config.scalars import Known, Scalar
from deployguard.config.values import (
    Action,
    ActionKind,
    Channel,
    Command,
    Confirm,
    Flag,
    Guardrails,
    HealthCheck,
    Mode,
    OnCommonFault,
    OnInconclusive,
    Retention,
    Server,
    Severity,
    Source,
    SourceType,
    Step,
    Strategy,
    Targeting,
    Trigger,
)

Tree = Mapping[str, Any]
DURATION = a.duration(zero=True)
PERCENTAGE = a.percentage()
NOBODY = Known()


def duration(tree: Tree, key: str, default: timedelta) -> timedelta:
    return DURATION.read(tree[key], NOBODY) if key in tree else default


def percentage(tree: Tree, key: str, default: int) -> int:
    return PERCENTAGE.read(tree[key], NOBODY) if key in tree else default


def _names(tree: Tree, key: str) -> tuple[str, ...]:
    return tuple(str(name) for name in tree.get(key, ()))


def _all(scalar: Scalar, values: Sequence[Any], known: Known = NOBODY) -> tuple[Any, ...]:
    return tuple(scalar.read(value, known) for value in values)


def _optional(tree: Tree, key: str) -> str | None:
    value = tree.get(key)
    return str(value) if value else None


def targeting(tree: Tree) -> Targeting:
    allow, deny = tree.get("allow", {}), tree.get("deny", {})
    return Targeting(
        allow_users=frozenset(_names(allow, "users")),
        allow_groups=frozenset(_names(allow, "groups")),
        deny_users=frozenset(_names(deny, "users")),
        deny_groups=frozenset(_names(deny, "groups")),
        countries=frozenset(_names(tree, "countries")),
        regions=frozenset(_names(tree, "regions")),
        rules=_all(say.RULE, tree.get("rules", ())),
    )


def flag(key: str, tree: Tree) -> Flag:
    return Flag(
        key=key,
        description=str(tree.get("description", "")),
        owner=_optional(tree, "owner"),
        expires=a.DATE.read(tree["expires"], NOBODY) if "expires" in tree else None,
        tags=_names(tree, "tags"),
        requires=_names(tree, "requires"),
        targeting=targeting(tree["targeting"]) if "targeting" in tree else Targeting(),
        own_seed=tree.get("seed") == "own",
        private=bool(tree.get("private", False)),
        permanent=bool(tree.get("permanent", False)),
    )


def _step(value: Any) -> Step:
    if not isinstance(value, Mapping):
        step: Step = say.STEP.read(value, NOBODY)
        return step
    hold = say.HOLD.read(value["hold"], NOBODY) if "hold" in value else None
    return Step(percentage=percentage(value, "percentage", 0), hold=hold, name=_optional(value, "name"))


def strategy(name: str, tree: Any) -> Strategy:
    options: Tree = tree if isinstance(tree, Mapping) else {"steps": tree}
    return Strategy(
        name=name,
        steps=tuple(_step(step) for step in options["steps"]),
        on_inconclusive=OnInconclusive(options.get("onInconclusive", "hold")),
        max_wait=duration(options, "maxWait", timedelta(hours=24)),
        holdout=percentage(options, "holdout", 0),
    )


def check(name: str, tree: Tree, known: Known = NOBODY) -> HealthCheck:
    return HealthCheck(
        name=name,
        url=str(tree["url"]),
        expect=_all(say.EXPECT, tree.get("expect", ("status == 200",)), known),
        every=duration(tree, "every", timedelta(seconds=30)),
        timeout=duration(tree, "timeout", timedelta(seconds=10)),
        retries=tree.get("retries", 1),
        headers={str(header): str(value) for header, value in tree.get("headers", {}).items()},
    )


def command(tree: Any, spelt: Any = None) -> Command:
    """A command from its text or object. `spelt` is the same as written, `${...}` unexpanded."""
    options: Tree = tree if isinstance(tree, Mapping) else {"run": tree}
    written = spelt if isinstance(spelt, Mapping) else {"run": raw(options["run"])} if "run" in options else options
    line, shell = options.get("run"), options.get("shell")
    return Command(
        argv=() if line is None else tuple(say.COMMAND_LINE.read(line, NOBODY)),
        shell=None if shell is None else str(shell),
        timeout=duration(options, "timeout", timedelta(minutes=10)),
        env={str(key): str(value) for key, value in options.get("env", {}).items()},
        cwd=_optional(options, "cwd"),
        text=str(written.get("run") or written.get("shell") or ""),
        spelt=dict(written),
    )


def raw(value: Any) -> Any:
    """The value as the file spells it."""
    return value.raw if isinstance(value, Expanded) else value


def commands(trees: Sequence[Any], spelt: Sequence[Any]) -> tuple[Command, ...]:
    written = spelt if len(spelt) == len(trees) else [None] * len(trees)
    return tuple(command(tree, as_written) for tree, as_written in zip(trees, written, strict=True))


def actions(tree: Any, known: Known, spelt: Any = None) -> tuple[Action, ...]:
    listed = tree if isinstance(tree, list) else [tree]
    written = spelt if isinstance(spelt, list) and len(spelt) == len(listed) else [spelt] * len(listed)
    return tuple(_action(item, known, as_written) for item, as_written in zip(listed, written, strict=True))


def _action(tree: Any, known: Known, spelt: Any) -> Action:
    if isinstance(tree, Mapping):
        run = command(tree, spelt)
        return Action(kind=ActionKind.RUN, command=run, text=f"run {run.text}")
    action: Action = say.ACTION.read(tree, known)
    return action


def trigger(name: str, tree: Tree, known: Known, spelt: Tree) -> Trigger:
    """`minSamples` and `minUsers` depend on the metric; `cooldown` is the window where it is not given."""
    when = say.WHEN.read(tree["when"], known)
    window = duration(tree, "window", timedelta(minutes=5))
    return Trigger(
        name=name,
        when=when,
        then=actions(tree["then"], known, spelt.get("then")),
        window=window,
        min_samples=tree.get("minSamples", default_min_samples(when.name, when.function)),
        cooldown=duration(tree, "cooldown", window),
        warm_up=duration(tree, "warmUp", timedelta(0)),
        min_users=tree.get("minUsers", default_min_users(when.name)),
        mode=Mode(tree.get("mode", "act")),
        required=bool(tree.get("required", False)),
        on_common_fault=OnCommonFault(tree.get("onCommonFault", "act")),
    )


def source(name: str, tree: Tree) -> Source:
    return Source(
        name=name,
        type=SourceType(tree["type"]),
        path=str(tree["path"]),
        format=str(tree.get("format", "combined")),
        fields={str(key): str(value) for key, value in tree.get("fields", {}).items()},
        environments=_names(tree, "environments"),
    )


def channel(name: str, tree: Tree) -> Channel:
    return Channel(
        name=name,
        type=str(tree["type"]),
        url=str(tree["url"]),
        secret=_optional(tree, "secret"),
        environments=_names(tree, "environments"),
        min_severity=Severity(tree.get("minSeverity", "info")),
    )


def guardrails(tree: Tree | None, known: Known, spelt: Any) -> Guardrails | None:
    if tree is None:
        return None
    written = spelt.get("then") if isinstance(spelt, Mapping) else None
    return Guardrails(
        metrics=_names(tree, "metrics") or GUARDED[:4],
        margin=float(tree.get("margin", 1.1)),
        alpha=percentage(tree, "alpha", 100) / 10_000,
        then=actions(tree.get("then", "rollback"), known, written),
    )


def server(tree: Tree) -> Server:
    return Server(
        url=_optional(tree, "url"),
        origins=_names(tree, "origins"),
        trusted_proxies=_names(tree, "trustedProxies"),
        country_header=_optional(tree, "countryHeader"),
    )


def retention(tree: Tree) -> Retention:
    return Retention(
        metrics=duration(tree, "metrics", timedelta(days=30)),
        reports=duration(tree, "reports", timedelta(days=365)),
    )


def confirm(own: Tree) -> Confirm:
    return Confirm(own.get("confirm", "no"))
