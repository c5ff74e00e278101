import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from deployguard.config.values import Command
from deployguard.effects import commands
from deployguard.effects.commands import Finished, child_environment, found, missing, run_command

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


class Hides:
    """A masker of one secret."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret

    def mask(self, text: str) -> str:
        return text.replace(self.secret, "***") if self.secret else text


@dataclass
class Ran:
    finished: Finished
    lines: list[str] = field(default_factory=list)


def run(
    command: Command,
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    output: Path | None = None,
    stop_after_s: float | None = None,
    secret: str = "",
) -> Ran:
    lines: list[str] = []
    began = time.monotonic()

    def should_stop() -> str | None:
        late = stop_after_s is not None and time.monotonic() - began > stop_after_s
        return "aborted by an emergency" if late else None

    finished = run_command(
        command,
        env=ENV if env is None else env,
        on_line=lines.append,
        should_stop=should_stop,
        output=output,
        masker=Hides(secret),
        cwd=cwd,
    )
    return Ran(finished, lines)


def python(code: str, **more: object) -> Command:
    return Command(argv=(sys.executable, "-u", "-c", code), **more)  # type: ignore[arg-type]


def shell(line: str, **more: object) -> Command:
    return Command(shell=line, **more)  # type: ignore[arg-type]


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "GRACE_S", 0.5)
    monkeypatch.setattr(commands, "STOP_EVERY_S", 0.05)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_a_command_that_ends_well_gives_its_code_its_lines_and_its_last_line() -> None:
    ran = run(shell("echo one; echo two >&2; echo; exit 0"))
    assert ran.finished.ok
    assert ran.finished.exit_code == 0
    assert ran.finished.error is None
    assert ran.finished.last_line == "two"
    assert ran.lines == ["one", "two", ""]


def test_a_command_that_fails_gives_its_code_and_is_no_error_of_ours() -> None:
    ran = run(shell("echo 'memory limit'; exit 7"))
    assert (ran.finished.exit_code, ran.finished.error, ran.finished.last_line) == (7, None, "memory limit")
    assert not ran.finished.ok


def test_a_command_ended_by_a_signal_has_no_code_but_the_signals_name() -> None:
    finished = run(shell("kill -SEGV $$")).finished
    assert (finished.exit_code, finished.signal, finished.error) == (None, "SIGSEGV", None)


def test_without_shell_nothing_is_expanded() -> None:
    assert run(Command(argv=("echo", "$HOME", "*", "a;b"))).lines == ["$HOME * a;b"]


def test_standard_input_is_closed_so_that_a_question_is_not_waited_for() -> None:
    ran = run(shell("read answer || echo nobody; readlink /proc/self/fd/0"))
    assert ran.lines == ["nobody", "/dev/null"]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (Command(argv=("no-such-program-here", "x")), "not found: no-such-program-here"),
        (Command(argv=("./no-such-script",)), "not found: ./no-such-script"),
        (Command(argv=("./plain-file",)), "not executable: ./plain-file"),
        (Command(argv=("echo",), cwd="web"), "folder not found: web"),
        (Command(argv=("./bad-interpreter",)), "not found: the interpreter of ./bad-interpreter"),
        (Command(argv=("./no-interpreter",)), "not executable: ./no-interpreter (Exec format error)"),
        (Command(argv=("echo", "a\0b")), "not executable: echo (embedded null byte)"),
    ],
)
def test_what_cannot_run_is_named(command: Command, error: str, tmp_path: Path) -> None:
    (tmp_path / "plain-file").write_text("x")
    for name, text in (("bad-interpreter", "#!/no/such/interpreter\n"), ("no-interpreter", "x")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    finished = run(command, cwd=tmp_path).finished
    assert (finished.exit_code, finished.signal, finished.error) == (None, None, error)


def test_preflight_finds_what_runs_and_names_what_does_not(tmp_path: Path) -> None:
    script = tmp_path / "web" / "deploy.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert found(Command(argv=("sh",)), ENV)
    assert found(shell("anything | at all"), ENV)
    assert found(Command(argv=("./deploy.sh",), cwd="web"), ENV, tmp_path)
    assert not found(Command(argv=("./deploy.sh",)), ENV, tmp_path)
    assert not found(Command(argv=("sh",)), {"PATH": str(tmp_path)})
    assert found(Command(argv=("deploy.sh",), env={"PATH": str(script.parent)}), ENV)
    assert found(Command(argv=("deploy.sh",), cwd="web"), {"PATH": "."}, tmp_path), "PATH is the child's folder's"
    assert missing(Command(argv=("vercel",)), {"PATH": str(tmp_path)}) == "not found: vercel"


def test_children_get_the_version_and_none_of_our_secrets() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "VERCEL_TOKEN": "the application's",
        "SENTRY_AUTH_TOKEN": "the application's",
        "WEBHOOK_URL": "x",
        "WEBHOOK_SECRET_FILE": "x",
        "SMTP_PASS": "x",
        "DEPLOYGUARD_TOKEN": "x",
        "DEPLOYGUARD_TOKEN_FILE": "x",
        "DEPLOYGUARD_DB_PASSWORD": "x",
        "DEPLOYGUARD_VERSION": "claimed",
        "DEPLOYGUARD_STATE": "/srv/state",
    }
    env = child_environment(environ, "prod", "2.13.0")
    assert set(env) == {
        "PATH",
        "HOME",
        "VERCEL_TOKEN",
        "SENTRY_AUTH_TOKEN",
        "DEPLOYGUARD_STATE",
        "DEPLOYGUARD_VERSION",
        "DEPLOYGUARD_ENVIRONMENT",
    }
    assert (env["DEPLOYGUARD_VERSION"], env["DEPLOYGUARD_ENVIRONMENT"]) == ("2.13.0", "prod")
    assert "DEPLOYGUARD_VERSION" not in child_environment(environ, "prod")


def test_a_commands_own_variables_come_on_top_even_of_what_is_withheld() -> None:
    env = child_environment({**ENV, "SMTP_HOST": "ours", "CI": "0"}, "prod")
    ran = run(shell('echo "$CI ${SMTP_HOST-none} ${SMTP_USER-none}"', env={"CI": "1", "SMTP_USER": "app"}), env=env)
    assert ran.lines == ["1 none app"]


def test_a_command_runs_in_its_folder_beneath_the_callers(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    assert run(shell("pwd", cwd="web"), cwd=tmp_path).lines == [str(tmp_path / "web")]


def test_time_out_ends_the_whole_group_grandchildren_too(short_grace: None, tmp_path: Path) -> None:
    file = tmp_path / "grandchild"
    ran = run(
        shell(f"sh -c 'echo $$ > {file}; sleep 60' & echo started; wait", timeout=timedelta(seconds=0.4)),
    )
    assert ran.lines == ["started"]
    assert ran.finished.error == "timed out after 400ms"
    assert ran.finished.signal == "SIGTERM"
    assert ran.finished.duration_ms < 3_000
    assert gone_within(int(file.read_text()), 2)


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(short_grace: None) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    ran = run(python(code, timeout=timedelta(seconds=0.6)))
    assert ran.lines == ["deaf"]
    assert ran.finished.signal == "SIGKILL"
    assert 1_000 <= ran.finished.duration_ms < 4_000


def test_a_grandchild_that_ignores_sigterm_is_killed_though_its_parent_went(short_grace: None, tmp_path: Path) -> None:
    file = tmp_path / "grandchild"
    deaf = f"trap '' TERM; echo $$ > {file}; while true; do sleep 0.1; done"
    run(shell(f'sh -c "{deaf.replace("$", chr(92) + "$")}" > /dev/null & wait', timeout=timedelta(seconds=0.4)))
    assert gone_within(int(file.read_text()), 2)


def test_a_clean_up_on_sigterm_gets_its_time_and_its_words_are_kept(short_grace: None) -> None:
    ran = run(shell("trap 'sleep 0.1; echo cleaned up; exit 3' TERM; echo up; sleep 60 & wait"), stop_after_s=0.3)
    assert ran.lines == ["up", "cleaned up"]
    assert (ran.finished.exit_code, ran.finished.error) == (3, "aborted by an emergency")
    assert not ran.finished.ok


def test_a_grandchild_may_clean_up_too(short_grace: None, tmp_path: Path) -> None:
    file = tmp_path / "cleaned"
    inner = f"trap 'echo yes > {file}; exit' TERM; echo ready; while true; do sleep 0.05; done"
    (tmp_path / "inner.sh").write_text(inner)
    run(shell("sh inner.sh & sleep 60", timeout=timedelta(seconds=0.4)), cwd=tmp_path)
    assert file.read_text() == "yes\n"


def test_a_stop_that_stands_before_the_start_ends_the_command_at_once(short_grace: None) -> None:
    assert run(shell("sleep 60"), stop_after_s=-1).finished.error == "aborted by an emergency"


def test_a_child_that_stays_behind_with_the_pipe_open_holds_nobody_up_and_lives_on(tmp_path: Path) -> None:
    file = tmp_path / "server"
    ran = run(shell(f"sh -c 'echo $$ > {file}; exec sleep 30' & sleep 0.2; echo deployed"))
    pid = int(file.read_text())
    try:
        assert ran.finished.ok
        assert ran.lines == ["deployed"]
        assert ran.finished.duration_ms < 5_000
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_command_that_closes_its_output_is_still_waited_for() -> None:
    ran = run(shell("exec >&- 2>&-; sleep 0.3; exit 4"))
    assert ran.finished.exit_code == 4
    assert ran.finished.duration_ms >= 300


def test_an_error_of_the_listener_ends_the_group_and_goes_on(short_grace: None, tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def broken(_line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_command(
            shell(f"echo $$ > {file}; echo line; sleep 60"),
            env=ENV,
            on_line=broken,
            should_stop=lambda: None,
            output=None,
            masker=Hides(),
        )
    assert gone_within(int(file.read_text()), 6)


def test_ctrl_c_ends_the_group_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = f"""
from deployguard.config.values import Command
from deployguard.effects.commands import run_command
class Hides:
    def mask(self, text): return text
