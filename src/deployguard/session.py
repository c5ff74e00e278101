"""One command's ground: which environment, its config, its state, who asks, and what time it is.

Everything that an operation needs from outside is opened here, once, and only where it is asked for: a command that
reads the state never opens the metric store.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deployguard.config.build import config_from_document
from deployguard.config.load import find_config, load_config
from deployguard.config.values import Config, Environment, Flag
from deployguard.errors import Code, DeployguardError, Offer, Problem, fail, unknown
from deployguard.flags.definitions import definitions
from deployguard.guard.clock import settle
from deployguard.outbox import enqueue
from deployguard.plain import plain_line
from deployguard.state import Actor, Change, Event, State, Via, then
from deployguard.store.files import WAIT_S, FileStore
from deployguard.store.owner import system_user

if TYPE_CHECKING:
    from deployguard.config.secrets import Masker
    from deployguard.telemetry.metrics import MetricStore

_SETTLES_S = 1.0  # after which a config file is taken as whole


def wall_clock() -> datetime:
    """The time in UTC, whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def claim(text: str | None) -> str | None:
    """What `--by` and `--reason` say: kept beside the real actor, without control characters, 200 at most."""
    return plain_line(text or "")[:200] or None


def actor_of(environ: Mapping[str, str], by: str | None, via: Via = Via.CLI) -> Actor:
    """The CI job where there is one, else the system user; `by` is a claim beside it."""
    if environ.get("GITHUB_ACTIONS") == "true":
        run = environ.get("GITHUB_RUN_NUMBER") or environ.get("GITHUB_RUN_ID")
        name = f"github-actions (run {run})" if run else "github-actions"
    elif environ.get("GITLAB_CI") == "true":
        job = environ.get("CI_JOB_ID")
        name = f"gitlab-ci (job {job})" if job else "gitlab-ci"
    else:
        name = system_user()
    return Actor(name=name, via=via, claimed=claim(by))


@dataclass
class Session:
    """The files of one environment, and how to change them."""

    environment: str
    state_dir: Path
    environ: Mapping[str, str]
    config: Config | None = None
    config_problem: Problem | None = None  # why there is no config
    clock: Callable[[], datetime] = field(default=wall_clock)
    on_wait: Callable[[str], None] | None = None
    _config_path: Path | None = None
    _config_stamp: tuple[int, int, int] | None = None  # of the file as `refresh_config` read it last

    @cached_property
    def store(self) -> FileStore:
        return FileStore(self.state_dir, self.environment, on_wait=self.on_wait)

    @property
    def folder(self) -> Path:
        return self.state_dir / self.environment

    def metrics(self, *, read_only: bool = False) -> "MetricStore":
        from deployguard.telemetry.metrics import MetricStore

        return MetricStore(self.folder / "metrics.sqlite", read_only=read_only)

    def metrics_at_a_glance(self) -> "MetricStore":
        """What can be read of the figures at once; where nothing can, none."""
        from deployguard.telemetry.metrics import MetricStore

        return MetricStore(self.folder / "metrics.sqlite", read_only=True, busy_s=0.0, forgiving=True)

    @cached_property
    def masker(self) -> "Masker":
        from deployguard.config.secrets import Masker

        return Masker(self.environ, self.config)

    @property
    def zone(self) -> tzinfo:
        """The reader's zone, for the few sentences that are made before they reach a page."""
        return datetime.now(UTC).astimezone().tzinfo or UTC

    @property
    def root(self) -> Path:
        """The config's folder: where commands run and relative paths start. A config that is broken has one, too."""
        file = self._config_path or (self.config.file if self.config else None)
        return Path(file).resolve().parent if file else Path.cwd()

    @property
    def settings(self) -> Environment:
        """The environment as the file says it now. Raises the config's problem where it cannot be read."""
        if self.config is None:
            raise DeployguardError(self.config_problem or Problem(Code.NO_CONFIG, "there is no config"))
        return self.config.environment(self.environment)

    def in_force(self, state: State) -> Environment | None:
        """The config that the state keeps, which decides where the file cannot be read. None where neither can."""
        if state.config is None:
            return None
        try:
            kept = config_from_document(state.config.document, self.environ, lenient=True)
        except DeployguardError:  # an older version's spelling, or a hand's
            return None
        return kept.environments.get(self.environment)

    def best_settings(self, state: State) -> Environment:
        """The file's, else the state's: for status, undo and emergency, which an edit must not stop."""
        return self.settings_if_any(state) or self.settings

    def settings_if_any(self, state: State) -> Environment | None:
        """As `best_settings`; None where neither the file nor the state has a readable config."""
        return self.settings if self.config is not None else self.in_force(state)

    def definitions(self, state: State) -> dict[str, Flag]:
        return definitions(self.best_settings(state).flags, state)

    def actor(self, by: str | None = None, via: Via = Via.CLI) -> Actor:
        return actor_of(self.environ, by, via)

    def change(
        self,
        decide: Callable[[State, datetime], Change],
        actor: Actor,
        *,
        wait_s: float = WAIT_S,
        configure: bool = True,
    ) -> tuple[State, State, tuple[Event, ...], datetime]:
        """Read, decide and commit under the lock; the config is applied and the clock settled in the same commit.

        Answers the state before, the state after, the sealed events and the time that was used. Without `configure`
        the config in force stays as it is: an emergency is about flags alone.
        """
        now = wall = self.clock()
        before = State(environment=self.environment)

        def decided(state: State) -> Change:
            nonlocal before, now
            before = state
            now, settled = settle(state, wall, actor)
            change = then(settled, self.apply_config(settled.state, actor, now)) if configure else settled
            change = then(change, decide(change.state, now))
            settings = self.settings_if_any(change.state)
            return change if settings is None else enqueue(state, change, settings, now)

        after, events = self.store.update(decided, wall, wait_s=wait_s)
        return before, after, events, now

    def refresh_config(self) -> None:
        """Read the file again where it was written since; a bad one is kept as `config_problem`.

        A bad one that was written this very second is read again the next time: an editor may be in the middle of it.
        """
        if self._config_path is None:
            return
        stamp = _stamp(self._config_path)
        if stamp == self._config_stamp:
            return
        config: Config | None = None
        problem: Problem | None = None
        try:
            config = load_config(self._config_path, self.environ)
        except DeployguardError as error:
            if stamp is not None and 0 <= time.time() - stamp[0] / 1e9 < _SETTLES_S:
                return
            problem = error.problem
        if config is not None and self.environment not in config.environments:
            problem = unknown_environment(self.environment, tuple(config.environments)).problem
            config = None
        self._config_stamp, self.config, self.config_problem = stamp, config, problem
        self.__dict__.pop("masker", None)

    def apply_config(self, state: State, actor: Actor, now: datetime) -> Change:
        """The file's config comes into force where its hash is another than the state's."""
        from deployguard.config.show import differences
        from deployguard.rollout.reconfigure import reconfigure

        if self.config is None or (state.config is not None and state.config.hash == self.config.hash):
            return Change(state=state)
        old = state.config.document if state.config else {}
        return reconfigure(
            state,
            self.settings.flags,
            dict(self.config.document),
            self.config.hash,
            differences(old, self.config.document) if state.config else (),
            actor,
            now,
        )


