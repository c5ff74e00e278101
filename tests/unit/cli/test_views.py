"""Every view at every width: no line too wide, nothing cut that counts, the same words without colour and symbols."""

import io
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from deployguard.cli.render import deploying, live
from deployguard.cli.render.errors import render_problem
from deployguard.cli.render.page import Page
from deployguard.cli.render.views import render
from deployguard.errors import Offer
from deployguard.story.verdicts import WHOSE
from support import views as seen

WIDTHS = (40, 60, 80, 120)
LONG = "a_flag_with_a_name_that_is_far_longer_than_anybody_would_ever_write_down"


def page_of(width: int, *, ascii_only: bool = False, colour: bool = False) -> tuple[Page, io.StringIO, io.StringIO]:
    streams = io.StringIO(), io.StringIO()
    consoles = [
        Console(
            file=stream, width=width, highlight=False, emoji=False, markup=False, soft_wrap=True,
            color_system="standard" if colour else None, force_terminal=colour,
        )
        for stream in streams
    ]  # fmt: skip
    return Page(*consoles, width=width, ascii_only=ascii_only, zone=seen.ZONE), *streams


def drawn(draw: Callable[[Page], None], width: int, **options: bool) -> str:
    page, out, err = page_of(width, **options)
    draw(page)
    page.flush()
    return out.getvalue() + err.getvalue()


def _frame(page: Page, *, height: int = 23, **options: Any) -> None:
    page.console.print(live.frame(seen.overview(), page, height=height, **options), soft_wrap=True)


VIEWS: dict[str, Callable[[Page], None]] = {
    **{name: (lambda page, value=value: render(value, page)) for name, value in seen.every_value().items()},
    **{
        f"problem: {name}": (lambda page, problem=problem: render_problem(problem, page))
        for name, problem in seen.every_problem().items()
    },
    "plan": lambda page: deploying.plan(seen.deploy_plan(), page, dry_run=True),
    "dry run": lambda page: deploying.dry_run_end(seen.deploy_plan(), page, "deployguard deploy prod"),
    "live": lambda page: _frame(page, acting=True),
    "live, standing by": lambda page: _frame(page, acting=False, trouble="the state is locked by maria"),
    "left": lambda page: live.left(seen.overview(), page, why="Ctrl-C", acting=True, took=seen.M, changes=2),
}


def too_wide(text: str, width: int) -> list[str]:
    """Lines over the width, but those of one word, which is never cut, alone or behind its label."""
    one_word = re.compile(r"\s*(?:[a-z]+ {2,})?\S*(?: \\)?")
    return [line for line in text.splitlines() if cell_len(line) > width and not one_word.fullmatch(line)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", VIEWS)
def test_no_line_is_wider_than_the_page(name: str, width: int) -> None:
    assert too_wide(drawn(VIEWS[name], width), width) == []
    assert too_wide(drawn(VIEWS[name], width, ascii_only=True), width) == []


def renamed(value: Any, name: str) -> Any:
    """The value with every flag's key exchanged, wherever it stands alone."""
    keys = {seen.LEAD, seen.HERO, seen.LOFTS, seen.PROOF, seen.OWNER, seen.CURRENCY, seen.BOOKING, seen.ANALYTICS}
    if isinstance(value, str):
        return name if value in keys else value
    if isinstance(value, tuple):
        return tuple(renamed(item, name) for item in value)
    if isinstance(value, dict):
        return {renamed(key, name): item for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: renamed(getattr(value, f.name), name) for f in fields(value) if f.init})
    return value


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("key", [LONG, "日本語の旗" * 6], ids=["long", "wide"])
@pytest.mark.parametrize("name", seen.every_value())
def test_no_name_makes_a_line_too_wide(name: str, key: str, width: int) -> None:
    value = renamed(seen.every_value()[name], key)
    assert too_wide(drawn(lambda page: render(value, page), width), width) == []


@pytest.mark.parametrize("name", seen.every_value())
def test_what_stands_in_brackets_and_control_characters_are_data(name: str) -> None:
    hostile = "\x1b[31m[bold]x[/bold]\x07\r\n:100:"
    text = drawn(lambda page: render(renamed(seen.every_value()[name], hostile), page), 120)
    assert not set(text) & {"\x1b", "\x07", "\r"}
    assert "💯" not in text
    if ":100:" in text:
        assert "[bold]x[/bold]" in text or "…" in text


@pytest.mark.parametrize("name", VIEWS)
def test_ascii_has_no_other_character_and_the_same_words(name: str) -> None:
    plain, fancy = drawn(VIEWS[name], 80, ascii_only=True), drawn(VIEWS[name], 80)
    assert plain.isascii(), [sign for sign in plain if not sign.isascii()]
    words = re.compile(r"[A-Za-z]{2,}")
    assert words.findall(plain) == words.findall(fancy)


