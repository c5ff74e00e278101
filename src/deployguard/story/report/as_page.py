"""A report as one HTML page that needs nothing beside it: no script, no font, no picture. All text is escaped."""

from collections.abc import Iterable
from html import escape

from deployguard.plain import clean
from deployguard.state import CommandRun
from deployguard.story.explain import paragraph
from deployguard.story.numbers import utc_stamp
from deployguard.story.report.cells import (
    COMMANDS,
    ROLLOUTS,
    by_people,
    change_words,
    command_cells,
    rollout_cells,
    seen_words,
)
from deployguard.story.report.values import Report, ReportStep

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid; vertical-align: top; }
code { font-family: ui-monospace, monospace; }
"""


def html(report: Report) -> str:
    """The whole page."""
    version = f" {report.version}" if report.version else ""
    title = _text(f"{report.environment}{version}: {report.summary}")
    parts = [
        f"<h1>{title}</h1>",
        f"<p>Release {_text(report.release)} by {_text(report.by)}, {utc_stamp(report.started_at)}.</p>",
        *([f"<p>{_text(paragraph(report.error))}</p>"] if report.error else []),
        *(_told(act.sentence, act.undo) for act in report.acted),
        *(_told(one.sentence, one.undo) for one in by_people(report)),
        _table("Rollouts", ROLLOUTS, map(rollout_cells, report.rollouts)),
        _table("Steps", ("when", "rollout", "change", "seen by", "why"), map(_step, report.steps)),
        _table("Commands", COMMANDS, map(_command, report.commands)),
        _table("Health checks", ("when", "what"), ((utc_stamp(one.at), one.sentence) for one in report.checks)),
        _foot(report),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _foot(report: Report) -> str:
    head = f"event {report.audit_seq}, head <code>{_text(report.audit_head)}</code>"
    return f"<p>Audit log: {head}. Made {utc_stamp(report.made_at)}.</p>"


def _text(text: str) -> str:
    return escape(clean(text, 2_000))


def _told(sentence: str, undo: str | None) -> str:
    way = f" Undo: <code>{_text(undo)}</code>" if undo else ""
    return f"<p>{_text(paragraph(sentence))}{way}</p>"


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    return f"<h2>{_text(title)}</h2>\n<table><tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>"


def _step(one: ReportStep) -> tuple[str, ...]:
    return utc_stamp(one.at), one.flag_id or one.rollout, change_words(one), seen_words(one), one.why


def _command(run: CommandRun) -> tuple[str, ...]:
    command, *rest = command_cells(run)
    return f"{'rollback: ' if run.kind == 'rollback' else ''}{command}", *rest
