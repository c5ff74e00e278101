"""What is seen: triggers, guardrails, checks and sources."""

from deployguard.story.numbers import counted, percent
from deployguard.story.plain import plain
from deployguard.story.rule import rule_words, samples_words, value_words
from deployguard.story.rule_parts import parts
from deployguard.story.telling.facts import Explanation, Facts, clause, told

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


def _subject(facts: Facts) -> str:
    unit = facts.maybe("rollout") or facts.maybe("flagId")
    return f" for {unit}" if unit else ""


def trigger_failed(facts: Facts) -> Explanation:
    action, spared = facts.maybe("action"), facts.maybe("suppressedBy")
    done = _SPARED.get(spared, f"kept back: {spared}") if spared else None
    if done is None:
        done = _ACTIONS.get(action, action) if action else "it only holds"
    evidence = facts.evidence()
    head = f"{facts.text('trigger')} fails{_subject(facts)}{f': {evidence}' if evidence else ''}"
    verdict, others = facts.verdict(), facts.verdict("others")
    return told(
        clause(head, done),
        head,
        None,
        ("trigger", facts.maybe("trigger")),
        ("rule", rule_words(verdict) if verdict else None),
        ("others", rule_words(others) if others and others.value is not None else None),
        ("done", done),
    )


def trigger_recovered(facts: Facts) -> Explanation:
    verdict = facts.verdict()
    said = f"{facts.text('trigger')} passes again{_subject(facts)}"
    found = parts(verdict.rule) if verdict else None
    if verdict is not None and found is not None and verdict.value is not None:
        said += f": {found.metric} is {value_words(verdict)} {samples_words(verdict)}".rstrip()
    return told(
        said, None, None, ("trigger", facts.maybe("trigger")), ("rule", rule_words(verdict) if verdict else None)
    )


def _arm(facts: Facts, key: str) -> str | None:
    bad, count = facts.inside(key).whole("bad"), facts.inside(key).whole("n")
    if bad is None or not count or count < 0:
        return None
    return f"{percent(100 * bad / count)} of {counted(count, 'user')}"


def guardrail_failed(facts: Facts) -> Explanation:
    with_it, without = _arm(facts, "treatment"), _arm(facts, "control")
    extra, unit = facts.whole("extraHarmed"), facts.maybe("unit")
    head = f"guardrail {facts.text('metric')} fails{_subject(facts)}" + (f": {with_it} with it" if with_it else "")
    sentence = clause(
        head,
        f"{without} without it" if without else None,
        f"about {counted(extra, 'more user')} {'was' if extra == 1 else 'were'} hurt" if extra and extra > 0 else None,
        f"counted by {unit}" if unit and unit != "user" else None,
    )
    return told(sentence, head, None, ("metric", facts.maybe("metric")), ("with it", with_it), ("without it", without))


def guardrail_mismatch(facts: Facts) -> Explanation:
    with_it, without = facts.inside("treatment").whole("n"), facts.inside("control").whole("n")
    said = f"the split{_subject(facts)} is not what was set"
    if with_it is not None and without is not None:
        said += f": {counted(with_it, 'user')} with it, {counted(without, 'user')} without"
    return told(clause(said, "nothing is compared until it is"), said)


def check_failed(facts: Facts) -> Explanation:
    why, row = facts.maybe("why"), facts.whole("consecutive")
    value = facts.data.get("detail")
    # The first line is the fact that mends it; the answer's first bytes follow.
    detail = plain(value.strip().partition("\n")[0]) if isinstance(value, str) else ""
    head = f"check {facts.text('check')} fails" + (f" ({why})" if why else "") + (f": {detail}" if detail else "")
    rounds = f"{row} rounds in a row" if row and row > 1 else None
    rows = (("check", facts.maybe("check")), ("why", why), ("found", detail), ("took", facts.length("latencyMs")))
    return told(clause(head, rounds), head, None, *rows)


def check_recovered(facts: Facts) -> Explanation:
    took = facts.length("latencyMs")
    return told(f"check {facts.text('check')} passes again{f', in {took}' if took else ''}")


def source_lost(facts: Facts) -> Explanation:
    source, error, since = facts.text("source"), facts.maybe("error"), facts.moment("since")
    said = f"source {source} lost" + (f": {error}" if error else "")
    said += f"; the newest is of {since}" if since else ""
    silent = error is not None and "silent" in error
    hint = ". The server answers checks, so its log has moved or its format has changed" if silent else ""
    return told(f"{said}{hint}", said, None, ("source", source), ("error", error), ("newest", since))


def source_recovered(facts: Facts) -> Explanation:
    return told(f"source {facts.text('source')} writes again")


TABLE = {
    "trigger.failed": trigger_failed,
    "trigger.recovered": trigger_recovered,
    "guardrail.failed": guardrail_failed,
    "guardrail.mismatch": guardrail_mismatch,
    "check.failed": check_failed,
    "check.recovered": check_recovered,
    "source.lost": source_lost,
    "source.recovered": source_recovered,
}
