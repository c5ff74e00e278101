"""`feature-flags import`: what an export says becomes moves, in one commit, through the same table as a person's."""

from datetime import datetime

from deployguard.codec import JSON, to_json
from deployguard.flags.exchange import import_flags
from deployguard.operations import aftermath, judged, moves
from deployguard.operations.protocol import Ask
from deployguard.operations.told import told
from deployguard.operations.values.rollouts import Moved
from deployguard.rollout.apply import apply
from deployguard.rollout.moves import Evidenced, Move, MoveKind
from deployguard.session import Session
from deployguard.state import Change, State, then


def imported(session: Session, data: JSON, by: str | None, reason: str | None) -> tuple[Moved, ...]:
    """All or nothing: a refusal of one flag's move leaves every flag as it was. Answers one value a changed flag."""
    actor = session.actor(by)
    touched: dict[str, MoveKind] = {}

    def decide(state: State, now: datetime) -> Change:
        touched.clear()
        change = Change(state=state)
        for wish in import_flags(data, session.definitions(state), state):
            kind = MoveKind(wish.move)
            fails = None
            if wish.percentage is not None and wish.percentage > change.state.flag(wish.flag_id).percentage:
                fails = judged.failing(session, change.state, session.best_settings(state), wish.flag_id, now)
            move = Move(
                kind=kind,
                flag=wish.flag_id,
                actor=actor,
                reason=reason,
                percentage=wish.percentage,
                targeting=wish.targeting,
                seed=wish.seed,
                trigger_fails=fails is not None,
                why=Evidenced(trigger=fails.trigger, verdict=to_json(fails)) if fails is not None else Evidenced(),
            )
            change = then(change, apply(change.state, move, now))
            touched[wish.flag_id] = kind
        return change

    before, after, events, now = session.change(decide, actor)
    aftermath.follow(session, after, events)
    words = told(events)
    return tuple(
        moves.moved(session, Ask(move=kind, flag=key), before, after, words, now, actor.shown)
        for key, kind in touched.items()
    )
