"""`demo`: the whole story in two minutes. Operations and views are those of every command; only the world is made."""

import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import Run, run
from deployguard.cli.words import says
from deployguard.errors import Code, Offer, fail, usage
from deployguard.operations.protocol import Operations

TICK = timedelta(seconds=1)
IMPORT_EVERY_S = 2.0
READY_S = 20.0
LONGEST = timedelta(minutes=4)


def demo(
    keep: Annotated[str | None, says("--keep", "DIR", "Play in this new folder and keep it.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the made visitors.")] = 7,
) -> None:
    """Play it; exit 0 where the broken feature was taken back and the other one completed."""
    page = run().page
    page.offering = False  # its commands are of a world that ends with it, or of a folder where nobody stands
    with _folder(keep) as folder:
        _play(run(), folder, seed)
    page.offering = True
    kept = Offer(f"cd {shlex.quote(keep)} && deployguard report show --env prod", "the same again") if keep else None
    again = Offer("deployguard demo --keep demo", "plays it in a folder that stays, to look around in")
    yours = Offer("deployguard init --url https://your.example.com", "your own application")
    page.err.append(page.t(""))
    page.next([yours, kept or again])
    page.flush()


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="deployguard-demo-") as name:
            yield Path(name)
        return
    folder = Path(keep)
    if folder.exists() and any(folder.iterdir()):
        raise usage(
            "the demo needs a folder of its own", "option --keep", f"{keep} is not empty", "a new or empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    yield folder.resolve()


def _play(current: Run, folder: Path, seed: int) -> None:
    from deployguard.cli.render import deploying
    from deployguard.cli.watch import stay
    from deployguard.demo.config import LISTED, demo_config
    from deployguard.operations.local import open_local
    from deployguard.operations.protocol import Ask, DeployAsk
    from deployguard.rollout.moves import MoveKind

    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "logs").mkdir()
    (folder / "logs" / "access.jsonl").touch()
    config = folder / "deployment-config.json"
    config.write_text(demo_config(url), encoding="utf-8")
    operations = open_local(
        config_path=str(config), state_dir=str(folder / "state"), environment="prod", lenient=False, on_wait=None
    )
    say = _Narrator(current)
    say("A homepage with eight flags is at 100%. Two features are released behind flags of their own.")
    operations.move(Ask(move=MoveKind.SET, flag="dual_audience_homepage", percentage=10_000, reason="demo"))
    with _world(folder, port, url, seed), _vitals(operations, folder / "vitals.jsonl"):
        ask = DeployAsk(version="2.14.0", reason="demo")
        plan = operations.plan_deploy(ask)
        say("deployguard deploy prod --version 2.14.0 --yes --watch", command=True)
        if not current.as_data:
            deploying.plan(plan, current.page, dry_run=False)
            current.page.flush()
        deployed = operations.deploy(ask, deploying.progress(current.page))
        current.emit(deployed, view=partial(deploying.deployed, stays=True))
        say("One of the two asks a reviews service that cannot take 30% of the visitors. Nobody knows yet.")
        stay(current, operations, every=TICK, length=LONGEST, until_decided=LISTED)
        current.exit_code = 0
    say("deployguard report show", command=True)
    current.emit(operations.report(None))
    phases = {row.rollout: row.phase for row in operations.rollouts().rollouts}
    if phases.get("trust_social_proof") != "rolled_back" or phases.get("featured_lofts_showcase") != "completed":
        raise fail(
            Code.NOT_STABLE,
            "the demo did not end as it should",
            found=", ".join(f"{lead} {phase}" for lead, phase in phases.items()),
            wanted="trust_social_proof taken back, featured_lofts_showcase completed; a very busy machine can spoil it",
        )


class _Narrator:
    """A few sentences between the views, on standard error."""

    def __init__(self, current: Run) -> None:
        self._current = current

    def __call__(self, sentence: str, *, command: bool = False) -> None:
        page = self._current.page
        page.say()
        if command:
            page.say(("$ ", "dim"), (sentence, "cyan"))
        else:
            page.para(page.t((sentence, "bold")), err=True)
        page.flush()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _world(folder: Path, port: int, url: str, seed: int) -> Iterator[None]:
    """The application and its visitors, ended with us."""
    log, vitals = folder / "logs" / "access.jsonl", folder / "vitals.jsonl"
    module = [sys.executable, "-m"]
    app = [*module, "deployguard.demo.application", "--port", str(port), "--state", str(folder / "state")]
    app += ["--log", str(log)]
    people = [*module, "deployguard.demo.visitors", "--url", url, "--vitals", str(vitals), "--seed", str(seed)]
    errors = folder / "logs" / "demo-errors.txt"
    with errors.open("ab") as stderr:
        started = [subprocess.Popen(app, stderr=stderr, start_new_session=True)]
        try:
            _wait_for(url, errors)
            started.append(subprocess.Popen(people, stderr=stderr, start_new_session=True))
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=10)


def _wait_for(url: str, errors: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/health", timeout=1):  # noqa: S310  # our own address
                return
        except OSError:
            time.sleep(0.1)
    raise fail(
        Code.NOT_STABLE,
        "the demo's application did not start",
        where=url,
        found=errors.read_text(encoding="utf-8", errors="replace")[-300:] or "no answer",
        wanted=f"an answer within {READY_S:.0f}s",
    )


@contextmanager
def _vitals(operations: Operations, file: Path) -> Iterator[None]:
    """What browsers report, imported every two seconds as `monitoring import` would."""
    over = threading.Event()

    def bring_in() -> None:
        position = 0
        while not over.wait(IMPORT_EVERY_S):
            if not file.exists():
                continue
            with file.open("rb") as lines:
                lines.seek(position)
                data = lines.read()
            whole = data[: data.rfind(b"\n") + 1]
            position += len(whole)
            if whole:
                operations.import_samples(whole.splitlines())

    thread = threading.Thread(target=bring_in, name="demo-vitals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


apps = {"demo": single("demo", demo, "The whole story in two minutes, made up, offline.")}
