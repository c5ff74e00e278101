"""The demo's config: the default one with steps of seconds, windows to match, and its own access log."""

import json
import sys

from deployguard.config.defaults import default_config

LISTED = ("featured_lofts_showcase", "trust_social_proof")
"""The feature that completes, and the one that breaks.

Their users are drawn apart, so three in ten of the first one's users have the second, too: where all users of the
second meet a fault, three in ten requests of the first one's users fail, and as many of everybody's. A limit near
either rate would blame the first one whenever chance gives its users a few faults more than the others. So the service
behind the second fails for all who ask (`application.ReviewsService`), and the limit lies far from both, between 30 and
100 %: with a hundred samples chance reaches it once in tens of thousands of looks.
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
    document["triggers"]["high-error-rate"] |= {"when": "errorRate > 50%", "then": "rollback", "window": "10s"}
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
