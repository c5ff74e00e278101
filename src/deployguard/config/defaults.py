"""What `init` writes: the homepage redesign with its eight flags, and the source system's names for scripts."""

import json
import re
from collections.abc import Mapping
from typing import Final

from deployguard.config.issues import WrongError
from deployguard.config.kinds import Known
from deployguard.config.scalars import url
from deployguard.errors import Code, fail

EXAMPLE_URL = "https://www.example.com"
_STAGING_URL = "https://staging.example.com"

_TEMPLATE: Final = """\
{
  "$schema": "./deployment-config.schema.json",
  "schemaVersion": 1,

  "flags": {
    "dual_audience_homepage":            { "description": "Main homepage redesign" },
    "enhanced_hero_section":             { "description": "Guest-focused hero section",     \
"requires": ["dual_audience_homepage"], "tags": ["performance-heavy"] },
    "featured_lofts_showcase":           { "description": "Interactive loft cards",         \
"requires": ["dual_audience_homepage"], "tags": ["performance-heavy"] },
    "trust_social_proof":                { "description": "Reviews and testimonials",       \
"requires": ["dual_audience_homepage"] },
    "repositioned_owner_section":        { "description": "Owner value proposition",        \
"requires": ["dual_audience_homepage"] },
    "multilingual_currency_support":     { "description": "Language and currency features", \
"requires": ["dual_audience_homepage"] },
    "advanced_booking_functionality":    { "description": "Enhanced booking features",      \
"requires": ["dual_audience_homepage"] },
    "analytics_conversion_optimization": { "description": "Analytics and A/B testing",      \
"requires": ["dual_audience_homepage"], "tags": ["performance-heavy"] }
  },

  "strategies": {
    "all-at-once": ["100%"],
    "half-first":  ["50% for 1h", "100%"],
    "gradual": [
      "5% for 24h - initial canary",
      "15% for 24h - expanded testing",
      "30% for 24h - broader rollout",
      "50% for 48h - half of the traffic",
      "75% for 48h - majority of the traffic",
      "100% - full rollout"
    ]
  },

  "healthChecks": {
    "homepage": { "url": "/",           "expect": ["status == 200"] },
    "api":      { "url": "/api/health", "expect": ["status == 200"] }
  },

  "triggers": {
    "high-error-rate":       { "when": "errorRate > 10%",          "then": "emergencyRollback" },
    "slow-response":         { "when": "avg(responseTime) > 5s",   "then": "reduce by 50%" },
    "poor-web-vitals":       { "when": "p75(lcp) > 4s",            "then": "disable performance-heavy" },
    "health-check-failures": { "when": "consecutiveFailures >= 2", "then": "reduce by 50%" }
  },

  "environments": {
    @dev@ "strategy": "all-at-once" },
    @staging@ "strategy": "half-first", "confirm": "yes" },
    @prod@ "strategy": "gradual",    "confirm": "name" }
  }
}
"""


def default_config(url: str | None) -> str:
    """The default config as text, `url` being prod's address. Raises `usage` where it is no address."""
    address = _address(url) if url else EXAMPLE_URL
    urls = {"dev": "http://localhost:3000", "staging": _STAGING_URL, "prod": address}
    spelt = {name: json.dumps(value, ensure_ascii=False) + "," for name, value in urls.items()}
    width = max(map(len, spelt.values()))
    out = _TEMPLATE
    for name, value in spelt.items():
        key = f'"{name}":'.ljust(10)
        out = out.replace(f"@{name}@", f'{key} {{ "baseUrl": {value.ljust(width)}')
    return out


def _address(text: str) -> str:
    try:
        read: str = url().read(text, Known())
    except WrongError as wrong:
        raise fail(
            Code.USAGE, f"{text} is no address", where="option --url", found=wrong.found, wanted=wrong.wanted
        ) from None
    return re.sub(r"/+$", "", read)


def npm_scripts() -> dict[str, str]:
    """The source system's scripts, each as a command of ours."""
    scripts: Mapping[str, str] = {
        **{f"deploy:enhanced:{name}": f"deployguard deploy {name}" for name in ("dev", "staging", "prod")},
        "monitoring:start": "deployguard monitoring start",
        "monitoring:dashboard": "deployguard monitoring dashboard",
        "feature-flags:status": "deployguard feature-flags status",
        "rollback:emergency": "deployguard rollback emergency",
    }
    return dict(scripts)
