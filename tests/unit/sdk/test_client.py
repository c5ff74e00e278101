import logging
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deployguard.config.build import config_from_document
from deployguard.errors import DeployguardError
from deployguard.sdk import Client, Context
from deployguard.state import Actor, ConfigInForce, Edit, FlagState, Recorder, State, Via
from deployguard.store.document import Document, encode
from deployguard.store.files import FileStore

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
DOCUMENT = {
    "schemaVersion": 1,
    "flags": {
        "homepage": {},
        "checkout": {"requires": ["homepage"], "targeting": {"countries": ["DZ"], "allow": {"groups": ["staff"]}}},
    },
    "strategies": {"once": ["100%"]},
    "environments": {
        "prod": {
            "strategy": "once",
            "baseUrl": "https://www.example.com",
            "flags": {"homepage": {"targeting": {"deny": {"users": ["x"]}}}},
        }
    },
}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def state(revision=1, **percentages):
    flags = {key: FlagState(enabled=value > 0, percentage=value, seed=key) for key, value in percentages.items()}
    config = ConfigInForce(hash="h", document=DOCUMENT, applied_at=NOW)
    return State(environment="prod", revision=revision, flags=flags, config=config)


def publish(folder, state, raw=None):
    """Replace the state file as a commit does."""
    home = folder / "prod"
    home.mkdir(exist_ok=True)
    new = home / "state.json.new"
    new.write_bytes(encode(Document(state)) if raw is None else raw)
    new.replace(home / "state.json")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    publish(tmp_path, state(homepage=10_000, checkout=10_000))
    return tmp_path


@pytest.fixture
def client(folder, clock):
    return Client(folder, "prod", clock=clock)


def test_the_document_of_these_tests_is_a_config_of_ours():
    assert config_from_document(DOCUMENT, {}).environment("prod").flags.keys() == {"homepage", "checkout"}


def test_flags_are_evaluated_from_the_state_folder(client):
    assert client.is_on("homepage", "u-1")
    assert client.is_on("checkout", "u-1", country="DZ")
    assert not client.is_on("checkout", "u-1", country="FR")
    assert client.is_on("checkout", "u-1", groups={"staff"})
    assert not client.is_on("homepage", "x"), "the environment's own deny list"
    found = client.evaluate("checkout", "x", country="DZ")
    assert (found.decided_by, found.reason) == ("requires:homepage", "TARGETING_MATCH")
    assert client.evaluate_context("checkout", Context("u-1", country="DZ")).value
    assert client.flags == ("homepage", "checkout")
    assert (client.revision, client.environment, client.stale, client.problem) == (1, "prod", False, None)


def test_it_reads_what_the_store_commits(tmp_path, clock):
    store = FileStore(tmp_path, "prod")
    client = Client(tmp_path, "prod", clock=clock)
    assert client.revision is None
    base = store.read()
    recorder = Recorder(base, Actor(name="maria", via=Via.CLI))
    settled = state(homepage=10_000)
    recorder.record("config.applied", {}, Edit(base).put_flags(settled.flags))
    change = recorder.change()
    store.commit(base, replace(change, state=replace(change.state, config=settled.config)), NOW)
    clock.now += 1
    assert client.is_on("homepage", "u-1")
    assert client.revision == 1


@pytest.mark.parametrize("flag", ["unknown", "", None, 5, ["a"], {}])
def test_an_unknown_flag_is_the_default_and_says_so(client, flag):
    assert client.is_on(flag, "u-1") is False
    assert client.is_on(flag, "u-1", default=True) is True
    found = client.evaluate(flag, "u-1")
    assert (found.reason, found.error_code, found.variant) == ("ERROR", "FLAG_NOT_FOUND", "off")


@pytest.mark.parametrize("odd", [None, 5, b"x", ["a"], {"a": 1}, "\ud800", "x" * 100_000])
def test_an_odd_user_or_context_never_raises(client, odd):
    client.is_on("checkout", odd, country=odd, region=odd, groups=odd, attributes=odd)
    client.evaluate("homepage", odd)


def test_it_looks_at_the_file_at_most_once_in_its_interval(folder, client, clock):
    publish(folder, state(2, homepage=0))
    clock.now += 0.99
    assert client.is_on("homepage", "u-1")
    clock.now += 0.01
    assert not client.is_on("homepage", "u-1")
    assert client.revision == 2


def test_a_file_that_did_not_change_is_not_read_again(folder, client, clock, monkeypatch):
    path = folder / "prod" / "state.json"
    os.utime(path, ns=(0, 1_000_000_000))
    clock.now += 1
    client.is_on("homepage")
    monkeypatch.setattr("deployguard.sdk.client.read_snapshot", lambda *_: pytest.fail("it was read again"))
    clock.now += 1
    assert client.is_on("homepage", "u-1")
    assert client.age == 0


def test_a_commit_that_leaves_the_same_time_and_size_is_seen(folder, client, clock):
    """Two commits within a tick of the file system's clock, the second in the first one's place."""
    path = folder / "prod" / "state.json"
    found = path.stat()
    raw = encode(Document(state(2, homepage=10_000, checkout=10_000)))
    assert len(raw) == found.st_size
    with path.open("r+b") as file:
        file.write(raw)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    clock.now += 1
    assert client.revision == 2


