"""The rules of one revision, ready to answer: which flags a user has, and what decided it.

A flag is one function from a context to an outcome, made when it is first asked for, called for every user. What is the
same for every user (overrides, disabled flags, fixed percentages, the requirements at all depths and their order, the
words of each answer) is worked out before. Requirements are laid out flat, deepest first, so a chain of any length
costs no stack, and a requirement that is settled for everyone costs nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mmh3 import hash as murmur3

from deployguard.config.condition import matches
from deployguard.config.units import FULL
from deployguard.config.values import Flag, Targeting
from deployguard.flags.bucket import hashed, limit, prefixes
from deployguard.flags.dependencies import in_cycles, postorder
from deployguard.flags.ladder import ladder
from deployguard.flags.values import TARGETING_KEY_MISSING, Context, DecidedBy, Evaluation, Reason, Rung, plain
from deployguard.state import FlagState

__all__ = ["Context", "DecidedBy", "Evaluation", "Reason", "Ruleset", "Rung", "compile_flags"]

# What an odd context (a list as a country, a number as a user) makes Python raise; and a flag that is not compiled yet.
_ODD = (TypeError, AttributeError)
_UNREADY = (*_ODD, KeyError)

_new = tuple.__new__

Words: TypeAlias = tuple[bool, str, str, str, str | None]
"""The end of an `Evaluation`: value, variant, reason, decided by, error code; one for all whom a question decides."""

Outcome: TypeAlias = tuple[Words, int | None]
"""On or off and what decided it, and the user's hash where the bucket did."""

Decide: TypeAlias = Callable[[Context], Outcome]

_Required: TypeAlias = tuple[Decide, Mapping[str, Outcome]]
"""A required flag's own questions, and the answer for each reason why it may be off."""


def _words(value: bool, reason: Reason, decided_by: str) -> Words:  # noqa: FBT001
    error = TARGETING_KEY_MISSING if reason is Reason.DEFAULT else None
    return (value, "on" if value else "off", reason.value, decided_by, error)


def _settled(value: bool, reason: Reason, decided_by: str) -> Outcome:  # noqa: FBT001
    return (_words(value, reason, decided_by), None)


_DISABLED = _settled(False, Reason.DISABLED, DecidedBy.DISABLED)
_NO_KEY = _settled(False, Reason.DEFAULT, DecidedBy.NO_TARGETING_KEY)
_DENY = _settled(False, Reason.TARGETING_MATCH, DecidedBy.DENY)
_ALLOW_USER = _settled(True, Reason.TARGETING_MATCH, DecidedBy.ALLOW_USER)
_ALLOW_GROUP = _settled(True, Reason.TARGETING_MATCH, DecidedBy.ALLOW_GROUP)
_COUNTRY = _settled(False, Reason.TARGETING_MATCH, DecidedBy.COUNTRY)
_REGION = _settled(False, Reason.TARGETING_MATCH, DecidedBy.REGION)
_IN = _words(True, Reason.SPLIT, DecidedBy.BUCKET)
_OUT = _words(False, Reason.SPLIT, DecidedBy.BUCKET)


