"""deployguard itself: its config, controller, clock, notices, tokens and state."""

from deployguard.story.numbers import count_words, counted
from deployguard.story.telling.facts import Explanation, Facts, clause, told

_SHOWN = 3


def _some(lines: tuple[str, ...]) -> str:
    rest = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def config_applied(facts: Facts) -> Explanation:
    changes, digest = facts.names("changes"), facts.maybe("hash", 12)
    if not changes:
        return told("config in force" + (f", hash {digest[:8]}" if digest else ""), None, None, ("hash", digest))
    said = f"config read again: {counted(len(changes), 'change')} ({_some(changes)})"
    rows = tuple(("change", change) for change in changes[:20])
    return told(f"{said}{facts.by}", said, None, *rows, ("hash", digest))


def config_rejected(facts: Facts) -> Explanation:
    errors = facts.names("errors")
    said = f"the config cannot be used: {counted(len(errors), 'error')}" if errors else "the config cannot be used"
    said += f" ({_some(errors)})" if errors else ""
    return told(clause(said, "the config in force stays"), said, None, *(("error", error) for error in errors[:20]))


def controller_started(facts: Facts) -> Explanation:
    return told(f"acting as {facts.maybe('holder') or facts.who}", None, None, ("holder", facts.maybe("holder")))


def controller_stopped(facts: Facts) -> Explanation:
    why = facts.maybe("by")
    gone = f"nothing watches {facts.env} now"
    return told(clause(why, gone), None, None, ("holder", facts.maybe("holder")), ("why", why))


def controller_taken_over(facts: Facts) -> Explanation:
    previous = facts.maybe("previous")
    said = f"acting as {facts.maybe('holder') or facts.who}"
    return told(clause(said, f"{previous} gave no sign of life" if previous else None), said)


def clock_jumped(facts: Facts) -> Explanation:
    by, before, after = facts.length("by"), facts.moment("from"), facts.moment("to")
    head = "the clock was set back" + (f" by {by}" if by else "")
    span = f" from {before} to {after}" if before and after else ""
    return told(f"{head}{span}; figures and holds start again now", head, None, ("from", before), ("to", after))


def _target(facts: Facts) -> str:
    kind, target = facts.maybe("kind"), facts.maybe("target")
    if kind == "run":
        return f"the command{f' of {target}' if target else ''}"
    return f"the notice{f' to {target}' if target else ''}"


def _attempts(facts: Facts) -> str:
    count = facts.whole("attempts")
    return f" after {counted(count, 'attempt')}" if count and count > 0 else ""


def effect_failed(facts: Facts) -> Explanation:
    error = facts.maybe("error")
    said = "failed" if facts.maybe("kind") == "run" else "did not come through"
    sentence = f"{_target(facts)} {said}{_attempts(facts)}{f': {error}' if error else ''}"
    return told(sentence, None, None, ("effect", facts.maybe("effectId")), ("error", error))


def effect_dropped(facts: Facts) -> Explanation:
    error = facts.maybe("error")
    sentence = f"{_target(facts)} was dropped{f': {error}' if error else ''}"
    return told(sentence, None, None, ("effect", facts.maybe("effectId")), ("error", error))


def token_created(facts: Facts) -> Explanation:
    where = facts.names("environments")
    said = f"token {facts.text('tokenId')} created: role {facts.text('role')}"
    scope = f"for {', '.join(where)}" if where else "for every environment"
    return told(f"{said}, {scope}{facts.by}", said)


def token_revoked(facts: Facts) -> Explanation:
    return told(f"token {facts.text('tokenId')} revoked{facts.by}")


def access_refused(facts: Facts) -> Explanation:
    count, role = facts.whole("count"), facts.maybe("role")
    times = f"{count_words(count)} times" if count is not None and count != 1 else "once"
    return told(f"access to {facts.text('route')} refused {times}{f' to role {role}' if role else ''}")


def state_repaired(facts: Facts) -> Explanation:
    lost = facts.names("lost")
    file = facts.maybe("file")
    return told(
        clause(
            f"the state of {facts.env} was repaired from its audit log",
            f"set aside: {file}" if file else None,
            f"lost: {_some(lost)}" if lost else None,
        ),
        f"the state of {facts.env} was repaired",
    )


def state_restored(facts: Facts) -> Explanation:
    file, to = facts.maybe("file"), facts.whole("to")
    said = f"the state of {facts.env} was restored{f' from {file}' if file else ''}"
    return told(f"{said}{f', now revision {to}' if to is not None else ''}{facts.by}", said)


def state_migrated(facts: Facts) -> Explanation:
    before, after = facts.maybe("from"), facts.maybe("to")
    span = f" from version {before} to {after}" if before and after else ""
    return told(f"the state of {facts.env} was migrated{span}")


def alerts_test(facts: Facts) -> Explanation:
    return told(f"a test notice from {facts.env}{facts.by}; nothing happened")


TABLE = {
    "config.applied": config_applied,
    "config.rejected": config_rejected,
    "controller.started": controller_started,
    "controller.stopped": controller_stopped,
    "controller.takenOver": controller_taken_over,
    "clock.jumped": clock_jumped,
    "effect.failed": effect_failed,
    "effect.dropped": effect_dropped,
    "token.created": token_created,
    "token.revoked": token_revoked,
    "access.refused": access_refused,
    "state.repaired": state_repaired,
    "state.restored": state_restored,
    "state.migrated": state_migrated,
    "alerts.test": alerts_test,
}
