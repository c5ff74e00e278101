"""What is seen (triggers, checks, sources), and deployguard itself: its config, controller, clock, notices, state."""

from deployguard.plain import clean
from deployguard.story.numbers import counted
from deployguard.story.telling.facts import Explanation, Facts, clause, told
from deployguard.story.verdicts import rule_parts, samples_words, value_words

_SPARED = {
    "cooldown": "its action is kept back by the cooldown",
    "blame": "another rollout is to blame, so this one only holds",
    "onCommonFault": "users without it are equally hurt, so it only holds",
    "notSingledOut": "it is not singled out, so nothing was changed",
    "shadow": "in shadow, so nothing was changed",
    "unguarded": "no rollout is guarded, so nothing was changed",
}
_ACTIONS = {
    "emergencyRollback": "everything guarded is taken back",
    "rollback": "it is taken back",
    "disable": "it is turned off",
    "reduce": "it is reduced",
    "pause": "it is paused",
}
_SHOWN = 3


def _subject(facts: Facts) -> str:
    unit = facts.maybe("rollout") or facts.maybe("flagId")
    return f" for {unit}" if unit else ""


def trigger_failed(facts: Facts) -> Explanation:
    action, spared, evidence = facts.maybe("action"), facts.maybe("suppressedBy"), facts.evidence()
    if spared:
        done = _SPARED.get(spared, f"kept back: {spared}")
    else:
        done = _ACTIONS.get(action, action) if action else "it only holds"
    head = f"{facts.text('trigger')} fails{_subject(facts)}{f': {evidence}' if evidence else ''}"
    return told(clause(head, done), head)


def trigger_recovered(facts: Facts) -> Explanation:
    verdict = facts.verdict()
    said = f"{facts.text('trigger')} passes again{_subject(facts)}"
    found = rule_parts(verdict.rule) if verdict else None
    if verdict is not None and found is not None and verdict.value is not None:
        said += f": {found.metric} is {value_words(verdict)} {samples_words(verdict)}".rstrip()
    return told(said)


def check_failed(facts: Facts) -> Explanation:
    why, row, value = facts.maybe("why"), facts.whole("consecutive"), facts.data.get("detail")
    # The first line is the fact that mends it; the answer's first bytes follow.
    detail = clean(value.strip().partition("\n")[0]) if isinstance(value, str) else ""
    head = f"check {facts.text('check')} fails" + (f" ({why})" if why else "") + (f": {detail}" if detail else "")
    return told(clause(head, f"{row} rounds in a row" if row and row > 1 else None), head)


def check_recovered(facts: Facts) -> Explanation:
    took = facts.length("latencyMs")
    return told(f"check {facts.text('check')} passes again{f', in {took}' if took else ''}")


def source_lost(facts: Facts) -> Explanation:
    error, since = facts.maybe("error"), facts.moment("since")
    said = f"source {facts.text('source')} lost" + (f": {error}" if error else "")
    said += f"; the newest is of {since}" if since else ""
    silent = error is not None and "silent" in error
    hint = ". The server answers checks, so its log has moved or its format has changed" if silent else ""
    return told(f"{said}{hint}", said)


def source_recovered(facts: Facts) -> Explanation:
    return told(f"source {facts.text('source')} writes again")


# deployguard itself


def _some(lines: tuple[str, ...]) -> str:
    rest = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")


def config_applied(facts: Facts) -> Explanation:
    changes, digest = facts.names("changes"), facts.maybe("hash", 12)
    if not changes:
        return told("config in force" + (f", hash {digest[:8]}" if digest else ""))
    said = f"config read again: {counted(len(changes), 'change')} ({_some(changes)})"
    return told(f"{said}{facts.by}", said)


def config_rejected(facts: Facts) -> Explanation:
    errors = facts.names("errors")
    said = "the config cannot be used" + (f": {counted(len(errors), 'error')} ({_some(errors)})" if errors else "")
    return told(clause(said, "the config in force stays"), said)


def controller_started(facts: Facts) -> Explanation:
    return told(f"acting as {facts.maybe('holder') or facts.who}")


def controller_stopped(facts: Facts) -> Explanation:
    return told(clause(facts.maybe("by"), f"nothing watches {facts.env} now"))


def controller_taken_over(facts: Facts) -> Explanation:
    previous = facts.maybe("previous")
    said = f"acting as {facts.maybe('holder') or facts.who}"
    return told(clause(said, f"{previous} gave no sign of life" if previous else None), said)


def clock_jumped(facts: Facts) -> Explanation:
    by, before, after = facts.length("by"), facts.moment("from"), facts.moment("to")
    head = "the clock was set back" + (f" by {by}" if by else "")
    span = f" from {before} to {after}" if before and after else ""
    return told(f"{head}{span}; figures and holds start again now", head)


def _effect(facts: Facts, ended: str) -> Explanation:
    """A command or a notice that did not get out: `the notice to ops did not come through: timeout`."""
    target, error = facts.maybe("target"), facts.maybe("error")
    what, of = ("command", "of") if facts.maybe("kind") == "run" else ("notice", "to")
    return told(f"the {what}{f' {of} {target}' if target else ''} {ended}{f': {error}' if error else ''}")


def effect_failed(facts: Facts) -> Explanation:
    count = facts.whole("attempts")
    after = f" after {counted(count, 'attempt')}" if count and count > 0 else ""
    return _effect(facts, f"{'failed' if facts.maybe('kind') == 'run' else 'did not come through'}{after}")


def effect_dropped(facts: Facts) -> Explanation:
    return _effect(facts, "was dropped")


def state_repaired(facts: Facts) -> Explanation:
    lost, file, said = facts.names("lost"), facts.maybe("file"), f"the state of {facts.env} was repaired"
    aside = f"set aside: {file}" if file else None
    return told(clause(f"{said} from its audit log", aside, f"lost: {_some(lost)}" if lost else None), said)


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
    "trigger.failed": trigger_failed,
    "trigger.recovered": trigger_recovered,
    "check.failed": check_failed,
    "check.recovered": check_recovered,
    "source.lost": source_lost,
    "source.recovered": source_recovered,
    "config.applied": config_applied,
    "config.rejected": config_rejected,
    "controller.started": controller_started,
    "controller.stopped": controller_stopped,
    "controller.takenOver": controller_taken_over,
    "clock.jumped": clock_jumped,
    "effect.failed": effect_failed,
    "effect.dropped": effect_dropped,
    "state.repaired": state_repaired,
    "state.restored": state_restored,
    "state.migrated": state_migrated,
    "alerts.test": alerts_test,
}
