"""Deployment reports: built from the audit log whenever they are asked for, and kept as files beside the state."""

import os
from datetime import datetime
from pathlib import Path

from deployguard.codec import dumps
from deployguard.errors import Code, Offer, fail, nearest
from deployguard.operations.values import ReportRow, Reports
from deployguard.session import Session
from deployguard.state import Event, Release
from deployguard.story.report import Report, build_report, html


def folder(session: Session) -> Path:
    """Inside the environment's state, or where the config says."""
    named = session.config and session.settings.reports
    return session.root / named if named else session.folder / "reports"


def path_of(session: Session, release_id: str, started: datetime) -> Path:
    return folder(session) / f"deployment-report-{started:%Y%m%dT%H%M%SZ}-{release_id}.json"


def build(session: Session, release_id: str) -> Report:
    state = session.store.read()
    release = state.releases.get(release_id) or _old_release(session, release_id)
    if release is None:
        known = tuple(state.releases)
        close = nearest(release_id, known)
        raise fail(
            Code.USAGE,
            f"there is no release {release_id}",
            where="argument RELEASE",
            found=f'"{release_id}"',
            wanted=(f"one of {len(known)} releases" + (f"; nearest: {close}" if close else ""))
            if known
            else "a release; none was deployed yet",
            now="nothing was changed (exit 2)",
            next=(Offer(f"deployguard report list --env {session.environment}"),),
        )
    return build_report(release, _events_since(session, release), state, session.clock())


def _old_release(session: Session, release_id: str) -> Release | None:
    """A release that the state no longer keeps: as its last event set it."""
    from deployguard.codec import from_json

    path = f"releases.{release_id}"
    for event in session.store.events(newest_first=True):
        if event.set.get(path) is not None:
            return from_json(Release, event.set[path])
    return None


def _events_since(session: Session, release: Release) -> tuple[Event, ...]:
    """From the release's first event on, oldest first; reads backwards, so old history costs nothing."""
    out: list[Event] = []
    for event in session.store.events(newest_first=True):
        if event.time < release.started_at:
            break
        out.append(event)
    return tuple(reversed(out))


def write(session: Session, release_id: str) -> Path:
    """The report as JSON and as a page, each replaced whole."""
    report = build(session, release_id)
    path = path_of(session, release_id, report.started_at)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, dumps(report) + b"\n")
    _replace(path.with_suffix(".html"), html(report).encode())
    return path


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_bytes(data)
    beside.replace(path)


def listed(session: Session) -> Reports:
    """The releases that the state keeps, newest first."""
    state = session.store.read()
    rows = []
    for release in reversed(list(state.releases.values())):
        report = build_report(release, _events_since(session, release), state, session.clock())
        rows.append(
            ReportRow(
                release_id=release.id,
                version=release.version,
                started_at=release.started_at,
                finished_at=release.finished_at,
                outcome=report.outcome,
                by=release.by,
                rollouts=release.rollouts,
                file=release.report,
            )
        )
    return Reports(environment=session.environment, reports=tuple(rows))


def newest_id(session: Session) -> str:
    releases = session.store.read().releases
    if not releases:
        raise fail(
            Code.USAGE,
            f"nothing was deployed to {session.environment} yet",
            wanted="a release to report on",
            now="nothing was changed (exit 2)",
            next=(Offer(f"deployguard deploy {session.environment} --dry-run", "the plan; changes nothing"),),
        )
    return list(releases)[-1]
