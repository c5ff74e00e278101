"""A metric store whose file is taken from under its process: it begins a new one instead of writing to nobody."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.guard.values import CheckRound
from deployguard.telemetry.metrics import MetricStore

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("harm", ["removed", "emptied", "replaced"])
def test_what_is_written_after_the_file_has_gone_is_seen_by_others(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "metrics.sqlite"
    with MetricStore(path) as store, MetricStore(path, read_only=True) as reader:
        store.add_rounds([CheckRound(check="old", at=NOW, ok=True, latency_ms=3)], NOW)
        assert set(reader.last_rounds()) == {"old"}
        if harm == "emptied":
            path.write_bytes(b"")
        else:
            for file in tmp_path.glob("metrics.sqlite*"):
                file.unlink()
        if harm == "replaced":
            with MetricStore(path) as other:
                other.add_rounds([CheckRound(check="other", at=NOW, ok=True, latency_ms=3)], NOW)
        store.add_rounds([CheckRound(check="new", at=NOW, ok=True, latency_ms=3)], NOW)
        assert "new" in reader.last_rounds()
        assert "old" not in reader.last_rounds()
