"""What is asked and what is answered: the evaluation context and the evaluation, in OpenFeature's words."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from deployguard.flags.bucket import bucket_of

TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
FLAG_NOT_FOUND = "FLAG_NOT_FOUND"


class Reason(StrEnum):
    """Why a value came out, in OpenFeature's words."""

    STATIC = "STATIC"
    DISABLED = "DISABLED"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DEFAULT = "DEFAULT"
    ERROR = "ERROR"


class DecidedBy:
    """Which question of the order decided; `requires:<flag>` and `rule:<n>` (from 1) carry their name."""

    OVERRIDE = "override"
    DISABLED = "disabled"
    REQUIRES = "requires:"
    DENY = "deny"
    ALLOW_USER = "allow:user"
    ALLOW_GROUP = "allow:group"
    COUNTRY = "country"
    REGION = "region"
    RULE = "rule:"
    PERCENTAGE = "percentage"
    BUCKET = "bucket"
    NO_TARGETING_KEY = "noTargetingKey"
    UNKNOWN_FLAG = "unknownFlag"  # only an application's client answers this; here an unknown flag is a KeyError


@dataclass(frozen=True, slots=True)
class Context:
    """For whom a flag is asked. Anything of a wrong type counts as not given; nothing here makes an evaluation raise.

    `targeting_key` is the user's id. A country and a region are compared as written.
    """

    targeting_key: str | None
    country: str | None = None
    region: str | None = None
    groups: Collection[str] = frozenset()
    attributes: Mapping[str, object] = field(default_factory=dict)

    def attribute(self, name: str) -> object:
        """What a rule's name stands for: a word of the context, an attribute, a path into one; None without a value."""
        if name in _WORDS:
            return _WORDS[name](self)
        found: object = self.attributes
        if not isinstance(found, Mapping):
            return None
        if name in found:
            return found[name]
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        return found


def plain(context: Context) -> Context:
    """The context with everything of a wrong type left out."""
    user: object = context.targeting_key
    country: object = context.country
    region: object = context.region
    groups: object = context.groups
    attributes: object = context.attributes
    return Context(
        targeting_key=user if isinstance(user, str) else None,
        country=country if isinstance(country, str) else None,
        region=region if isinstance(region, str) else None,
        groups=_texts(groups),
        attributes=attributes if isinstance(attributes, Mapping) else {},
    )


def _texts(groups: object) -> tuple[str, ...]:
    if not isinstance(groups, frozenset | set | tuple | list):
        return ()
    return tuple(group for group in groups if isinstance(group, str))


_WORDS: Mapping[str, Callable[[Context], object]] = {
    "targetingKey": lambda context: context.targeting_key,
    "country": lambda context: context.country,
    "region": lambda context: context.region,
    "groups": lambda context: _texts(context.groups),
}


class Evaluation(NamedTuple):
    """One answer. A named tuple, not a dataclass: it is made on every call of an application's hot path, and building
    it as a frozen dataclass would cost more than the decision itself.

    `place` is the user's hash under the flag's seed, given where its own bucket decided, and nowhere else.
    """

    flag_id: str
    targeting_key: str | None
    place: int | None
    value: bool
    variant: str
    reason: str
    decided_by: str
    error_code: str | None = None

    @property
    def bucket(self) -> int | None:
        """The user's place 0 to 9,999, where it decided."""
        return None if self.place is None else bucket_of(self.place)


@dataclass(frozen=True, slots=True)
class Rung:
    """One question of the order of evaluation, for people. `passed` is None where it was not asked."""

    name: str
    passed: bool | None
    text: str
