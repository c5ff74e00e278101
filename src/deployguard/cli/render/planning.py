"""`rollout plan`: the steps with their dates, and how many users each meets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.config.units import format_percentage
from deployguard.errors import Offer
from deployguard.story.numbers import (
    column_of_percentages,
    count_words,
    hold_words,
    in_seconds,
    time_of_day,
    zone_words,
)

if TYPE_CHECKING:
    from deployguard.operations.values.rollouts import PlannedStep, RolloutPlan, RolloutPlans


def plans(view: RolloutPlans, page: Page) -> None:
    if not view.plans:
        page.head(view.environment, "plan")
        page.put("  nothing would start: every listed flag is on or in a rollout")
        return
    for number, plan in enumerate(view.plans):
        if number:
            page.blank()
        _plan(plan, page)
    start = next((plan.rollout for plan in view.plans if not plan.refused), None)
    if start is not None:
        page.next([Offer(f"deployguard rollout start {start} --env {view.environment}")])


def _plan(plan: RolloutPlan, page: Page) -> None:
    title = page.t("plan for ", (plan.rollout, "bold"), f", strategy {plan.strategy}")
    page.head(plan.environment, title, f"if started now · {zone_words(plan.at, page.zone)}")
    shares = column_of_percentages([step.percentage for step in plan.steps])
    exact = any(in_seconds(step.hold) for step in plan.steps)
    rows: list[list[Piece]] = [
        [
            f"{step.step:>6}",
            share,
            hold_words(step.hold) if step.hold else "",
            time_of_day(step.from_, plan.at, page.zone, date=True, exact=exact),
            _seen_by(step, plan),
            step.name or "",
        ]
        for step, share in zip(plan.steps, shares, strict=True)
    ]
    columns = [
        Column("  STEP"),
        Column("USERS", right=True),
        Column("HOLD", right=True),
        Column("FROM"),
        Column("SEEN BY", right=True, leaves=1),
        Column("NAME", wraps=True, leaves=2),
    ]
    page.table(columns, rows)
    page.blank()
    words = _plan_words(plan)
    if words:
        page.para(" ".join(words))
    if plan.ends_at is not None and plan.total is not None:
        last = format_percentage(plan.steps[-1].percentage)
        when = time_of_day(plan.ends_at, plan.at, page.zone, date=True, exact=exact)
        page.sentence(
            symbols.PASS, f"At the earliest at {last} on {when} ({hold_words(plan.total)}). Nothing was changed."
        )


def _seen_by(step: PlannedStep, plan: RolloutPlan) -> str:
    if plan.users_per_day is None:
        return ""
    if step.hold is None:
        return "all"
    return count_words(step.seen_by) if step.seen_by is not None else ""


def _plan_words(plan: RolloutPlan) -> list[str]:
    words = []
    if plan.riders:
        words.append(f"{', '.join(plan.riders)} {'goes' if len(plan.riders) == 1 else 'go'} with it.")
    if plan.users_per_day is not None:
        other = plan.measured_users_per_day not in (None, plan.users_per_day)
        measured = f" (last 7 days: {count_words(plan.measured_users_per_day or 0)})" if other else ""
        of = f", as {plan.requests_per_second:g} requests a second are" if plan.requests_per_second is not None else ""
        words.append(f"At {count_words(plan.users_per_day)} users a day{of}{measured}.")
    if plan.requires:
        words.append(f"Requires {needs_words(plan.requires)}.")
    if plan.refused:
        words.append(f"{plan.refused}.")
    return words


def needs_words(requires: Mapping[str, int]) -> str:
    """`dual_audience_homepage ✓ 100%`: what is required, and where that stands."""
    return ", ".join(f"{key} {'✓' if share else '✗'} {format_percentage(share)}" for key, share in requires.items())
