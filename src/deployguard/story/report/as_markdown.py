"""A report for a CI summary: the first line is the verdict. Other people's text is escaped, never interpreted."""

import re

from deployguard.plain import clean
from deployguard.state import Phase
from deployguard.story.explain import paragraph
from deployguard.story.numbers import utc_stamp
from deployguard.story.report.cells import COMMANDS, ROLLOUTS, by_people, command_cells, rollout_cells
from deployguard.story.report.values import Outcome, Report, ReportAct, ReportRollout

# What means something anywhere in a line. An underscore inside a word does not, and names are full of them.
_MARKS = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LEADING = re.compile(r"^(\s*)([#+\-=>]|\d+[.)](?=\s|$))")
_LINK = re.compile(r"(?i)(https?|ftp)(:)(//)|\bwww(\.)")


def markdown(report: Report) -> str:
    """The report as GitHub-flavoured markdown; ends with a newline."""
    version = f" {escaped(report.version)}" if report.version else ""
    blocks = [f"## deployguard: {escaped(report.environment)}{version}, {escaped(report.summary)}"]
    if report.error:
        blocks.append(escaped(paragraph(report.error)))
    blocks += [_act(act) for act in report.acted]
    blocks += [escaped(paragraph(one.sentence)) for one in by_people(report)]
    blocks += ["\n".join(_commands(report))] if _commands_matter(report) else []
    blocks += ["\n".join(_rollouts(report.rollouts))] if report.rollouts else []
    blocks.append(_ending(report))
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """`text` as literal text of one line, in a paragraph, a heading or a cell of a table."""
    line = _MARKS.sub(lambda match: f"\\{match[0]}", clean(text, 2_000))
    line = _LEADING.sub(lambda match: f"{match[1]}{match[2][:-1]}\\{match[2][-1]}", line)
    return _LINK.sub(lambda match: match[0].replace(":", "\\:").replace(".", "\\."), line)


def code(text: str) -> str:
    """`text` as a span of code, with as many backticks around it as it needs."""
    line = clean(text, 2_000).replace("|", "¦") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _act(act: ReportAct) -> str:
    name = act.flag_id or act.rollout
    said = paragraph(act.sentence)
    bold, rest = (f"**{escaped(name)}**", said[len(name) :]) if said.startswith(name) else ("", said)
    before, rule, after = rest.partition(act.rule) if act.rule else (rest, "", "")
    line = f"{bold}{_inner(before)}{code(rule) if rule else ''}{_inner(after)}"
    return f"{line} Undone by {code(act.undone_by)}." if act.undone_by else line


def _inner(text: str) -> str:
    """A part of a line: its outer spaces stay, and nothing opens a block."""
    stripped = text.strip()
    if not stripped:
        return " " if text else ""
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{lead}{escaped(stripped)}{trail}"


def _commands_matter(report: Report) -> bool:
    return any(run.exit_code != 0 or run.kind == "rollback" for run in report.commands)


def _commands(report: Report) -> list[str]:
    lines = [f"| {' | '.join(COMMANDS)} |", "| --- | --- | ---: |"]
    for run in report.commands:
        command, ended, took = command_cells(run)
        back = "rollback: " if run.kind == "rollback" else ""
        lines.append(f"| {back}{code(command)} | {escaped(ended)} | {took} |")
    return lines


def _rollouts(rollouts: tuple[ReportRollout, ...]) -> list[str]:
    lines = [f"| {' | '.join(ROLLOUTS)} |", "| --- | ---: | ---: | --- | ---: |"]
    for one in rollouts:
        name, share, step, state, users = map(escaped, rollout_cells(one))
        state = state.replace("taken back", "**taken back**", 1) if one.phase is Phase.ROLLED_BACK else state
        lines.append(f"| {name} | {share} |{f' {step}' if step else ''} | {state} | {users} |")
    return lines


def _ending(report: Report) -> str:
    ways = [*(act.undo for act in report.acted), *(one.undo for one in report.rollbacks if one.undoes is None)]
    undo = [f"Undo: {code(way)}" for way in ways if way]
    running = [] if report.outcome is not Outcome.RUNNING else [f"as of {utc_stamp(report.made_at)}"]
    head = f"audit head {code(report.audit_head[:8])}" if report.audit_head else "no event yet"
    return " · ".join([*dict.fromkeys(undo), f"release {code(report.release)}", head, *running])
