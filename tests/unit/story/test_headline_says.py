"""The headline: the last sentences of the watch views, whose turn it is, and what is offered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tales import CET, LCP_WAITS, NOW, OTHER, OTHERS, PASSED, Tale, settings, verdict

from deployguard.guard.values import Cause, Population, Result, Verdict
from deployguard.rollout.moves import MoveKind
from deployguard.story.headline import Glance, Said, headline

QUIET = verdict(
    verdict=Result.INCONCLUSIVE, cause=Cause.SOURCE_DOWN, value=None, samples=0, bad=None, detail="nginx: silent"
)


def said(tale: Tale, verdicts: Sequence[Verdict] = PASSED, *, alive: bool = True) -> Said:
    return headline(tale.state, verdicts, alive, settings(), tale.now, CET)


def commands(found: Said) -> list[str]:
    return [offer.command for offer in found.offers]


def at_fifteen() -> Tale:
    """14:25:10, step 2 ends at 14:29:40."""
    tale = Tale(NOW - timedelta(hours=48, minutes=2, seconds=10)).starts().after(hours=24).steps_on(4402)
    return tale.after(hours=23, minutes=55, seconds=30)


def at_thirty() -> Tale:
    return at_fifteen().after(minutes=4, seconds=30).steps_on(13310).after(minutes=2, seconds=10)


def test_all_is_well_and_what_comes_then() -> None:
    found = said(at_fifteen())
    assert found.headline.state is Glance.OK
    assert found.headline.turn == ("All is well. Then trust_social_proof goes to 30% at 14:29:40, in 4m 30s.")
    assert found.headline.users == "No harm seen: 4 of 4 triggers pass."
    assert found.headline.cause is None


def test_what_comes_on_another_day_is_dated() -> None:
    turn = said(at_thirty()).headline.turn
    assert turn == "All is well. Then trust_social_proof goes to 50% on Wed 25 Nov 14:29, in 23h 57m."


def test_of_two_rollouts_the_next_one_to_move_is_told() -> None:
    tale = Tale(NOW).starts().after(hours=1).starts(OTHER)
    assert "Then trust_social_proof goes to 15%" in said(tale).headline.turn


def test_a_hold_that_is_over_goes_on_at_the_next_tick_or_says_what_it_waits_for() -> None:
    tale = at_fifteen().after(minutes=10)
    assert said(tale).headline.turn == "All is well. trust_social_proof goes to 30% at the next tick."
    waits = said(tale, (*PASSED[:2], LCP_WAITS)).headline
    assert waits.turn == (
        "No harm seen so far. trust_social_proof waits for data at 15%: poor-web-vitals: 31 of 50 samples, "
        "ready about 14:40."
    )
    assert waits.users == "Cannot tell yet: 2 of 3 triggers pass, 1 waits for data."


def test_where_nothing_moves_it_says_what_is_still_guarded() -> None:
    assert said(Tale(), ()).headline.turn == "All is well. Nothing is rolling out."
    tale = Tale()
    tale.starts()
    for users in range(5):
        tale.after(hours=48).steps_on(users)
    tale.after(hours=31)
    assert said(tale).headline.turn == "All is well. trust_social_proof is completed and guarded 17h more."


def test_a_take_back_is_the_headline_for_an_hour_and_nobody_needs_to_act() -> None:
    tale = at_thirty().is_taken_back().after(seconds=20)
    found = said(tale)
    assert found.headline.state is Glance.BACK
    assert found.headline.turn == "trust_social_proof is off again; nobody needs to act now."
    assert found.headline.done == "trust_social_proof was taken back from 30% at 14:31:50, rollback rb-1."
    assert found.headline.cause == "high-error-rate failed: errorRate > 10%."
    assert [(offer.command, offer.does) for offer in found.offers] == [
        ("deployguard deploy prod --retry trust_social_proof", "when it is mended"),
        ("deployguard rollback undo rb-1 --env prod", "it was no fault: 30%, paused"),
    ]
    tale.after(hours=1)
    assert said(tale).headline.state is Glance.OK


def test_what_was_undone_offers_no_undo() -> None:
    tale = at_thirty().is_taken_back()
    record = replace(tale.state.rollbacks["rb-1"], undone_by="rb-2")
    tale.state = replace(tale.state, rollbacks={"rb-1": record})
    assert commands(said(tale)) == ["deployguard deploy prod --retry trust_social_proof"]


def test_a_person_who_took_it_back_is_named_with_the_reason() -> None:
    tale = at_thirty().moves(MoveKind.EMERGENCY, "", reason="checkout is down")
    assert said(tale).headline.cause == 'By maria ("checkout is down").'


def test_a_reduction_waits_for_a_person() -> None:
    tale = at_thirty().is_taken_back(kind=MoveKind.REDUCE, share=5000)
    found = said(tale)
    assert found.headline.state is Glance.BACK
    assert found.headline.turn == "trust_social_proof waits for a person, paused at 15%."
    assert found.headline.done == (
        "trust_social_proof was paused at 15%, lowered from 30%, at 14:31:50, rollback rb-1."
    )
    assert commands(found) == ["deployguard rollout status trust_social_proof --env prod"]
    tale.after(hours=2)
    later = said(tale).headline
    assert (later.state, later.turn) == (Glance.OK, "1 rollout waits for a person: trust_social_proof.")


def test_no_data_is_never_good_news() -> None:
    waits = replace(LCP_WAITS, ready_at=NOW + timedelta(minutes=20))
    found = said(at_thirty(), (*PASSED[1:2], QUIET, waits))
    assert found.headline.state is Glance.BLIND
    assert found.headline.turn == (
        "trust_social_proof holds at 30%: no data is never good news. It goes on by itself when nginx writes again; "
        "poor-web-vitals is ready about 14:51."
    )
    assert commands(found) == ["deployguard doctor --env prod"]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause.WATCHER_OFFLINE, "this machine is online again"),
        (Cause.NO_TRAFFIC, "requests come again"),
        (Cause.STALE, "samples come again"),
        (Cause.NOT_CONNECTED, "what high-error-rate needs is connected"),
    ],
)
def test_each_kind_of_blindness_says_what_ends_it(cause: Cause, words: str) -> None:
    found = said(at_thirty(), (replace(QUIET, cause=cause, detail=None),)).headline
    assert found.state is Glance.BLIND
    assert found.turn.endswith(f"It goes on by itself when {words}.")


def test_what_does_not_hold_blinds_nobody() -> None:
    unconnected = replace(QUIET, cause=Cause.NOT_CONNECTED, holds=False)
    assert said(at_thirty(), (*PASSED, unconnected)).headline.state is Glance.OK


def test_nothing_watches_with_its_consequence_and_the_command_that_ends_it() -> None:
    found = said(at_thirty(), alive=False)
    assert found.headline.state is Glance.BLIND
    assert found.headline.turn == "Nothing is watching prod: no step is taken and nothing is taken back."
    assert commands(found) == ["deployguard watch --env prod"]


def test_harm_now_is_loud_names_the_unit_and_offers_the_careful_command_first() -> None:
    found = said(at_thirty(), (verdict(), OTHERS))
    assert found.headline.state is Glance.HARM
    assert found.headline.users == ("Users are hurt now: errorRate (14.2%) > 10% among 1,204 requests of its users.")
    assert found.headline.cause == "trust_social_proof, by high-error-rate."
    assert found.headline.done == "Nothing was changed."
    assert commands(found) == [
        "deployguard rollout status trust_social_proof --env prod",
        "deployguard rollback manual trust_social_proof --env prod",
    ]


def test_a_feature_is_not_blamed_for_what_users_without_it_have_as_well() -> None:
    hurt = replace(OTHERS, verdict=Result.FAIL, value=13.9)
    for verdicts in ((verdict(), hurt), (verdict(population=Population.ALL), hurt)):
        cause = said(at_thirty(), verdicts).headline.cause
        assert cause == "Not trust_social_proof alone: users without it are equally hurt."


def test_an_outage_without_a_rollout_blames_no_feature() -> None:
    outage = verdict(population=Population.ALL, unit=None, rollout=None, flag_id=None)
    found = said(Tale(), (outage,))
    assert found.headline.cause == "No rollout is guarded, so no feature of one is to blame."
    assert commands(found) == ["deployguard monitoring status --env prod"]


def test_harm_that_nobody_watches_says_both() -> None:
    found = said(at_thirty(), (verdict(),), alive=False)
    assert found.headline.state is Glance.HARM
    assert found.headline.turn == "Nothing is watching prod: nothing is taken back by itself."
    assert commands(found)[-1] == "deployguard watch --env prod"


def test_a_trigger_in_shadow_and_the_others_are_no_harm() -> None:
    shadow = verdict(shadow=True, holds=False)
    others = replace(OTHERS, verdict=Result.FAIL)
    assert said(at_thirty(), (*PASSED, shadow, others)).headline.state is Glance.OK


def test_without_a_reader_times_are_utc_stamps() -> None:
    tale = at_fifteen()
    turn = headline(tale.state, PASSED, True, settings(), tale.now).headline.turn
    assert "at 2026-11-24T13:29:40Z" in turn
