"""The docs' page of transitions is the table."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_committed_page_is_the_generated_one() -> None:
    """Mend: `python scripts/transitions_page.py`."""
    checked = subprocess.run([sys.executable, ROOT / "scripts" / "transitions_page.py", "--check"], check=False)
    assert checked.returncode == 0
