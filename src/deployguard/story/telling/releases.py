"""What a deploy does: started, each command, checks, and how it ended."""

from deployguard.story.numbers import counted
from deployguard.story.plain import plain
from deployguard.story.telling.facts import Explanation, Facts, clause, told


def name_of(facts: Facts) -> str:
    version = facts.maybe("version")
    return f"release {facts.text('releaseId')}{f' ({version})' if version else ''}"


def _rows(facts: Facts, *more: tuple[str, str | None]) -> tuple[tuple[str, str | None], ...]:
    return (("release", facts.maybe("releaseId")), ("version", facts.maybe("version")), ("by", facts.who), *more)


def started(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)} started by {facts.who}{facts.because}", None, None, *_rows(facts))


def ended_words(error: str | None, signal: str | None, exit_code: int | None) -> str:
    """How a command ended: `exit 1`, `signal SIGKILL`, or why it could not run."""
    if error:
        return plain(error)
    if signal:
        return f"signal {plain(signal)}"
    return f"exit {exit_code}" if exit_code is not None else "no exit code"


def _ended(facts: Facts) -> str:
    return ended_words(facts.maybe("error"), facts.maybe("signal"), facts.whole("exitCode"))


def command_finished(facts: Facts) -> Explanation:
    took, ended = facts.length("durationMs"), _ended(facts)
    back = "rollback command " if facts.maybe("kind") == "rollback" else ""
    head = f"{back}{facts.text('command')}: {ended}{f' after {took}' if took else ''}"
    last = facts.maybe("lastLine")
    said = last if last and facts.whole("exitCode") != 0 else None
    sentence = f'{head}: "{said}"' if said else head
    return told(sentence, head, None, *_rows(facts, ("command", facts.maybe("command")), ("took", took)))


def checking(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)}: every command ran, health checks follow", None, None, *_rows(facts))


def succeeded(facts: Facts) -> Explanation:
    version, rollouts = facts.maybe("version"), facts.names("rollouts")
    head = f"{version or 'the new version'} is on {facts.env}, release {facts.text('releaseId')}"
    begun = (
        f"{counted(len(rollouts), 'rollout')} started: {', '.join(rollouts)}" if rollouts else "no rollout was started"
    )
    return told(clause(head, begun), head, None, *_rows(facts, ("report", facts.maybe("report"))))


def failed(facts: Facts) -> Explanation:
    error, flags = facts.maybe("error"), facts.names("flags")
    head = f"{name_of(facts)} failed{f': {error}' if error else ''}"
    back = f"{', '.join(flags)} as before" if flags else "no flag was changed"
    return told(clause(head, back), head, None, *_rows(facts, ("error", error), ("report", facts.maybe("report"))))


def aborting(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)} is told to stop by {facts.who}{facts.because}", None, None, *_rows(facts))


def aborted(facts: Facts) -> Explanation:
    error = facts.maybe("error")
    return told(f"{name_of(facts)} aborted{f': {error}' if error else ''}", None, None, *_rows(facts, ("error", error)))


TABLE = {
    "release.started": started,
    "release.commandFinished": command_finished,
    "release.checking": checking,
    "release.succeeded": succeeded,
    "release.failed": failed,
    "release.aborting": aborting,
    "release.aborted": aborted,
}
