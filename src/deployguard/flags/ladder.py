"""The order of evaluation as a list that stops where it was decided: what `feature-flags evaluate` shows to people."""

from collections.abc import Iterator

from deployguard.config.units import FULL, format_percentage
from deployguard.config.values import Flag, Targeting
from deployguard.flags.values import Context, DecidedBy, Evaluation, Rung
from deployguard.state import FlagState


def ladder(definition: Flag | None, state: FlagState | None, found: Evaluation, context: Context) -> tuple[Rung, ...]:
    """The questions in their order, up to and including the one that decided `found`."""
    out: list[Rung] = []
    for rung, decided in _rungs(definition, state or FlagState(), found, context):
        out.append(rung)
        if decided:
            break
    return tuple(out)


def _rungs(
    definition: Flag | None, state: FlagState, found: Evaluation, context: Context
) -> Iterator[tuple[Rung, bool]]:
    by = found.decided_by
    if by == DecidedBy.OVERRIDE or definition is None:
        yield Rung("override", found.value, f"{found.variant}, as it says"), True
        return
    disabled = by == DecidedBy.DISABLED
    yield Rung("enabled", not disabled, "no" if disabled else "yes"), disabled
    yield _requires(definition.requires, by, context.targeting_key or "this user"), by.startswith(DecidedBy.REQUIRES)
    yield _deny(definition.targeting, by), by == DecidedBy.DENY
    yield _allow(definition.targeting, by), by in (DecidedBy.ALLOW_USER, DecidedBy.ALLOW_GROUP)
    missed = by in (DecidedBy.COUNTRY, DecidedBy.REGION) or by.startswith(DecidedBy.RULE)
    yield _targeting(definition.targeting, by, context), missed
    yield Rung("bucket", found.value, _bucket_text(state.percentage, found)), True


def _requires(names: tuple[str, ...], by: str, user: str) -> Rung:
    if not names:
        return Rung("requires", None, "nothing")
    if by.startswith(DecidedBy.REQUIRES):
        return Rung("requires", False, f"{by.removeprefix(DecidedBy.REQUIRES)} is off for {user}")
    return Rung("requires", True, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} on for {user}")


def _deny(targeting: Targeting, by: str) -> Rung:
    if by == DecidedBy.DENY:
        return Rung("deny list", False, "on it")
    given = bool(targeting.deny_users or targeting.deny_groups)
    return Rung("deny list", True, "not on it" if given else "none")


def _allow(targeting: Targeting, by: str) -> Rung:
    if by == DecidedBy.ALLOW_USER:
        return Rung("allow list", True, "on it")
    if by == DecidedBy.ALLOW_GROUP:
        return Rung("allow list", True, "a group of this user is on it")
    given = bool(targeting.allow_users or targeting.allow_groups)
    return Rung("allow list", None, "not on it" if given else "none")


def _targeting(targeting: Targeting, by: str, context: Context) -> Rung:
    if not (targeting.countries or targeting.regions or targeting.rules):
        return Rung("targeting", None, "no country, region or rule asked")
    if by == DecidedBy.COUNTRY:
        text = f"country {context.country or 'unknown'} is not in {', '.join(sorted(targeting.countries))}"
    elif by == DecidedBy.REGION:
        text = f"region {context.region or 'unknown'} is not in {', '.join(sorted(targeting.regions))}"
    elif by.startswith(DecidedBy.RULE):
        number = int(by.removeprefix(DecidedBy.RULE))
        text = f"rule {number} does not hold: {targeting.rules[number - 1].text}"
    else:
        asked = [name for name in ("countries", "regions", "rules") if getattr(targeting, name)]
        return Rung(
            "targeting", True, f"{' and '.join(asked)} hold" if len(asked) < 3 else "countries, regions and rules hold"
        )
    return Rung("targeting", False, text)


def _bucket_text(percentage: int, found: Evaluation) -> str:
    if found.decided_by == DecidedBy.NO_TARGETING_KEY:
        return f"no user id given, and {format_percentage(percentage)} asks for one"
    if found.bucket is None:
        return f"not asked at {format_percentage(percentage)}"
    return f"{found.bucket:,} of {FULL:,}; on below {percentage:,} ({format_percentage(percentage)})"
