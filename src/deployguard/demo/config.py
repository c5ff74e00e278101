"""The demo's config: the default one with steps of seconds, windows to match, and its own access log."""

import json
import sys

from deployguard.config.defaults import default_config

LISTED = ("featured_lofts_showcase", "trust_social_proof")
"""The feature that completes, and the one that breaks.

Their users are drawn apart, so three in ten of the first one's users have the second, too, and three in ten of its
faults count for the first. Three things keep chance from blaming the first for them. The service behind the second
fails for all who ask, not for a few (`application.ReviewsService`): its users stand far beyond the limit in a second or
two, before the others met many faults. The limit lies between what the two can reach in that time, not near either.
And there are a hundred good requests of each before. Else a tick that came late found both beyond the limit.
"""


def demo_config(url: str) -> str:
    """The text of the demo's deployment-config.json."""
    document = json.loads(default_config(url))
    document["strategies"] = {
        "seconds": ["10% for 14s - canary", "30% for 16s - broader", "60% for 14s - most", "100% - full rollout"]
    }
    for check in document["healthChecks"].values():
        # A visitor of its own, the same in each round: one whom the broken feature never reaches. A new one each time
        # would now and then see its page fail, and the check is about the homepage, not about a feature.
        check |= {"every": "2s", "headers": {"Cookie": "dg_id=health-check-6"}}
    for name, samples in (("high-error-rate", 100), ("slow-response", 40), ("poor-web-vitals", 20)):
        document["triggers"][name] |= {"window": "20s", "minSamples": samples}
    document["triggers"]["high-error-rate"] |= {"when": "errorRate > 20%", "then": "rollback"}
    document["triggers"]["poor-web-vitals"]["minUsers"] = 5
    document["sources"] = {
        "homepage": {
            "type": "accessLog",
            "path": "logs/access.jsonl",
            "format": "json",
            "fields": {"time": "ts", "path": "url", "status": "code", "duration": "took_ms ms", "user": "uid"},
        }
    }
    document["endpoints"] = ["/lofts/:id", "/checkout/*"]
    document["environments"] = {
        "prod": {
            "baseUrl": url,
            "strategy": "seconds",
            "rollout": list(LISTED),
            "deploy": [{"run": f"{sys.executable} -m deployguard.demo.release"}],
            "stable": "2s",
        }
    }
    return json.dumps(document, indent=2) + "\n"
