"""The demo's config: the default one with steps of seconds, windows to match, and its own access log."""

import json
import sys

from deployguard.config.defaults import default_config

LISTED = ("featured_lofts_showcase", "trust_social_proof")


def demo_config(url: str) -> str:
    """The text of the demo's deployment-config.json."""
    document = json.loads(default_config(url))
    document["strategies"] = {
        "seconds": ["10% for 14s - canary", "30% for 16s - broader", "60% for 14s - most", "100% - full rollout"]
    }
    document["healthChecks"]["homepage"]["every"] = "2s"
    document["healthChecks"]["api"]["every"] = "2s"
    for name, samples in (("high-error-rate", 100), ("slow-response", 40), ("poor-web-vitals", 20)):
        document["triggers"][name] |= {"window": "20s", "minSamples": samples}
    document["triggers"]["high-error-rate"]["then"] = "rollback"
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
