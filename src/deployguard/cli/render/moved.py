"""What a move did: the flag before and after, and the number that is true."""

from collections.abc import Sequence

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.config.units import format_percentage
from deployguard.errors import Offer
from deployguard.operations.values.rollouts import FlagChange, Moved
from deployguard.operations.values.takeback import Emergency, RollbackHistory, Undone
from deployguard.story.numbers import column_of_percentages, counted, time_of_day, zone_words

TURNED_OFF = "TURNED OFF"
_DONE = {
    "start": "started", "retry": "started again", "pause": "paused", "resume": "goes on", "promote": "promoted",
    "abort": "taken back", "set": "set", "enable": "enabled", "disable": "disabled", "rollback": "taken back",
    "target": "targeting changed", "forget": "forgotten",
}  # fmt: skip


def moved(view: Moved, page: Page) -> None:
    env = view.environment
    if not view.changed:
        page.put(
            page.sign(symbols.PASS), f" {view.flag_id} is as asked already. No change, still revision {view.revision}."
        )
        return
    main = next((change for change in view.flags if change.flag_id == view.flag_id), None)
    title = page.t((view.flag_id, "bold"))
    if main is not None:
        title = page.t(title, "  ", _arrow(main))
    page.head(env, title, f"revision {view.revision}")
    for change in view.flags:
        if change.flag_id != view.flag_id:
            page.put("  ", change.flag_id, "  ", _arrow(change))
    if view.warning:
        page.sentence(symbols.NEED, view.warning, err=True)
    back = view.move in ("abort", "rollback") or (view.rollback_id and main is not None and not main.to.enabled)
    rollback = f", {view.rollback_id}" if view.rollback_id else ""
    sentence = f"{_DONE.get(view.move, view.move)}{rollback}; revision {view.revision} by {view.by}."
    sign = symbols.BACK if back else symbols.PASS
    page.sentence(sign, sentence, err=True)
    page.next(_offers(view))


def _arrow(change: FlagChange) -> str:
    off = "" if change.to.enabled or change.to.percentage == 0 else ", off"
    if change.from_.percentage == change.to.percentage:
        return f"{format_percentage(change.to.percentage)}, {'on' if change.to.enabled else 'off'}"
    return f"{format_percentage(change.from_.percentage)} → {format_percentage(change.to.percentage)}{off}"


def _offers(view: Moved) -> list[Offer]:
    env, flag = view.environment, view.flag_id
    if view.rollback_id:
        return [Offer(f"deployguard rollback undo {view.rollback_id} --env {env}", "brings it back")]
    if view.warning and view.reach is not None:
        command = f"deployguard feature-flags enable {flag} --with-requirements --env {env}"
        return [Offer(command, "raises what it requires, too")]
    if view.rollout is not None and view.rollout.phase == "progressing":
        return [Offer(f"deployguard watch --env {env}", "live view, acts while it runs")]
    if view.rollout is not None and view.rollout.phase == "paused":
        return [Offer(f"deployguard rollout resume {view.rollout.rollout} --env {env}", "when it may go on")]
    if view.move == "target":
        return [Offer(f"deployguard feature-flags show {flag} --env {env}", "who is meant now")]
    return [Offer(f"deployguard feature-flags status --env {env}")]


