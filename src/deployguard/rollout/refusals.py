"""A refused move in words: what stands in the way, and what may be asked now, as whole commands."""

from dataclasses import replace

from deployguard.config.units import format_percentage
from deployguard.errors import Code, DeployguardError, Offer, fail
from deployguard.rollout.moves import Asked, MoveKind
from deployguard.rollout.table import allowed, find
from deployguard.state import State

NOTHING_CHANGED = "nothing was changed"

_ROLLOUT = {
    MoveKind.START: "starts its rollout",
    MoveKind.RETRY: "starts it again from the first step",
    MoveKind.PAUSE: "stays where it is until resumed",
    MoveKind.RESUME: "goes on; the hold starts anew",
    MoveKind.PROMOTE: "takes the next step now",
    MoveKind.ABORT: "takes it back: off for everyone",
}
_FLAG = {
    MoveKind.ENABLE: "enables it at its percentage",
    MoveKind.DISABLE: "turns it off",
}
_PHASES = {None: "no rollout", "rolled_back": "taken back"}


def refused(asked: Asked) -> DeployguardError:
    """The error for a move that no row of the table allows: `trigger-fails` where only that stands in the way."""
    move = asked.move
    held = find(replace(asked, move=replace(move, trigger_fails=False))) is not None
    forced = find(replace(asked, move=replace(move, force=True))) is not None
    offers = offers_for(asked.state, asked.key, trigger_fails=move.trigger_fails)
    if forced:
        offers = (*offers, _forced(asked))
    if move.trigger_fails and held:
        return _trigger_fails(asked, offers)
    return fail(
        Code.NOT_ALLOWED_NOW,
        f"{asked.key} cannot be asked to {_verb(asked)} now",
        where=f"{asked.state.environment}, {asked.key}",
        found=_found(asked),
        wanted="one of the moves allowed now" + (", or --force" if forced else ""),
        now=NOTHING_CHANGED,
        allowed=offers,
    )


def offers_for(state: State, flag: str, *, trigger_fails: bool = False) -> tuple[Offer, ...]:
    """What `flag` may be asked now, each as a command that works as pasted, the careful ones first."""
    env = f"--env {state.environment}"
    lead = state.flag(flag).rollout or flag
    taken_back = lead in state.rollouts and not state.rollouts[lead].phase.live
    kinds = allowed(state, flag, trigger_fails=trigger_fails)
    out = []
    for kind in kinds:
        if kind in _ROLLOUT and kind is not (MoveKind.START if taken_back else MoveKind.RETRY):
            name = flag if kind in {MoveKind.START, MoveKind.RETRY} else lead
            out.append(Offer(f"deployguard rollout {kind} {name} {env}", _ROLLOUT[kind]))
        elif kind in _FLAG:
            out.append(Offer(f"deployguard feature-flags {kind} {flag} {env}", _FLAG[kind]))
        elif kind is MoveKind.SET:
            out.append(_set_offer(state, flag, env))
        elif kind is MoveKind.ROLLBACK:
            out.append(Offer(f"deployguard rollback manual {flag} {env}", "off for everyone; undo restores it"))
        elif kind is MoveKind.UNDO:
            record = state.flag(flag).rollback_id
            out.append(Offer(f"deployguard rollback undo {record} {env}", "restores what it changed"))
    return tuple(out)


def _set_offer(state: State, flag: str, env: str) -> Offer:
    now = state.flag(flag).percentage
    to = format_percentage(now // 2 if now > 1 else now or 100)
    does = "lowers it" if now > 1 else "sets it"
    lead = state.flag(flag).rollout
    if lead is not None:
        does += " and pauses the rollout" if lead == flag else "; it leaves its rollout"
    return Offer(f"deployguard feature-flags set {flag} {to.removesuffix('%')} {env}", does)


def _forced(asked: Asked) -> Offer:
    move, env = asked.move, asked.state.environment
    match move.kind:
        case MoveKind.SET:
            command = f"feature-flags set {asked.key} {format_percentage(move.percentage or 0).removesuffix('%')}"
        case MoveKind.ENABLE:
            command = f"feature-flags enable {asked.key}"
        case _:
            command = f"rollout {move.kind} {asked.lead}"
    does = "raises it unjudged" if move.trigger_fails else "turns on what was taken back"
    return Offer(f"deployguard {command} --force --env {env}", does)


def _trigger_fails(asked: Asked, offers: tuple[Offer, ...]) -> DeployguardError:
    now = format_percentage(asked.flag.percentage)
    to = asked.move.percentage if asked.move.kind is MoveKind.SET else asked.next
    asked_for = f"{format_percentage(to)}, above the current {now}" if to is not None else f"at {now}"
    trigger = asked.move.why.trigger
    return fail(
        Code.TRIGGER_FAILS,
        f"{asked.key} may not rise while a trigger fails",
        where=f"{asked.state.environment}, {asked.key}",
        found=f"{asked_for}; {f'{trigger} fails' if trigger else 'a trigger of it fails'}",
        wanted=f"{now} or less until it passes",
        now=NOTHING_CHANGED,
        allowed=offers,
    )


def _verb(asked: Asked) -> str:
    move = asked.move
    if move.kind is MoveKind.SET:
        return f"set {format_percentage(move.percentage or 0)}"
    return move.kind.value.removeprefix("tick: ")


def _found(asked: Asked) -> str:
    flag = asked.flag
    phase = _PHASES.get(asked.phase, asked.phase)
    state = "on" if flag.on else "off"
    rider = f", rides with {asked.lead}" if asked.rides else ""
    return f"{format_percentage(flag.percentage)}, {state}, {phase}{rider}"
