"""What a move did: the flag before and after, and the number that is true."""

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.config.units import format_percentage
from deployguard.errors import Offer
from deployguard.operations.values.rollouts import FlagChange, Moved
from deployguard.operations.values.takeback import Emergency, RollbackHistory, Undone
from deployguard.story.numbers import column_of_percentages, time_of_day, zone_words

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
        page.para(view.warning, first=page.t(page.sign(symbols.NEED), " "), rest="  ", err=True)
    back = view.move in ("abort", "rollback") or (view.rollback_id and main is not None and not main.to.enabled)
    rollback = f", {view.rollback_id}" if view.rollback_id else ""
    sentence = f"{_DONE.get(view.move, view.move)}{rollback}; revision {view.revision} by {view.by}."
    sign = symbols.BACK if back else symbols.PASS
    page.para(page.t(sentence), first=page.t(page.sign(sign), " "), rest="  ", err=True)
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
    return [Offer(f"deployguard feature-flags status --env {env}")]


def emergency(view: Emergency, page: Page) -> None:
    env = view.environment
    for note in view.notes:
        page.para(note, first=page.t(page.sign(symbols.NEED), " "), rest="  ", err=True)
    if not view.flags:
        kept = ", ".join(f"{row.flag_id} (permanent)" for row in view.left_on)
        but = f" but {kept}" if kept else ""
        change = f"No change, still revision {view.revision}."
        if view.aborting:
            change = f"The deploy {view.aborting} was told to stop; it runs its rollback commands itself."
        if view.dead:
            change = f"The rollback commands of {view.dead} have not run yet."
        page.para(
            f"Nothing was on{but}. {change}",
            first=page.t(page.sign(symbols.PASS), " "),
            rest="  ",
        )
        return
    page.head(env, "emergency rollback", page.clock(view.at))
    _changes("TURNED OFF", view.flags, page)
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
    count = len(view.flags)
    sentence = (
        f"{count} flag{'s' if count != 1 else ''} {'are' if count != 1 else 'is'} off for everyone: "
        f"rollback {view.rollback_id}, revision {view.revision}, by {view.by}."
    )
    page.para(page.t((sentence, "bold")), first=page.t(page.sign(symbols.PASS), " "), rest="  ")
    page.next([Offer(f"deployguard rollback undo {view.rollback_id} --env {env}")], word="undo")


def _changes(title: str, flags: tuple[FlagChange, ...], page: Page) -> None:
    shares = column_of_percentages([f.from_.percentage for f in flags] + [f.to.percentage for f in flags])
    before, after = shares[: len(flags)], shares[len(flags) :]
    rows: list[list[Piece]] = [
        [page.t(page.sign(symbols.BACK), " ", change.flag_id), was, page.plain("→"), now]
        for change, was, now in zip(flags, before, after, strict=True)
    ]
    page.table(
        [Column(f"  {title}", shrinks=True), Column("WAS", right=True), Column(), Column("NOW", right=True)], rows
    )


def undone(view: Undone, page: Page) -> None:
    env = view.environment
    page.head(env, page.t(f"undo {view.undoes}"), page.clock(view.at))
    shares = column_of_percentages([c.from_.percentage for c in view.flags] + [c.to.percentage for c in view.flags])
    count = len(view.flags)
    rows: list[list[Piece]] = []
    for change, was, now in zip(view.flags, shares[:count], shares[count:], strict=True):
        paused = change.state == "paused"
        sign = symbols.PAUSED if paused else symbols.ON if change.to.enabled else symbols.OFF
        rows.append([page.t(page.sign(sign), " ", change.flag_id), was, page.plain("→"), now, change.state or ""])
    columns = [
        Column("  RESTORED", shrinks=True),
        Column("WAS", right=True),
        Column(),
        Column("NOW", right=True),
        Column("STATE"),
    ]
    page.table(columns, rows)
    alone = [f"{c.flag_id} {format_percentage(c.to.percentage)}" for c in view.left_alone]
    code = "the code: no command was run"
    page.para(
        f"left alone: {', '.join(alone)}, and {code}" if alone else f"left alone: {code}",
        first="  ",
    )
    whole = count + len(view.left_alone)
    of = (
        f"{count} of {whole} flags are back"
        if view.left_alone
        else f"{count} flag{'s are' if count != 1 else ' is'} back"
    )
    waits = len(view.waiting)
    person = f" {waits} rollout{'s' if waits > 1 else ''} wait{'' if waits > 1 else 's'} for a person." if waits else ""
    page.para(
        f"{of}: {view.rollback_id}, revision {view.revision}.{person}",
        first=page.t(page.sign(symbols.PASS), " "),
        rest="  ",
    )
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