def emergency(view: Emergency, page: Page) -> None:
    env = view.environment
    for note in view.notes:
        page.sentence(symbols.NEED, note, err=True)
    if not view.flags:
        kept = ", ".join(f"{row.flag_id} (permanent)" for row in view.left_on)
        but = f" but {kept}" if kept else ""
        change = f"No change, still revision {view.revision}."
        if view.aborting:
            change = f"The deploy {view.aborting} was told to stop; it runs its rollback commands itself."
        if view.dead:
            change = f"The rollback commands of {view.dead} have not run yet."
        page.sentence(symbols.PASS, f"Nothing was on{but}. {change}")
        return
    page.head(env, "emergency rollback", page.clock(view.at))
    _changes(TURNED_OFF, view.flags, page)
    page.blank()
    for row in view.left_on:
        page.para(f"{row.flag_id} {format_percentage(row.percentage)}: permanent in the config", first="left on  ")
    commands = "; ".join(view.rollback_commands)
    older = f" Older code: {commands}" if commands else ""
    code = f"not touched, {view.version} stays." if view.version else "not touched, no command was run."
    if view.dead:
        code, older = f"as {view.dead} left it; its rollback commands have not run yet.", ""
    if view.aborting:
        code = f"the deploy {view.aborting} was told to stop; it runs its rollback commands itself."
        older = ""
    page.para(f"{code}{older}", first="code     ")
    are = counted(len(view.flags), "flag is", "flags are")
    done = f"{are} off for everyone: rollback {view.rollback_id}, revision {view.revision}, by {view.by}."
    page.sentence(symbols.PASS, (done, "bold"))
    page.next([Offer(f"deployguard rollback undo {view.rollback_id} --env {env}")], word="undo")


def _changes(title: str, flags: Sequence[FlagChange], page: Page) -> None:
    """Each flag before and after, and what state it came back in."""
    shares = column_of_percentages([f.from_.percentage for f in flags] + [f.to.percentage for f in flags])
    rows: list[list[Piece]] = []
    for change, was, now in zip(flags, shares[: len(flags)], shares[len(flags) :], strict=True):
        sign = symbols.ON if change.to.enabled else symbols.OFF
        if title == TURNED_OFF:
            sign = symbols.BACK
        elif change.state == "paused":
            sign = symbols.PAUSED
        rows.append([page.t(page.sign(sign), " ", change.flag_id), was, page.plain("→"), now, change.state or ""])
    columns = [Column(f"  {title}", shrinks=True), Column("WAS", right=True), Column(), Column("NOW", right=True)]
    page.table([*columns, Column("STATE")], rows)


def undone(view: Undone, page: Page) -> None:
    env = view.environment
    page.head(env, f"undo {view.undoes}", page.clock(view.at))
    _changes("RESTORED", view.flags, page)
    alone = ", ".join(f"{c.flag_id} {format_percentage(c.to.percentage)}" for c in view.left_alone)
    page.para(f"left alone: {f'{alone}, and ' if alone else ''}the code: no command was run", first="  ")
    back = counted(len(view.flags), "flag is back", "flags are back")
    if view.left_alone:
        back = f"{len(view.flags)} of {len(view.flags) + len(view.left_alone)} flags are back"
    waits = counted(len(view.waiting), "rollout waits", "rollouts wait")
    person = f" {waits} for a person." if view.waiting else ""
    page.sentence(symbols.PASS, f"{back}: {view.rollback_id}, revision {view.revision}.{person}")
    if view.waiting:
        page.next([Offer(f"deployguard rollout resume {view.waiting[0]} --env {env}")])


def rollbacks(view: RollbackHistory, page: Page) -> None:
    page.head(view.environment, "rollbacks", zone_words(view.rollbacks[0].at, page.zone) if view.rollbacks else "")
    if not view.rollbacks:
        page.put("  nothing was ever taken back")
        return
    newest = view.rollbacks[0].at
    rows: list[list[Piece]] = [
        [row.rollback_id, time_of_day(row.at, newest, page.zone, date=True), row.change, row.what, row.by]
        for row in view.rollbacks
    ]
    page.table(
        [Column("ID"), Column("WHEN"), Column("CHANGE", right=True), Column("WHAT", shrinks=True), Column("BY")], rows
    )
    flag = next((row for row in view.rollbacks if row.kind not in ("emergency", "undo")), None)
    if flag is not None:
        name = flag.what.split(",")[0]
        command = f"deployguard feature-flags show {name} --env {view.environment}"
        page.next([Offer(command, f"why {flag.rollback_id}")])
