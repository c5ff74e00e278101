"""What commands cost at 500 and at 5,000 flags: ten times the flags should take about ten times as long, not a hundred.

    python benchmarks/scale.py [COMMAND_PART]

Each line is one command of the installed program on a fresh folder, in seconds of processor time less what the same
program takes to start. Three shapes of config: flags that each require the one before (`chain`), flags that all require
the first (`riders`), flags that require nothing (`alone`). `COMMAND_PART` keeps the lines whose name contains it.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployguard.state import (
    Actor,
    Change,
    Draft,
    FlagState,
    Phase,
    Rollout,
    State,
    StepState,
    Via,
    changes,
)
from deployguard.store.files import FileStore

PROGRAM = str(Path(sys.executable).with_name("deployguard"))
SIZES = (500, 5_000)
NOW = datetime.now(UTC)


def config(shape: str, count: int) -> dict[str, object]:
    keys = [f"flag_{number}" for number in range(count)]
    requires = {
        "chain": lambda n: [keys[n - 1]] if n else [],
        "riders": lambda n: [keys[0]] if n else [],
        "alone": lambda _: [],
    }[shape]
    return {
        "schemaVersion": 1,
        "flags": {key: {"requires": requires(number)} for number, key in enumerate(keys)},
        "strategies": {"gradual": ["5% for 24h", "100%"]},
        "environments": {"prod": {"baseUrl": "http://localhost:9", "strategy": "gradual", "rollout": keys}},
    }


def export(count: int) -> dict[str, object]:
    """Every flag at 30 %, set by hand."""
    flags = {f"flag_{number}": {"enabled": True, "percentage": 30} for number in range(count)}
    return {"format": "deployguard.flags", "schemaVersion": 1, "environment": "prod", "flags": flags}


def call(folder: Path, *words: str) -> float:
    """User and system seconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([PROGRAM, *words, "--env", "prod"], cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: a check of nobody's server
        raise RuntimeError(f"{' '.join(words)}: {done.returncode}\n{done.stderr.decode()[-800:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commit(folder: Path, state: State) -> None:
    """Write `state` as one commit: the commands that would lead there are not what is measured."""
    store = FileStore(folder / "state", "prod")
    before = store.read()
    draft = Draft(type="flag.updated", actor=Actor(name="benchmark", via=Via.CLI), set=changes(before, state))
    store.commit(before, Change(state=state, events=(draft,)), NOW)


def untouched(folder: Path, count: int) -> None:
    """No state at all."""


def by_hand(folder: Path, count: int) -> None:
    flags = {f"flag_{n}": FlagState(enabled=True, percentage=3_000, updated_at=NOW) for n in range(count)}
    commit(folder, State(environment="prod", flags=flags))


def rolling_out(folder: Path, count: int, riders: int = 0) -> None:
    """Each flag in a rollout: of its own, or as one of `riders` with the first."""
    steps = (StepState(percentage=500, hold=timedelta(hours=24)), StepState(percentage=10_000))
    keys = [f"flag_{n}" for n in range(count)]
    leads = {key: keys[0] if riders else key for key in keys}
    rollouts = {
        lead: Rollout(
            lead=lead,
            riders=tuple(keys[1:]) if riders else (),
            strategy="gradual",
            steps=steps,
            max_wait=timedelta(hours=24),
            phase=Phase.PROGRESSING,
            started_at=NOW,
            entered_at=NOW,
            anchor=NOW,
        )
        for lead in dict.fromkeys(leads.values())
    }
    flags = {
        key: FlagState(enabled=True, percentage=500, seed=lead, rollout=lead, updated_at=NOW)
        for key, lead in leads.items()
    }
    commit(folder, State(environment="prod", flags=flags, rollouts=rollouts))


def riding(folder: Path, count: int) -> None:
    rolling_out(folder, count, riders=count - 1)


def hand_taken_back(folder: Path, count: int) -> None:
    by_hand(folder, count)
    call(folder, "rollback", "emergency")


def rollouts_taken_back(folder: Path, count: int) -> None:
    rolling_out(folder, count)
    call(folder, "rollback", "emergency")


CASES: tuple[tuple[str, Callable[[Path, int], None], tuple[str, ...]], ...] = (
    ("chain", untouched, ("feature-flags", "status")),
    ("chain", untouched, ("feature-flags", "show", "LAST")),
    ("chain", untouched, ("feature-flags", "evaluate", "LAST", "--user", "u-1")),
    ("chain", by_hand, ("feature-flags", "set", "LAST", "40", "--force")),
    ("chain", untouched, ("rollout", "plan")),
    ("riders", untouched, ("rollout", "plan")),
    ("alone", untouched, ("rollout", "plan")),
    ("riders", untouched, ("rollout", "start", "flag_0")),
    ("alone", untouched, ("feature-flags", "import", "flags.json")),
    ("alone", by_hand, ("rollback", "emergency")),
    ("alone", rolling_out, ("rollback", "emergency")),
    ("riders", riding, ("rollback", "emergency")),
    ("alone", hand_taken_back, ("rollback", "undo")),
    ("alone", rollouts_taken_back, ("rollback", "undo")),
    ("riders", riding, ("rollback", "manual", "flag_0")),
    ("alone", rolling_out, ("rollout", "status")),
    ("alone", by_hand, ("watch", "--once")),
    ("alone", rolling_out, ("watch", "--once")),
    ("riders", riding, ("watch", "--once")),
)


def measure(shape: str, before: Callable[[Path, int], None], words: tuple[str, ...], count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, shape, before, count)
        return call(folder, *(word.replace("LAST", f"flag_{count - 1}") for word in words))


def prepare(folder: Path, shape: str, before: Callable[[Path, int], None], count: int) -> None:
    (folder / "deployment-config.json").write_text(json.dumps(config(shape, count)), encoding="utf-8")
    (folder / "flags.json").write_text(json.dumps(export(count)), encoding="utf-8")
    before(folder, count)


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    small, large = SIZES
    start = measure("alone", untouched, ("feature-flags", "status"), 1)
    print(f"{'':58}{f'{small:,}':>9}{f'{large:,}':>9}{'ratio':>7}")
    for shape, before, words in CASES:
        name = f"{shape}, {before.__name__}: {' '.join(words)}"
        if wanted in name:
            one, ten = (max(measure(shape, before, words, count) - start, 0.001) for count in SIZES)
            print(f"{name:58}{one:9.2f}{ten:9.2f}{ten / one:7.1f}", flush=True)


if __name__ == "__main__":
    main()
