"""What happens to rollouts and single flags, and what a rollback or its undo did to several."""

from dataclasses import replace

from deployguard.plain import clean
from deployguard.story.numbers import counted
from deployguard.story.telling.facts import UNKNOWN, Explanation, Facts, clause, told
from deployguard.story.verdicts import cause_words


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


def _seen(facts: Facts) -> str | None:
    users, requests = facts.inside("exposed").whole("users"), facts.inside("exposed").whole("requests")
    if users:
        return f"{counted(users, 'user')} saw it"
    return f"{counted(requests, 'request')} met it" if requests else None


def _lasted(facts: Facts) -> str:
    length = facts.length("lastedMs") or facts.length("heldFor")
    return f" after {length}" if length else ""


def _why(facts: Facts) -> str:
    """`: the evidence` where a trigger did it, ` by maria ("...")` where a person did."""
    if facts.by_people:
        return facts.by
    found = facts.evidence() or facts.maybe("trigger")
    return f": {found}" if found else ""


# rollouts


def started(facts: Facts) -> Explanation:
    step, strategy, release = step_words(facts), facts.maybe("strategy"), facts.maybe("release")
    said = f"{name_of(facts)} started{' again' if facts.truth('retry') else ''} at {facts.percent('percentage')}"
    said += f", {step}" if step else ""
    said += f" of strategy {strategy}" if strategy else ""
    said += f", with release {release}" if release else ""
    return told(f"{said}{facts.by}")


def advanced(facts: Facts) -> Explanation:
    step = step_words(facts, "toStep") or step_words(facts)
    change = f"{name_of(facts)} {change_words(facts)}"
    moved = f"{change}, {step}" if step else change
    if facts.by_people:
        promoted = f"{moved}, promoted{' unjudged' if facts.truth('forced') else ''}"
        return told(clause(f"{promoted}{facts.by}", _seen(facts)), f"{promoted} by {facts.who}")
    held = facts.length("heldFor") or facts.length("lastedMs")
    details = ", ".join(
        part for part in (step, f"{held} held" if held else "", passed_words(facts, short=True) or "") if part
    )
    sentence = clause(f"{moved}{f' after {held}' if held else ''}", passed_words(facts), _seen(facts))
    return told(sentence, f"{change}: {details}" if details else change)


def completed(facts: Facts) -> Explanation:
    moved = facts.number("from") != facts.number("to")
    head = f"{name_of(facts)} {change_words(facts)}, completed" if moved else f"{name_of(facts)} completed"
    where = "" if moved else f" at {facts.percent('to')}"
    if facts.by_people:
        return told(f"{head}{where}{' unjudged' if facts.truth('forced') else ''}{facts.by}")
    first = f"{head}{where}{_lasted(facts)}"
    return told(clause(first, passed_words(facts), _seen(facts)), first)


def paused(facts: Facts) -> Explanation:
    before, after = facts.number("from"), facts.number("to")
    head = f"{name_of(facts)} paused at {facts.percent('to')}"
    if before is not None and after is not None and before != after:
        head = f"{name_of(facts)} set {change_words(facts)} and paused"
    return told(f"{head}{_why_paused(facts)}", None, facts.undo)


def _why_paused(facts: Facts) -> str:
    by = facts.maybe("pausedBy")
    if by == "requirement":
        return ": a flag that it requires was taken back"
    if by == "inconclusive":
        verdict = facts.verdict()
        if verdict is None:
            return ": too little data"
        cause = cause_words(verdict, facts.zone, facts.event.time)
        return f": {verdict.trigger} waits for data{f' ({cause})' if cause else ''}"
    return _why(facts)


def resumed(facts: Facts) -> Explanation:
    head = f"{name_of(facts)} resumed at {facts.percent('to')}{facts.by}"
    step = step_words(facts, "toStep") or step_words(facts)
    return told(
        clause(head, f"{step} is held anew, its figures start again" if step else "its figures start again"), head
    )


def reduced(facts: Facts) -> Explanation:
    sentence = f"{name_of(facts)} reduced {change_words(facts)} and paused{_lasted(facts)}{_why(facts)}"
    return told(sentence, None, facts.undo)


def taken_back(facts: Facts) -> Explanation:
    least = ", as less would be below minPercentage" if facts.maybe("move") == "reduce" else ""
    sentence = f"{name_of(facts)} taken back from {facts.percent('from')}{_lasted(facts)}{least}{_why(facts)}"
    return told(sentence, None, facts.undo)


def waiting(facts: Facts) -> Explanation:
    name, step, because = name_of(facts), facts.whole("step"), _why_it_waits(facts)
    at = f" at step {step}" if step is not None else ""
    until = facts.moment("until")
    reason = f": {because}" if because else ""
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
    return told(said)


def _why_it_waits(facts: Facts) -> str:
    """Who paused it; or the verdicts that hold it, without their estimates: the event has one for all."""
    match facts.maybe("pausedBy"):
        case "trigger":
            return f"paused by {facts.maybe('trigger') or 'a trigger'}"
        case "requirement":
            return "paused, as a flag that it requires was taken back"
        case "inconclusive":
            return "paused, too little data"
        case "person":
            return "paused by a person"
    words = ["waited longer than maxWait"] if facts.maybe("waitsFor") == "person" else []
    for verdict in facts.verdicts():
        cause = cause_words(replace(verdict, ready_at=None), facts.zone, facts.event.time)
        words.append(f"{clean(verdict.trigger)}: {cause}" if cause else f"{clean(verdict.trigger)} fails")
    return "; ".join(words)


