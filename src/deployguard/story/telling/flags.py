"""What happens to single flags, and what a rollback or its undo did to several."""

from deployguard.story.numbers import counted
from deployguard.story.telling.facts import UNKNOWN, Explanation, Facts, clause, told
from deployguard.story.telling.rollouts import facts_of, lasted, why


def updated(facts: Facts) -> Explanation:
    name, before, after = facts.text("flagId"), facts.inside("from"), facts.inside("to")
    left = facts.maybe("rollout")
    leaves = f"; it leaves the rollout of {left}" if left and left != name and before.data != after.data else ""
    sentence = f"{name} {_how(facts, before, after)}{lasted_words(facts)}{why(facts)}"
    rows = tuple(row for row in facts_of(facts) if row[0] not in ("rollout", "change", "step"))
    change = None if _place(before) == _place(after) else f"{_place(before)} → {_place(after)}"
    return told(f"{sentence}{leaves}", sentence, facts.undo, ("flag", name), ("change", change), *rows)


def lasted_words(facts: Facts) -> str:
    """How long it had stood there, where a trigger ended it; a person's change needs no age."""
    return "" if facts.by_people or facts.maybe("trigger") is None else lasted(facts)


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


def _place(flag: Facts) -> str:
    """Where a flag stands: its share, and that it is off where it is."""
    share = flag.percent("percentage")
    return share if flag.truth("enabled") or share in ("0%", UNKNOWN) else f"{share}, off"


def orphaned(facts: Facts) -> Explanation:
    name, share = facts.text("flagId"), facts.inside("from").percent("percentage")
    forget = f"deployguard feature-flags forget {name} --env {facts.env}"
    said = f"{name} left the config and stays at {share}, as last defined"
    return told(f"{said}. To end it: {forget}", said, None, ("flag", name), ("users", share))


def forgotten(facts: Facts) -> Explanation:
    name, share = facts.text("flagId"), facts.inside("from").percent("percentage")
    return told(f"{name} forgotten at {share}{facts.by}", None, None, ("flag", name), ("was", share))


def executed(facts: Facts) -> Explanation:
    """`rollback.executed`: what one record undoes."""
    rollback, kind = facts.text("rollbackId"), facts.maybe("kind")
    flags, left = facts.each("flags"), facts.names("leftOn")
    stays = f"{', '.join(left)} left on, permanent in the config" if left else None
    reason = _reason(facts)
    if kind == "emergency":
        count = f"{counted(len(flags), 'flag')} off for everyone"
        sentence = clause(f"emergency rollback {rollback}: {count}{reason}", stays, "the code is not touched")
    else:
        sentence = clause(f"{_changed(facts, flags)}{lasted(facts)}{reason}", stays)
    changes = tuple((flag.text("flagId"), _move(flag)) for flag in flags)
    rows = (("rollback", rollback), ("kind", kind), *changes, ("left on", ", ".join(left)), *_evidence_rows(facts))
    return told(sentence, None, facts.undo, *rows)


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
    found = facts.evidence()
    trigger = facts.maybe("trigger")
    return f": {found}" if found else f" by {trigger}" if trigger else ""


def _move(flag: Facts) -> str:
    return f"{_place(flag.inside('from'))} → {_place(flag.inside('to'))}"


def _evidence_rows(facts: Facts) -> tuple[tuple[str, str | None], ...]:
    return (("trigger", facts.maybe("trigger")), ("because", facts.evidence()), ("by", f"{facts.who}{facts.because}"))


def undone(facts: Facts) -> Explanation:
    rollback, undoes = facts.text("rollbackId"), facts.text("undoes")
    flags, alone = facts.each("flags"), facts.names("leftAlone")
    back = f"{counted(len(flags), 'flag is', 'flags are')} back"
    head = f"{undoes} undone as {rollback}{facts.by}: {back}"
    kept = f"{', '.join(alone)} left alone, changed since" if alone else None
    sentence = clause(head, kept, "no command was run")
    changes = tuple((flag.text("flagId"), _move(flag)) for flag in flags)
    return told(sentence, head, facts.undo, ("rollback", rollback), ("undoes", undoes), *changes)


TABLE = {
    "flag.updated": updated,
    "flag.orphaned": orphaned,
    "flag.forgotten": forgotten,
    "rollback.executed": executed,
    "rollback.undone": undone,
}
