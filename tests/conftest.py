"""Settings that every test shares: hypothesis draws the same examples in every run, and nothing reads the real home."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine's reaches a test: not ours, not an alert's, not a CI job's."""
    foreign = ("DEPLOYGUARD_", "WEBHOOK_", "SMTP_", "SENTRY_", "VERCEL_", "GITHUB_", "GITLAB_", "HEALTH_TOKEN")
    for name in list(os.environ):
        if name.startswith(foreign) or name in ("CI", "FORCE_COLOR", "NO_COLOR"):
            monkeypatch.delenv(name)