@pytest.mark.parametrize("name", VIEWS)
def test_colour_carries_nothing_alone_and_is_one_of_eight(name: str) -> None:
    coloured = drawn(VIEWS[name], 80, colour=True)
    codes = {code for found in re.findall(r"\x1b\[([0-9;]*)m", coloured) for code in found.split(";")}
    assert codes <= {"0", "1", "2", "31", "32", "33", "36"}, "green, red, yellow, cyan, bold and dim"
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == drawn(VIEWS[name], 80)


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_is_cut_but_names_and_the_config_s_line(name: str) -> None:
    if name == "problem: config":
        return
    for line in drawn(VIEWS[name], 80).splitlines():
        assert "…" not in line, line
        assert line == line.rstrip(), repr(line)
    for figure in re.findall(r"\S*…\S*", drawn(VIEWS[name], 60)):
        assert not re.search(r"[0-9%]", figure), figure


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", VIEWS)
def test_a_rule_and_its_value_stand_on_one_line(name: str, width: int) -> None:
    text = drawn(VIEWS[name], width)
    for rule in ("errorRate (14.2%) > 10%", "p75(lcp) (2.52s) > 4s"):
        metric = rule.split(" ")[0] + " ("
        assert text.count(rule) >= text.count(metric), text


def test_an_offered_command_is_whole_when_its_lines_are_joined() -> None:
    text = drawn(VIEWS["problem: refusal"], 60)
    joined = re.sub(r" \\\n\s*", " ", text)
    for offer in seen.every_problem()["refusal"].allowed:
        assert offer.command in joined
    for line in text.splitlines():
        if line.endswith("\\"):
            assert line.endswith(" \\")


@pytest.mark.parametrize("height", [10, 14, 18, 23, 40])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_last_lines_of_the_live_view_never_leave(width: int, height: int) -> None:
    text = drawn(lambda page: _frame(page, acting=True, height=height), width)
    lines = text.splitlines()
    if width >= 80:
        assert len(lines) <= height, text
        assert lines[-1] == "  or: deployguard rollback undo rb-12 --env prod  # it was no fault: 30%, paused"
    assert "Nobody needs to act now." in " ".join(text.split())
    assert "acting: deploy@build-1" in " ".join(text.split())


def test_shares_in_a_column_have_the_same_decimals() -> None:
    shares = re.findall(r"(\d+(?:\.\d+)?)%  ", drawn(VIEWS["status"], 80))
    assert {len(share.partition(".")[2]) for share in shares} == {1}


def test_who_needs_a_person_is_the_last_line_and_that_nobody_watches_more_so() -> None:
    watched = drawn(VIEWS["status"], 80).splitlines()
    assert watched[-2:] == [
        "! 1 rollout waits for a person: repositioned_owner_section.",
        "next: deployguard rollout status repositioned_owner_section --env prod",
    ]
    alone = drawn(VIEWS["status, nobody watches"], 120).splitlines()
    assert "Nothing is watching prod since 14:32:08: no step is taken and nothing is taken back." in alone[-3]
    assert alone[-2].startswith("next: deployguard watch --env prod")


def test_at_forty_columns_a_row_takes_two_lines_and_no_figure_is_lost() -> None:
    lines = drawn(VIEWS["status"], 40).splitlines()
    assert lines[:3] == ["prod  feature flags", "● dual_audience_homepage", "  100.0%  completed, guarded 17h more"]
    at = lines.index("▸ featured_lofts_showcase")
    assert lines[at + 1] == "   30.0%  progressing, 50% in 14h 11m"


def test_the_refusal_looks_as_the_page_of_the_terminal_says() -> None:
    assert drawn(VIEWS["problem: refusal"], 80) == (
        "refused[trigger-fails]: featured_lofts_showcase may not rise while a trigger\n"
        "    fails\n"
        "  found   60%, above the current 30%; slow-response:\n"
        "          avg(responseTime) (5.31s) > 5s among 2,804 requests of its users\n"
        "  wanted  30% or less until it passes\n"
        "  now     nothing was changed (exit 1)\n"
        "  allowed now\n"
        "    # lowers it and pauses the rollout\n"
        "    deployguard feature-flags set featured_lofts_showcase 20 --env prod\n"
        "    deployguard rollout pause featured_lofts_showcase --env prod\n"
        "    # raises it unjudged and pauses the rollout\n"
        "    deployguard feature-flags set featured_lofts_showcase 60 --force \\\n"
        "      --env prod\n"
    )


