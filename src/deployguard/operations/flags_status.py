"""`feature-flags status`: every flag in one look. Alone here, because the first command must start in a blink."""

from deployguard.config.units import format_percentage
from deployguard.operations import rows
from deployguard.operations.values.status import FlagsStatus
from deployguard.session import Session
from deployguard.store.locks import read_controller


def status(session: Session) -> FlagsStatus:
    state, now = session.store.read(), session.clock()
    settings = session.best_settings(state)
    definitions = session.definitions(state)
    warnings = [
        f"{key} has left the config and is still at {format_percentage(flag.percentage)}: orphaned"
        for key, flag in state.flags.items()
        if flag.orphaned is not None
    ]
    if session.config_problem is not None:
        warnings.append(f"the config cannot be read ({session.config_problem.message}): shown as last in force")
    return FlagsStatus(
        environment=session.environment,
        revision=state.revision,
        controller=read_controller(session.state_dir, session.environment, now),
        flags=rows.flag_rows(state, settings, definitions, now),
        at=now,
        warnings=tuple(warnings),
    )
