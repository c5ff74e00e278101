"""A release's report: built from events alone, told in markdown and HTML, and true to its schema."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tales import CI, FLAG, MARIA, NOW, OTHER, Tale, event

from deployguard.codec import dumps, loads
from deployguard.rollout import release as releases
from deployguard.rollout.moves import MoveKind
from deployguard.state import CommandRun, LogHead, Phase, Release, ReleasePhase
from deployguard.story.report import Outcome, Report, build_report, html, markdown
from deployguard.story.report.as_markdown import code, escaped

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs" / "deployment-report.schema.json"


def deployed(version: str = "2.14.0", leads: tuple[str, ...] = (FLAG,), **more: Any) -> Tale:
    """A release whose command ran and whose rollouts started."""
    tale = Tale()
    tale.does(
        releases.begin_release(
            tale.state, version=version, host="h", pid=1, rollback=(), actor=CI, reason=None, now=tale.now
        )
    )
    name = list(tale.state.releases)[-1]
    run = CommandRun(text="vercel deploy --prod", started_at=tale.now, duration_ms=51_200, exit_code=0)
    tale.does(releases.record_command(tale.state, name, run, CI))
    for lead in leads:
        tale.starts(lead, name, **more)
    tale.does(releases.finish_release(tale.state, name, ReleasePhase.SUCCEEDED, rollouts=leads, actor=CI, now=tale.now))
    tale.state = replace(tale.state, head=LogHead(seq=len(tale.events), hash="9f31c2ae" + "0" * 56))
    return tale


def report(tale: Tale, name: str = "r-1") -> Report:
    return build_report(tale.state.releases[name], tale.events, tale.state, tale.now)


def taken_back() -> Tale:
    tale = deployed().after(hours=24).steps_on(4402).after(hours=24).steps_on(13310)
    return tale.after(minutes=2, seconds=10).is_taken_back()


def test_every_step_stands_with_its_evidence_and_who_met_it() -> None:
    made = report(taken_back())
    rows = [(row.from_, row.to, row.step, row.exposed.users if row.exposed else None, row.why) for row in made.steps]
    assert rows == [
        (0, 500, 1, 4402, "rollout started by r-1"),
        (500, 1500, 2, 13310, "step 2 of 6, 24h held, 4 triggers passed"),
        (1500, 3000, 3, 118, "step 3 of 6, 24h held, 4 triggers passed"),
        (3000, 0, None, None, "high-error-rate"),
    ]
    assert [len(row.evidence) for row in made.steps] == [0, 4, 4, 1]
    assert made.steps[3].held_ms == 130_000


def test_the_verdict_that_acted_stands_with_its_contrast_and_the_way_back() -> None:
    (act,) = report(taken_back()).acted
    assert act.trigger == "high-error-rate"
    assert act.verdict is not None
    assert act.verdict.value == pytest.approx(14.2)
    assert act.others is not None
    assert act.undo == "deployguard rollback undo rb-1 --env prod"
    assert (act.from_, act.to) == (3000, 0)


def test_the_whole_has_outcome_exposure_commands_rollbacks_and_anchors() -> None:
    made = report(taken_back())
    assert (made.outcome, made.summary) == (Outcome.TAKEN_BACK, "1 rollout taken back")
    assert (made.exposed.users, made.exposed.requests) == (13310, 44020 + 133100 + 1204)
    assert [run.exit_code for run in made.commands] == [0]
    assert [(one.id, one.kind, one.trigger) for one in made.rollbacks] == [("rb-1", "flag", "high-error-rate")]
    assert made.audit_head.startswith("9f31c2ae")
    assert made.actor == CI
    assert made.rollouts[0].phase is Phase.ROLLED_BACK
    assert made.rollouts[0].step is None


def test_markdown_opens_with_the_verdict_and_ends_with_the_way_back() -> None:
    assert (
        markdown(report(taken_back()))
        == """\
## deployguard: prod 2.14.0, 1 rollout taken back

**trust_social_proof** taken back from 30% after 2m 10s: `errorRate (14.2%) > 10%` among 1,204 requests of its users; \
0.4% among the others; 171 of its requests failed.

| rollout | now | step | state | users who saw it |
| --- | ---: | ---: | --- | ---: |
| trust_social_proof | 0% | | **taken back** by high-error-rate | 13,310 |