def test_a_command_stands_before_its_comment_and_is_broken_where_it_can_be_pasted() -> None:
    offer = Offer("deployguard deploy prod --retry trust_social_proof", "when it is mended and was tried on staging")
    text = drawn(lambda page: page.next([offer]), 80)
    assert text.splitlines()[0] == "next: deployguard deploy prod --retry trust_social_proof"
    for width in (20, 30, 40):
        lines = drawn(lambda page: page.next([Offer("deployguard watch --env prod")]), width).splitlines()
        assert max(map(len, lines)) <= width
        assert " ".join("\n".join(lines).replace("\\\n", "").split()) == "next: deployguard watch --env prod"


@pytest.mark.parametrize("height", [10, 24])
@pytest.mark.parametrize("width", [20, 28, 40])
def test_the_narrowest_screen_cuts_no_command(width: int, height: int) -> None:
    text = drawn(lambda page: _frame(page, acting=True, height=height), width)
    assert max(map(cell_len, text.splitlines())) <= width
    joined = re.sub(r"[\s\\]", "", text)
    for offer in seen.overview().next:
        assert re.sub(r"\s", "", offer.command) in joined


def test_what_was_taken_back_keeps_its_table_when_many_calm_rollouts_want_room() -> None:
    calm = [replace(seen.rollout(), rollout=f"calm_{number}", lines=seen.lines()[:2]) for number in range(4)]
    view = replace(seen.overview(), rollouts=(seen.taken_back(), *calm))
    text = drawn(lambda page: page.console.print(live.frame(view, page, acting=True, height=23), soft_wrap=True), 80)
    assert "TRIGGER" in text
    assert "✗ high-error-rate" in text
    assert len(text.splitlines()) <= 23


def test_it_says_why_figures_are_younger_than_their_step() -> None:
    row = replace(seen.rollout(), anchor=seen.NOW - 20 * seen.S, restarted="trust_social_proof was taken back")
    view = replace(seen.every_value()["rollouts, one"], rollouts=(row,))
    words = "figures start again at 14:31:50: trust_social_proof was taken back"
    assert words in drawn(lambda page: render(view, page), 80)
    frame = replace(seen.overview(), rollouts=(seen.taken_back(), row))
    assert words in drawn(lambda page: page.console.print(live.frame(frame, page, acting=True, height=23)), 120)


def test_a_take_back_by_a_person_is_told_as_no_fault() -> None:
    row = replace(seen.taken_back(), trigger=None, reason="the fair")
    view = replace(seen.every_value()["rollouts, one"], rollouts=(row,))
    text = drawn(lambda page: render(view, page), 80)
    assert "mended" not in text
    assert "no fault" not in text
    assert "next: deployguard rollback undo rb-12 --env prod  # brings it back" in text


def test_dates_of_steps_that_last_seconds_have_seconds() -> None:
    plan = seen.plan()
    quick = replace(plan, steps=tuple(replace(step, hold=20 * seen.S if step.hold else None) for step in plan.steps))
    view = replace(seen.every_value()["plans"], plans=(quick,))
    assert re.search(r"14:32:10 +", drawn(lambda page: render(view, page), 80))
    deploy = replace(seen.deploy_plan(), starts=(replace(quick, ends_at=seen.NOW + 100 * seen.S),))
    assert "14:33:50" in drawn(lambda page: deploying.plan(deploy, page, dry_run=True), 80)


def test_a_report_says_each_thing_once_and_whole() -> None:
    report = seen.report()
    act = replace(report.acted[0], undone_by="rb-2", sentence="a taken back from 30%")
    still = replace(report.steps[0], from_=2_500, to=2_500)
    text = drawn(
        lambda page: render(replace(report, acted=(act,), steps=(still,), made_at=report.started_at), page), 80
    )
    assert "a taken back from 30%. Undone by rb-2." in text
    assert "25% → 25%" not in text
    assert " to " not in text.splitlines()[0]


def test_a_round_says_of_whom_each_value_is_and_what_was_done_once() -> None:
    view = seen.every_value()["round"]
    for width in (40, 80):
        text = drawn(lambda page: render(view, page), width)
        for population in {one.population for one in view.verdicts if one.value is not None}:
            assert WHOSE[population] in text
    passing = [one for one in view.verdicts if one.verdict == "pass"]
    assert passing
    assert ") > " not in drawn(lambda page: render(replace(view, verdicts=tuple(passing), events=()), page), 80)


def test_a_plan_says_what_traffic_its_users_were_told_from() -> None:
    plan = replace(seen.plan(), users_per_day=28_800, requests_per_second=10.0)
    text = drawn(lambda page: render(replace(seen.every_value()["plans"], plans=(plan,)), page), 80)
    assert "At 28,800 users a day, as 10 requests a second are" in " ".join(text.split())


def test_a_report_is_named_as_it_can_be_typed_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / "state" / "prod" / "reports" / "r.json")
    view = replace(seen.deployed(), report=file)
    assert "state/prod/reports/r.json" in drawn(lambda page: render(view, page), 80)
    assert str(tmp_path) not in drawn(lambda page: render(view, page), 80)
