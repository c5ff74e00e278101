"""What a change of one unit means for the others."""

from dataclasses import replace
from datetime import datetime

from deployguard.config.build import flags_from_document
from deployguard.flags.definitions import definitions
from deployguard.flags.dependencies import requirements
from deployguard.rollout.asked import ask
from deployguard.rollout.carry import carry_out
from deployguard.rollout.moves import Move, MoveKind
from deployguard.rollout.table import find
from deployguard.rollout.telling import tell
from deployguard.state import Phase, Recorder, State, with_flags, with_rollout


def lowered(before: State, after: State) -> frozenset[str]:
    """The flags that fewer users have than before: reduced, disabled or taken back."""
    return frozenset(
        key
        for key, was in before.flags.items()
        if was.enabled and (not after.flag(key).enabled or after.flag(key).percentage < was.percentage)
    )


def others_anchored(before: State, after: State, now: datetime) -> State:
    """`after` with the anchor of every live unit at `now`, where a flag was lowered: older samples are its doing."""
    if not lowered(before, after):
        return after
    for rollout in after.rollouts.values():
        if rollout.phase.live and rollout.anchor != now:
            after = with_rollout(after, replace(rollout, anchor=now))
    moved = {
        key: replace(flag, anchor=now)
        for key, flag in after.flags.items()
        if flag.enabled and flag.rollout is None and flag.anchor != now
    }
    return with_flags(after, moved) if moved else after


def rollouts_that_lost(before: State, after: State) -> tuple[tuple[str, str], ...]:
    """The leads of progressing rollouts that require, at any depth, a flag that went off, and that flag.

    It is a flag outside: where one of its own went off a rollout does not progress, or the flag has left it.
    """
    off = [key for key in sorted(lowered(before, after)) if not after.flag(key).enabled]
    progressing = [rollout for rollout in after.rollouts.values() if rollout.phase is Phase.PROGRESSING]
    if not off or not progressing or after.config is None:
        return ()
    defs = definitions(flags_from_document(after.config.document, after.environment), after)
    out = []
    for rollout in progressing:
        required = {need for key in rollout.flags if key in defs for need in requirements(defs, key)}
        lost = next((key for key in off if key in required), None)
        if lost is not None:
            out.append((rollout.lead, lost))
    return tuple(out)


def pause_dependants(recorder: Recorder, before: State, move: Move, now: datetime, cause: int) -> None:
    """Pause each rollout that progresses while a requirement outside it went off between `before` and now."""
    for lead, required in rollouts_that_lost(before, recorder.state):
        pause = Move(
            kind=MoveKind.REQUIREMENT,
            flag=lead,
            actor=move.actor,
            reason=f"{required}, which it requires, was taken back",
        )
        asked = ask(recorder.state, pause, now)
        row = find(asked)
        if row is not None:
            after = carry_out(asked, row)
            tell(recorder, asked, row, after, None, cause=cause)
