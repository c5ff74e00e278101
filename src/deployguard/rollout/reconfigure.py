"""A config comes into force, or a flag that it no longer has is forgotten.

A rollout keeps the steps that it started with. A unit whose targeting or requirements changed gets a new anchor: its
users are not those of before. A flag that left while it was above 0 % is kept as last defined, and said aloud.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from deployguard.config.build import flag_to_json, flags_from_document
from deployguard.config.values import Flag
from deployguard.errors import Code, Offer, fail
from deployguard.rollout.carry import leave, others_anchored, pause_dependants
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.refusals import NOTHING_CHANGED, offers_for
from deployguard.rollout.telling import flag_data
from deployguard.state import Actor, Change, ConfigInForce, Edit, FlagState, Recorder, State


def reconfigure(
    state: State,
    flags: Mapping[str, Flag],
    document: dict[str, Any],
    hash: str,  # noqa: A002  # the event's word
    changes: tuple[str, ...],
    actor: Actor,
    now: datetime,
) -> Change:
    """`document` comes into force; `flags` are its flags for this environment, `changes` the differences, masked.

    Events: `config.applied`, then `flag.orphaned` for each flag that left above 0 %.
    """
    if state.config is not None and state.config.hash == hash:
        return Change(state=state)
    old = flags_from_document(state.config.document, state.environment) if state.config is not None else {}
    changed = [key for key, flag in flags.items() if key in old and _users_change(state.flag(key), old[key], flag)]
    back = [key for key in flags if state.flag(key).orphaned is not None]
    edit = Edit(state).put_config(ConfigInForce(hash=hash, document=document, applied_at=now))
    edit.put_flags({key: replace(state.flag(key), orphaned=None) for key in back})
    anchored = list(dict.fromkeys((*changed, *back)))
    for key in anchored:
        flag, rollout = edit.flag(key), edit.rollout(edit.flag(key).rollout)
        if rollout is not None:
            edit.put_rollout(replace(rollout, anchor=now))
        elif key in state.flags:
            edit.put_flags({key: replace(flag, anchor=now)})
    recorder = Recorder(state, actor)
    data: dict[str, Any] = {"hash": hash, "changes": list(changes), "anchored": sorted(anchored)}
    index = recorder.record("config.applied", data, edit)
    for key, definition in old.items():
        if key not in flags and state.flag(key).percentage > 0:
            orphan = replace(state.flag(key), orphaned=flag_to_json(definition))
            data = {"flagId": key, "from": flag_data(state.flag(key)), "to": flag_data(orphan)}
            recorder.record("flag.orphaned", data, Edit(state).put_flags({key: orphan}), cause=index)
    return recorder.change()


def forget(state: State, key: str, actor: Actor, reason: str | None, now: datetime) -> Change:
    """An orphaned flag leaves the state, and its rollout, for good. Raises not-allowed-now for one of the config."""
    flag = state.flags.get(key)
    if flag is None or flag.orphaned is None:
        raise fail(
            Code.NOT_ALLOWED_NOW,
            f"{key} cannot be forgotten: it has not left the config",
            where=f"{state.environment}, {key}",
            found="a flag of the config" if flag is not None else "no flag that was left behind",
            wanted="an orphaned flag",
            now=NOTHING_CHANGED,
            allowed=(
                offers_for(state, key)
                if flag is not None
                else (Offer(f"deployguard feature-flags status --env {state.environment}", "the flags that there are"),)
            ),
        )
    edit = Edit(state)
    leave(edit, {key})
    edit.put("flags", {key: None})
    recorder = Recorder(state, actor, reason)
    gone = {"enabled": False, "percentage": 0, "seed": None, "targeting": None}
    data = {"flagId": key, "from": flag_data(flag), "to": gone}
    index = recorder.record("flag.forgotten", data, edit.add(others_anchored(edit, now)))
    pause_dependants(recorder, edit, Move(kind=MoveKind.ROLLBACK, flag=key, actor=actor), now, index)
    return recorder.change()


def _users_change(flag: FlagState, old: Flag, new: Flag) -> bool:
    """Whether other users get the flag now. Where the state overrides targeting the config's does not count."""
    return old.requires != new.requires or (flag.targeting is None and old.targeting != new.targeting)
