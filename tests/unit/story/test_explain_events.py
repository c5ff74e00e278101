"""Every event is told: the sentences of the views literally, and what the other rooms write in full."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tales import CET, CI, FLAG, LCP_WAITS, MARIA, NOW, OTHER, OTHERS, PASSED, ROBOT, Tale, event, verdict

from deployguard.codec import to_json
from deployguard.guard.values import Cause, Population
from deployguard.rollout import release
from deployguard.rollout.moves import MoveKind
from deployguard.state import Actor, CommandRun, Event, ReleasePhase, Via
from deployguard.story.explain import TABLE, Explanation, explain, paragraph
from deployguard.story.telling.facts import UNKNOWN

SURFACES = re.findall(
    r"\S+",
    """
flag.updated flag.orphaned flag.forgotten rollout.started rollout.advanced rollout.waiting rollout.paused
rollout.resumed rollout.reduced rollout.completed rollout.rolledBack rollback.executed rollback.undone
trigger.failed trigger.recovered check.failed check.recovered source.lost source.recovered
release.started release.commandFinished release.succeeded release.failed release.aborted
config.applied config.rejected controller.started controller.stopped controller.takenOver clock.jumped effect.failed
effect.dropped state.repaired state.restored state.migrated
""",
)
TAKEN_BACK = (
    "trust_social_proof taken back from 30% after 2m 10s: errorRate (14.2%) > 10% among 1,204 requests of its users; "
    "0.4% among the others; 171 of its requests failed"
)
UNDO = "deployguard rollback undo rb-1 --env prod"


def newest(tale: Tale, kind: str) -> Event:
    return next(one for one in reversed(tale.events) if one.type == kind)


def told(kind: str, data: dict[str, Any], actor: Actor = ROBOT, reason: str | None = None) -> Explanation:
    return explain(event(kind, data, actor, reason))


def at_thirty() -> Tale:
    tale = Tale().starts(release="r-31").after(hours=24).steps_on(4402).after(hours=24).steps_on(13310)
    return tale.after(minutes=2, seconds=10)


def test_every_type_that_is_written_is_told_by_a_function_of_its_own() -> None:
    assert set(SURFACES) <= TABLE.keys()


def test_a_take_back_by_a_trigger_tells_how_much_how_long_why_and_the_way_back() -> None:
    said = explain(newest(at_thirty().is_taken_back(), "rollout.rolledBack"))
    assert said.sentence == f"{TAKEN_BACK}. Undo: {UNDO}"
    assert said.short == TAKEN_BACK
    assert said.undo == UNDO


def test_a_step_forward_tells_what_it_rests_on_and_who_saw_it() -> None:
    said = explain(newest(at_thirty(), "rollout.advanced"))
    assert said.sentence == (
        "trust_social_proof 15% → 30%, step 3 of 6 after 24h; 4 triggers passed; 13,310 users saw it"
    )
    assert said.short == "trust_social_proof 15% → 30%: step 3 of 6, 24h held, 4 passed"


def test_a_controller_says_who_acts_and_when_nobody_does() -> None:
    assert told("controller.started", {"holder": "deploy@build-1, pid 4121"}).sentence == (
        "acting as deploy@build-1, pid 4121"
    )
    assert told("controller.stopped", {"holder": "deploy@build-1", "by": "1h is over"}).sentence == (
        "1h is over; nothing watches prod now"
    )


def test_a_config_that_was_read_again_names_its_changes() -> None:
    said = told("config.applied", {"changes": ["triggers.slow-response.cooldown 15m"]})
    assert said.sentence == "config read again: 1 change (triggers.slow-response.cooldown 15m)"
    many = told("config.applied", {"changes": list("abcde")}).sentence
    assert many == "config read again: 5 changes (a; b; c; and 2 more)"


def test_a_lost_source_says_since_when_in_the_readers_time() -> None:
    data = {"source": "nginx", "error": "logs/access.log has no new line", "since": "2026-11-24T02:06:28Z"}
    assert explain(event("source.lost", data), CET).sentence == (
        "source nginx lost: logs/access.log has no new line; the newest is of 03:06:28"
    )
    assert "2026-11-24T02:06:28Z" in explain(event("source.lost", data)).sentence
    silent = told("source.lost", data | {"error": "silent for longer than 5m while checks pass"}).sentence
    assert silent.endswith(". The server answers checks, so its log has moved or its format has changed")


def test_an_emergency_tells_what_went_off_what_stayed_and_that_the_code_did() -> None:
    tale = at_thirty().moves(MoveKind.EMERGENCY, "", reason="checkout is down")
    assert explain(newest(tale, "rollback.executed")).sentence == (
        'emergency rollback rb-1: 1 flag off for everyone by maria ("checkout is down"); the code is not touched. '
        f"Undo: {UNDO}"
    )
    unit = explain(newest(tale, "rollout.rolledBack")).sentence
    assert unit == f'trust_social_proof taken back from 30% after 2m 10s by maria ("checkout is down"). Undo: {UNDO}'


def test_a_rollbacks_record_tells_the_evidence_where_it_has_it() -> None:
    data = newest(at_thirty().is_taken_back(), "rollback.executed").data
    bare = {key: value for key, value in data.items() if key not in ("verdict", "others", "exposed", "lastedMs")}
    assert told("rollback.executed", bare).short == "trust_social_proof taken back from 30% by high-error-rate"
    full = bare | {"verdict": to_json(verdict()), "others": to_json(OTHERS), "lastedMs": 130_000}
    assert told("rollback.executed", full).sentence == f"{TAKEN_BACK}. Undo: {UNDO}"


def test_an_undo_says_that_no_command_was_run() -> None:
    tale = at_thirty().is_taken_back().moves(MoveKind.UNDO, "", rollback_id="rb-1")
    assert explain(newest(tale, "rollback.undone")).sentence == (
        "rb-1 undone as rb-2 by maria: 1 flag is back; no command was run. "
        "Undo: deployguard rollback undo rb-2 --env prod"
    )


def test_a_reduction_pauses_and_says_from_where_to_where() -> None:
    tale = at_thirty().is_taken_back(kind=MoveKind.REDUCE, share=5000)
    assert explain(newest(tale, "rollout.reduced")).short.startswith(
        "trust_social_proof reduced 30% → 15% and paused after 2m 10s: errorRate (14.2%) > 10%"
    )


def test_what_people_do_names_them_and_their_reason() -> None:
    tale = at_thirty().moves(MoveKind.PAUSE, reason="fair day")
    assert explain(newest(tale, "rollout.paused")).sentence == 'trust_social_proof paused at 30% by maria ("fair day")'
    tale.moves(MoveKind.RESUME)
    assert explain(newest(tale, "rollout.resumed")).sentence == (
        "trust_social_proof resumed at 30% by maria; step 3 of 6 is held anew, its figures start again"
    )
    tale.moves(MoveKind.PROMOTE, force=True)
    assert explain(newest(tale, "rollout.advanced")).sentence == (
        "trust_social_proof 30% → 50%, step 4 of 6, promoted unjudged by maria"
    )
    tale.moves(MoveKind.SET, percentage=2000)
    assert explain(newest(tale, "rollout.paused")).sentence == ("trust_social_proof set 50% → 20% and paused by maria")


def test_flags_set_by_hand_are_told() -> None:
    tale = Tale().moves(MoveKind.SET, OTHER, percentage=2500)
    assert explain(tale.events[-1]).sentence == "featured_lofts_showcase turned on at 25% by maria"
    tale.moves(MoveKind.SET, OTHER, percentage=750)
    assert explain(tale.events[-1]).sentence == "featured_lofts_showcase 25% → 7.5% by maria"
    tale.moves(MoveKind.DISABLE, OTHER, reason="too slow")
    off = explain(newest(tale, "flag.updated"))
    assert off.short == 'featured_lofts_showcase turned off at 7.5% by maria ("too slow")'
    tale.moves(MoveKind.TARGET, OTHER, targeting={"allow": {"users": ["u-1"]}})
    assert explain(tale.events[-1]).sentence == "featured_lofts_showcase targeting changed by maria"
    tale.moves(MoveKind.TARGET, OTHER, targeting=None)
    assert explain(tale.events[-1]).sentence == "featured_lofts_showcase targeting reset to the config's by maria"


def test_riders_are_counted_and_strategies_named_at_the_start() -> None:
    tale = Tale().starts("dual_audience_homepage", "r-29", riders=("a", "b"))
    assert explain(newest(tale, "rollout.started")).sentence == (
        "dual_audience_homepage and 2 riders started at 5%, step 1 of 6 of strategy gradual, with release r-29 "
        "by github-actions"
    )


@pytest.mark.parametrize(
    ("spared", "words"),
    [
        ("cooldown", "its action is kept back by the cooldown"),
        ("blame", "another rollout is to blame, so this one only holds"),
        ("onCommonFault", "users without it are equally hurt, so it only holds"),
        ("notSingledOut", "it is not singled out, so nothing was changed"),
        ("unguarded", "no rollout is guarded, so nothing was changed"),
    ],
)
def test_a_failing_trigger_says_why_nothing_was_done(spared: str, words: str) -> None:
    data = {"trigger": "high-error-rate", "rollout": FLAG, "verdict": to_json(verdict()), "suppressedBy": spared}
    assert told("trigger.failed", data).sentence.endswith(f"; {words}")


def test_a_fault_of_everyone_is_told_as_such() -> None:
    hurt = verdict(population=Population.OTHERS, value=49.0)
    everyone = verdict(population=Population.ALL, value=50.0, samples=9312)
    data = {"trigger": "high-error-rate", "rollout": FLAG, "verdict": to_json(everyone), "others": to_json(hurt)}
    assert told("trigger.failed", data | {"action": "rollback"}).sentence == (
        "high-error-rate fails for trust_social_proof: errorRate (50.0%) > 10% among 9,312 requests of everyone; "
        "49.0% among the others; users without it are equally hurt; it is taken back"
    )


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (
            "trigger.recovered",
            {"trigger": "high-error-rate", "rollout": FLAG, "verdict": to_json(PASSED[0])},
            "high-error-rate passes again for trust_social_proof: errorRate is 0.5% among 1,204 requests of its users",
        ),
        (
            "check.failed",
            {"check": "api", "why": "status", "detail": 'status (503) == 200\n<html>\x1b[31m"', "consecutive": 2},
            "check api fails (status): status (503) == 200; 2 rounds in a row",
        ),
        ("check.recovered", {"check": "api", "latencyMs": 42}, "check api passes again, in 42ms"),
        ("source.recovered", {"source": "nginx"}, "source nginx writes again"),
        (
            "rollout.waiting",
            {
                "rollout": FLAG,
                "step": 3,
                "waitsFor": "samples",
                "until": "2026-11-24T13:40:00Z",
                "verdicts": [to_json(LCP_WAITS)],
            },
            (
                "trust_social_proof waits for data at step 3: poor-web-vitals: 31 of 50 samples, "
                "about until 2026-11-24T13:40:00Z"
            ),
        ),
        (
            "rollout.waiting",
            {"rollout": FLAG, "step": 3, "waitsFor": "hold", "until": "2026-11-25T03:44:00Z"},
            "trust_social_proof holds at step 3 until 2026-11-25T03:44:00Z",
        ),
        (
            "rollout.waiting",
            {
                "rollout": FLAG,
                "step": 3,
                "waitsFor": "source",
                "verdicts": [to_json(replace(LCP_WAITS, cause=Cause.SOURCE_DOWN, detail="nginx: gone"))],
            },
            "trust_social_proof holds at step 3, no data is never good news: poor-web-vitals: nginx: gone",
        ),
        (
            "rollout.waiting",
            {"rollout": FLAG, "step": 3, "waitsFor": "person", "verdicts": [to_json(LCP_WAITS)]},
            (
                "trust_social_proof waits for a person at step 3: waited longer than maxWait; "
                "poor-web-vitals: 31 of 50 samples"
            ),
        ),
        (
            "rollout.waiting",
            {"rollout": FLAG, "step": 3, "waitsFor": "person", "pausedBy": "trigger", "trigger": "slow"},
            "trust_social_proof waits for a person at step 3: paused by slow",
        ),
        (
            "rollout.paused",
            {"rollout": FLAG, "from": 30, "to": 30, "pausedBy": "inconclusive", "verdict": to_json(LCP_WAITS)},
            "trust_social_proof paused at 30%: poor-web-vitals waits for data (31 of 50 samples, ready about 13:40Z)",
        ),
        (
            "rollout.paused",
            {"rollout": FLAG, "from": 30, "to": 30, "pausedBy": "requirement"},
            "trust_social_proof paused at 30%: a flag that it requires was taken back",
        ),
        (
            "config.rejected",
            {"errors": ["deployment-config.json:8: there is no flag dual"]},
            (
                "the config cannot be used: 1 error (deployment-config.json:8: there is no flag dual); "
                "the config in force stays"
            ),
        ),
        (
            "clock.jumped",
            {"by": "24h", "from": "2026-11-25T13:31:50Z", "to": "2026-11-24T13:31:50Z"},
            (
                "the clock was set back by 24h from 2026-11-25T13:31:50Z to 2026-11-24T13:31:50Z; figures and holds "
                "start again now"
            ),
        ),
        (
            "effect.failed",
            {"kind": "notify", "target": "ops", "attempts": 12, "error": "timeout"},
            "the notice to ops did not come through after 12 attempts: timeout",
        ),
        (
            "effect.dropped",
            {"kind": "notify", "target": "ops", "error": "more than 1,000 effects waited"},
            "the notice to ops was dropped: more than 1,000 effects waited",
        ),
        (
            "controller.takenOver",
            {"holder": "ali@build-2, pid 7", "previous": "deploy@build-1"},
            "acting as ali@build-2, pid 7; deploy@build-1 gave no sign of life",
        ),
        (
            "flag.orphaned",
            {"flagId": OTHER, "from": {"enabled": True, "percentage": 30}},
            (
                "featured_lofts_showcase left the config and stays at 30%, as last defined. "
                "To end it: deployguard feature-flags forget featured_lofts_showcase --env prod"
            ),
        ),
        (
            "unit.anchored",
            {"flagId": OTHER, "because": "deployed"},
            f"figures of {OTHER} start again: its users got new code",
        ),
        (
            "state.restored",
            {"from": 3, "to": 9, "file": "b.tar"},
            "the state of prod was restored from b.tar, now revision 9",
        ),
        (
            "state.repaired",
            {"from": 3, "to": 4, "file": "state.json.damaged-1", "lost": ["line 7"]},
            "the state of prod was repaired from its audit log; set aside: state.json.damaged-1; lost: line 7",
        ),
        ("state.migrated", {"from": 1, "to": 2}, "the state of prod was migrated from version 1 to 2"),
        ("token.created", {"tokenId": "tk-4"}, "token.created"),
    ],
)
def test_a_sentence(kind: str, data: dict[str, Any], sentence: str) -> None:
    assert told(kind, data).sentence == sentence


def deploys() -> Tale:
    """A release that succeeds, one that fails, one that is aborted."""
    tale = Tale(NOW - timedelta(hours=1))
    back: tuple[dict[str, Any], ...] = ()

    def begin(version: str) -> str:
        change = release.begin_release(
            tale.state, version=version, host="h", pid=1, rollback=back, actor=CI, reason=None, now=tale.now
        )
        tale.does(change)
        return list(tale.state.releases)[-1]

    def ran(name: str, exit_code: int, kind: str = "deploy") -> None:
        run = CommandRun(
            text="npm ci",
            kind=kind,
            started_at=tale.now,
            duration_ms=22_840,
            exit_code=exit_code,
            last_line="Error: out of memory",
        )
        tale.does(release.record_command(tale.state, name, run, CI))

    def finish(name: str, phase: ReleasePhase, **more: Any) -> None:
        tale.does(release.finish_release(tale.state, name, phase, actor=CI, now=tale.now, **more))

    first = begin("2.14.0")
    ran(first, 0)
    tale.does(release.commands_done(tale.state, first, CI)).starts(release=first)
    finish(first, ReleasePhase.SUCCEEDED, rollouts=(FLAG,))
    second = begin("2.14.1")
    ran(second, 1)
    ran(second, 0, "rollback")
    finish(second, ReleasePhase.FAILED, error="npm ci: exit 1")
    third = begin("2.14.2")
    tale.does(release.ask_to_stop(tale.state, third, MARIA))
    finish(third, ReleasePhase.ABORTED, error="an emergency")
    return tale


def test_a_deploy_is_told_from_start_to_end() -> None:
    said = [explain(one).sentence for one in deploys().events if one.type.startswith(("release.", "rollout.rolled"))]
    assert said == [
        "release r-1 (2.14.0) started by github-actions",
        "npm ci: exit 0 after 22.8s",
        "release r-1 (2.14.0): every command ran, health checks follow",
        "2.14.0 is on prod, release r-1; 1 rollout started: trust_social_proof",
        "release r-2 (2.14.1) started by github-actions",
        'npm ci: exit 1 after 22.8s: "Error: out of memory"',
        "rollback command npm ci: exit 0 after 22.8s",
        "release r-2 (2.14.1) failed: npm ci: exit 1; no flag was changed",
        "release r-3 (2.14.2) started by github-actions",
        "release r-3 (2.14.2) is told to stop by maria",
        "release r-3 (2.14.2) aborted: an emergency",
    ]


def whole_tales() -> Iterable[Event]:
    yield from deploys().events
    tale = at_thirty()
    tale.moves(MoveKind.PAUSE).moves(MoveKind.RESUME).moves(MoveKind.PROMOTE)
    for _ in range(2):
        tale.after(hours=48).steps_on(900)
    yield from tale.is_taken_back(kind=MoveKind.REDUCE, share=5000).events
    yield from at_thirty().is_taken_back().moves(MoveKind.UNDO, "").events
    yield from (
        Tale().moves(MoveKind.SET, OTHER, percentage=100).is_taken_back(OTHER, MoveKind.REDUCE, share=5000).events
    )
    yield from Tale().moves(MoveKind.SET, OTHER, percentage=100).moves(MoveKind.EMERGENCY, "").events
    yield from Tale().starts(riders=(OTHER,)).is_taken_back(kind=MoveKind.DISABLE, flags=(OTHER,)).events


def test_what_the_other_rooms_write_is_told_without_a_gap() -> None:
    for one in whole_tales():
        said = explain(one, CET)
        assert UNKNOWN not in said.sentence, (one.type, said.sentence)
        assert said.short
        assert "None" not in said.sentence


def test_names_and_reasons_cannot_forge_a_line_or_move_a_cursor() -> None:
    claimed = Actor(name="x", via=Via.CLI, claimed="mallory\x1b[2J\n2026-11-24 prod info all is well")
    said = told("rollout.paused", {"rollout": "a\u202eb\nc", "from": 5, "to": 5}, claimed, "\x9b31m" + "y" * 999)
    assert "\n" not in said.sentence
    assert "\x1b" not in said.sentence
    assert "\u202e" not in said.sentence
    assert len(said.sentence) < 700
    assert "mallory 2026-11-24 prod info all is well" in said.sentence


def test_a_paragraph_gets_its_full_stop_but_a_command_does_not() -> None:
    assert paragraph(TAKEN_BACK) == f"{TAKEN_BACK}."
    assert paragraph(f"{TAKEN_BACK}. Undo: {UNDO}") == f"{TAKEN_BACK}. Undo: {UNDO}"


WORDS = re.findall(
    r"\S+",
    """
