"""One evaluation against one hash: the aim is at most 10 x mmh3 over the same, already encoded bytes.

    python benchmarks/evaluation.py

Each line asks for one user of one flag with a requirement, a country rule and a percentage. Its base is `mmh3.hash`
over exactly the bytes that the evaluation has to hash: one text where the requirement rides under the same seed at
100 %, two where it stands at a percentage of its own. The two are measured by turns in one run; the ratio is that of
the fastest rounds, which a busy machine disturbed least. `on` is the decision; `evaluate` adds the answer that
explains it.
"""

from timeit import Timer

from mmh3 import hash as murmur3

from deployguard.config.values import Flag, Targeting
from deployguard.flags.bucket import encoded
from deployguard.flags.evaluate import Context, compile_flags
from deployguard.state import FlagState

ROUNDS = 101
CALLS = 3_000
USER = "9f1c2b3a4d5e6f708192a3b4c5d6e7f8"  # as `dg_id` is: 32 hexadecimal digits

DEFINITIONS = {
    "dual_audience_homepage": Flag(key="dual_audience_homepage"),
    "trust_social_proof": Flag(
        key="trust_social_proof",
        requires=("dual_audience_homepage",),
        targeting=Targeting(countries=frozenset({"DZ", "FR"})),
    ),
}
CONTEXT = Context(USER, country="DZ")


def ruleset_at(requirement: int):
    """The two flags, the requirement at `requirement` hundredths, the flag at 90 % under a seed of its own."""
    lead, rider = DEFINITIONS
    return compile_flags(
        DEFINITIONS,
        {
            lead: FlagState(enabled=True, percentage=requirement, seed=lead),
            rider: FlagState(enabled=True, percentage=9_000, seed=rider),
        },
    )


def main() -> None:
    lead, rider = DEFINITIONS
    one = [encoded(rider, USER)]
    two = [encoded(lead, USER), *one]
    print(f"{'':44}{'ns':>8}{'bare ns':>9}{'ratio':>7}")
    for name, rules, texts in (
        ("requirement on for everyone", ruleset_at(10_000), one),
        ("requirement at a percentage of its own", ruleset_at(9_000), two),
    ):
        assert rules.evaluate(rider, CONTEXT).decided_by == "bucket"
        bare = "; ".join(f"murmur3(t{n}, 0, False)" for n in range(len(texts)))
        setting = {"murmur3": murmur3, "rules": rules, "key": rider, "context": CONTEXT}
        setting |= {f"t{n}": text for n, text in enumerate(texts)}
        for call in ("on", "evaluate"):
            ours, theirs = by_turns(f"rules.{call}(key, context)", bare, setting)
            print(f"{f'{call}, {name}':44}{ours:8.0f}{theirs:9.0f}{ours / theirs:7.1f}")


def by_turns(ours: str, theirs: str, setting: dict[str, object]) -> tuple[float, float]:
    """Nanoseconds a call of both in their fastest round, taken by turns so that a busy machine hits both alike."""
    timers = (Timer(ours, globals=setting), Timer(theirs, globals=setting))
    rounds = [[timer.timeit(CALLS) for timer in timers] for _ in range(ROUNDS)]
    mine, bare = (min(column) / CALLS * 1e9 for column in zip(*rounds, strict=True))
    return mine, bare


if __name__ == "__main__":
    main()
