"""A flag's past as `feature-flags show` lists it."""

from tales import FLAG, OTHER, Tale, event

from deployguard.rollout.moves import MoveKind
from deployguard.story.history import flag_history


def test_the_past_of_a_rollout_newest_first() -> None:
    tale = Tale().starts(release="r-31").after(hours=24).steps_on(4402).after(hours=24).steps_on(13310)
    tale.after(minutes=2, seconds=10).is_taken_back()
    rows = flag_history(tuple(reversed(tale.events)), FLAG)
    assert [(row.from_, row.to, row.by, row.why) for row in rows] == [
        (3000, 0, "controller", "high-error-rate"),
        (1500, 3000, "controller", "step 3 of 6, 24h held, 4 triggers passed"),
        (500, 1500, "controller", "step 2 of 6, 24h held, 4 triggers passed"),
        (0, 500, "github-actions", "rollout started by r-31"),
    ]
    assert rows[0].at == tale.now
    assert [row.seq for row in rows] == sorted((row.seq for row in rows), reverse=True)


def test_a_rider_has_its_leads_past_and_without_a_key_it_is_told_once() -> None:
    tale = Tale().starts(riders=(OTHER,)).after(hours=24).steps_on(9)
    assert [row.flag_id for row in flag_history(tale.events, OTHER)] == [OTHER, OTHER]
    assert [row.flag_id for row in flag_history(tale.events)] == [FLAG, FLAG]
    assert flag_history(tale.events, "another") == ()


def test_what_people_did_has_its_word_and_their_reason() -> None:
    tale = Tale().moves(MoveKind.SET, OTHER, percentage=2500, reason="staff only")
    tale.moves(MoveKind.DISABLE, OTHER).moves(MoveKind.ENABLE, OTHER)
    tale.moves(MoveKind.TARGET, OTHER, targeting={"countries": ["DZ"]})
    tale.moves(MoveKind.EMERGENCY, "", reason="checkout is down").moves(MoveKind.UNDO, "")
    rows = flag_history(tale.events, OTHER)
    assert [(row.from_, row.to, row.why) for row in rows] == [
        (0, 2500, 'set ("staff only")'),
        (2500, 0, "disabled"),
        (0, 2500, "enabled"),
        (2500, 2500, "targeting changed"),
        (2500, 0, 'emergency ("checkout is down")'),
        (0, 2500, "undo of rb-2"),
    ]
    assert {row.by for row in rows} == {"maria"}


def test_a_move_of_a_rollout_by_hand_is_told() -> None:
    tale = Tale().starts().moves(MoveKind.PAUSE).moves(MoveKind.RESUME).moves(MoveKind.PROMOTE, force=True)
    assert [row.why for row in flag_history(tale.events, FLAG)][1:] == ["paused", "resumed", "promoted, unjudged"]


def test_odd_numbers_are_no_percentages() -> None:
    odd = event("rollout.advanced", {"rollout": FLAG, "from": -1, "to": 1e300})
    row = flag_history((odd,), FLAG)[0]
    assert (row.from_, row.to) == (None, None)