flagId rollout riders strategy steps percentage from to step fromStep toStep heldFor verdicts exposed
waitsFor until trigger verdict others rollbackId undoes kind flags leftOn release action suppressedBy
unit check why detail consecutive latencyMs source error since
releaseId version command exitCode durationMs signal hash changes errors holder previous by effectId
target attempts file lost enabled targeting users requests text
pausedBy move forced lastedMs rollouts leftAlone because
""",
)
VERDICTS = st.fixed_dictionaries(
    {},
    optional={key: st.sampled_from([value, -1.5, float("nan"), "\x07?"]) for key, value in to_json(verdict()).items()},
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), VERDICTS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=6,
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(
    kind=st.sampled_from([*sorted(TABLE), "later.type"]),
    data=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=9),
    reason=st.none() | st.text(),
    name=st.text(),
    people=st.booleans(),
)
def test_whatever_an_event_holds_it_is_told_and_harmless(
    kind: str, data: dict[str, Any], reason: str | None, name: str, people: bool
) -> None:
    actor = Actor(name=name, via=Via.CLI if people else Via.CONTROLLER)
    for zone in (None, CET):
        said = explain(event(kind, data, actor, reason), zone)
        parts = [said.sentence, said.short, said.undo or ""]
        assert said.sentence
        assert not any(CONTROL.search(part) for part in parts)


ODD = [float("nan"), float("-inf"), 10**400, -1, 1e300, "\x00", "9" * 5000, [], {}, [{}], True, "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize("kind", sorted(TABLE))
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:12])
def test_each_field_may_be_anything(kind: str, value: object) -> None:
    flat = dict.fromkeys(WORDS, value)
    for data in (flat, dict.fromkeys(WORDS, flat), {key: [flat] for key in WORDS}):
        assert len(explain(event(kind, data), CET).sentence) < 4000
