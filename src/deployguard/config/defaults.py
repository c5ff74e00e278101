"""What `init` writes: the homepage redesign with its eight flags, and the source system's names for scripts."""

import json
from pathlib import Path

from deployguard.config.issues import WrongError
from deployguard.config.kinds import Known
from deployguard.config.scalars import url as address
from deployguard.errors import Code, fail

_FILE = Path(__file__).with_name("default.json")
_PROD = f"{json.dumps('https://www.example.com') + ',':30} "

NPM_SCRIPTS = {
    **{f"deploy:enhanced:{name}": f"deployguard deploy {name}" for name in ("dev", "staging", "prod")},
    "monitoring:start": "deployguard monitoring start",
    "monitoring:dashboard": "deployguard monitoring dashboard",
    "feature-flags:status": "deployguard feature-flags status",
    "rollback:emergency": "deployguard rollback emergency",
}
"""The source system's scripts, each as a command of ours."""


def default_config(url: str | None) -> str:
    """The default config as text, `url` being prod's address. Raises `usage` where it is no address."""
    text = _FILE.read_text(encoding="utf-8")
    if url is None:
        return text
    try:
        read: str = address().read(url, Known())
    except WrongError as wrong:
        raise fail(
            Code.USAGE, f"{url} is no address", where="option --url", found=wrong.found, wanted=wrong.wanted
        ) from None
    spelt = json.dumps(read.rstrip("/"), ensure_ascii=False) + ","
    return text.replace(_PROD, f"{spelt:30} ")
