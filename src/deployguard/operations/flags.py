"""`feature-flags`: what there is, who gets it, and the moves on single flags."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta, tzinfo

from deployguard.codec import JSON
from deployguard.config.build import targeting_from_json, targeting_to_json
from deployguard.config.units import FULL
from deployguard.config.values import Flag
from deployguard.errors import Code, DeployguardError, Place, unknown
from deployguard.flags.definitions import parse_overrides
from deployguard.flags.evaluate import Context, Ruleset, compile_flags
from deployguard.flags.exchange import export_flags
from deployguard.flags.stale import stale
from deployguard.operations import rows
from deployguard.operations.values.flags import Answer, FlagDetail, FlagHistory, StaleFlags
from deployguard.session import Session
from deployguard.state import Event, State
from deployguard.story.explain import explain
from deployguard.story.history import flag_history


def known(definitions: Mapping[str, Flag], key: str, command: str) -> Flag:
    """The flag's definition, or `unknown-flag` with the nearest name and the command as it should have been."""
    if key not in definitions:
        retry = f"deployguard {command.replace('FLAG', '{}')}"
        raise unknown("flag", key, definitions, "argument FLAG", code=Code.UNKNOWN_FLAG, counted=True, retry=retry)
    return definitions[key]


def detail(session: Session, key: str) -> FlagDetail:
    state, now = session.store.read(), session.clock()
    definitions = session.definitions(state)
    definition = known(definitions, key, f"feature-flags show FLAG --env {session.environment}")
    row = rows.flag_row(state, session.best_settings(state), definitions, key, now)
    events = tuple(_newest_about(session, key, limit=200))
    return FlagDetail(
        environment=session.environment,
        revision=state.revision,
        flag=row,
        because=_because(events, row.rollback_id, session.zone),
        requirements={name: state.flag(name).percentage for name in definition.requires},
        targeting=targeting_to_json(definition.targeting),
        targeting_from="state" if row.targeting_overridden else "config",
        history=flag_history(events, key)[:10],
        at=now,
    )


def history(session: Session, key: str | None, limit: int) -> FlagHistory:
    state = session.store.read()
    if key is not None and key not in state.flags:
        known(session.definitions(state), key, f"feature-flags history FLAG --env {session.environment}")
    events = tuple(_newest_about(session, key, limit=max(limit * 4, 200)))
    return FlagHistory(environment=session.environment, flag_id=key, history=flag_history(events, key)[:limit])


def _newest_about(session: Session, key: str | None, limit: int) -> Iterator[Event]:
    """Events that changed the flag, newest first; reading stops at `limit`."""
    found = 0
    for event in session.store.events(newest_first=True):
        changed = event.set.keys()
        if (key is None and any(path.startswith("flags.") for path in changed)) or f"flags.{key}" in changed:
            yield event
            found += 1
            if found >= limit:
                return


def _because(newest_first: tuple[Event, ...], rollback_id: str | None, zone: tzinfo) -> str | None:
    """The sentence of the event that took the flag back or moved it last."""
    for event in newest_first:
        if rollback_id is not None and event.data.get("rollbackId") != rollback_id:
            continue
        if event.type.startswith(("rollout.", "flag.", "rollback.")):
            return explain(event, zone).sentence
    return None


def ruleset(session: Session, state: State) -> Ruleset:
    overrides = parse_overrides(session.environ.get("DEPLOYGUARD_FLAGS", ""))
    return compile_flags(session.definitions(state), state.flags, overrides)


def evaluate(session: Session, key: str, contexts: Iterable[Context]) -> Iterator[Answer]:
    """One answer a context. With a ladder and the number that would change the answer, for people."""
    state = session.store.read()
    command = f"feature-flags evaluate FLAG --user U --env {session.environment}"
    known(session.definitions(state), key, command)
    rules = ruleset(session, state)
    rollout = state.rollouts.get(state.flag(key).rollout or "")
    for context in contexts:
        found = rules.evaluate(key, context)
        on_from = (
            found.bucket + 1 if found.bucket is not None and found.decided_by in ("bucket", "percentage") else None
        )
        step = None
        if on_from is not None and rollout is not None:
            step = next((n for n, s in enumerate(rollout.steps, 1) if s.percentage >= on_from), None)
        yield Answer(
            flag_id=key,
            targeting_key=context.targeting_key,
            value=found.value,
            variant=found.variant,
            reason=found.reason,
            bucket=found.bucket,
            decided_by=found.decided_by,
            environment=session.environment,
            ladder=rules.ladder(key, context),
            on_from=min(on_from, FULL) if on_from is not None else None,
            on_from_step=step,
        )


def stale_flags(session: Session, older_than: timedelta) -> StaleFlags:
    state, now = session.store.read(), session.clock()
    return StaleFlags(
        environment=session.environment,
        older_than=older_than,
        flags=stale(session.definitions(state), state, now, older_than),
    )


def exported(session: Session) -> JSON:
    state = session.store.read()
    return export_flags(session.definitions(state), state)


def targeting_after(session: Session, state: State, key: str, added: JSON, *, remove: bool, reset: bool) -> JSON | None:
    """The override that `feature-flags target` leaves behind; None drops it.

    `added` has the config's spelling: `{"allow": {"users": [...]}, "countries": [...], "rules": [...]}`.
    """
    if reset:
        return None
    definition = session.definitions(state)[key]
    before = targeting_to_json(definition.targeting)
    merged = _merged(before, added, remove=remove)
    try:
        targeting_from_json(merged)
    except DeployguardError as error:
        # The text of an option stands in no file: the first problem, without a line and the config's next step.
        first = (error.problem.errors or (error.problem,))[0]
        path = first.where.path if isinstance(first.where, Place) else None
        where = f"feature-flags target, {path}" if path else "feature-flags target"
        message = "this targeting cannot be read"
        raise DeployguardError(
            replace(first, message=message, where=where, now="nothing was changed", next=(), errors=())
        ) from error
    return merged


def _merged(before: JSON, added: JSON, *, remove: bool) -> JSON:
    out: JSON = dict(before)
    for name, value in added.items():
        if isinstance(value, Mapping):
            out[name] = _merged(dict(out.get(name) or {}), dict(value), remove=remove)
            continue
        kept = [item for item in out.get(name, []) if item not in value]
        out[name] = kept if remove else kept + list(value)
    return {name: value for name, value in out.items() if value}
