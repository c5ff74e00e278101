"""What is told when it changes: triggers, checks, sources, and what a rollout waits for. Each event once.

Passing verdicts and ticks are no events. Each event's `set` carries the entry of `told` that keeps it from being told
again: one for each thing that is not as it should be, and the last cause of waiting.

    trigger.<unit>.<trigger>   fail <when it was told>   (unit `-` where none is guarded)
    check.<name>               fail
    source.<name>              lost
    waiting.<unit>             what it waits for

A trigger's fail is over with a pass; inconclusive in between ends nothing. It is void where a person changed the unit
since: a retried rollout that fails again is news.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deployguard.codec import to_json
from deployguard.config.values import ActionKind, Environment
from deployguard.guard.blame import Fall, Standing
from deployguard.guard.clock import time_text
from deployguard.guard.sight import lost
from deployguard.guard.values import Acted, Evidence, Result
from deployguard.guard.waiting import Waiting, WaitsFor
from deployguard.rollout.plan import step_of
from deployguard.state import Edit, PausedBy, Recorder, State

_SILENT_FOR = timedelta(minutes=5)
_FAIL = "fail"
_LOST = "lost"


def tell_checks(recorder: Recorder, state: State, environment: Environment, evidence: Evidence) -> None:
    """`check.failed` and `check.recovered`. While a deploy restarts what they ask, and offline, nothing is told."""
    release = state.running_release()
    if evidence.offline or (release is not None and release.deploying):
        return
    for name in environment.checks:
        found = evidence.checks.get(name)
        key = f"check.{name}"
        if found is None or found.ok == (key not in recorder.state.told):
            continue
        data = {
            "check": name,
            "why": found.why,
            "detail": found.detail,
            "consecutive": found.consecutive,
            "latencyMs": found.latency_ms,
        }
        _record(recorder, "check.recovered" if found.ok else "check.failed", data, key, None if found.ok else _FAIL)


def tell_sources(recorder: Recorder, environment: Environment, evidence: Evidence, now: datetime) -> None:
    """`source.lost` where it has an error or is silent for longer than its triggers' shortest window."""
    window = min((trigger.window for trigger in environment.triggers.values()), default=_SILENT_FOR)
    over = [key.removeprefix("source.") for key in recorder.state.told if key.startswith("source.")]
    for name, source in evidence.sources.items():
        why = lost(source, environment, evidence, window, now)
        if why is not None and name not in over:
            since = source.silent_since or source.newest
            data = {"source": name, "error": why.removeprefix(f"{name}: "), "since": _time(since)}
            _record(recorder, "source.lost", data, f"source.{name}", _LOST)
        quiet = source.silent_since is not None and now - source.silent_since > window
        if name in over and (why is not None or quiet):
            over.remove(name)
    for name in over:  # it is back, or nobody asks it any more, or what was damaged was set aside
        data = {"source": name, "error": None, "since": None}
        _record(recorder, "source.recovered", data, f"source.{name}", None)


def tell_triggers(
    recorder: Recorder,
    state: State,
    standings: Sequence[Standing],
    falls: Sequence[Fall],
    actions: Sequence[Acted],
    now: datetime,
) -> dict[tuple[str, str | None], int]:
    """`trigger.failed` on a new fail, `trigger.recovered` on a pass after one. Answers each fail's index by trigger
    and unit: what is done about it names it as its cause."""
    causes: dict[tuple[str, str | None], int] = {}
    for fall in falls:
        standing = fall.standing
        if standing.deciding.shadow or _is_told(state, standing):
            continue
        unit = standing.unit.key if standing.unit is not None else None
        causes[standing.trigger.name, unit] = _record(
            recorder, "trigger.failed", _failed(fall, actions), _key(standing), f"{_FAIL} {time_text(now)}"
        )
    for standing in standings:
        passed = standing.result is Result.PASS and not standing.deciding.shadow
        if passed and _key(standing) in recorder.state.told:
            _record(recorder, "trigger.recovered", _about(standing), _key(standing), None)
    return causes


def _key(standing: Standing) -> str:
    return f"trigger.{standing.unit.key if standing.unit is not None else '-'}.{standing.trigger.name}"


def _is_told(state: State, standing: Standing) -> bool:
    """Whether the fail of this trigger was told, and nobody changed the unit since."""
    entry, unit = state.told.get(_key(standing)), standing.unit
    if entry is None:
        return False
    if unit is None or unit.entered_at < datetime.fromisoformat(entry.partition(" ")[2]):
        return True
    # A trigger's own action leaves `actedAt` at its moment; whatever people do clears it or comes later.
    return unit.acted_at is not None and unit.acted_at >= unit.entered_at


def _failed(fall: Fall, actions: Sequence[Acted]) -> dict[str, Any]:
    standing = fall.standing
    unit = standing.unit
    own = [one for one in actions if one.trigger == standing.trigger.name and unit and one.flag_id == unit.key]
    done = next((one for one in own if one.suppressed_by is None), None)
    kept_back = next((one for one in own if one.suppressed_by is not None), None)
    spared = str(fall.spared) if fall.spared is not None else kept_back.suppressed_by if kept_back else None
    return {
        **_about(standing),
        "action": done.action if done else None,
        "suppressedBy": None if done else spared,
        "others": None if standing.others is None else to_json(standing.others),
        "notify": any(action.kind is ActionKind.NOTIFY for action in standing.trigger.then),
    }


def _about(standing: Standing) -> dict[str, Any]:
    return {
        "trigger": standing.trigger.name,
        "rollout": standing.deciding.rollout,
        "flagId": standing.deciding.flag_id or standing.deciding.unit,
        "verdict": to_json(standing.deciding),
    }


def tell_waiting(recorder: Recorder, waits: Mapping[str, Waiting]) -> None:
    """`rollout.waiting` when the cause changes. That a person has paused it is no news to people."""
    for lead, wait in waits.items():
        rollout = recorder.state.rollouts[lead]
        key = f"waiting.{lead}"
        if recorder.state.told.get(key) == str(wait.waits_for):
            continue
        if wait.waits_for is WaitsFor.PERSON and rollout.paused_by is PausedBy.PERSON:
            continue
        data = {
            "rollout": lead,
            "step": step_of(rollout, recorder.state.flag(lead).percentage),
            "waitsFor": str(wait.waits_for),
            "until": _time(wait.until),
            "pausedBy": rollout.paused_by,
            "trigger": rollout.trigger if rollout.paused_by is PausedBy.TRIGGER else None,
            "verdicts": [to_json(verdict) for verdict in wait.verdicts],
        }
        _record(recorder, "rollout.waiting", data, key, str(wait.waits_for))


def _record(recorder: Recorder, event: str, data: dict[str, Any], key: str, value: str | None) -> int:
    return recorder.record(event, data, Edit(recorder.state).put("told", {key: value}))


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)
