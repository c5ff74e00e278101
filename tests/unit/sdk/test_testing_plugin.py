import subprocess
import sys

import pytest

from deployguard.sdk import Client, forced


@pytest.fixture
def client(tmp_path):
    return Client(tmp_path, "prod")


def test_a_block_overrides_flags_until_it_ends(client, deployguard_flags):
    with deployguard_flags(new_checkout=True):
        found = client.evaluate("new_checkout", "u-1")
        assert (found.value, found.decided_by, found.error_code) == (True, "override", None)
        with deployguard_flags({"new-header": True}, new_checkout=False):
            assert not client.is_on("new_checkout")
            assert client.is_on("new-header")
        assert client.is_on("new_checkout")
        assert not client.is_on("new-header")
    assert not client.is_on("new_checkout")


def test_set_lasts_until_the_test_ends_and_a_block_wins_over_it(client, deployguard_flags):
    deployguard_flags.set(a=True)
    deployguard_flags.set({"b": True})
    assert client.is_on("a")
    assert client.is_on("b")
    with deployguard_flags(a=False):
        deployguard_flags.set(a=True)
        assert not client.is_on("a")
    assert client.is_on("a")
    deployguard_flags.clear()
    assert not client.is_on("a")
    deployguard_flags.set(left_behind=True)


def test_nothing_is_left_behind(client):
    assert forced.flags == {}
    assert not client.is_on("left_behind")


def test_an_error_inside_a_block_ends_the_override(client, deployguard_flags):
    def fails():
        with deployguard_flags(a=True):
            raise RuntimeError("the test's own")

    with pytest.raises(RuntimeError, match="own"):
        fails()
    assert not client.is_on("a")


@pytest.mark.parametrize("value", ["on", 1, None])
def test_only_true_and_false_are_taken(deployguard_flags, value):
    with pytest.raises(TypeError, match="True or False"):
        deployguard_flags.set(a=value)
    assert forced.flags == {}


def test_the_plugin_imports_nothing_heavy():
    """pytest loads it in every run of everybody who has deployguard installed."""
    heavy = ["pydantic", "httpx", "typer", "mmh3", "yaml", "filelock", "deployguard.state", "deployguard.flags"]
    program = f"import deployguard.sdk.testing, sys; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
