"""`init`: the default config, its schema, `.gitignore`'s line; the npm scripts of the source system."""

import json
import os
from pathlib import Path

from deployguard.codec import foreign
from deployguard.config.build import config_from_document
from deployguard.config.defaults import NPM_SCRIPTS, default_config
from deployguard.config.schema import schema
from deployguard.config.secrets import without_passwords
from deployguard.config.units import format_percentage
from deployguard.config.values import Strategy
from deployguard.errors import Code, Offer, fail
from deployguard.operations.values.upkeep import Initialised
from deployguard.store.layout import replace_synced
from deployguard.story.numbers import hold_words

CONFIG = "deployment-config.json"
SCHEMA = "deployment-config.schema.json"


def initialise(folder: Path, *, url: str | None, npm: bool, force: bool) -> Initialised:
    """Write what a fresh folder needs; never over an existing config without `force`."""
    target = folder / CONFIG
    if target.exists() and not force and not npm:
        raise fail(
            Code.USAGE,
            f"{CONFIG} already stands here",
            where=str(target),
            found="an existing file",
            wanted="an empty place, or --force to write over it",
            next=(Offer("deployguard config validate"),),
        )
    try:
        return _written(folder, url=url, npm=npm, force=force)
    except (OSError, UnicodeDecodeError) as error:
        raise fail(
            Code.USAGE,
            "init cannot write here",
            where=str(folder),
            found=(getattr(error, "strerror", None) or str(error)).lower(),
            wanted="a folder that this user can write, with room on its disk",
            now="no file is half written",
        ) from error


def _written(folder: Path, *, url: str | None, npm: bool, force: bool) -> Initialised:
    target, package = folder / CONFIG, folder / "package.json"
    wrote: list[tuple[str, str]] = []
    changed: list[tuple[str, str]] = []
    text = default_config(url)
    document = json.loads(text)
    config = config_from_document(document, os.environ, lenient=True)
    environments = tuple(config.environments.values())
    scripts = [_write_scripts(package)] if npm else []  # first, as it may be refused
    if not target.exists() or force:
        _write(target, text)
        first = environments[0]
        counts = f"{len(first.flags)} flags, {len(first.strategies)} strategies, {len(first.triggers)} triggers"
        wrote.append((CONFIG, counts))
        _write(folder / SCHEMA, _json(schema()))
        wrote.append((SCHEMA, "your editor completes and checks by it"))
    if _ignore_state(folder / ".gitignore"):
        changed.append((".gitignore", "state/ is not committed"))
    return Initialised(
        wrote=tuple(wrote),
        changed=(*changed, *scripts),
        environments=tuple((e.name, without_passwords(e.base_url), _words(e.strategy)) for e in environments),
        package_json=package.exists() and not npm,
        npm_scripts=NPM_SCRIPTS,
    )


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Whole, or as it was: a full disk must not cost the file that stands there. For all who may see the folder."""
    replace_synced(path.resolve(), text.encode(), ending=f".{os.getpid()}", mode=0o666)


def _words(strategy: Strategy) -> str:
    steps = strategy.steps
    first, last = format_percentage(steps[0].percentage), format_percentage(steps[-1].percentage)
    holds = [step.hold for step in steps if step.hold is not None]
    if len(steps) <= 2:
        return f"{strategy.name}: {', '.join(format_percentage(step.percentage) for step in steps)}"
    return f"{strategy.name}: {first} to {last} in {hold_words(sum(holds[1:], holds[0]))} or more"


def _ignore_state(file: Path) -> bool:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if any(line.strip() in ("state", "state/", "/state/", "/state", "state/*", "/state/*") for line in lines):
        return False
    _write(file, "\n".join([*lines, "state/"]) + "\n")
    return True


def _write_scripts(package: Path) -> tuple[str, str]:
    """Add our scripts to package.json, keeping its other keys in their order and those scripts that are there."""
    try:
        document = foreign(package.read_text(encoding="utf-8"))
        scripts = document.setdefault("scripts", {})
        new = {name: command for name, command in NPM_SCRIPTS.items() if name not in scripts}
        scripts.update(new)
    except (OSError, ValueError, AttributeError) as error:
        raise fail(
            Code.USAGE,
            "package.json cannot be read",
            where=str(package),
            found=str(error),
            wanted="a JSON object",
            now="package.json was not changed",
        ) from error
    _write(package, _json(document))
    return "package.json", f"{len(new)} scripts added" if new else "the scripts were there"
