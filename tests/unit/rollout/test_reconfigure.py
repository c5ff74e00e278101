"""A config comes into force; a flag that it no longer has is kept, named, and forgotten on request."""

from typing import Any

import pytest
from rollouts import GRADUAL, MARIA, at, empty, move, settled, standing, walk

from deployguard.config.build import flags_from_document
from deployguard.errors import Code, DeployguardError
from deployguard.flags.definitions import definitions
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import MoveKind as M
from deployguard.rollout.reconfigure import forget, reconfigure
from deployguard.state import Change, Phase, State

NOW = at(5)


def applied(state: State, digest: str = "h2", **flags: dict[str, Any] | None) -> Change:
    """The state's config with these flags changed, added, or (None) removed."""
    document = dict(state.config.document if state.config else {})
    merged = {**document.get("flags", {}), **flags}
    document["flags"] = {key: value for key, value in merged.items() if value is not None}
    return reconfigure(state, flags_from_document(document, "prod"), document, digest, ("a -> b",), MARIA, NOW)


def test_the_document_comes_into_force_with_its_differences() -> None:
    state = empty()
    change = applied(state, fresh={})
    after = settled(state, change)
    assert change.events[0].type == "config.applied"
    assert (change.events[0].data["hash"], change.events[0].data["changes"]) == ("h2", ["a -> b"])
    assert after.config is not None
    assert (after.config.hash, after.config.applied_at) == ("h2", NOW)


def test_the_same_hash_changes_nothing() -> None:
    state = empty()
    assert applied(state, "h").events == ()


def test_the_first_config_orphans_nothing() -> None:
    change = reconfigure(State(environment="prod"), {}, {"flags": {}}, "h", (), MARIA, NOW)
    assert [draft.type for draft in change.events] == ["config.applied"]


@pytest.mark.parametrize(
    "flags",
    [
        {"lead": {"targeting": {"countries": ["DZ"]}}},
        {"rider": {"requires": ["lead", "other"]}},
        {"rider": {"requires": []}},
    ],
    ids=str,
)
def test_other_users_mean_a_new_anchor_and_the_same_hold(flags: dict[str, Any]) -> None:
    before = standing(Phase.PROGRESSING)
    after = settled(before, applied(before, **flags)).rollouts["lead"]
    assert after.anchor == NOW
    assert after.entered_at == before.rollouts["lead"].entered_at
    assert after.steps == before.rollouts["lead"].steps


def test_a_flag_by_hand_gets_the_anchor_itself() -> None:
    before = standing(None)
    after = settled(before, applied(before, lead={"targeting": {"regions": ["DZ-16"]}}))
    assert after.flag("lead").anchor == NOW
    assert after.flag("lead").updated_at == before.flag("lead").updated_at


def test_words_about_a_flag_move_no_anchor() -> None:
    before = standing(Phase.PROGRESSING)
    after = settled(before, applied(before, lead={"description": "new words", "tags": ["x"]}))
    assert after.rollouts == before.rollouts


def test_targeting_that_the_state_overrides_moves_no_anchor() -> None:
    before = walk(standing(Phase.PROGRESSING), move(M.TARGET, targeting={"countries": ["FR"]}))
    after = settled(before, applied(before, lead={"targeting": {"countries": ["DZ"]}}))
    assert after.rollouts["lead"].anchor == at(0)


def test_a_flag_that_leaves_above_zero_is_kept_as_last_defined() -> None:
    before = walk(empty(banner={"tags": ["x"], "requires": ["lead"]}), move(M.SET, "banner", percentage=300))
    change = applied(before, banner=None, other=None)
    after = settled(before, change)
    assert [draft.type for draft in change.events] == ["config.applied", "flag.orphaned"]
    assert (change.events[1].data["flagId"], change.events[1].cause) == ("banner", 0)
    kept = definitions({}, after)["banner"]
    assert (kept.tags, kept.requires) == (("x",), ("lead",))
    assert after.flag("banner").percentage == 300
    assert "other" not in after.flags


def test_a_flag_that_comes_back_is_the_configs_again() -> None:
    before = walk(empty(banner={}), move(M.SET, "banner", percentage=300))
    gone = applied(before, banner=None).state
    back = settled(gone, applied(gone, "h3", banner={}))
    assert back.flag("banner").orphaned is None
    assert back.flag("banner").percentage == 300


def test_an_orphan_stays_one_through_the_next_config() -> None:
    before = walk(empty(banner={"tags": ["x"]}), move(M.SET, "banner", percentage=300))
    gone = applied(before, banner=None).state
    again = applied(gone, "h3", fresh={})
    assert [draft.type for draft in again.events] == ["config.applied"]
    assert again.state.flag("banner").orphaned == gone.flag("banner").orphaned


def test_forgetting_an_orphan_removes_it_and_pauses_what_needs_it() -> None:
    state = empty(base={}, top={"requires": ["base"]})
    state = walk(state, move(M.SET, "base", percentage=10_000), move(M.START, "top", plan=GRADUAL))
    state = applied(state, base=None, top={"requires": ["base"]}).state
    change = forget(state, "base", MARIA, None, at(6))
    after = settled(state, change)
    assert "base" not in after.flags
    assert [draft.type for draft in change.events] == ["flag.forgotten", "rollout.paused"]
    assert change.events[0].data["from"]["percentage"] == 100
    assert after.rollouts["top"].phase is Phase.PAUSED


def test_a_forgotten_lead_leaves_its_rollout_to_its_riders() -> None:
    before = standing(Phase.PAUSED)
    gone = applied(before, lead=None, rider={}, other={}).state
    after = settled(gone, forget(gone, "lead", MARIA, None, at(6)))
    assert "lead" not in after.flags
    assert after.rollouts["rider"].flags == ("rider", "other")
    assert after.flag("other").rollout == "rider"
    assert apply(after, move(M.RESUME, "rider"), at(7)).state.rollouts["rider"].phase is Phase.PROGRESSING


@pytest.mark.parametrize("key", ["lead", "never_heard_of"])
def test_a_flag_of_the_config_is_not_forgotten(key: str) -> None:
    with pytest.raises(DeployguardError) as error:
        forget(standing(None), key, MARIA, None, NOW)
    assert error.value.problem.code is Code.NOT_ALLOWED_NOW
    assert error.value.problem.allowed