class Ruleset:
    """Made by `compile_flags`. Any number of threads may ask: what two of them compile at once answers the same."""

    __slots__ = ("_cyclic", "_decide", "_definitions", "_known", "_overrides", "_own", "_prefixes", "_state")

    def __init__(
        self, definitions: Mapping[str, Flag], state: Mapping[str, FlagState], overrides: Mapping[str, bool]
    ) -> None:
        self._definitions = definitions
        self._state = state
        self._overrides = overrides
        self._known = dict.fromkeys((*definitions, *overrides))
        self._cyclic = in_cycles(definitions)
        self._decide: dict[str, Decide] = {}
        self._own: dict[str, Decide] = {}
        self._prefixes: dict[str, tuple[str, ...]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._known

    @property
    def keys(self) -> tuple[str, ...]:
        """Every flag that can be asked for, in the order of the definitions."""
        return tuple(self._known)

    def evaluate(self, key: str, context: Context) -> Evaluation:
        """The whole answer. Raises KeyError for an unknown flag, and nothing else."""
        try:
            words, place = self._decide[key](context)
        except _UNREADY:
            context = plain(context)
            words, place = self._compiled(key)(context)
        # What a named tuple's own constructor does, without its argument handling.
        return _new(Evaluation, (key, context.targeting_key, place) + words)  # noqa: RUF005  # faster than unpacking

    def on(self, key: str, context: Context) -> bool:
        """Whether the user has the flag: the value of `evaluate`, faster. Raises KeyError for an unknown flag."""
        try:
            return self._decide[key](context)[0][0]
        except _UNREADY:
            return self._compiled(key)(plain(context))[0][0]

    def arms(self, context: Context, flags: Iterable[str]) -> tuple[tuple[str, bool], ...]:
        """Those of `flags` that the bucket decides for this user, each with True for treatment, False for control.

        What anything else decides (a requirement that is off, a list, targeting, a percentage of 0 or 100) is in no
        arm; nor is a flag that is unknown by now.
        """
        try:
            return self._arms(context, flags)
        except _ODD:
            return self._arms(plain(context), flags)

    def _arms(self, context: Context, flags: Iterable[str]) -> tuple[tuple[str, bool], ...]:
        compiled, out = self._decide, []
        for key in flags:
            if key in compiled or key in self._known:
                words, place = (compiled.get(key) or self._compiled(key))(context)
                if place is not None:
                    out.append((key, words[0]))
        return tuple(out)

    def ladder(self, key: str, context: Context) -> tuple[Rung, ...]:
        """The order of evaluation for people, up to the question that decided. Raises KeyError for an unknown flag."""
        found = self.evaluate(key, context)
        return ladder(self._definitions.get(key), self._state.get(key), found, plain(context))

    def _compiled(self, key: str) -> Decide:
        """The whole order of evaluation for one flag. Raises KeyError when unknown."""
        if key not in self._known:
            raise KeyError(key)
        if key not in self._decide:
            settled = self._same_for_all(key)
            if settled is not None:
                self._decide[key] = _always(settled)
            else:
                required = self._required(key)
                own = self._own_of(key)
                self._decide[key] = _with_requirements(required, own) if required else own
        return self._decide[key]

    def _same_for_all(self, key: str) -> Outcome | None:
        """What an override answers to everyone, or a flag that is not enabled; asked before all else.

        A flag that is not defined counts as not enabled, and so does one that requires itself: it stands on nothing.
        """
        if key in self._overrides:
            return _settled(self._overrides[key], Reason.STATIC, DecidedBy.OVERRIDE)
        if key not in self._definitions or key in self._cyclic or not self._flag(key).enabled:
            return _DISABLED
        return None

    def _flag(self, key: str) -> FlagState:
        return self._state.get(key) or FlagState(seed=key)

    def _required(self, key: str) -> tuple[_Required, ...]:
        """The requirements at all depths in the order in which they are asked.

        The first that is off decides, in the name of the direct requirement that led to it. Behind one that is off
        for everyone nothing is asked.
        """
        out: list[_Required] = []
        seen = {key}
        for direct in self._definitions[key].requires:
            blamed = {reason.value: _settled(False, reason, DecidedBy.REQUIRES + direct) for reason in Reason}
            for name in postorder((direct,), self._asked_before, seen):
                settled = self._same_for_all(name)
                if settled is None:
                    if not self._on_for_all(name):
                        out.append((self._own_of(name), blamed))
                elif not settled[0][0]:
                    return (*out, (_always(settled), blamed))
        return tuple(out)

    def _asked_before(self, key: str) -> Iterable[str]:
        return self._definitions[key].requires if self._same_for_all(key) is None else ()

    def _on_for_all(self, key: str) -> bool:
        """Its own questions, requirements aside."""
        return self._flag(key).percentage >= FULL and self._definitions[key].targeting == Targeting()

    def _own_of(self, key: str) -> Decide:
        if key not in self._own:
            self._own[key] = self._compile_own(self._definitions[key].targeting, self._flag(key), key)
        return self._own[key]

    def _compile_own(self, targeting: Targeting, flag: FlagState, key: str) -> Decide:
        """Lists, countries, regions, rules, percentage and bucket of an enabled flag, as one function."""
        below, seed = limit(flag.percentage), flag.seed or key
        fixed = None
        if not 0 < flag.percentage < FULL:
            fixed = _settled(flag.percentage >= FULL, Reason.STATIC, DecidedBy.PERCENTAGE)
        before = self._prefixes.setdefault(seed, prefixes(seed))
        lengths = len(before)
        listed = _lists(targeting)
        countries, regions = targeting.countries, targeting.regions
        rules = tuple(
            (rule, _settled(False, Reason.TARGETING_MATCH, f"{DecidedBy.RULE}{number}"))
            for number, rule in enumerate(targeting.rules, 1)
        )

        def own(context: Context) -> Outcome:
            if listed is not None and (found := listed(context)) is not None:
                return found
            if countries and context.country not in countries:
                return _COUNTRY
            if regions and context.region not in regions:
                return _REGION
            if rules:
                for rule, off in rules:
                    if not matches(rule, context.attribute(rule.name)):
                        return off
            if fixed is not None:
                return fixed
            key = context.targeting_key
            if not key:
                return _NO_KEY
            if key.isascii() and len(key) < lengths:
                place = murmur3(before[len(key)] + key, 0, False)  # unsigned; it takes no keyword as fast
            else:
                place = hashed(seed, key)
            return (_IN if place < below else _OUT, place)

        return own


def _with_requirements(required: tuple[_Required, ...], own: Decide) -> Decide:
    def decide(context: Context) -> Outcome:
        for asked, blamed in required:
            words, _ = asked(context)
            if not words[0]:
                return blamed[words[2]]
        return own(context)

    return decide


def _always(outcome: Outcome) -> Decide:
    return lambda _: outcome


def _lists(targeting: Targeting) -> Callable[[Context], Outcome | None] | None:
    """The deny and the allow list as one question; None where neither is given."""
    deny_users, deny_groups = targeting.deny_users, targeting.deny_groups
    allow_users, allow_groups = targeting.allow_users, targeting.allow_groups
    if not (deny_users or deny_groups or allow_users or allow_groups):
        return None

    def listed(context: Context) -> Outcome | None:
        key, groups = context.targeting_key, context.groups
        if key in deny_users or _any_in(groups, deny_groups):
            return _DENY
        if key in allow_users:
            return _ALLOW_USER
        return _ALLOW_GROUP if _any_in(groups, allow_groups) else None

    return listed


def _any_in(groups: object, names: frozenset[str]) -> bool:
    """Whether the user is in one of these groups. A text is no list of groups: its letters must not match."""
    if not names or not isinstance(groups, frozenset | set | tuple | list):
        return False
    return any(isinstance(group, str) and group in names for group in groups)


def compile_flags(
    definitions: Mapping[str, Flag],
    state: Mapping[str, FlagState],
    overrides: Mapping[str, bool] | None = None,
) -> Ruleset:
    """The rules of one revision. `definitions` comes from `flags.definitions`; an override makes its flag known."""
    return Ruleset(definitions, state, overrides or {})
