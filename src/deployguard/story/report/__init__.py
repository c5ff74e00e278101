"""A release's report: a value built from the audit log, and its renderings. The JSON is `codec.dumps` of the value."""

from deployguard.story.report.as_markdown import markdown
from deployguard.story.report.as_page import html
from deployguard.story.report.build import build_report
from deployguard.story.report.values import REPORT_VERSION, Outcome, Report, ReportStep

__all__ = ["REPORT_VERSION", "Outcome", "Report", "ReportStep", "build_report", "html", "markdown"]