def open_session(
    *,
    config_path: str | None,
    state_dir: str | None,
    environment: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    on_wait: Callable[[str], None] | None = None,
    lenient: bool = False,
) -> Session:
    """Find the config, the state folder and the environment (DECISIONS section 5, last lines).

    Raises the config's error, unless `lenient` (emergency, status, undo): then the session keeps it and goes on.
    """
    config: Config | None = None
    problem: Problem | None = None
    path: Path | None = None
    try:
        path = find_config(config_path, environ, cwd)
        config = load_config(path, environ)
    except DeployguardError as error:
        problem = error.problem
        if not lenient:
            raise
    folder = _state_folder(state_dir, environ, cwd, config)
    known = _known(config, folder)
    name = environ.get("DEPLOYGUARD_ENVIRONMENT") if environment is None else environment
    name = _default_environment(config, known) if name is None else name
    if name is None or name not in known:
        if problem is not None and environment is None:
            raise DeployguardError(problem)
        raise unknown_environment(name, known)
    return Session(
        environment=name,
        state_dir=folder,
        environ=environ,
        config=config,
        config_problem=problem,
        on_wait=on_wait,
        _config_path=path,
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written: time, size and inode."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def unknown_environment(name: str | None, known: tuple[str, ...]) -> DeployguardError:
    code, where, wanted = Code.UNKNOWN_ENVIRONMENT, "option --env", "an environment of the config"
    look = (Offer("deployguard config show", "the environments and all else"),)
    if name:
        return unknown("environment", name, known, where, code=code, none=wanted, next=look)
    return fail(
        code,
        "no environment was named and none can be told",
        where=where,
        found=None if name is None else '""',
        wanted=f"one of {', '.join(known)}" if known else wanted,
        next=look,
    )


def _state_folder(option: str | None, environ: Mapping[str, str], cwd: Path, config: Config | None) -> Path:
    named = option or environ.get("DEPLOYGUARD_STATE")
    if named:
        return cwd / named
    # A relative `state` of the config stands beside the config, wherever the command was called.
    base = Path(config.file).parent if config and config.file else cwd
    return cwd / base / (config.state if config else "state")


def _known(config: Config | None, folder: Path) -> tuple[str, ...]:
    if config is not None:
        return tuple(config.environments)
    if not folder.is_dir():
        return ()
    files = ("state.json", "audit.jsonl")  # a folder without either is nobody's environment
    return tuple(sorted(child.name for child in folder.iterdir() if any((child / file).is_file() for file in files)))


def _default_environment(config: Config | None, known: tuple[str, ...]) -> str | None:
    if config is not None and config.default_environment:
        return config.default_environment
    if "prod" in known:
        return "prod"
    return known[0] if len(known) == 1 else None
