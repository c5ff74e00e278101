"""The walk over a release's events: its steps, what acted, its checks and rollbacks, and where each rollout stands.

A rollout belongs to the release that started it, until it is started anew. What a step's users met is known when the
next event counts it, so a step's row gets its exposure from the event that ends it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from deployguard.config.units import parse_duration
from deployguard.guard.values import Exposure
from deployguard.plain import clean
from deployguard.state import Actor, Event, Phase, Release, State
from deployguard.story.explain import explain
from deployguard.story.history import flag_history
from deployguard.story.report.values import ReportAct, ReportCheck, ReportRollback, ReportStep
from deployguard.story.telling.facts import Facts
from deployguard.story.verdicts import rule_with_value

_PHASES = {
    "rollout.started": Phase.PROGRESSING,
    "rollout.advanced": Phase.PROGRESSING,
    "rollout.resumed": Phase.PROGRESSING,
    "rollout.paused": Phase.PAUSED,
    "rollout.reduced": Phase.PAUSED,
    "rollout.completed": Phase.COMPLETED,
    "rollout.rolledBack": Phase.ROLLED_BACK,
}
_MOST_CHECKS = 200


@dataclass
class Track:
    """One rollout of the release, as far as the walk has come."""

    lead: str
    riders: tuple[str, ...]
    strategy: str
    started_at: datetime
    steps: int | None
    phase: Phase = Phase.PROGRESSING
    percentage: int = 0
    trigger: str | None = None
    rollback_id: str | None = None
    mine: bool = True  # False from when somebody started it anew
    entered: int | None = None  # the index of the row whose users are counted now
    users: int = 0
    requests: int = 0


@dataclass
class Walk:
    release: Release
    state: State
    actor: Actor | None = None
    reason: str | None = None
    tracks: dict[str, Track] = field(default_factory=dict)
    steps: list[ReportStep] = field(default_factory=list)
    acted: list[ReportAct] = field(default_factory=list)
    checks: list[ReportCheck] = field(default_factory=list)
    rollbacks: list[ReportRollback] = field(default_factory=list)

    def take(self, event: Event) -> None:
        facts = Facts(event, None, event.data)
        area, _, what = event.type.partition(".")
        if event.type == "release.started" and facts.maybe("releaseId") == self.release.id:
            self.actor, self.reason = event.actor, event.reason
        elif event.type == "rollout.started":
            self._started(facts)
        elif area == "rollout" and what != "waiting":
            self._moved(facts, self._track(facts.maybe("rollout")), facts.maybe("rollout"))
        elif event.type == "flag.updated":
            self._moved(facts, self._track(facts.maybe("rollout")), facts.maybe("flagId"))
        elif area == "rollback":
            self._rolled(facts)
        elif area == "check" and self._goes_on(event):
            self._checked(facts, ok=what == "recovered")

    def _track(self, lead: str | None) -> Track | None:
        track = self.tracks.get(lead or "")
        return track if track is not None and track.mine else None

    def _goes_on(self, event: Event) -> bool:
        """Whether the release, or a rollout of it, was under way."""
        ended = self.release.finished_at
        moving = any(track.mine and track.phase in (Phase.PROGRESSING, Phase.PAUSED) for track in self.tracks.values())
        return ended is None or event.time <= ended or moving

    def _started(self, facts: Facts) -> None:
        lead = facts.maybe("rollout")
        before = self.tracks.get(lead or "")
        if before is not None:
            before.mine = False
        if lead is None or facts.maybe("release") != self.release.id:
            return
        track = Track(
            lead=lead,
            riders=facts.names("riders"),
            strategy=facts.maybe("strategy") or "",
            started_at=facts.event.time,
            steps=facts.whole("steps"),
            percentage=facts.hundredths("percentage") or 0,
        )
        self.tracks[lead] = track
        track.entered = self._row(facts, lead, facts.whole("step"))

    def _moved(self, facts: Facts, track: Track | None, flag: str | None) -> None:
        if track is None:
            return
        alone = flag != track.lead
        self._met(track, facts)
        step = facts.whole("toStep")
        index = self._row(facts, track.lead, None if alone else step, flag if alone else None)
        if facts.maybe("trigger") and not facts.by_people:
            self._act(facts, track, flag if alone else None)
        if alone:
            return
        track.phase = _PHASES.get(facts.event.type, track.phase)
        after = facts.hundredths("to")
        changed = after is not None and after != track.percentage
        track.percentage = after if after is not None else track.percentage
        track.trigger = facts.maybe("trigger") or (None if changed else track.trigger)
        track.rollback_id = facts.maybe("rollbackId") or track.rollback_id
        if changed or facts.event.type == "rollout.resumed":  # what was counted so far is of the state before
            track.entered = index if track.percentage else None

    def _met(self, track: Track, facts: Facts) -> None:
        """Who met the state that this event ends."""
        met = facts.inside("exposed")
        users, requests = met.whole("users"), met.whole("requests")
        if track.entered is None or (users is None and requests is None):
            return
        row = self.steps[track.entered]
        before = row.exposed or Exposure()
        seen = Exposure(users=max(users or 0, before.users), requests=max(requests or 0, before.requests))
        self.steps[track.entered] = replace(row, exposed=seen)
        track.users = max(track.users, seen.users)
        track.requests += seen.requests - before.requests

    def _row(self, facts: Facts, lead: str, step: int | None, flag: str | None = None) -> int:
        event = facts.event
        row = next(iter(flag_history((event,), flag or lead)), None)
        passed, ended = facts.verdicts(), facts.verdict()
        self.steps.append(
            ReportStep(
                seq=event.seq,
                at=event.time,
                rollout=lead,
                flag_id=flag,
                event=clean(event.type),
                from_=row.from_ if row else None,
                to=row.to if row else None,
                step=step if row and row.to else None,
                steps=facts.whole("steps"),
                by=row.by if row else facts.who,
                why=row.why if row else "",
                sentence=explain(event).short,
                held_ms=_held(facts),
                evidence=passed if ended is None else (*passed, ended),
            )
        )
        return len(self.steps) - 1

    def _act(self, facts: Facts, track: Track, flag: str | None) -> None:
        words, row = explain(facts.event), self.steps[-1]
        rollback = facts.maybe("rollbackId")
        record = self.state.rollbacks.get(rollback or "")
        undone = record.undone_by if record else None
        verdict = facts.verdict()
        self.acted.append(
            ReportAct(
                seq=row.seq,
                at=row.at,
                trigger=facts.text("trigger"),
                rollout=track.lead,
                flag_id=flag,
                from_=row.from_,
                to=row.to,
                verdict=verdict,
                others=facts.verdict("others"),
                rollback_id=rollback,
                undone_by=undone,
                sentence=words.short,
                rule=rule_with_value(verdict) if verdict else None,
                undo=None if undone else words.undo,
            )
        )

    def _rolled(self, facts: Facts) -> None:
        event = facts.event
        leads = [track for lead in facts.names("rollouts") if (track := self._track(lead)) is not None]
        rollback = facts.maybe("rollbackId")
        if rollback is None or not (leads or facts.maybe("release") == self.release.id):
            return
        record = self.state.rollbacks.get(rollback)
        words, undone = explain(event), record.undone_by if record else None
        self.rollbacks.append(
            ReportRollback(
                id=rollback,
                at=event.time,
                kind=facts.maybe("kind") or "undo",
                by=facts.who,
                trigger=facts.maybe("trigger"),
                reason=clean(event.reason) if event.reason else None,
                flags=tuple(flag.text("flagId") for flag in facts.each("flags")),
                undoes=facts.maybe("undoes"),
                undone_by=undone,
                sentence=words.short,
                undo=None if undone else words.undo,
            )
        )
        if event.type == "rollback.undone":
            for track in leads:
                self._restored(facts, track)

    def _restored(self, facts: Facts, track: Track) -> None:
        if track.lead not in (flag.maybe("flagId") for flag in facts.each("flags")):
            return
        index = self._row(facts, track.lead, None)
        after = self.steps[index].to or 0
        track.percentage, track.trigger = after, None
        track.phase = Phase.PAUSED if after else Phase.ROLLED_BACK
        track.entered = index if after else None

    def _checked(self, facts: Facts, *, ok: bool) -> None:
        if len(self.checks) < _MOST_CHECKS:
            name, why = facts.text("check"), None if ok else facts.maybe("why")
            said = explain(facts.event).sentence
            self.checks.append(ReportCheck(at=facts.event.time, check=name, ok=ok, why=why, sentence=said))


def _held(facts: Facts) -> int | None:
    lasted = facts.whole("lastedMs")
    held = parse_duration(facts.maybe("heldFor") or "")
    return lasted if lasted is not None or held is None else round(held / timedelta(milliseconds=1))
