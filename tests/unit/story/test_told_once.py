"""What one commit did is read once by people, although several events tell it."""

from tales import FLAG, event

from deployguard.operations.told import told


def test_a_reduction_is_told_once_and_its_wait_for_a_person_with_it() -> None:
    moved = {"rollout": FLAG, "trigger": "high-error-rate", "from": 30, "to": 15}
    commit = [
        event("rollout.reduced", moved),
        event("rollback.executed", {"kind": "reduce", "rollbackId": "rb-1"}),
        event("trigger.failed", {"rollout": FLAG, "trigger": "high-error-rate"}),
        event("rollout.waiting", {"rollout": FLAG, "waitsFor": "person"}),
    ]
    assert [one.type for one in told(commit) if not one.repeats] == ["rollout.reduced"]


def test_a_wait_for_a_person_that_nothing_else_tells_is_told() -> None:
    alone = [event("rollout.waiting", {"rollout": FLAG, "waitsFor": "person"})]
    assert [one.repeats for one in told(alone)] == [False]
