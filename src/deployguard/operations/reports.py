"""Deployment reports: built from the audit log whenever they are asked for, and kept as files beside the state."""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from deployguard.codec import dumps, from_json
from deployguard.errors import Code, Offer, fail, unknown
from deployguard.operations.values.releases import ReportRow, Reports
from deployguard.session import Session
from deployguard.state import Event, Release, State
from deployguard.store.layout import replace_synced
from deployguard.store.locks import read_lease
from deployguard.story.report import Report, build_report, html

STAMP = "%Y%m%dT%H%M%SZ"
_OURS = ("deployment-report-*.json", "deployment-report-*.html", "deployment-output-*.log")


def folder(session: Session) -> Path:
    """Inside the environment's state, or where the config says."""
    settings = session.settings_if_any(session.store.read())
    named = settings.reports if settings is not None else None
    return session.root / named if named else session.folder / "reports"


def path_of(session: Session, release: Release) -> Path:
    return folder(session) / f"deployment-report-{release.started_at:{STAMP}}-{release.id}.json"


def output_of(report: Path, number: int) -> Path:
    """Where every line of the release's `number`th command is kept, beside its report."""
    return report.with_name(f"{report.stem.replace('-report-', '-output-')}-{number}.log")


def build(session: Session, release_id: str) -> Report:
    """The report as of now, also of a release that runs. Raises `usage` for one that never was."""
    return _built(session, release_id)[1]


def _built(session: Session, release_id: str) -> tuple[Release, Report]:
    state = session.store.read()
    release = _release(session, state, release_id)
    lease = read_lease(session.state_dir, session.environment) if release.runs else None
    now_running = lease.left(release) if lease is not None else None
    if now_running is not None:
        release = replace(release, commands=(*release.commands, now_running))
    return release, build_report(release, _events_since(session, release), state, session.clock())


def _release(session: Session, state: State, release_id: str) -> Release:
    release = state.releases.get(release_id) or _old_release(session, release_id)
    if release is None:
        raise unknown(
            "release",
            release_id,
            state.releases,
            "argument RELEASE",
            counted=True,
            none="a release; none was deployed yet",
            next=(Offer(f"deployguard report list --env {session.environment}"),),
        )
    return release


def _old_release(session: Session, release_id: str) -> Release | None:
    """A release that the state no longer keeps: as its last event set it."""
    path = f"releases.{release_id}"
    for event in session.store.events(newest_first=True):
        if event.set.get(path) is not None:
            return from_json(Release, event.set[path])
    return None


def _events_since(session: Session, release: Release) -> tuple[Event, ...]:
    """From the release's first event on, oldest first; reads backwards, so old history costs nothing.

    Its first event is looked for by name: a clock that was set back puts later events before it in time.
    """
    out: list[Event] = []
    for event in session.store.events(newest_first=True):
        out.append(event)
        if event.type == "release.started" and event.data.get("releaseId") == release.id:
            break
    return tuple(reversed(out))


def write(session: Session, release_id: str) -> Path:
    """The report as JSON and as a page, each replaced whole. Raises OSError where the folder cannot be written."""
    release, report = _built(session, release_id)
    path = path_of(session, release)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ending = f".{os.getpid()}"
    replace_synced(path, dumps(report) + b"\n", ending=ending)
    replace_synced(path.with_suffix(".html"), html(report).encode(), ending=ending)
    return path


def try_to_write(session: Session, release_id: str) -> str | None:
    """Write it, or say why not: a full disk must not stop what the report tells of."""
    try:
        write(session, release_id)
    except OSError as error:
        return f"the report of {release_id} could not be written: {(error.strerror or str(error)).lower()}"
    return None


def forget_old(session: Session, retention: timedelta) -> None:
    """Remove reports and kept output that nobody has written to for `retention`. Other files are not touched."""
    oldest = (session.clock() - retention).timestamp()
    for pattern in _OURS:
        for file in folder(session).glob(pattern):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


def listed(session: Session) -> Reports:
    """The releases that the state keeps, newest first."""
    state = session.store.read()
    releases = list(state.releases.values())
    events = _events_since(session, releases[0]) if releases else ()
    begins = {event.data.get("releaseId"): n for n, event in enumerate(events) if event.type == "release.started"}
    rows = []
    for release in reversed(releases):
        report = build_report(release, events[begins.get(release.id, 0) :], state, session.clock())
        rows.append(
            ReportRow(
                release_id=release.id,
                version=release.version,
                started_at=release.started_at,
                finished_at=release.finished_at,
                outcome=report.outcome,
                by=release.by,
                rollouts=release.rollouts,
                file=release.report if release.report and Path(release.report).exists() else None,
            )
        )
    return Reports(environment=session.environment, reports=tuple(rows))


def newest_id(session: Session) -> str:
    releases = session.store.read().releases
    if not releases:
        raise fail(
            Code.NOT_ALLOWED_NOW,
            f"nothing was deployed to {session.environment} yet",
            wanted="a release to report on",
            now="nothing was changed",
            allowed=(Offer(f"deployguard deploy {session.environment} --dry-run", "the plan; changes nothing"),),
        )
    return list(releases)[-1]
