"""What people and rules decided, one document an environment, and the events that made it.

The state is the fold of its events: each event carries in `set` the new value of every entry that it changed, under
`section.key` (`flags.new_checkout`, `rollouts.new_checkout`, `told.check.api`; null removes; `config` stands alone).
The outbox, the revision and the head of the log are not folded.

`values` is the document, `events` what happened to it, `edit` how a pure function turns one state into the next, and
`units` what a trigger looks at.
"""

from deployguard.state.edit import Edit as Edit
from deployguard.state.edit import Recorder as Recorder
from deployguard.state.edit import changes as changes
from deployguard.state.edit import told as told
from deployguard.state.events import Change as Change
from deployguard.state.events import Draft as Draft
from deployguard.state.events import Event as Event
from deployguard.state.events import fold as fold
from deployguard.state.events import severity as severity
from deployguard.state.events import then as then
from deployguard.state.units import Unit as Unit
from deployguard.state.units import units as units
from deployguard.state.values import KEPT_RECORDS as KEPT_RECORDS
from deployguard.state.values import SCHEMA_VERSION as SCHEMA_VERSION
from deployguard.state.values import SECTIONS as SECTIONS
from deployguard.state.values import Actor as Actor
from deployguard.state.values import CommandRun as CommandRun
from deployguard.state.values import ConfigInForce as ConfigInForce
from deployguard.state.values import Effect as Effect
from deployguard.state.values import EffectKind as EffectKind
from deployguard.state.values import FlagState as FlagState
from deployguard.state.values import LogHead as LogHead
from deployguard.state.values import PausedBy as PausedBy
from deployguard.state.values import Phase as Phase
from deployguard.state.values import Release as Release
from deployguard.state.values import ReleasePhase as ReleasePhase
from deployguard.state.values import Rollback as Rollback
from deployguard.state.values import RollbackKind as RollbackKind
from deployguard.state.values import Rollout as Rollout
from deployguard.state.values import State as State
from deployguard.state.values import StepState as StepState
from deployguard.state.values import Via as Via
