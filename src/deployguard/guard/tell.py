"""What is told when it changes: triggers, checks, sources, and what a rollout waits for.

Passing verdicts and ticks are no events. Each event's `set` carries the entry of `told` that keeps it from being told
again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from deployguard.codec import to_json
from deployguard.config.values import ActionKind, Environment
from deployguard.guard.blame import Fall, Standing
from deployguard.guard.sight import lost
from deployguard.guard.told import FAIL, LOST, fail_at, fail_is_told, failing_since, trigger_key
from deployguard.guard.values import Acted, Evidence, Result
from deployguard.guard.waiting import Waiting, WaitsFor
from deployguard.rollout.steps import step_of
from deployguard.state import PausedBy, Recorder, State

_SILENT_FOR = timedelta(minutes=5)


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
        _record(recorder, "check.recovered" if found.ok else "check.failed", data, key, None if found.ok else FAIL)


def tell_sources(recorder: Recorder, environment: Environment, evidence: Evidence, now: datetime) -> None:
    """`source.lost` where it has an error or is silent for longer than its triggers' shortest window."""
    window = min((trigger.window for trigger in environment.triggers.values()), default=_SILENT_FOR)
    for name, source in evidence.sources.items():
        key = f"source.{name}"
        why = lost(source, environment, evidence, window, now)
        quiet = source.silent_since is not None and now - source.silent_since > window
        if why is not None and key not in recorder.state.told:
            error = why.removeprefix(f"{name}: ")
            data = {"source": name, "error": error, "since": _time(source.silent_since or source.newest)}
            _record(recorder, "source.lost", data, key, LOST)
        elif why is None and not quiet and key in recorder.state.told:
            _record(recorder, "source.recovered", {"source": name, "error": None, "since": None}, key, None)
    for key in [key for key in recorder.state.told if key.startswith("source.")]:
        name = key.removeprefix("source.")
        if name not in evidence.sources:  # nobody asks it any more, or what was damaged was set aside
            _record(recorder, "source.recovered", {"source": name, "error": None, "since": None}, key, None)


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
        if standing.deciding.shadow or fail_is_told(state, standing):
            continue
        key = trigger_key(standing.unit, standing.trigger.name)
        data = _failed(fall, actions)
        unit = standing.unit.key if standing.unit is not None else None
        causes[standing.trigger.name, unit] = _record(recorder, "trigger.failed", data, key, fail_at(now))
    for standing in standings:
        key = trigger_key(standing.unit, standing.trigger.name)
        passed = standing.result is Result.PASS and not standing.deciding.shadow
        if passed and failing_since(recorder.state.told, key) is not None:
            _record(recorder, "trigger.recovered", _told_of(standing), key, None)
    return causes


def _failed(fall: Fall, actions: Sequence[Acted]) -> dict[str, Any]:
    standing = fall.standing
    unit = standing.unit
    own = [one for one in actions if one.trigger == standing.trigger.name and unit and one.flag_id == unit.key]
    done = next((one for one in own if one.suppressed_by is None), None)
    kept_back = next((one for one in own if one.suppressed_by is not None), None)
    spared = str(fall.spared) if fall.spared is not None else kept_back.suppressed_by if kept_back else None
    return {
        **_told_of(standing),
        "action": done.action if done else None,
        "suppressedBy": None if done else spared,
        "others": None if standing.others is None else to_json(standing.others),
        "notify": any(action.kind is ActionKind.NOTIFY for action in standing.trigger.then),
    }


def _told_of(standing: Standing) -> dict[str, Any]:
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
            "text": wait.text,
        }
        _record(recorder, "rollout.waiting", data, key, str(wait.waits_for))


def _record(recorder: Recorder, event: str, data: dict[str, Any], key: str, value: str | None) -> int:
    told = {name: entry for name, entry in recorder.state.told.items() if name != key}
    if value is not None:
        told[key] = value
    return recorder.record(event, data, replace(recorder.state, told=told))


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