run_command(Command(shell="echo $$ > {file}; sleep 60"), env={ENV!r}, on_line=print, should_stop=lambda: None,
            output=None, masker=Hides())
"""
    caller = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.02)
    caller.send_signal(signal.SIGINT)
    _, errors = caller.communicate(timeout=10)
    assert "KeyboardInterrupt" in errors
    assert gone_within(int(file.read_text()), 6)


def test_a_million_characters_without_a_newline_are_one_bounded_line() -> None:
    ran = run(python("import sys; sys.stdout.write('x' * 1_000_000); print(); print('end')"))
    long, end = ran.lines
    assert long == "x" * 10_000 + "… 990,000 more characters"
    assert end == "end"
    assert ran.finished.last_line == "end"


def test_binary_output_becomes_text_without_control_characters() -> None:
    ran = run(python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 4 + b'\\n')"))
    assert ran.finished.ok
    assert all(character.isprintable() or character == "\ufffd" for line in ran.lines for character in line)


def test_secrets_are_masked_before_anything_sees_them(tmp_path: Path) -> None:
    file = tmp_path / "kept.log"
    ran = run(
        python("import sys; print('token s3cr3t'); sys.stdout.write('x' * 9_997 + 's3cr3t'); print(); print('s3cr3t')"),
        secret="s3cr3t",
        output=file,
    )
    everything = "\n".join([*ran.lines, file.read_text(), ran.finished.last_line or ""])
    assert "s3c" not in everything
    assert ran.lines[0] == "token ***"
    assert ran.finished.last_line == "***"


def test_a_secret_written_in_two_pieces_is_masked_all_the_same() -> None:
    code = "import sys, time; w = sys.stdout.write; w('is s3c'); sys.stdout.flush(); time.sleep(0.2); w('r3t\\n')"
    assert run(python(code), secret="s3cr3t").lines == ["is ***"]


def test_a_progress_bar_is_shown_now_and_then_and_ends_as_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "PROGRESS_EVERY_S", 0.15)
    code = "import sys, time\nfor n in range(0, 101, 10):\n  print(end=f'\\r{n}%'); time.sleep(0.06)\nprint(' done')"
    lines = run(python(code)).lines
    assert lines[-1] == "100% done"
    assert 2 <= len(lines) <= 9
    assert all(line.endswith(("%", "done")) for line in lines)


def test_the_file_keeps_head_and_tail_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "reports" / "r-1-1.log"
    ran = run(python("for n in range(60_000): print(f'line {n:05} ' + 'x' * 30)"), output=file)
    assert ran.finished.kept_error is None
    text = file.read_text()
    assert len(text) <= 1_000_100
    assert text.startswith("line 00000 ")
    assert text.rstrip().endswith("line 59999 " + "x" * 30)
    assert " lines were cut here " in text
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = run(shell("echo deployed"), output=tmp_path / "file" / "log")
    assert ran.finished.ok
    assert ran.lines == ["deployed"]
    assert ran.finished.kept_error == "output not kept: File exists"


def test_a_full_disk_stops_nothing() -> None:
    ran = run(shell("echo deployed"), output=Path("/dev/full"))
    assert ran.finished.ok
    assert ran.finished.kept_error == "output not kept: No space left on device"


def test_it_runs_in_any_thread() -> None:
    results: list[Ran] = []
    thread = threading.Thread(target=lambda: results.append(run(shell("echo here"))))
    thread.start()
    thread.join()
    assert results[0].lines == ["here"]