Undo: `deployguard rollback undo rb-1 --env prod` · release `r-1` · audit head `9f31c2ae`
"""
    )


def test_what_was_undone_says_so_and_offers_no_undo() -> None:
    tale = taken_back().moves(MoveKind.UNDO, "")
    made = report(tale)
    assert made.acted[0].undone_by == "rb-2"
    assert "Undo:" not in markdown(made)
    assert "Undone by `rb-2`." in markdown(made)
    assert made.rollouts[0].phase is Phase.PAUSED
    assert made.steps[-1].why == "undo of rb-1"
    assert (made.steps[-1].from_, made.steps[-1].to) == (0, 3000)


def test_an_emergency_by_a_person_is_in_the_story() -> None:
    tale = deployed().after(hours=1).moves(MoveKind.EMERGENCY, "", reason="checkout | is *down*")
    made = report(tale)
    assert made.acted == ()
    text = markdown(made)
    assert 'by maria ("checkout \\| is \\*down\\*")' in text
    assert "Undo: `deployguard rollback undo rb-1 --env prod`" in text


def test_the_outcome_is_the_worst_and_counts_the_rest() -> None:
    tale = deployed(leads=(FLAG, OTHER))
    assert report(tale).summary == "2 rollouts progressing"
    tale.moves(MoveKind.PAUSE, OTHER)
    assert report(tale).summary == "1 rollout paused, 1 progressing"
    tale.is_taken_back()
    made = report(tale)
    assert (made.outcome, made.summary) == (Outcome.TAKEN_BACK, "1 rollout taken back, 1 paused")
    assert report(deployed(leads=())).summary == "deployed, no rollout started"


@pytest.mark.parametrize(
    ("phase", "outcome", "summary"),
    [
        (ReleasePhase.RUNNING, Outcome.RUNNING, "running"),
        (ReleasePhase.ABORTING, Outcome.RUNNING, "told to stop"),
        (ReleasePhase.FAILED, Outcome.FAILED, "failed"),
        (ReleasePhase.ABORTED, Outcome.ABORTED, "aborted"),
    ],
)
def test_a_deploy_that_did_not_succeed_comes_first(phase: ReleasePhase, outcome: Outcome, summary: str) -> None:
    tale = deployed(leads=())
    release = replace(tale.state.releases["r-1"], phase=phase, error="npm ci: exit 1 <b>")
    made = build_report(release, tale.events, tale.state, tale.now)
    assert (made.outcome, made.summary) == (outcome, summary)
    assert "npm ci: exit 1 \\<b\\>." in markdown(made)
    assert "exit 1 &lt;b&gt;." in html(made)


def test_a_command_that_failed_is_in_the_summary() -> None:
    tale = deployed(leads=())
    failed = CommandRun(text="npm run `x` | tee", started_at=NOW, duration_ms=38_400, exit_code=1)
    release = replace(tale.state.releases["r-1"], commands=(failed,))
    text = markdown(build_report(release, tale.events, tale.state, tale.now))
    assert "| ``npm run `x` ¦ tee`` | exit 1 | 38.4s |" in text


def test_a_rollout_that_another_release_started_anew_leaves_this_report() -> None:
    tale = taken_back()
    before = report(tale)
    second = replace(tale.state.releases["r-1"], id="r-2")
    tale.state = replace(tale.state, releases={**tale.state.releases, "r-2": second})
    tale.after(hours=1).moves(MoveKind.RETRY, actor=CI, plan=_plan(), release="r-2").after(hours=24).steps_on(7)
    assert len(report(tale).steps) == len(before.steps)
    assert report(tale).rollouts[0].phase is Phase.ROLLED_BACK
    assert report(tale).summary == "1 rollout taken back"
    again = report(tale, "r-2")
    assert again.steps[0].why == "rollout started again by r-2"
    assert again.summary == "1 rollout progressing"


def _plan() -> Any:
    from tales import GRADUAL

    from deployguard.rollout.moves import Plan

    return Plan(strategy="gradual", steps=GRADUAL)


def test_a_rider_that_was_disabled_is_a_row_of_its_own() -> None:
    tale = deployed(riders=(OTHER,)).after(hours=1).is_taken_back(kind=MoveKind.DISABLE, flags=(OTHER,))
    made = report(tale)
    assert [(row.flag_id, row.to) for row in made.steps] == [(None, 500), (OTHER, 0)]
    assert made.acted[0].flag_id == OTHER
    assert made.rollouts[0].phase is Phase.PROGRESSING
    assert made.rollouts[0].percentage == 500


def test_a_resumed_step_counts_its_users_anew() -> None:
    tale = deployed().after(hours=24).steps_on(100).moves(MoveKind.PAUSE, actor=MARIA).moves(MoveKind.RESUME)
    made = report(tale.after(hours=24).steps_on(60))
    assert [row.exposed.users if row.exposed else None for row in made.steps] == [100, None, None, 60, None]
    assert made.exposed.users == 100


def test_checks_that_failed_meanwhile_are_told_and_later_ones_are_not() -> None:
    tale = taken_back()
    failing = {"check": "api", "why": "status", "detail": "status (503) == 200"}
    during = event("check.failed", failing, time=NOW - timedelta(hours=30), seq=90)
    after = event("check.failed", failing, time=NOW + timedelta(hours=30), seq=91)
    tale.events = (*tale.events[:4], during, *tale.events[4:], after)
    made = report(tale)
    assert [(one.check, one.ok, one.why) for one in made.checks] == [("api", False, "status")]


def test_a_report_without_events_still_stands() -> None:
    release = Release(id="r-9", version=None, by="x", phase=ReleasePhase.RUNNING, started_at=NOW)
    made = build_report(release, (), Tale().state, NOW)
    assert markdown(made).startswith("## deployguard: prod, running\n")
    assert "no event yet" in markdown(made)
    assert html(made)


def hostile() -> Report:
    made = report(taken_back())
    odd = '<script>alert("x")</script>|**b**\n# h\x1b[31m'
    return replace(
        made,
        version=odd,
        summary=odd,
        by=odd,
        error=odd,
        acted=tuple(replace(act, sentence=odd, rule=None) for act in made.acted),
        rollouts=tuple(replace(one, rollout=odd, trigger=odd) for one in made.rollouts),
        steps=tuple(replace(one, rollout=odd, why=odd) for one in made.steps),
    )


def test_other_peoples_text_is_never_markup() -> None:
    text, page = markdown(hostile()), html(hostile())
    assert "<script" not in text.replace("\\<script", "")
    assert "\n# h" not in text
    assert "<script" not in page
    assert "\x1b" not in text + page
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(len(line.replace("\\|", "").split("|")) == 7 for line in rows)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("trust_social_proof", "trust_social_proof"),
        ("_it_ *b* `c`", "\\_it\\_ \\*b\\* \\`c\\`"),
        ("- a list", "\\- a list"),
        ("1. one", "1\\. one"),
        ("# head", "\\# head"),
        ("see https://evil.example", "see https\\://evil.example"),
        ("www.evil.example", "www\\.evil.example"),
        ("[a](b) ![c](d)", "\\[a\\](b) !\\[c\\](d)"),
        ("a\nb", "a b"),
    ],
)
def test_text_is_literal_in_markdown(text: str, literal: str) -> None:
    assert escaped(text) == literal


@pytest.mark.parametrize(
    ("text", "span"), [("a > b", "`a > b`"), ("a `b`", "`` a `b` ``"), ("a|b", "`a¦b`"), ("", "` `")]
)
def test_code_is_fenced_by_as_many_backticks_as_it_needs(text: str, span: str) -> None:
    assert code(text) == span


def test_the_json_comes_back_as_the_same_value_and_is_true_to_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    for made in (report(taken_back()), report(deployed(leads=())), report(taken_back().moves(MoveKind.UNDO, ""))):
        document = json.loads(dumps(made))
        jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
        assert loads(Report, dumps(made)).summary == made.summary
        assert document["schemaVersion"] == 1
    document.pop("outcome")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_percentages_are_numbers_and_times_utc_in_json() -> None:
    document = json.loads(dumps(report(taken_back())))
    assert (document["steps"][2]["from"], document["steps"][2]["to"]) == (15, 30)
    assert document["startedAt"].endswith("Z")


def test_the_committed_schema_is_the_values() -> None:
    script = ROOT / "scripts" / "report_schema.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_field_of_the_report_is_in_its_page() -> None:
    page = (ROOT / "docs" / "report.md").read_text()
    missing = [name for name in json.loads(SCHEMA.read_text())["properties"] if f"`{name}`" not in page]
    assert missing == []


def test_a_version_is_written_as_it_is() -> None:
    """A number with dots opens no list."""
    assert escaped("1.0.0") == "1.0.0"
    assert escaped("1.0.0 is on prod") == "1.0.0 is on prod"
    assert escaped("1. x") == "1\\. x"
