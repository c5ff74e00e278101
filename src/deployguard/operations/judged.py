"""What the triggers say now, for whoever only reads: the controller's own `judge` over the same samples.

A verdict is a pure function of samples and state, so it is worked out again instead of being passed along.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from deployguard.config.values import ActionKind, Environment, Mode
from deployguard.guard.judge import judge
from deployguard.guard.units import guarded
from deployguard.guard.values import Evidence, Result, Verdict
from deployguard.session import Session
from deployguard.state import State
from deployguard.store.locks import ControllerInfo, read_controller
from deployguard.telemetry.gather import gather
from deployguard.telemetry.metrics import MetricStore


class Look:
    """One look at an environment: its state, or one that is about to be, and what the triggers say of it now.

    What nobody asks for is not read.
    """

    def __init__(self, session: Session, state: State | None = None, now: datetime | None = None) -> None:
        self.session = session
        self.state = session.store.read() if state is None else state
        self.now = now or session.clock()
        self.settings = session.best_settings(self.state)

    @cached_property
    def metrics(self) -> MetricStore:
        return self.session.metrics(read_only=True)

    @cached_property
    def controller(self) -> ControllerInfo | None:
        return read_controller(self.session.state_dir, self.session.environment, self.now)

    @cached_property
    def evidence(self) -> Evidence:
        return gather(self.metrics, self.state, self.settings, self.now)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        units = guarded(self.state, self.settings, self.now)
        return judge(units, self.evidence, self.settings, self.state, self.now)

    def failing(self, key: str) -> Verdict | None:
        """The verdict that fails for the flag's unit, if one does. A rise waits for it."""
        unit = self.state.flag(key).rollout or key
        if not self.state.flag(unit).enabled:
            return None  # what is off for everybody is not judged: nothing has to be read for it
        return next((v for v in of_unit(self.verdicts, unit) if v.verdict is Result.FAIL and v.holds), None)


def of_unit(verdicts: Iterable[Verdict], unit: str) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in verdicts if verdict.unit == unit)


def acting_triggers(settings: Environment) -> int:
    """How many triggers can change a unit."""
    changing = set(ActionKind) - {ActionKind.RUN, ActionKind.NOTIFY}
    return sum(
        1
        for trigger in settings.triggers.values()
        if trigger.mode is Mode.ACT and any(action.kind in changing for action in trigger.then)
    )
