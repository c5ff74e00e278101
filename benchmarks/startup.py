"""What a command's start costs beside its libraries: `feature-flags status` against a bare import of them.

    python benchmarks/startup.py [RUNS]

Processor time of whole processes, taken in turns; the medians and their ratio. Files compiled by Python are kept where
Python keeps them: the first run of each is not counted.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("deployguard")), "feature-flags"]
LIBRARIES = [sys.executable, "-c", "import typer, rich.table, pydantic"]
CONFIG = {
    "schemaVersion": 1,
    "flags": {f"flag_{n}": {"description": f"Feature {n}"} for n in range(10)},
    "strategies": {"gradual": ["5% for 24h", "100%"]},
    "environments": {"prod": {"baseUrl": "http://localhost:3000", "strategy": "gradual"}},
}


def seconds(words: list[str], folder: Path) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deployment-config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        seconds([*COMMAND, "set", "flag_0", "25"], folder)  # a state to read
        pairs = [(seconds([*COMMAND, "status"], folder), seconds(LIBRARIES, folder)) for _ in range(runs + 1)][1:]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"feature-flags status  {ours * 1000:5.0f} ms")
    print(f"its libraries         {theirs * 1000:5.0f} ms")
    print(f"ratio of medians       {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
