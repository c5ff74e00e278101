"""What a deploy does: started, each command, checks, and how it ended."""

from deployguard.plain import clean
from deployguard.story.numbers import counted
from deployguard.story.telling.facts import Explanation, Facts, clause, told


def name_of(facts: Facts) -> str:
    version = facts.maybe("version")
    return f"release {facts.text('releaseId')}{f' ({version})' if version else ''}"


def started(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)} started by {facts.who}{facts.because}")


def ended_words(error: str | None, signal: str | None, exit_code: int | None) -> str:
    """How a command ended: `exit 1`, `signal SIGKILL`, or why it could not run."""
    if error:
        return clean(error)
    if signal:
        return f"signal {clean(signal)}"
    return f"exit {exit_code}" if exit_code is not None else "runs now"


def command_finished(facts: Facts) -> Explanation:
    took, exit_code = facts.length("durationMs"), facts.whole("exitCode")
    back = "rollback command " if facts.maybe("kind") == "rollback" else ""
    ended = ended_words(facts.maybe("error"), facts.maybe("signal"), exit_code)
    head = f"{back}{facts.text('command')}: {ended}{f' after {took}' if took else ''}"
    last = facts.maybe("lastLine")
    return told(f'{head}: "{last}"' if last and exit_code != 0 else head, head)


def checking(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)}: every command ran, health checks follow")


def succeeded(facts: Facts) -> Explanation:
    rollouts = facts.names("rollouts")
    head = f"{facts.maybe('version') or 'the new version'} is on {facts.env}, release {facts.text('releaseId')}"
    started = f"{counted(len(rollouts), 'rollout')} started: {', '.join(rollouts)}"
    return told(clause(head, started if rollouts else "no rollout was started"), head)


def failed(facts: Facts) -> Explanation:
    error = facts.maybe("error")
    head = f"{name_of(facts)} failed{f': {error}' if error else ''}"
    return told(clause(head, "no flag was changed"), head)


def aborting(facts: Facts) -> Explanation:
    return told(f"{name_of(facts)} is told to stop by {facts.who}{facts.because}")


def aborted(facts: Facts) -> Explanation:
    error = facts.maybe("error")
    return told(f"{name_of(facts)} aborted{f': {error}' if error else ''}")


TABLE = {
    "release.started": started,
    "release.commandFinished": command_finished,
    "release.checking": checking,
    "release.succeeded": succeeded,
    "release.failed": failed,
    "release.aborting": aborting,
    "release.aborted": aborted,
}
