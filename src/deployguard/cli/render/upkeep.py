"""`init`, `config`, `doctor`, `state`, `alerts`: the tool itself."""

from pathlib import Path

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.errors import Offer
from deployguard.operations.values import AlertTest, Backup, ConfigSummary, Findings, Initialised
from deployguard.story.numbers import bytes_words, count_words, time_of_day, zone_words

_SIGN = {"ok": symbols.PASS, "mend": symbols.FAIL, "know": symbols.NEED}


def initialised(view: Initialised, page: Page) -> None:
    rows: list[list[Piece]] = [["wrote", (name, "bold"), what] for name, what in view.wrote]
    rows += [["changed", (name, "bold"), what] for name, what in view.changed]
    page.table([Column(), Column(), Column()], rows)
    page.blank()
    page.table(
        [Column("ENVIRONMENT"), Column("ADDRESS", shrinks=True), Column("STRATEGY")],
        [list(environment) for environment in view.environments],
    )
    if view.package_json:
        page.blank()
        page.para(
            f"package.json: deployguard init --npm adds {', '.join(view.npm_scripts)}.",
            rest="  ",
        )
    page.para(
        "ready. Nothing was deployed and nothing was asked over the network.",
        first=page.t(page.sign(symbols.PASS), " "),
        err=True,
    )
    page.next([Offer("deployguard deploy prod --dry-run", "the plan; changes nothing")])


def config_summary(view: ConfigSummary, page: Page) -> None:
    counts = f"{view.flags} flags, {view.strategies} strategies, {view.triggers} triggers"
    read = ""
    if view.in_force and view.read_at is not None:
        read = f" {view.environment} has read it ({time_of_day(view.read_at, view.read_at, page.zone)})."
    keep = ""
    if view.keep_their_steps:
        names = ", ".join(view.keep_their_steps)
        keep = f" {names} keep{'s' if len(view.keep_their_steps) == 1 else ''} the steps it started with."
    page.para(
        f"{Path(view.file).name} is valid: {counts}.{read}{keep}", first=page.t(page.sign(symbols.PASS), " "), rest="  "
    )
    page.next([Offer(f"deployguard deploy {view.environment} --dry-run")])


def findings(view: Findings, page: Page) -> None:
    clock = f"{view.at.astimezone(page.zone):%H:%M:%S} {zone_words(view.at, page.zone)}"
    page.head(view.environment, "doctor", clock)
    widest = max((len(finding.subject) for finding in view.findings), default=0)
    for finding in view.findings:
        first = page.t(page.sign(_SIGN[finding.level]), " ", finding.subject.ljust(widest), "  ")
        page.para(finding.found, first=first, rest="    ")
        if finding.level != "ok" and (finding.command or finding.mend):
            mend = finding.command or finding.mend or ""
            page.para(
                page.t((mend, "cyan" if finding.command else "")),
                first=page.t("    ", ("mend: ", "dim")),
                rest="          ",
            )
    bad, know = view.to_mend, sum(1 for finding in view.findings if finding.level == "know")
    fine = len(view.findings) - bad - know
    sign = symbols.FAIL if bad else symbols.PASS
    page.put(page.sign(sign), f" {bad} to mend, {know} to know, {fine} in order." + (" (exit 1)" if bad else ""))
    offer = next((f.command for f in view.findings if f.level == "mend" and f.command), None)
    if offer:
        page.next([Offer(offer)])


def verified(view: Findings, page: Page) -> None:
    page.head(view.environment, "state verify")
    for finding in view.findings:
        page.para(finding.found, first=page.t(page.sign(_SIGN[finding.level]), f" {finding.subject}  "), rest="    ")
    broken = view.to_mend
    if broken:
        page.put(
            page.sign(symbols.FAIL),
            f" {broken} of {len(view.findings)} promises are broken. Nothing was changed. (exit 5)",
        )
        offer = next((f.command for f in view.findings if f.command), None)
        page.next([Offer(offer)] if offer else [])
        return
    page.put(
        page.sign(symbols.PASS), f" {len(view.findings)} of {len(view.findings)} promises hold. Nothing was changed."
    )


def backup(view: Backup, page: Page) -> None:
    page.para(
        f"{view.file}: {view.environment} at revision {view.revision}, {count_words(view.events)} events, "
        f"{bytes_words(view.bytes)}",
        first=page.t(page.sign(symbols.PASS), " "),
        rest="  ",
    )
    page.next([Offer(f"deployguard state restore {view.file} --env {view.environment}", "brings it back")])


def restored(view: Backup, page: Page) -> None:
    page.para(
        f"{view.environment} is at revision {view.revision} again, from {view.file}; what stood there was set aside",
        first=page.t(page.sign(symbols.PASS), " "),
        rest="  ",
    )
    page.next([Offer(f"deployguard state verify --env {view.environment}")])


def alert_test(view: AlertTest, page: Page) -> None:
    page.head(view.environment, "test notice")
    for channel, delivered, words in view.results:
        page.para(
            words, first=page.t(page.sign(symbols.PASS if delivered else symbols.FAIL), f" {channel}  "), rest="    "
        )
