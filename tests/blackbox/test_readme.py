"""Every command that the README tells people to type, as written, one after the other in one empty folder."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import COMMAND, PATIENCE_S, Folder, Site, wait_for
from support.receiver import Receiver

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _lines(language: str) -> list[str]:
    """The lines of the README's blocks in one language."""
    blocks = [text for found, text in BLOCK.findall(README.read_text(encoding="utf-8")) if found == language]
    return [line for text in blocks for line in text.splitlines()]


def _typed() -> list[str]:
    """What a person types, in the order of the page: blocks of `sh`, the table's commands, and a CI job's steps."""
    shell = [line for line in _lines("sh") if not line.startswith(("make ", "python3 -m venv", "pip install"))]
    table = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [words for row in table for words in re.findall(r"`(deployguard [^`]+)`", row)]
    steps = [line.removeprefix("- run: ") for line in _lines("yaml")]
    return [*shell, *cells, *steps]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


class Terminal:
    """A person at a shell in the folder: what they type is read from a terminal, and they confirm what is asked."""

    def __init__(self, folder: Folder, site: Site, receiver: Receiver) -> None:
        self._folder, self._site = folder, site
        self._environ = {
            **folder.environ,
            "PATH": f"{COMMAND.parent}{os.pathsep}{folder.environ['PATH']}",
            "GITHUB_SHA": "4f2a9c1",
            "GITHUB_STEP_SUMMARY": str(folder.path / "summary.md"),
            "WEBHOOK_URL": receiver.url,
        }

    def type(self, line: str) -> tuple[int, str]:
        """The exit code and what was printed; a view that stays open is left with Ctrl-C once it stands.

        The application is one of this machine's, and a gate has a second.
        """
        line = line.replace("https://www.example.com", self._site.url).replace("--timeout 10m", "--timeout 1s")
        endless = line.startswith("deployguard watch") and "--once" not in line
        ours, theirs = pty.openpty()
        printed = self._folder.path.parent / "printed"
        with printed.open("wb") as out:
            shell = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self._folder.path,
                env=self._environ,
                stdin=theirs,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        os.close(theirs)
        os.write(ours, b"prod\n")
        try:
            if endless:
                wait_for(lambda: b"prod" in printed.read_bytes(), f"nothing was shown by {line}")
                os.killpg(shell.pid, signal.SIGINT)
            code = shell.wait(PATIENCE_S)
        finally:
            os.close(ours)
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
        return code, printed.read_text(encoding="utf-8", errors="replace")


def _good_codes(line: str) -> set[int]:
    """What a command may answer where all is well; the page's own table of exit codes says why."""
    if line.startswith("deployguard watch") and "--once" not in line:
        return {130}
    if line.startswith("deployguard doctor"):
        return {1}  # in a new folder there is something to be found
    if line.startswith("deployguard gate"):
        return {0, 4}  # a step that has just begun has too little data
    return {0}


def test_every_command_of_the_readme_works_as_written(empty: Folder, site: Site, receiver: Receiver) -> None:
    terminal = Terminal(empty, site, receiver)
    lines = _typed()
    assert len(lines) > 25, "the README's commands are not found any more"
    for line in lines:
        if line.startswith("deployguard deploy prod --dry-run"):
            _write_deploy_commands(empty, site)
        code, printed = terminal.type(line)
        assert code in _good_codes(line), f"$ {line}\n{printed}--- exit {code}"
        assert "Traceback" not in printed
        assert "error[" not in printed or code, f"$ {line}\n{printed}"
    assert receiver.received, "the notice at night arrived"
    assert (empty.path / "summary.md").read_text().startswith("## deployguard: staging 4f2a9c1"), (
        "the job's summary is the report"
    )


def _write_deploy_commands(folder: Folder, site: Site) -> None:
    """What the README asks for between two of its blocks; every environment at the application, none waits long."""
    config = json.loads(folder.config.read_text(encoding="utf-8"))
    for environment in config["environments"].values():
        environment |= {"baseUrl": site.url, "deploy": ["true"], "rollback": ["true"], "stable": "1s"}
    folder.config.write_text(json.dumps(config, indent=2), encoding="utf-8")


@pytest.mark.parametrize("name", ["make demo", "make test"])
def test_the_first_two_commands_are_targets_of_the_makefile(name: str) -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    assert f"\n{name.removeprefix('make ')}:" in makefile
    assert f"\n{name} " in README.read_text(encoding="utf-8")
