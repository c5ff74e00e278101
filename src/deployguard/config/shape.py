"""The shape of deployment-config.json as data: every key, what stands there, its default, and a sentence on it."""

from dataclasses import replace

from deployguard.config import parts, rules
from deployguard.config import phrases as say
from deployguard.config import scalars as a
from deployguard.config.kinds import NAME, NAME_RULE, Either, Fields, Key, Many, Named, Scalar
from deployguard.config.metrics import GUARDED
from deployguard.config.values import (
    Confirm,
    HealthCheck,
    Mode,
    OnCommonFault,
    OnInconclusive,
    Retention,
    Server,
    Severity,
    Source,
    SourceType,
    Step,
    Strategy,
)
from deployguard.errors import Code


def _many(what: str, kind: Scalar, least: int = 0) -> Many:
    return Many(what, kind, least, once=True)


_WORDS = a.text("text", longest=1_000)
_NAMES = _many("a list of names", a.text("a name", longest=256))
_ENVIRONMENTS = Key(_many("a list of environments", a.ENVIRONMENT_NAME, 1), "Only in these; all without it.")
_USERS = Fields(
    'an object with "users" and "groups"',
    {"users": Key(_NAMES, "Ids of users."), "groups": Key(_NAMES, "Names of groups.")},
)
TARGETING = Fields(
    "an object that says who is asked",
    {
        "allow": Key(_USERS, "On for these, whatever the percentage."),
        "deny": Key(_USERS, "Off for these, whatever else holds."),
        "countries": Key(_NAMES, "Off outside these countries."),
        "regions": Key(_NAMES, "Off outside these regions."),
        "rules": Key(Many("a list of conditions", say.RULE), "All must hold: plan in ['pro', 'team']"),
    },
    parts.targeting,
    parts.of_targeting,
)
FLAG = Fields(
    "a flag, an object",
    {
        "description": Key(a.text("text", empty=True), "What it does, for people.", default=""),
        "owner": Key(_WORDS, "Who answers for it."),
        "expires": Key(a.DATE, "The day after which it should be gone: 2027-03-31."),
        "tags": Key(_many("a list of tags", a.pattern(NAME, "a tag: " + NAME_RULE)), "For `disable TAG`."),
        "requires": Key(_many("a list of flags", a.FLAG), "Flags that must be on for the same user."),
        "targeting": Key(TARGETING, "Who is asked before the percentage."),
        "seed": Key(a.one_of("own"), 'With "own" a rider reaches other users than its lead.'),
        "private": Key(a.BOOLEAN, "Not shown to client tokens.", default=False),
        "permanent": Key(a.BOOLEAN, "Kept on in an emergency; never in a rollout.", default=False),
    },
    parts.flag,
    parts.of_flag,
)
_STEP = Either(
    say.STEP_WANTED,
    say.STEP,
    Fields(
        "a step",
        {
            "percentage": Key(say.STEP_PERCENTAGE, "Share of users: 5%", required=True),
            "hold": Key(say.HOLD, "How long before the next: 24h. The last step has none."),
            "name": Key(_WORDS, "For people."),
        },
        parts.made(Step),
    ),
)
STEPS = Many("a list of steps", _STEP, least=1, rule=rules.steps_rise)
STRATEGY = Either(
    'a list of steps, or an object with "steps"',
    STEPS,
    Fields(
        "a strategy",
        {
            "steps": Key(STEPS, "Rising percentages, each but the last with a hold.", required=True),
            "onInconclusive": Key(
                a.one_of(*OnInconclusive, make=OnInconclusive), "What a step does without enough data.", default="hold"
            ),
            "maxWait": Key(a.duration(), "Past the hold, then it says that it waits for a person.", default="24h"),
            "holdout": Key(a.percentage(high=5_000), "Users who never get it, to compare with.", default="0%"),
        },
        parts.named(Strategy),
    ),
)
CHECK = Fields(
    "a health check, an object",
    {
        "url": Key(a.url(path=True), "An address, or a path below baseUrl.", required=True),
        "expect": Key(
            Many("a list of conditions", say.EXPECT, least=1),
            "What the answer must be: status == 200, json.status == 'ok', responseTime < 2s, body contains 'ok'",
            default=["status == 200"],
        ),
        "every": Key(a.duration(), "How often.", default="30s"),
        "timeout": Key(a.duration(), "How long one try may take.", default="10s"),
        "retries": Key(a.number(0, 10, whole=True), "Tries after the first; a round counts once.", default=1),
        "headers": Key(
            Named("an object of headers", a.text("a header's value", empty=True), r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"),
            "Sent with the request.",
        ),
    },
    parts.named(HealthCheck),
)
_OPTIONS = {
    "timeout": Key(a.duration(), "After this it is ended.", default="10m"),
    "env": Key(
        Named("an object of variables", a.text("text", empty=True, lines=True), r"[A-Za-z_][A-Za-z0-9_]*"),
        "Variables beside those it inherits.",
    ),
    "cwd": Key(_WORDS, "The folder in which it runs."),
}
COMMAND_OBJECT = Fields(
    say.COMMAND_WANTED,
    {
        "run": Key(say.COMMAND_LINE, "Split into words and run without a shell."),
        "shell": Key(a.text("a shell line", lines=True), "Run by sh; ${NAME} is the shell's."),
        **_OPTIONS,
    },
    parts.command,
    one_of=("run", "shell"),
)
COMMAND = Either(say.COMMAND_WANTED, say.COMMAND, COMMAND_OBJECT, parts.spelt_command)
COMMANDS = Many("a list of commands", COMMAND)
RUN = replace(COMMAND_OBJECT, make=parts.run)
ACTIONS = Either(
    "an action or a list of them",
    say.ACTION,
    Either(
        "an action or a list of them", Many("a list of actions", Either("an action", say.ACTION, RUN), least=1), RUN
    ),
    parts.spelt_actions,
)
TRIGGER = Fields(
    "a trigger, an object",
    {
        "when": Key(say.WHEN, "A condition: errorRate > 10%, p75(lcp) > 4s", required=True),
        "then": Key(ACTIONS, "emergencyRollback, rollback, disable TAG, reduce by N%, pause, notify", required=True),
        "window": Key(a.duration(), "The samples it looks at.", default="5m"),
        "minSamples": Key(
            a.number(0, 10_000_000, whole=True), "Fewer are inconclusive; 100, for vitals 50, for checks and counts 0."
        ),
        "cooldown": Key(a.duration(zero=True), "After an action; the window without it."),
        "minUsers": Key(a.number(0, 10_000_000, whole=True), "Distinct users it needs; for vitals 20, else 0."),
        "warmUp": Key(a.duration(zero=True), "After a change nothing is judged for this long.", default="0s"),
        "mode": Key(a.one_of(*Mode, make=Mode), "shadow is judged and shown, and does nothing.", default="act"),
        "required": Key(a.BOOLEAN, "Holds a rollout while nothing feeds its metric.", default=False),
        "onCommonFault": Key(
            a.one_of(*OnCommonFault, make=OnCommonFault), "What it does when everyone is hurt.", default="act"
        ),
    },
    parts.trigger,
)
_FIELDS = Named(
    "an object of fields",
    say.FIELD,
    r"[A-Za-z_][A-Za-z0-9_]*",
    "a name of letters, digits and underscores",
    refuse=say.field_name_problem,
)
SOURCE = Fields(
    "a source of samples, an object",
    {
        "type": Key(a.one_of(*SourceType, make=SourceType), "What it is.", required=True),
        "path": Key(_WORDS, "The file that the web server writes.", required=True),
        "format": Key(
            a.text('an nginx log_format, "combined" or "json"'),
            "An nginx log_format string, combined, or json.",
            default="combined",
        ),
        "fields": Key(_FIELDS, "Where a JSON line has what: time, path, status, duration, user, country, region."),
        "environments": _ENVIRONMENTS,
    },
    parts.named(Source),
    rule=rules.durations_have_units,
)
CHANNEL = Fields(
    "a channel for alerts, an object",
    {
        "type": Key(a.one_of("webhook"), "What it is.", required=True),
        "url": Key(a.url(), "Where notices go.", required=True),
        "secret": Key(a.text("a secret", empty=True), "Signs the notices (Standard Webhooks)."),
        "environments": _ENVIRONMENTS,
        "minSeverity": Key(a.one_of(*Severity, make=Severity), "Nothing below it.", default="info"),
    },
    parts.channel,
)
GUARDRAILS = Fields(
    "an object",
    {
        "metrics": Key(_many("a list of metrics", a.one_of(*GUARDED), 1), "What is compared."),
        "margin": Key(a.number(1, 10), "Harm worth acting on, as a ratio.", default=1.1),
        "alpha": Key(a.percentage(1, 5_000), "False alarms over a whole rollout, at most.", default="1%"),
        "then": Key(ACTIONS, "What it does.", default="rollback"),
    },
    parts.guardrails,
)
SERVER = Fields(
    "an object",
    {
        "url": Key(a.url(), "Where the server is reached from outside."),
        "origins": Key(_many("a list of origins", a.ORIGIN), "Pages that may send beacons."),
        "trustedProxies": Key(_many("a list of networks", a.NETWORK), "Whose X-Forwarded-For counts."),
        "countryHeader": Key(
            a.pattern(r"[A-Za-z0-9-]{1,100}", "a header's name such as cf-ipcountry"), "Has the user's country."
        ),
    },
    parts.made(Server),
)
RETENTION = Fields(
    "an object",
    {
        "metrics": Key(a.duration(), "How long figures are kept.", default="30d"),
        "reports": Key(a.duration(), "How long reports are kept.", default="1y"),
    },
    parts.made(Retention),
)
OVERRIDABLE = {"triggers": TRIGGER, "healthChecks": CHECK, "flags": FLAG}
"""What an environment may override by the same key, one level deep."""


def _overrides(section: str, known: str, unknown: Code = Code.UNKNOWN_KEY) -> Key:
    fields = OVERRIDABLE[section]
    partial = {name: Key(key.kind, key.about) for name, key in fields.keys.items()}
    named = Named("an object of overrides", Fields(fields.what, partial), known=known, unknown=unknown)
    return Key(named, f"Overrides of {section} by the same key, one level deep.")


ENVIRONMENT = Fields(
    "an environment, an object",
    {
        "baseUrl": Key(a.url(), "The application's address.", required=True),
        "strategy": Key(a.STRATEGY, "The strategy of its rollouts.", required=True),
        "rollout": Key(_many("a list of flags", a.FLAG), "Flags that a deploy starts; all that are not permanent."),
        "confirm": Key(a.one_of(*Confirm, make=Confirm), "What is typed before a deploy.", default="no"),
        "deploy": Key(COMMANDS, "Commands that deploy, in order."),
        "rollback": Key(COMMANDS, "Commands that bring the older code back."),
        "stable": Key(a.duration(zero=True), "How long checks must pass after a deploy.", default="1m"),
        "triggers": _overrides("triggers", "triggers"),
        "healthChecks": _overrides("healthChecks", "checks"),
        "flags": _overrides("flags", "flags", Code.UNKNOWN_FLAG),
    },
)
_ENDPOINT = a.pattern(r"/[^\s?#']{0,500}", 'a path such as "/lofts/:id" or "/checkout/*"')
FILE = Fields(
    "an object",
    {
        "$schema": Key(a.text("the address of the schema", empty=True), "For editors."),
        "schemaVersion": Key(a.number(1, 1, whole=True), "The version of this file's shape.", default=1),
        "defaultEnvironment": Key(a.ENVIRONMENT_NAME, "Meant where a command names none; prod without it."),
        "flags": Key(Named("an object of flags", FLAG), "The features, by key.", required=True),
        "strategies": Key(Named("an object of strategies", STRATEGY), "How a rollout goes on.", required=True),
        "sources": Key(Named("an object of sources", SOURCE), "Where requests are read from."),
        "endpoints": Key(_many("a list of paths", _ENDPOINT), "Paths that are one: /lofts/:id"),
        "healthChecks": Key(Named("an object of health checks", CHECK), "What is asked of the application."),
        "connectivity": Key(a.url(), "Asked to tell our own network's faults from the application's."),
        "triggers": Key(Named("an object of triggers", TRIGGER), "What takes a rollout back."),
        "guardrails": Key(GUARDRAILS, "Users with a flag against users without it. Not judged yet."),
        "alerts": Key(Named("an object of channels", CHANNEL), "Where notices go; without it WEBHOOK_URL."),
        "guardFor": Key(a.duration(zero=True), "How long a finished change is still watched.", default="48h"),
        "minPercentage": Key(a.percentage(1), "A reduction below it turns off.", default="1%"),
        "environments": Key(
            Named("an object of environments", ENVIRONMENT, a.ENVIRONMENT, a.ENVIRONMENT_RULE, least=1),
            "Where the application runs.",
            required=True,
        ),
        "server": Key(SERVER, "The server of deployguard."),
        "state": Key(_WORDS, "The folder of the state.", default="./state"),
        "reports": Key(_WORDS, "The folder of the reports; inside the state without it."),
        "retention": Key(RETENTION, "How long what is kept."),
    },
    rule=rules.requirements_end,
)
