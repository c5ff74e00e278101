"""The rules of one revision, ready to answer: which flags a user has, and what decided it."""

from collections.abc import Iterable, Mapping

from deployguard.config.values import Flag
from deployguard.flags.bucket import BUCKETS
from deployguard.flags.compile import Compiler, Decide
from deployguard.flags.ladder import ladder
from deployguard.flags.values import Context, DecidedBy, Evaluation, Reason, Rung, plain
from deployguard.state import FlagState

__all__ = ["Context", "DecidedBy", "Evaluation", "Reason", "Ruleset", "Rung", "compile_flags"]

# What an odd context (a list as a country, a number as a user) makes Python raise.
_ODD = (TypeError, AttributeError)

_new = tuple.__new__


class Ruleset:
    """Made by `compile_flags`. A flag is compiled when it is first asked for; any number of threads may ask."""

    __slots__ = ("_compiler", "_decide", "_definitions", "_known", "_state")

    def __init__(
        self, definitions: Mapping[str, Flag], state: Mapping[str, FlagState], overrides: Mapping[str, bool]
    ) -> None:
        self._definitions = definitions
        self._state = state
        self._known = dict.fromkeys((*definitions, *overrides))
        self._compiler = Compiler(definitions, state, overrides)
        self._decide: dict[str, Decide] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._known

    @property
    def keys(self) -> tuple[str, ...]:
        """Every flag that can be asked for, in the order of the definitions."""
        return tuple(self._known)

    def evaluate(self, key: str, context: Context) -> Evaluation:
        """The whole answer. Raises KeyError for an unknown flag, and nothing else."""
        try:
            decide = self._decide[key]
        except KeyError:
            decide = self._compiled(key)
        try:
            value, (variant, reason, decided_by, error), place = decide(context)
        except _ODD:
            context = plain(context)
            value, (variant, reason, decided_by, error), place = decide(context)
        bucket = None if place is None else (place * BUCKETS) >> 32
        # What a named tuple's own constructor does, without its argument handling.
        return _new(Evaluation, (key, context.targeting_key, value, variant, reason, bucket, decided_by, error))

    def on(self, key: str, context: Context) -> bool:
        """Whether the user has the flag: the first word of `evaluate`, faster. Raises KeyError for an unknown flag."""
        try:
            decide = self._decide[key]
        except KeyError:
            decide = self._compiled(key)
        try:
            return decide(context)[0]
        except _ODD:
            return decide(plain(context))[0]

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
                value, _, place = (compiled.get(key) or self._compiled(key))(context)
                if place is not None:
                    out.append((key, value))
        return tuple(out)

    def _compiled(self, key: str) -> Decide:
        """Compile `key`; where two threads do so at once, both get the same answers. Raises KeyError when unknown."""
        if key not in self._known:
            raise KeyError(key)
        self._decide[key] = decide = self._compiler.decide(key)
        return decide

    def ladder(self, key: str, context: Context) -> tuple[Rung, ...]:
        """The order of evaluation for people, up to the question that decided. Raises KeyError for an unknown flag."""
        found = self.evaluate(key, context)
        return ladder(self._definitions.get(key), self._state.get(key), found, plain(context))


def compile_flags(
    definitions: Mapping[str, Flag],
    state: Mapping[str, FlagState],
    overrides: Mapping[str, bool] | None = None,
) -> Ruleset:
    """The rules of one revision. `definitions` comes from `flags.definitions`; an override makes its flag known."""
    return Ruleset(definitions, state, overrides or {})