def anchored(facts: Facts) -> Explanation:
    because = facts.maybe("because") or ""
    cause = {"deployed": "its users got new code", "disturbed": "another flag was lowered"}.get(because, because)
    name = facts.maybe("rollout") or facts.text("flagId")
    return told(f"figures of {name} start again{f': {cause}' if cause else ''}")


# single flags


def updated(facts: Facts) -> Explanation:
    name, before, after = facts.text("flagId"), facts.inside("from"), facts.inside("to")
    left = facts.maybe("rollout")
    leaves = f"; it leaves the rollout of {left}" if left and left != name and before.data != after.data else ""
    # How long it had stood there, where a trigger ended it; a person's change needs no age.
    lasted = "" if facts.by_people or facts.maybe("trigger") is None else _lasted(facts)
    sentence = f"{name} {_how(facts, before, after)}{lasted}{_why(facts)}"
    return told(f"{sentence}{leaves}", sentence, facts.undo)


def _how(facts: Facts, before: Facts, after: Facts) -> str:
    was, is_ = before.truth("enabled"), after.truth("enabled")
    old, new = before.number("percentage"), after.number("percentage")
    if facts.maybe("move") == "target" or (was == is_ and old == new and before.data != after.data):
        dropped = after.data.get("targeting") is None
        return "targeting reset to the config's" if dropped else "targeting changed"
    unjudged = " unjudged" if facts.truth("forced") and (new or 0) > (old or 0) else ""
    if is_ and not was:
        return f"turned on at {after.percent('percentage')}{unjudged}"
    if was and not is_:
        return f"turned off {'at' if new else 'from'} {before.percent('percentage')}"
    moved = f"{before.percent('percentage')} → {after.percent('percentage')}"
    off = "" if is_ else ", still off"
    return f"reduced {moved}" if facts.maybe("move") == "reduce" else f"{moved}{off}{unjudged}"


def orphaned(facts: Facts) -> Explanation:
    name, share = facts.text("flagId"), facts.inside("from").percent("percentage")
    said = f"{name} left the config and stays at {share}, as last defined"
    return told(f"{said}. To end it: deployguard feature-flags forget {name} --env {facts.env}", said)


def forgotten(facts: Facts) -> Explanation:
    return told(f"{facts.text('flagId')} forgotten at {facts.inside('from').percent('percentage')}{facts.by}")


# records


def executed(facts: Facts) -> Explanation:
    """`rollback.executed`: what one record undoes."""
    flags, left = facts.each("flags"), facts.names("leftOn")
    stays = f"{', '.join(left)} left on, permanent in the config" if left else None
    reason = _reason(facts)
    if facts.maybe("kind") == "emergency":
        count = f"{counted(len(flags), 'flag')} off for everyone"
        head = f"emergency rollback {facts.text('rollbackId')}: {count}{reason}"
        return told(clause(head, stays, "the code is not touched"), None, facts.undo)
    return told(clause(f"{_changed(facts, flags)}{_lasted(facts)}{reason}", stays), None, facts.undo)


def _changed(facts: Facts, flags: tuple[Facts, ...]) -> str:
    """`trust_social_proof taken back from 30%`, `a and 2 others reduced 15% → 7.5%`."""
    if not flags:
        return f"rollback {facts.text('rollbackId')} of {', '.join(facts.names('rollouts')) or UNKNOWN}"
    leads = facts.names("rollouts")
    first = next((flag for flag in flags if flag.text("flagId") in leads), flags[0])
    others = len(flags) - 1
    name = first.text("flagId") + (f" and {counted(others, 'other flag')}" if others else "")
    before, after = first.inside("from"), first.inside("to")
    if facts.maybe("kind") == "reduce":
        return f"{name} reduced {before.percent('percentage')} → {after.percent('percentage')}"
    if facts.maybe("kind") == "disable":
        return f"{name} turned off at {before.percent('percentage')}"
    return f"{name} taken back from {before.percent('percentage')}"


def _reason(facts: Facts) -> str:
    """The evidence where the record has it, else the trigger's name, else who."""
    if facts.by_people:
        return facts.by
    found, trigger = facts.evidence(), facts.maybe("trigger")
    return f": {found}" if found else f" by {trigger}" if trigger else ""


def undone(facts: Facts) -> Explanation:
    alone = facts.names("leftAlone")
    back = f"{counted(len(facts.each('flags')), 'flag is', 'flags are')} back"
    head = f"{facts.text('undoes')} undone as {facts.text('rollbackId')}{facts.by}: {back}"
    kept = f"{', '.join(alone)} left alone, changed since" if alone else None
    return told(clause(head, kept, "no command was run"), head, facts.undo)


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
    "flag.updated": updated,
    "flag.orphaned": orphaned,
    "flag.forgotten": forgotten,
    "rollback.executed": executed,
    "rollback.undone": undone,
}
