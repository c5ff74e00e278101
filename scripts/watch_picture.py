"""The picture of the watch view in the README, from a real run: `python scripts/watch_picture.py [docs/watch.svg]`.

Runs `deployguard demo` in a terminal of 80 columns (tmux), waits until a feature was taken back, and keeps that frame.
Needs tmux; takes about a minute.
"""

import io
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS, ROWS = 80, 30
WAIT_S = 150
SESSION = "deployguard-picture"
THEME = TerminalTheme(
    (26, 27, 32),
    (220, 220, 224),
    [
        (26, 27, 32),
        (240, 98, 98),
        (126, 196, 118),
        (235, 188, 96),
        (120, 160, 240),
        (190, 130, 220),
        (86, 190, 196),
        (220, 220, 224),
    ],
)
# Rich's own format without the font that it fetches: a page that shows the picture loads nothing from elsewhere.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def tmux(*words: str) -> str:
    return subprocess.run(["tmux", *words], check=True, capture_output=True, text=True).stdout


def frame() -> str:
    """The screen, with its colours, at the moment when somebody would want to read it."""
    command = f"{Path(sys.executable).parent / 'deployguard'} demo"
    tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(ROWS), f"TZ=UTC {command}")
    try:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if "is off again" in tmux("capture-pane", "-p", "-t", SESSION):
                time.sleep(4)  # a few ticks later the other rollout has figures again
                return tmux("capture-pane", "-e", "-p", "-t", SESSION)
            time.sleep(0.5)
    finally:
        subprocess.run(["tmux", "kill-session", "-t", SESSION], check=False, capture_output=True)
    raise SystemExit("nothing was taken back in time; no picture was made")


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/watch.svg")
    lines = frame().rstrip().splitlines()
    start = max(number for number, line in enumerate(lines) if "watch" in line and "prod" in line)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines[start:]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = console.export_svg(title="deployguard watch", theme=THEME, code_format=SVG, unique_id="watch")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(svg, encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")


if __name__ == "__main__":
    main()
