"""What happens to rollouts: started, advanced, held, paused, resumed, reduced, completed, taken back."""

from deployguard.story.causes import cause_words
from deployguard.story.numbers import counted
from deployguard.story.rule import rule_words
from deployguard.story.telling.facts import Explanation, Facts, clause, told


def name_of(facts: Facts) -> str:
    """The lead, and how many ride with it."""
    lead = facts.maybe("rollout") or facts.text("flagId")
    riders = facts.names("riders")
    return f"{lead} and {counted(len(riders), 'rider')}" if riders else lead


def step_words(facts: Facts, key: str = "step") -> str:
    step, steps = facts.whole(key), facts.whole("steps")
    if step is None:
        return ""
    return f"step {step} of {steps}" if steps is not None else f"step {step}"


def change_words(facts: Facts) -> str:
    return f"{facts.percent('from')} → {facts.percent('to')}"


def passed_words(facts: Facts, *, short: bool = False) -> str | None:
    """How many triggers let the step go on: `4 triggers passed`."""
    triggers = {one.text("trigger") for one in facts.each("verdicts")}
    if not triggers:
        return None
    return f"{len(triggers)} passed" if short else f"{counted(len(triggers), 'trigger')} passed"


def seen_words(facts: Facts) -> str | None:
    users, requests = facts.inside("exposed").whole("users"), facts.inside("exposed").whole("requests")
    if users:
        return f"{counted(users, 'user')} saw it"
    return f"{counted(requests, 'request')} met it" if requests else None


def lasted(facts: Facts) -> str:
    length = facts.length("lastedMs") or facts.length("heldFor")
    return f" after {length}" if length else ""


def why(facts: Facts) -> str:
    """`: the evidence` where a trigger did it, ` by maria ("...")` where a person did."""
    if facts.by_people:
        return facts.by
    found = facts.evidence() or facts.maybe("trigger")
    return f": {found}" if found else ""


def facts_of(facts: Facts) -> tuple[tuple[str, str | None], ...]:
    """The rows that every rollout's event has."""
    verdict, others = facts.verdict(), facts.verdict("others")
    length = facts.length("lastedMs") or facts.length("heldFor")
    return (
        ("rollout", name_of(facts)),
        ("change", change_words(facts) if facts.number("from") is not None else None),
        ("step", step_words(facts) or None),
        ("lasted", length),
        ("trigger", facts.maybe("trigger")),
        ("rule", rule_words(verdict) if verdict else None),
        ("others", rule_words(others) if others and others.value is not None else None),
        ("seen by", seen_words(facts)),
        ("by", f"{facts.who}{facts.because}"),
        ("rollback", facts.maybe("rollbackId")),
    )


def started(facts: Facts) -> Explanation:
    again = " again" if facts.truth("retry") else ""
    strategy = facts.maybe("strategy")
    release = facts.maybe("release")
    said = f"{name_of(facts)} started{again} at {facts.percent('percentage')}"
    said += f", {step_words(facts)}" if step_words(facts) else ""
    said += f" of strategy {strategy}" if strategy else ""
    said += f", with release {release}" if release else ""
    return told(f"{said}{facts.by}", None, None, ("strategy", strategy), ("release", release), *facts_of(facts))


def advanced(facts: Facts) -> Explanation:
    step = step_words(facts, "toStep") or step_words(facts)
    step = f", {step}" if step else ""
    moved = f"{name_of(facts)} {change_words(facts)}{step}"
    if facts.by_people:
        unjudged = " unjudged" if facts.truth("forced") else ""
        sentence = clause(f"{moved}, promoted{unjudged}{facts.by}", seen_words(facts))
        return told(sentence, f"{moved}, promoted{unjudged} by {facts.who}", None, *facts_of(facts))
    held = facts.length("heldFor") or facts.length("lastedMs")
    sentence = clause(f"{moved}{f' after {held}' if held else ''}", passed_words(facts), seen_words(facts))
    parts = [step[2:], f"{held} held" if held else "", passed_words(facts, short=True) or ""]
    details = ", ".join(part for part in parts if part)
    short = f"{name_of(facts)} {change_words(facts)}{f': {details}' if details else ''}"
    return told(sentence, short, None, *facts_of(facts))


