"""Over random worlds: the controller never raises a percentage while a trigger of that unit fails, nothing gets stuck
without saying why, what was taken back stays off, and the state is the fold of its events."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.config.values import OnInconclusive, Strategy
from deployguard.errors import DeployguardError
from deployguard.guard.decide import Decision
from deployguard.guard.values import Result
from deployguard.rollout.moves import MoveKind
from deployguard.state import Phase, State
from support.play import GRADUAL, HEAVY_FLAG, OTHER_FLAG, ROBOT, H, Play, on_inconclusive, prod
from support.world import START, Fault, World

FLAGS = (HEAVY_FLAG, OTHER_FLAG, "lead", "legacy")
HOURS = st.integers(0, 60)


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, datetime]:
    begins = START + draw(HOURS) * H
    return begins, begins + draw(st.integers(1, 30)) * timedelta(minutes=draw(st.sampled_from([2, 60])))


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    since, until = draw(spans())
    return Fault(
        draw(st.sampled_from([None, HEAVY_FLAG, OTHER_FLAG, "rider"])),
        since,
        until,
        errors=draw(st.sampled_from([0.0, 0.05, 0.3, 1.0])),
        slower=draw(st.sampled_from([1.0, 40.0])),
        vitals=draw(st.sampled_from([1.0, 3.0])),
        checks=draw(st.booleans()),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return World(
        seed=draw(st.integers(0, 99)),
        per_second=draw(st.sampled_from([0.2, 5.0])),
        views_per_second=draw(st.sampled_from([0.0, 0.05, 1.0])),
        faults=draw(st.lists(faults(), max_size=2)),
        quiet=draw(st.lists(spans(), max_size=1)),
        broken_log=draw(st.lists(spans(), max_size=1)),
        offline=draw(st.lists(spans(), max_size=1)),
        ids=draw(st.booleans()),
        log=draw(st.booleans()),
    )


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from([MoveKind.PAUSE, MoveKind.RESUME, MoveKind.PROMOTE, MoveKind.ROLLBACK, MoveKind.SET, None]),
        st.sampled_from(FLAGS),
        st.integers(1, 4),
    ),
    min_size=3,
    max_size=5,
)
STRATEGIES = st.sampled_from([on_inconclusive(one, max_wait=6 * H) for one in OnInconclusive])


def check(before: State, decision: Decision, now: datetime) -> None:
    after = decision.change.state
    failing = {
        verdict.unit
        for verdict in decision.verdicts
        if verdict.verdict is Result.FAIL and verdict.holds and verdict.unit is not None
    }
    for key, flag in after.flags.items():
        was = before.flag(key)
        rose = flag.percentage > was.percentage or (flag.enabled and not was.enabled)
        unit = was.rollout or key
        assert not (rose and unit in failing)
        assert not (rose and was.rollout and before.rollouts[was.rollout].phase is not Phase.PROGRESSING)
    for lead, rollout in after.rollouts.items():
        if rollout.phase in (Phase.PROGRESSING, Phase.PAUSED):
            assert decision.waiting[lead].waits_for
    ahead = [draft for draft in decision.change.events if isinstance(draft.cause, int)]
    assert all(isinstance(draft.cause, int) and draft.cause < len(decision.change.events) for draft in ahead)
    assert decision.next_at is None or decision.next_at > now


@settings(max_examples=25)
@given(worlds(), STRATEGIES, PEOPLE, st.sampled_from([timedelta(minutes=11), timedelta(minutes=50)]))
def test_no_world_makes_the_controller_raise_what_fails_or_leave_it_stuck(
    world: World, strategy: Strategy, people: list[tuple[MoveKind | None, str, int]], every: timedelta
) -> None:
    play = Play(world, prod(strategy=strategy, **({} if world.log else {"sources": {}})))
    play.start(HEAVY_FLAG)
    play.start("lead")
    for kind, flag, hours in people:
        try:
            if kind is MoveKind.SET:
                play.by_hand(kind, flag, percentage=2_000)
            elif kind is None:
                play.start(flag, retry=True)
            else:
                play.by_hand(kind, flag)
        except DeployguardError:
            pass  # refused: nothing changed
        until = play.now + hours * 2 * H
        while play.now < until:
            play.now += every
            before = play.state
            decision = play.tick()
            check(before, decision, play.now)
            for lead, rollout in before.rollouts.items():
                if rollout.phase is Phase.ROLLED_BACK:
                    assert decision.change.state.rollouts[lead] == rollout


@settings(max_examples=8)
@given(worlds(), st.integers(0, 9))
def test_once_a_world_is_well_again_every_rollout_reaches_its_end_or_waits_for_a_person(
    world: World, seed: int
) -> None:
    """Nothing is stuck: after 60 h of anything at all, a good world brings each rollout on."""
    short = Strategy(name="short", steps=GRADUAL.steps, max_wait=2 * H)
    play = Play(world, prod(strategy=short, **({} if world.log else {"sources": {}})))
    play.start(HEAVY_FLAG)
    play.run(START + 60 * H, timedelta(minutes=50 + seed))
    well = play.now
    world.faults, world.quiet, world.broken_log, world.offline = (), (), (), ()
    world.per_second, world.ids = 20.0, True
    world.views_per_second = max(world.views_per_second, 2.0)
    if play.phase(HEAVY_FLAG) is Phase.PAUSED:
        assert play.decision is not None
        assert play.decision.waiting[HEAVY_FLAG].waits_for == "person"
        play.by_hand(MoveKind.RESUME, HEAVY_FLAG)
    play.run(well + 260 * H, 2 * H)
    assert play.phase(HEAVY_FLAG) in (Phase.COMPLETED, Phase.ROLLED_BACK)
    assert ROBOT.name == "deploy@build-1"