DAMAGE = {
    "empty": b"",
    "cut": encode(Document(state(homepage=10_000)))[:-200],
    "another environment's": encode(Document(State(environment="dev", revision=9))),
    "no JSON": b"\xff\xfe",
    "a later version": encode(Document(state(7))).replace(b'"schemaVersion":1', b'"schemaVersion":99', 1),
}


@pytest.mark.parametrize("raw", DAMAGE.values(), ids=DAMAGE.keys())
def test_the_last_good_flags_stay_while_the_file_is_damaged(folder, client, clock, raw, caplog):
    publish(folder, state(), raw)
    with caplog.at_level(logging.WARNING, "deployguard.sdk"):
        for _ in range(5):
            clock.now += 2
            assert client.is_on("homepage", "u-1")
    assert client.stale
    assert client.problem
    assert client.age == 10
    assert client.revision == 1
    assert len(caplog.records) == 1
    assert "revision 1 stays in use" in caplog.text
    publish(folder, state(3, homepage=0))
    clock.now += 2
    assert not client.is_on("homepage", "u-1")
    assert (client.stale, client.age, client.problem, client.revision) == (False, 0, None, 3)


def test_the_last_good_flags_stay_while_the_file_is_missing(folder, client, clock):
    (folder / "prod" / "state.json").unlink()
    clock.now += 3
    assert client.is_on("homepage", "u-1")
    assert client.problem == f"there is no {folder / 'prod' / 'state.json'}"
    assert client.age == 3


def test_without_any_state_every_flag_is_off_until_there_is_one(tmp_path, clock):
    client = Client(tmp_path, "prod", clock=clock)
    assert client.evaluate("homepage", "u-1").error_code == "PROVIDER_NOT_READY"
    assert (client.stale, client.revision, client.flags) == (True, None, ())
    assert not list(tmp_path.iterdir()), "reading creates nothing"
    publish(tmp_path, state(homepage=10_000))
    clock.now += 1
    assert client.is_on("homepage", "u-1")


def test_a_state_without_a_config_knows_no_flag(tmp_path, clock):
    publish(tmp_path, State(environment="prod"))
    client = Client(tmp_path, "prod", clock=clock)
    assert client.evaluate("homepage", "u-1").error_code == "FLAG_NOT_FOUND"
    assert not client.stale


def test_missing_user_ids_are_counted(folder, clock):
    publish(folder, state(homepage=5_000, checkout=10_000))
    client = Client(folder, "prod", clock=clock)
    assert client.missing_targeting_keys == 0
    client.is_on("homepage")
    client.is_on("homepage", "")
    client.is_on("checkout", country="DZ")
    client.is_on("homepage", "u-1")
    client.is_on("unknown")
    assert client.missing_targeting_keys == 3


@pytest.mark.parametrize("known", [True, False])
def test_the_variable_overrides_flags(folder, tmp_path, clock, monkeypatch, known):
    monkeypatch.setenv("DEPLOYGUARD_FLAGS", "homepage=off,only_here=on")
    client = Client(folder if known else tmp_path / "nowhere", "prod", clock=clock)
    assert client.evaluate("homepage", "u-1").decided_by == "override"
    assert not client.is_on("homepage", "u-1")
    assert client.is_on("only_here")
    assert client.is_on("checkout", "u-1", country="DZ") is False, "its requirement is overridden off"


def test_given_overrides_stand_for_the_variables(folder, clock, monkeypatch):
    monkeypatch.setenv("DEPLOYGUARD_FLAGS", "homepage=off")
    assert Client(folder, "prod", clock=clock, overrides={}).is_on("homepage", "u-1")


def test_a_variable_that_cannot_be_read_is_said_at_the_start(folder, monkeypatch):
    monkeypatch.setenv("DEPLOYGUARD_FLAGS", "homepage=maybe")
    with pytest.raises(DeployguardError, match="DEPLOYGUARD_FLAGS"):
        Client(folder, "prod")


def test_folder_and_environment_come_from_the_variables(folder, monkeypatch):
    monkeypatch.setenv("DEPLOYGUARD_STATE", str(folder))
    monkeypatch.setenv("DEPLOYGUARD_ENVIRONMENT", "prod")
    assert Client().is_on("homepage", "u-1")


def test_many_threads_share_a_client_while_the_state_changes(folder):
    client = Client(folder, "prod", refresh=0)
    publish(folder, state(1, homepage=5_000, checkout=10_000))
    wrong, done = [], threading.Event()

    def ask():
        while not done.is_set():
            # Both ends of each revision agree: the flag is on for everybody, its dependant as well, or neither.
            found = client.evaluate("homepage", None)
            if found.decided_by not in ("percentage", "noTargetingKey"):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for revision in range(2, 40):
        publish(folder, state(revision, homepage=(0, 5_000, 10_000)[revision % 3] or 5_000, checkout=10_000))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.revision == 39
    before = client.missing_targeting_keys
    publish(folder, state(40, homepage=5_000))
    askers = [threading.Thread(target=lambda: [client.is_on("homepage") for _ in range(500)]) for _ in range(8)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    assert client.missing_targeting_keys - before == 4_000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, where a test runner has threads
def test_a_child_process_goes_on_looking(folder, client, clock):
    """A fork in the middle of a look leaves the child with a closed lock."""
    with client._lock:
        child = os.fork()
        if child == 0:
            publish(folder, state(5, homepage=0))
            clock.now += 1
            os._exit(0 if client.revision == 5 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