def completed(facts: Facts) -> Explanation:
    moved = facts.number("from") != facts.number("to")
    head = f"{name_of(facts)} {change_words(facts)}, completed" if moved else f"{name_of(facts)} completed"
    where = "" if moved else f" at {facts.percent('to')}"
    if facts.by_people:
        unjudged = " unjudged" if facts.truth("forced") else ""
        return told(f"{head}{where}{unjudged}{facts.by}", None, None, *facts_of(facts))
    first = f"{head}{where}{lasted(facts)}"
    sentence = clause(first, passed_words(facts), seen_words(facts))
    return told(sentence, first, None, *facts_of(facts))


def paused(facts: Facts) -> Explanation:
    before, after = facts.number("from"), facts.number("to")
    if before is not None and after is not None and before != after:
        head = f"{name_of(facts)} set {change_words(facts)} and paused"
    else:
        head = f"{name_of(facts)} paused at {facts.percent('to')}"
    sentence = f"{head}{_why_paused(facts)}"
    return told(sentence, None, facts.undo, *facts_of(facts))


def _why_paused(facts: Facts) -> str:
    by = facts.maybe("pausedBy")
    if by == "requirement":
        return ": a flag that it requires was taken back"
    if by == "inconclusive":
        verdict = facts.verdict()
        cause = cause_words(verdict, facts.zone, facts.event.time) if verdict else ""
        return f": {verdict.trigger} waits for data{f' ({cause})' if cause else ''}" if verdict else ": too little data"
    return why(facts)


def resumed(facts: Facts) -> Explanation:
    head = f"{name_of(facts)} resumed at {facts.percent('to')}{facts.by}"
    step = step_words(facts, "toStep") or step_words(facts)
    anew = f"{step} is held anew, its figures start again" if step else "its figures start again"
    return told(clause(head, anew), head, None, *facts_of(facts))


def reduced(facts: Facts) -> Explanation:
    sentence = f"{name_of(facts)} reduced {change_words(facts)} and paused{lasted(facts)}{why(facts)}"
    return told(sentence, None, facts.undo, *facts_of(facts))


def taken_back(facts: Facts) -> Explanation:
    if facts.maybe("kind") == "release":
        release = facts.maybe("release")
        said = f"{name_of(facts)} back from {facts.percent('from')} to {facts.percent('to')}: release "
        return told(f"{said}{release} failed" if release else f"{said}failed", None, None, *facts_of(facts))
    least = ", as less would be below minPercentage" if facts.maybe("move") == "reduce" else ""
    sentence = f"{name_of(facts)} taken back from {facts.percent('from')}{lasted(facts)}{least}{why(facts)}"
    return told(sentence, None, facts.undo, *facts_of(facts))


def waiting(facts: Facts) -> Explanation:
    name, step, text = name_of(facts), facts.whole("step"), facts.maybe("text")
    at = f" at step {step}" if step is not None else ""
    until = facts.moment("until")
    reason = f": {text}" if text else ""
    match facts.maybe("waitsFor"):
        case "hold":
            said = f"{name} holds{at}" + (f" until {until}" if until else "")
        case "samples":
            said = f"{name} waits for data{at}{reason}" + (f", about until {until}" if until else "")
        case "source":
            said = f"{name} holds{at}, no data is never good news{reason}"
        case "trigger":
            said = f"{name} holds{at}{reason or ': a trigger fails'}" + (f"; cooldown until {until}" if until else "")
        case "person":
            said = f"{name} waits for a person{at}{reason}"
        case other:
            said = f"{name} waits{at}" + (f" for {other}" if other else "") + reason
    return told(said, None, None, ("rollout", name), ("waits for", facts.maybe("waitsFor")), ("why", text))


def anchored(facts: Facts) -> Explanation:
    name = facts.maybe("rollout") or facts.text("flagId")
    causes = {
        "deployed": "its users got new code",
        "disturbed": "another flag was lowered",
    }
    because = facts.maybe("because") or ""
    cause = causes.get(because, because)
    return told(f"figures of {name} start again{f': {cause}' if cause else ''}", None, None, ("unit", name))


TABLE = {
    "rollout.started": started,
    "rollout.advanced": advanced,
    "rollout.completed": completed,
    "rollout.paused": paused,
    "rollout.resumed": resumed,
    "rollout.reduced": reduced,
    "rollout.rolledBack": taken_back,
    "rollout.waiting": waiting,
    "unit.anchored": anchored,
}
