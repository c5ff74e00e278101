"""One value for every view, at the moments that the pages of the terminal describe."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from deployguard.errors import Code, Offer, Place, Problem
from deployguard.flags.stale import StaleFlag
from deployguard.flags.values import Rung
from deployguard.guard.values import (
    Acted,
    Cause,
    CheckRound,
    Exposure,
    Population,
    Result,
    SourceState,
    Verdict,
    Window,
)
from deployguard.operations.values.flags import Answer, FlagDetail, FlagHistory, StaleFlags
from deployguard.operations.values.releases import (
    Deployed,
    DeployPlan,
    PlannedCommand,
    ReportRow,
    Reports,
    Unseen,
)
from deployguard.operations.values.rollouts import (
    FlagChange,
    FlagPosition,
    Moved,
    PlannedStep,
    RolloutPlan,
    RolloutPlans,
    RolloutRow,
    RolloutsStatus,
    StepRow,
    Told,
    TriggerLine,
)
from deployguard.operations.values.status import ControllerInfo, FlagRow, FlagsStatus
from deployguard.operations.values.takeback import Emergency, RollbackHistory, RollbackRow, Undone
from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Finding, Findings, Initialised
from deployguard.operations.values.watching import (
    ChecksRound,
    Forgotten,
    Gate,
    GateRow,
    Imported,
    MetricLine,
    MonitoringStatus,
    Overview,
    Round,
)
from deployguard.state import CommandRun, Phase
from deployguard.story.headline import Headline
from deployguard.story.history import HistoryRow
from deployguard.story.report import Report
from deployguard.story.report.values import Outcome, ReportAct, ReportRollout, ReportStep
from deployguard.telemetry.reading import EndpointFigures

NOW = datetime(2026, 11, 24, 13, 32, 10, tzinfo=UTC)
ZONE = timezone(timedelta(hours=1))
ENV = "prod"
H, M, S = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
LEAD, HERO, LOFTS, PROOF, OWNER, CURRENCY, BOOKING, ANALYTICS = (
    "dual_audience_homepage",
    "enhanced_hero_section",
    "featured_lofts_showcase",
    "trust_social_proof",
    "repositioned_owner_section",
    "multilingual_currency_support",
    "advanced_booking_functionality",
    "analytics_conversion_optimization",
)
WATCHER = ControllerInfo(
    name="deploy@build-1",
    host="build-1",
    pid=4121,
    via="watch",
    since=NOW - 12 * 60 * S,
    last_tick_at=NOW - 2 * S,
    interval=10 * S,
    alive=True,
)
STEPS = tuple(
    StepRow(percentage=p * 100, hold=hold, name=None)
    for p, hold in ((5, 24 * H), (15, 24 * H), (30, 24 * H), (50, 48 * H), (75, 48 * H), (100, None))
)
BECAUSE = "errorRate (14.2%) > 10% among 1,204 requests of its users; 0.4% among the others; 171 of its requests failed"
CALM = (0.05,) * 12
RISING = (0.1, 0.1, 0.1, 0.2, 0.4, 0.6, 0.7, 0.9, 1.1, 1.2, 1.4, 1.4, 1.4)


def flags() -> tuple[FlagRow, ...]:
    def row(key: str, **fields: Any) -> FlagRow:
        return FlagRow(flag_id=key, seed=key, **{"reach": fields.get("percentage", 0), **fields})

    done = {"enabled": True, "percentage": 10_000, "phase": "completed", "rollout": LEAD, "step": 6, "steps": 6}
    return (
        row(LEAD, **done, guarded_until=NOW + 17 * H),
        row(HERO, **done),
        row(
            LOFTS,
            enabled=True,
            percentage=3_000,
            phase="progressing",
            rollout=LOFTS,
            step=3,
            steps=6,
            next_step_at=NOW + 14 * H + 11 * M,
            next_percentage=5_000,
            waits_for="samples",
            waits_text="figures start again at 14:31:50",
        ),
        row(
            PROOF,
            phase="rolled_back",
            rollout=PROOF,
            taken_back_at=NOW - 20 * S,
            rollback_id="rb-12",
            why="high-error-rate",
            reason=BECAUSE,
        ),
        row(
            OWNER,
            enabled=True,
            percentage=750,
            phase="paused",
            rollout=OWNER,
            step=1,
            steps=6,
            waits_for="person",
            reason="slow-response halved it from 15%: avg(responseTime) (5.31s) > 5s",
        ),
        row(CURRENCY, **done),
        row(BOOKING),
        row(ANALYTICS),
    )


def lines(*, harm: bool = False) -> tuple[TriggerLine, ...]:
    def line(name: str, verdict: str, **fields: Any) -> TriggerLine:
        return TriggerLine(trigger=name, verdict=verdict, **{"spark": CALM, "samples": 2_804, **fields})

    return (
        line("high-error-rate", "fail", metric="errorRate", limit="> 10%", exposed="14.2%", everyone="4.5%",
             others="0.4%", samples=1_204, spark=RISING)
        if harm
        else line("high-error-rate", "pass", metric="errorRate", limit="> 10%", exposed="0.5%", everyone="0.4%"),
        line("slow-response", "pass", metric="avg(responseTime)", limit="> 5s", exposed="431ms", everyone="412ms"),
        line("poor-web-vitals", "inconclusive", metric="p75(lcp)", limit="> 4s", exposed="2.52s", everyone="2.40s",
             samples=41, needed=50, cause="41 of 50 samples, ready about 14:41", spark=(0.6, None, *(0.6,) * 10)),
        line("health-check-failures", "pass", metric="consecutiveFailures", limit=">= 2", everyone="0", samples=10),
    )  # fmt: skip


def rollout(key: str = LOFTS, **fields: Any) -> RolloutRow:
    usual: dict[str, Any] = {
        "riders": (),
        "phase": "progressing",
        "step": 3,
        "steps": STEPS,
        "percentage": 3_000,
        "entered_at": NOW - 9 * H - 49 * M,
        "next_step_at": NOW + 14 * H + 11 * M,
        "waits_for": "hold",
        "exposed": Exposure(users=10_940, requests=40_000),
        "held": 0.4,
        "next_percentage": 5_000,
        "spark_since": NOW - 30 * M,
        "lines": lines(),
        "nearest": "poor-web-vitals 2.41s of 4s",
        "strategy": "gradual",
    }
    return RolloutRow(rollout=key, **{**usual, **fields})


def taken_back() -> RolloutRow:
    return rollout(
        PROOF,
        phase="rolled_back",
        step=None,
        percentage=0,
        entered_at=NOW - 20 * S,
        next_step_at=None,
        waits_for=None,
        held=None,
        next_percentage=None,
        spark_since=NOW - 150 * S,
        taken_back_from=3_000,
        taken_back_step=3,
        lasted=130 * S,
        rollback_id="rb-12",
        trigger="high-error-rate",
        reason=BECAUSE,
        lines=lines(harm=True),
    )


def paused() -> RolloutRow:
    return rollout(
        OWNER,
        phase="paused",
        step=1,
        percentage=750,
        next_step_at=None,
        waits_for="person",
        reason="slow-response halved it from 15%: avg(responseTime) (5.31s) > 5s",
        lines=(),
    )


def checks() -> tuple[CheckRound, ...]:
    def check(name: str, ok: bool, ms: int, status: int | None, why: str | None = None, detail: str = "") -> CheckRound:
        return CheckRound(check=name, ok=ok, at=NOW, latency_ms=ms, status=status, why=why, detail=detail or None)

    return (
        check("homepage", True, 181, 200),
        check("api", True, 42, 200, detail="json.status ('ok') == 'ok'"),
        check("search", False, 3, None, "dns", "no address for search.internal"),
        check("cart", False, 1, None, "refused", "nothing listens on cart.example.com:8443"),
        check("pay", False, 88, None, "tls", "certificate ended Sun 22 Nov 23:59 (2 days ago)"),
        check("reviews", False, 10_000, None, "timeout", "connected in 21ms, no answer in 10s, 2 tries"),
        check("booking", False, 95, 503, "status", 'status (503) == 200; "upstream is down"'),
    )


def verdicts() -> tuple[Verdict, ...]:
    window = Window(from_=NOW - 5 * M, to=NOW)

    def verdict(name: str, result: Result, rule: str, **fields: Any) -> Verdict:
        return Verdict(
            trigger=name, verdict=result, rule=rule, window=window, unit=PROOF, rollout=PROOF, flag_id=PROOF, **fields
        )

    return (
        verdict("high-error-rate", Result.FAIL, "errorRate > 10%", population=Population.EXPOSED, value=14.2,
                threshold=10, samples=1_204, needed=100, bad=171),
        verdict("slow-response", Result.PASS, "avg(responseTime) > 5s", population=Population.EXPOSED, value=447.0,
                threshold=5_000, samples=1_204, needed=100),
        verdict("poor-web-vitals", Result.INCONCLUSIVE, "p75(lcp) > 4s", population=Population.EXPOSED, value=2_520.0,
                threshold=4_000, samples=41, needed=50, ready_at=NOW + 9 * M, source="vitals", cause=Cause.TOO_FEW),
    )  # fmt: skip


def sources() -> tuple[SourceState, ...]:
    return (
        SourceState(name="nginx", kinds=("request",), connected=True, newest=NOW - S, samples=9_312, per_second=31.0),
        SourceState(name="web vitals", kinds=("lcp",), connected=True, newest=NOW - 4 * S, samples=706, per_second=2.4),
    )


def told() -> tuple[Told, ...]:
    sentence = f"{PROOF} taken back from 30% after 2m 10s: {BECAUSE}. Undo: deployguard rollback undo rb-12 --env prod"
    return (
        Told(seq=9, type="rollout.rolledBack", severity="critical", time=NOW - 20 * S, sentence=sentence,
               short=f"{PROOF} taken back from 30%"),
        Told(seq=8, type="rollout.advanced", severity="info", time=NOW - 9 * H,
               sentence=f"{LOFTS} 15% → 30%, step 3 of 6 after 24h; 4 triggers passed; 13,310 users saw it",
               short=f"{LOFTS} 15% → 30%: step 3 of 6, 24h held, 4 passed"),
    )  # fmt: skip


def overview(**fields: Any) -> Overview:
    usual: dict[str, Any] = {
        "revision": 418,
        "controller": WATCHER,
        "headline": Headline(
            state="back",
            users="1,204 requests of its users met the fault.",
            cause=f"{BECAUSE}.",
            done=f"{PROOF} is off again.",
            turn="Nobody needs to act now.",
        ),
        "rollouts": (taken_back(), rollout(), paused()),
        "flags": flags(),
        "checks": checks()[:2],
        "sources": sources(),
        "events": told(),
        "next": (
            Offer(command=f"deployguard deploy prod --retry {PROOF}", does="when it is mended"),
            Offer(command="deployguard rollback undo rb-12 --env prod", does="it was no fault: 30%, paused"),
        ),
    }
    return Overview(environment=ENV, at=NOW, **{**usual, **fields})


def changes(*pairs: tuple[str, int, int, str | None]) -> tuple[FlagChange, ...]:
    return tuple(
        FlagChange(
            flag_id=key,
            from_=FlagPosition(enabled=was > 0, percentage=was),
            to=FlagPosition(enabled=now > 0, percentage=now),
            state=state,
        )
        for key, was, now, state in pairs
    )


def report() -> Report:
    def step(event: str, at: timedelta, was: int, now: int, users: int, why: str) -> ReportStep:
        return ReportStep(
            seq=1, at=NOW - at, rollout=PROOF, event=event, from_=was, to=now, by="controller", why=why, sentence="",
            exposed=Exposure(users=users, requests=users),
        )  # fmt: skip

    return Report(
        environment=ENV,
        release="r-31",
        version="2.14.0",
        by="github-actions (run 8817)",
        started_at=NOW - 48 * H,
        finished_at=NOW - 48 * H + 226 * S,
        made_at=NOW,
        outcome=Outcome.TAKEN_BACK,
        summary="1 rollout taken back",
        commands=tuple(
            CommandRun(
                text=text, kind="deploy", started_at=NOW, exit_code=code, duration_ms=22_800, last_line=last
            )
            for text, code, last in (
                ("npm ci", 0, None),
                ("vercel deploy --prod", 1, "Error: The build memory limit was exceeded"),
            )
        ),
        rollouts=(ReportRollout(rollout=PROOF, phase=Phase.ROLLED_BACK, steps=6),),
        steps=(
            step("rollout.started", 48 * H, 0, 500, 4_402, "started"),
            step("rollout.advanced", 24 * H, 500, 1_500, 13_310, "24h held, 4 passed"),
            step("rollout.advanced", 3 * M, 1_500, 3_000, 118, "24h held, 4 passed"),
            step("rollout.rolledBack", 20 * S, 3_000, 0, 0, "high-error-rate"),
        ),
        acted=(
            ReportAct(
                seq=9, at=NOW, trigger="high-error-rate", rollout=PROOF, sentence=told()[0].sentence,
                rollback_id="rb-12", undo="deployguard rollback undo rb-12 --env prod",
            ),
        ),
    )  # fmt: skip


def plan() -> RolloutPlan:
    at, steps = NOW, []
    for number, row in enumerate(STEPS, 1):
        steps.append(
            PlannedStep(
                step=number, percentage=row.percentage, hold=row.hold, from_=at, seen_by=43 * row.percentage // 100,
                name="majority of the traffic" if number == 5 else None,
            )
        )  # fmt: skip
        at += row.hold or timedelta(0)
    return RolloutPlan(
        environment=ENV, rollout=LOFTS, riders=(HERO,), strategy="gradual", steps=tuple(steps), users_per_day=4_320,
        measured_users_per_day=89_300, requires={LEAD: 10_000}, ends_at=at, total=at - NOW, at=NOW,
    )  # fmt: skip


def deploy_plan() -> DeployPlan:
    command = {"timeout": 10 * M, "found": True}
    return DeployPlan(
        environment=ENV,
        base_url="https://www.example.com",
        version="2.13.0",
        at=NOW,
        confirm="name",
        commands=(
            PlannedCommand(text="npm ci", program="npm", **command),
            PlannedCommand(text="npm run build", program="npm", **command),
            PlannedCommand(text="vercel deploy --prod", program="vercel", **command),
        ),
        rollback=(PlannedCommand(text="vercel rollback", program="vercel", **command),),
        checks=checks()[:2],
        stable=M,
        starts=(
            replace(plan(), rollout=LEAD, riders=(HERO, CURRENCY)),
        ),
        stays=(rollout(),),
        off=(flags()[3],),
        unseen=(
            Unseen(
                what="web vitals", trigger="poor-web-vitals", consequence="so poor-web-vitals never fires",
                mend="deployguard monitoring import FILE --env prod  # lines of type vital",
            ),
        ),
    )  # fmt: skip


def deployed() -> Deployed:
    return Deployed(
        release_id="r-29",
        environment=ENV,
        version="2.13.0",
        outcome="succeeded",
        rollouts=(
            rollout(
                LEAD, riders=(HERO, CURRENCY), step=1, percentage=500, next_percentage=1_500, next_step_at=NOW + 24 * H
            ),
        ),
        took=226 * S,
        at=NOW,
        triggers=3,
        stays=(rollout(),),
        off=(flags()[3],),
        report="state/prod/reports/deployment-report-20261116T063806Z-r-29.json",
    )


def gate(result: str, code: int, *rows: GateRow) -> Gate:
    return Gate(result=result, environment=ENV, rollouts=rows, exit_code=code, took=timedelta(milliseconds=300),
                  notes=("cannot see web vitals; poor-web-vitals is not connected and does not hold",),
                  at=NOW, controller=replace(WATCHER, last_tick_at=NOW - 89 * M, alive=False))  # fmt: skip


def gate_row(key: str, share: int, result: str, text: str, detail: str | None = None) -> GateRow:
    return GateRow(
        rollout=key, percentage=share, phase="progressing", step=1, steps=6, result=result, text=text, detail=detail
    )


def moved(**fields: Any) -> Moved:
    usual: dict[str, Any] = {
        "revision": 77, "move": "set", "flag_id": HERO, "changed": True, "by": "maria", "at": NOW,
        "flags": changes((HERO, 0, 5_000, None)),
    }  # fmt: skip
    return Moved(environment=ENV, **{**usual, **fields})


def every_value() -> dict[str, Any]:
    """Each view by its name; `live` and the errors are drawn by functions of their own."""
    return {
        "status": FlagsStatus(environment=ENV, revision=418, controller=WATCHER, flags=flags(), at=NOW),
        "status, nobody watches": FlagsStatus(
            environment=ENV, revision=418, controller=replace(WATCHER, alive=False), flags=flags(), at=NOW,
            warnings=(f"{BOOKING} has left the config while it is above 0%",),
        ),
        "show": FlagDetail(
            environment=ENV, revision=418, flag=replace(flags()[3], description="Reviews and testimonials"),
            because=BECAUSE, requirements={LEAD: 10_000}, at=NOW,
            targeting={"rules": ["plan in ['pro', 'team']"], "countries": ["DZ"]}, targeting_from="state",
            history=(
                HistoryRow(at=NOW - 20 * S, flag_id=PROOF, from_=3_000, to=0, by="controller", why="high-error-rate"),
                HistoryRow(at=NOW - 150 * S, flag_id=PROOF, from_=1_500, to=3_000, by="controller",
                             why="step 3 of 6, 24h held, 4 triggers passed"),
                HistoryRow(at=NOW - 48 * H, flag_id=PROOF, from_=0, to=500, by="github-actions (run 8817)",
                             why="rollout started by r-31"),
            ),
        ),
        "history": FlagHistory(
            environment=ENV, flag_id=None,
            history=(
                HistoryRow(at=NOW, flag_id=PROOF, from_=3_000, to=0, by="controller",
                             why=f"rollback rb-12: {BECAUSE}"),
                HistoryRow(at=NOW - 300 * H, flag_id=HERO, by="maria", why="targeting changed by hand"),
            ),
        ),
        "answer": Answer(
            flag_id=LOFTS, targeting_key="u-4711", value=False, variant="off", reason="SPLIT", bucket=8_312,
            decided_by="bucket", environment=ENV, on_from=8_313, on_from_step=6,
            ladder=(
                Rung(name="enabled", passed=True, text="yes"),
                Rung(name="requires", passed=True, text=f"{LEAD} is on for u-4711"),
                Rung(name="deny list", passed=True, text="not on it"),
                Rung(name="allow list", passed=None, text="not on it"),
                Rung(name="targeting", passed=True, text="no country, region or rule asked"),
                Rung(name="bucket", passed=False, text="8,312 of 10,000; on below 3,000 (30%)"),
            ),
        ),
        "stale": StaleFlags(
            environment=ENV, older_than=720 * H,
            flags=(StaleFlag(flag_id=LEAD, why="at 100% for 41d", percentage=10_000, owner="web@example.com"),
                   StaleFlag(flag_id=OWNER, why="expired on 2026-03-31", percentage=750)),
        ),
        "stale, none": StaleFlags(environment=ENV, older_than=720 * H),
        "set": moved(warning=f"It reaches 10% of users, not 50%: it requires {LEAD}, which is at 20% under another "
                     "seed, and 50% of 20% is 10%.", reach=1_000),
        "abort": moved(move="abort", flag_id=LEAD, rollback_id="rb-3",
                       flags=changes((LEAD, 3_000, 0, None), (HERO, 3_000, 0, None))),
        "start": moved(move="start", flag_id=LEAD, flags=changes((LEAD, 0, 500, None), (HERO, 0, 500, None)),
                       rollout=rollout(LEAD, riders=(HERO,), step=1, percentage=500)),
        "nothing to do": moved(changed=False, flags=()),
        "rollouts, one": RolloutsStatus(
            environment=ENV, revision=416, rollouts=(rollout(),), controller=WATCHER, at=NOW
        ),
        "rollouts, taken back": RolloutsStatus(
            environment=ENV, revision=416, rollouts=(taken_back(),), controller=WATCHER, at=NOW
        ),
        "rollouts, paused": RolloutsStatus(
            environment=ENV, revision=416, rollouts=(paused(),), controller=None, at=NOW
        ),
        "rollouts": RolloutsStatus(
            environment=ENV, revision=416, rollouts=(taken_back(), rollout(riders=(HERO, CURRENCY)), paused()),
            controller=None, at=NOW,
        ),
        "plans": RolloutPlans(environment=ENV, plans=(plan(), replace(plan(), users_per_day=None))),
        "emergency": Emergency(
            rollback_id="rb-13", environment=ENV, revision=421, by="maria", at=NOW, version="2.14.0",
            rollback_commands=("vercel rollback",), notes=("the state was damaged and was rebuilt from the audit log",),
            left_on=(FlagRow(flag_id="legacy_api_v1", enabled=True, percentage=10_000, permanent=True),),
            flags=changes((LEAD, 10_000, 0, None), (LOFTS, 3_000, 0, None), (OWNER, 750, 0, None)),
        ),
        "emergency, nothing on": Emergency(
            rollback_id=None, environment=ENV, revision=421, at=NOW,
            left_on=(FlagRow(flag_id="legacy_api_v1", enabled=True, percentage=10_000, permanent=True),),
        ),
        "undone": Undone(
            rollback_id="rb-14", undoes="rb-13", environment=ENV, revision=424, at=NOW, waiting=(LOFTS, OWNER),
            flags=changes((LEAD, 0, 10_000, "completed"), (LOFTS, 0, 3_000, "paused"), (OWNER, 0, 750, "paused")),
            left_alone=changes((HERO, 0, 1_000, None)),
        ),
        "rollbacks": RollbackHistory(
            environment=ENV,
            rollbacks=(
                RollbackRow(rollback_id="rb-14", at=NOW, kind="undo", change="4 back", what="undo of rb-13",
                              by="maria"),
                RollbackRow(rollback_id="rb-13", at=NOW - M, kind="emergency", change="5 off",
                              what="emergency, undone by rb-14", by="maria"),
                RollbackRow(rollback_id="rb-12", at=NOW - H, kind="flag", change="30% → 0%", what=PROOF,
                              by="high-error-rate"),
            ),
        ),
        "monitoring": MonitoringStatus(
            environment=ENV, revision=416, at=NOW, window=5 * M, passing=4, judged=4, controller=WATCHER,
            sources=sources(), checks=checks()[:2],
            metrics=(
                MetricLine(metric="errorRate", now="0.4%", limit="> 10%", samples=9_312, verdict="pass",
                             spark=(0.1,) * 24),
                MetricLine(metric="avg(responseTime)", now="412ms", limit="> 5s", samples=9_312, verdict="pass",
                             spark=(0.2,) * 24),
                MetricLine(metric="p75(lcp)", now=None, limit="> 4s", samples=0, verdict="inconclusive",
                             spark=(None,) * 24),
                MetricLine(metric="p75(cls)", now="0.08", limit=None, samples=706),
            ),
            endpoints=(
                EndpointFigures(endpoint="/", requests=3_911, bad=1, errors=0.1, average_ms=212, p95_ms=641),
                EndpointFigures(endpoint="/cart/*", requests=402, bad=15, errors=3.7, average_ms=1_210, p95_ms=2_840),
                EndpointFigures(endpoint="other (61)", requests=9, bad=1, errors=0, average_ms=None, p95_ms=None),
            ),
        ),
        "checks": ChecksRound(environment=ENV, at=NOW, checks=checks()),
        "checks, fine": ChecksRound(environment=ENV, at=NOW, checks=checks()[:2]),
        "round": Round(environment=ENV, revision=9, verdicts=verdicts(), turned_off=(PROOF,), at=NOW, events=told(),
                         actions=(Acted(action="reduce", flag_id=LOFTS, suppressed_by="a cooldown until 14:41:00"),)),
        "round, looked on": Round(environment=ENV, revision=9, verdicts=verdicts(), acted=False, controller=WATCHER,
                                    at=NOW),
        "gate, passed": gate("passed", 0, gate_row(LOFTS, 3_000, "passed", "3 of 3 triggers pass")),
        "gate, failed": gate("failed", 1, gate_row(LOFTS, 3_000, "passed", "4 of 4 triggers pass"),
                             gate_row(OWNER, 750, "failed", "paused by slow-response",
                                      "avg(responseTime) (5.31s) > 5s among 2,310 requests of its users, 16h ago")),
        "gate, taken back": gate("taken-back", 3, gate_row(PROOF, 0, "taken-back",
                                                           "taken back by high-error-rate, rb-12")),
        "gate, timed out": gate("timed-out", 4, gate_row(LOFTS, 3_000, "waiting", "3 pass, 1 waits for data",
                                                         "poor-web-vitals: 31 of 50 samples, ready about 14:41")),
        "gate, no rollout": replace(
            gate("no-rollout", 0),
            warnings=("release r-32 (2.14.2), the last one, failed 4m ago: exit 1: npm run build",),
            next=(Offer("deployguard report show r-32 --env prod"),),
        ),
        "gate, nobody": gate("no-controller", 4, gate_row(LOFTS, 3_000, "passed", "3 of 3 triggers pass")),
        "imported": Imported(environment=ENV, accepted=1_204, refused=3, dropped_future=1, requests=1_000,
                               vitals=204, with_user=900),
        "forgotten": Forgotten(environment=ENV, source="nginx", configured=True),
        "deployed": deployed(),
        "deployed, watched": replace(deployed(), watched_by=WATCHER, rollouts=()),
        "reports": Reports(
            environment=ENV,
            reports=(ReportRow(release_id="r-31", version="2.14.0", started_at=NOW, finished_at=NOW,
                                 outcome="1 rollout taken back", by="github-actions (run 8817)"),),
        ),
        "report": report(),
        "init": Initialised(
            wrote=(("deployment-config.json", "8 flags, 3 strategies, 4 triggers"),
                   ("deployment-config.schema.json", "your editor completes and checks by it")),
            changed=((".gitignore", "state/ is not committed"),),
            environments=(("dev", "http://localhost:3000", "all-at-once: 100%"),
                          ("prod", "https://www.example.com", "gradual: 5% to 100% in 168h or more")),
            package_json=True, npm_scripts={"deploy:enhanced:dev": "x", "rollback:emergency": "y"},
        ),
        "config": ConfigSummary(file="/srv/app/deployment-config.json", valid=True, flags=8, strategies=3, triggers=4,
                                  environment=ENV, read_at=NOW, in_force=True, keep_their_steps=(LOFTS,)),
        "doctor": Findings(
            environment=ENV, at=NOW,
            findings=(
                Finding(subject="config", level="ok", found="valid, 8 flags; the controller uses this version"),
                Finding(subject="controller", level="mend", found="none: nothing is watching prod since 13:02:11",
                          command="deployguard watch --env prod"),
                Finding(subject="users", level="know", found="9,312 requests in 5m, none with a user id: only "
                          "everyone is judged", mend="add $cookie_dg_id to nginx's log_format"),
            ),
        ),
        "backup": Backup(environment=ENV, file="state/backup-20261124T020000Z.tar", revision=418, events=1_204,
                           bytes=2_100_000),
        "alerts": AlertTest(environment=ENV, results=(("ops", True, "delivered"),
                                                        ("hook", False, "503 after 4 tries"))),
    }  # fmt: skip


def every_problem() -> Mapping[str, Problem]:
    source = '"api":      { "url": "/api/health", "every": 30, "expect": ["status == 200", "json.status == \'ok\'"] },'
    spot = Place("deployment-config.json", 31, source.index("30") + 1, "healthChecks.api.every", source, 2)
    one = Problem(
        Code.UNIT_MISSING, "a number without a unit", spot, "30, a number without a unit",
        'a duration: "30s" is 30 seconds, "30ms" is 30 milliseconds',
    )  # fmt: skip
    return {
        "refusal": Problem(
            Code.TRIGGER_FAILS,
            f"{LOFTS} may not rise while a trigger fails",
            found="60%, above the current 30%; slow-response: avg(responseTime) (5.31s) > 5s among 2,804 requests of "
            "its users",
            wanted="30% or less until it passes",
            now="nothing was changed (exit 1)",
            allowed=(
                Offer(f"deployguard feature-flags set {LOFTS} 20 --env prod", "lowers it and pauses the rollout"),
                Offer(f"deployguard rollout pause {LOFTS} --env prod"),
                Offer(
                    f"deployguard feature-flags set {LOFTS} 60 --force --env prod",
                    "raises it unjudged and pauses the rollout",
                ),
            ),
        ),
        "unknown flag": Problem(
            Code.UNKNOWN_FLAG, "there is no flag trust_social_prof", "argument FLAG", '"trust_social_prof"',
            f"one of 8 flags; nearest: {PROOF}", "nothing was changed (exit 2)",
            next=(Offer(f"deployguard rollout start {PROOF} --env prod"),),
        ),
        "damaged": Problem(
            Code.STATE_DAMAGED, "the state of prod cannot be read", Place("state/prod/state.json", 1, 48_213),
            "the file ends in the middle of a value, after 48,212 bytes", "a whole document of schemaVersion 1",
            "set aside as state.json.damaged-20261124T133210Z, nothing overwritten; applications keep the last flags "
            "they read (exit 5)",
            next=(
                Offer("deployguard state restore state/backup-20261124T020000Z.tar --env prod"),
                Offer("deployguard rollback emergency --env prod", "works without it"),
            ),
        ),
        "config": Problem(Code.UNIT_MISSING, "2 errors", spot, now="nothing was changed", errors=(one, one)),
    }  # fmt: skip
