"""What a command of the user's is given: its environment, its folder, its program."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from deployguard.config.values import Command

_OURS = ("WEBHOOK_", "SMTP_", "DEPLOYGUARD_TOKEN")
_SECRET_ENDINGS = ("_TOKEN", "_KEY", "_SECRET")


def child_environment(environ: Mapping[str, str], environment: str, version: str | None = None) -> dict[str, str]:
    """What commands inherit: the caller's environment without what is ours, and the environment's name and version.

    Ours are `WEBHOOK_*`, `SMTP_*`, `DEPLOYGUARD_TOKEN` and other secrets of that prefix. What the application's own
    tools need (VERCEL_TOKEN, SENTRY_AUTH_TOKEN) passes; a command's `env` can hand back the rest. A version that the
    caller's environment claims is dropped: only a checked one reaches a command.
    """
    out = {name: value for name, value in environ.items() if not _ours(name) and name != "DEPLOYGUARD_VERSION"}
    out["DEPLOYGUARD_ENVIRONMENT"] = environment
    return out if version is None else {**out, "DEPLOYGUARD_VERSION": version}


def _ours(name: str) -> bool:
    stem = name.removesuffix("_FILE")
    secret = stem.endswith(_SECRET_ENDINGS) or "_PASS" in stem
    return stem.startswith(_OURS) or (stem.startswith("DEPLOYGUARD_") and secret)


def found(command: Command, env: Mapping[str, str], cwd: Path | None = None) -> bool:
    """Whether the command's folder and program are there and may be run: what preflight asks."""
    return missing(command, env, cwd) is None


def missing(command: Command, env: Mapping[str, str], cwd: Path | None = None) -> str | None:
    """Why the command cannot be run, naming the folder or the program; None where it can."""
    folder = folder_of(command, cwd)
    if not folder.is_dir():
        return f"folder not found: {command.cwd or folder}"
    if program_of(command, {**env, **command.env}, folder) is None:
        name = command.program
        is_there = os.sep in name and (folder / name).exists()
        return f"not executable: {name}" if is_there else f"not found: {name}"
    return None


def folder_of(command: Command, cwd: Path | None) -> Path:
    """Where the command runs: its own `cwd` beneath the caller's."""
    base = cwd or Path.cwd()
    return base / command.cwd if command.cwd else base


def program_of(command: Command, env: Mapping[str, str], folder: Path) -> str | None:
    """The program's file: by PATH of the child's environment, or beneath its folder where it has a slash."""
    name = command.program
    if os.sep in name:
        return shutil.which(str((folder / name).absolute()))
    places = env.get("PATH", os.defpath).split(os.pathsep)
    # A relative entry means the child's folder, not ours.
    return shutil.which(name, path=os.pathsep.join(str((folder / place).absolute()) for place in places if place))
