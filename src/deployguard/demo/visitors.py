"""Visitors of the demo's homepage: `python -m deployguard.demo.visitors --url URL --vitals vitals.jsonl`.

Each has a cookie, a country and a browser; they come at random, look at a few pages, and their browsers report web
vitals as JSON lines, which `deployguard monitoring import` reads. The seed fixes who comes and when.
"""

import argparse
import asyncio
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import httpx

PAGES = ("/", "/", "/", "/lofts/12", "/lofts/31", "/checkout/dates")
COUNTRIES = ("DZ", "DZ", "DZ", "FR", "ES", "DE")
VITALS_SHARE = 0.3  # of page views whose browser reports


class Visitor:
    """One person with one browser."""

    def __init__(self, rng: random.Random) -> None:
        self.user = f"{rng.getrandbits(128):032x}"
        self.country = rng.choice(COUNTRIES)
        self.speed = rng.lognormvariate(0, 0.3)

    def vitals(self, page: str, rng: random.Random) -> dict[str, object]:
        """One page view as a browser measures it: milliseconds, and CLS plain."""
        return {
            "type": "vital",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "page": page,
            "user": self.user,
            "lcp": round(1400 * self.speed * rng.lognormvariate(0, 0.3)),
            "inp": round(90 * self.speed * rng.lognormvariate(0, 0.4)),
            "cls": round(abs(rng.gauss(0.03, 0.03)), 3),
            "fcp": round(900 * self.speed * rng.lognormvariate(0, 0.25)),
            "ttfb": round(200 * self.speed * rng.lognormvariate(0, 0.25)),
        }


async def visit(client: httpx.AsyncClient, visitor: Visitor, rng: random.Random, vitals: TextIO) -> None:
    page = rng.choice(PAGES)
    headers = {"Cookie": f"dg_id={visitor.user}", "CF-IPCountry": visitor.country}
    try:
        await client.get(page, headers=headers)
    except httpx.HTTPError:
        return  # a visitor whose request fails goes away; the application's log has what there is to know
    if rng.random() < VITALS_SHARE:
        vitals.write(json.dumps(visitor.vitals(page, rng)) + "\n")
        vitals.flush()


async def crowd(url: str, per_second: float, people: int, seed: int, vitals: TextIO) -> None:
    rng = random.Random(seed)  # noqa: S311  # visitors, not secrets
    visitors = [Visitor(rng) for _ in range(people)]
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    async with httpx.AsyncClient(base_url=url, timeout=5, limits=limits) as client, asyncio.TaskGroup() as going:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            going.create_task(visit(client, rng.choice(visitors), rng, vitals))
            # By the clock, not a pause after each: so many come a second on a busy machine, too. What one that stood
            # still has missed does not come all at once.
            due = max(due + rng.expovariate(per_second), clock() - 0.5)
            await asyncio.sleep(max(0.0, due - clock()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--vitals", required=True)
    parser.add_argument("--per-second", type=float, default=60.0)
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with Path(options.vitals).open("a", encoding="utf-8") as vitals:
        try:
            asyncio.run(crowd(options.url, options.per_second, options.people, options.seed, vitals))
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
