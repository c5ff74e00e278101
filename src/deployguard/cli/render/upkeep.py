"""`init`, `config`, `doctor`, `state`, `alerts`: the tool itself."""

from pathlib import Path

from rich.cells import cell_len

from deployguard.cli.render import symbols
from deployguard.cli.render.page import Column, Page, Piece
from deployguard.errors import Offer
from deployguard.operations.values.upkeep import AlertTest, Backup, ConfigSummary, Findings, Initialised
from deployguard.story.numbers import bytes_words, count_words, counted, time_of_day

_SIGN = {"ok": symbols.PASS, "mend": symbols.FAIL, "know": symbols.NEED}


def initialised(view: Initialised, page: Page) -> None:
    rows: list[list[Piece]] = [["wrote", (name, "bold"), what] for name, what in view.wrote]
    rows += [["changed", (name, "bold"), what] for name, what in view.changed]
    page.table([Column(), Column(), Column(wraps=True)], rows)
    page.blank()
    page.table(
        [Column("ENVIRONMENT"), Column("ADDRESS", shrinks=True), Column("STRATEGY", wraps=True)],
        [list(environment) for environment in view.environments],
    )
    if view.package_json:
        page.blank()
        page.para(
            f"package.json: deployguard init --npm adds {', '.join(view.npm_scripts)}.",
            rest="  ",
        )
    page.sentence(symbols.PASS, "ready. Nothing was deployed and nothing was asked over the network.", err=True)
    page.next([Offer("deployguard deploy prod --dry-run", "the plan; changes nothing")])


def config_summary(view: ConfigSummary, page: Page) -> None:
    counts = f"{view.flags} flags, {counted(view.strategies, 'strategy', 'strategies')}, {view.triggers} triggers"
    read = ""
    if view.in_force and view.read_at is not None:
        read = f" {view.environment} has read it ({time_of_day(view.read_at, view.read_at, page.zone)})."
    keep = ""
    if view.keep_their_steps:
        names = ", ".join(view.keep_their_steps)
        keep = f" {names} keep{'s' if len(view.keep_their_steps) == 1 else ''} the steps it started with."
    page.sentence(symbols.PASS, f"{Path(view.file).name} is valid: {counts}.{read}{keep}")
    page.next([Offer(f"deployguard deploy {view.environment} --dry-run")])


def findings(view: Findings, page: Page) -> None:
    page.head(view.environment, "doctor", page.clock(view.at))
    _findings(view, page)
    bad, know = view.to_mend, sum(1 for finding in view.findings if finding.level == "know")
    fine = len(view.findings) - bad - know
    sign = symbols.FAIL if bad else symbols.PASS
    page.put(page.sign(sign), f" {bad} to mend, {know} to know, {fine} in order." + (" (exit 1)" if bad else ""))
    offer = next((f.command for f in view.findings if f.level == "mend" and f.command), None)
    if offer:
        page.next([Offer(offer)])


def _findings(view: Findings, page: Page) -> None:
    """Each with the command or the line that mends it."""
    widest = max((cell_len(finding.subject) for finding in view.findings), default=0)
    for finding in view.findings:
        first = page.t(page.sign(_SIGN[finding.level]), " ", finding.subject.ljust(widest), "  ")
        page.para(finding.found, first=first, rest="    ")
        if finding.level == "ok":
            continue
        if finding.command:
            page.out.extend(page.command(Offer(finding.command), page.t("    ", ("mend: ", "dim"))))
        elif finding.mend:
            page.para(finding.mend, first=page.t("    ", ("mend: ", "dim")), rest="          ")


def verified(view: Findings, page: Page) -> None:
    page.head(view.environment, "state verify", page.clock(view.at))
    _findings(view, page)
    broken, all_of_them = view.to_mend, counted(len(view.findings), "promise")
    if not broken:
        page.sentence(symbols.PASS, f"{all_of_them} {'holds' if len(view.findings) == 1 else 'hold'}.")
        return
    words = "is" if broken == 1 else "are"
    page.sentence(symbols.FAIL, f"{broken} of {all_of_them} {words} broken. Nothing was changed. (exit 5)")
    offer = next((f.command for f in view.findings if f.command), None)
    page.next([Offer(offer)] if offer else [])


def backup(view: Backup, page: Page) -> None:
    page.sentence(
        symbols.PASS,
        f"{view.file}: {view.environment} at revision {view.revision}, {count_words(view.events)} events, "
        f"{bytes_words(view.bytes)}",
    )
    page.next([Offer(f"deployguard state restore {view.file} --env {view.environment}", "brings it back")])


def restored(view: Backup, page: Page) -> None:
    page.sentence(
        symbols.PASS,
        f"{view.environment} stands as in {view.file} again, now at revision {view.revision}; what stood there was set "
        "aside",
    )
    page.next([Offer(f"deployguard state verify --env {view.environment}")])


def alert_test(view: AlertTest, page: Page) -> None:
    page.head(view.environment, "test notice")
    rows: list[list[Piece]] = [
        [page.t(page.sign(symbols.PASS if delivered else symbols.FAIL), " ", channel), words]
        for channel, delivered, words in view.results
    ]
    page.table([Column(shrinks=True), Column(wraps=True)], rows)
    failed = sum(1 for _, delivered, _ in view.results if not delivered)
    if failed:
        page.sentence(symbols.FAIL, f"{counted(failed, 'channel')} got no notice. (exit 1)")
