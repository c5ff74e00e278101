"""The first help page: groups follow the work, not the alphabet; exit codes where scripts' authors look."""

ROOT = """\
deployguard: ship behind flags, watch real users, take it back by itself.

usage: deployguard [--env ENV] [--output table|json|yaml] COMMAND [ARGUMENTS]

Set up
  init                write the default config, its schema, .gitignore's line
  config              validate, show, schema
  doctor              what is wrong here, and the command that mends it
  demo                the whole story in two minutes, made up, offline

Ship
  deploy ENV          plan, ask, run the commands, start the rollouts
  rollout             plan, start, status, pause, resume, promote, abort, retry
  feature-flags       status, list, show, set, enable, disable, target,
                      evaluate, history, stale, export, import, forget

Watch
  watch               judge and act, with a live view; --once for cron
  monitoring          check, status, import, forget
  gate [FLAG]         for CI: the exit code says whether the step is good
  alerts test         send a test notice

Take back
  rollback emergency  every flag off, now, without a question
  rollback            manual FLAG, undo [ID], history

Look back
  report              list, show as table, markdown or json
  state               verify, backup, restore

Examples
  deployguard deploy prod --dry-run     # what would happen
  deployguard deploy prod --watch       # ship and stay until it is decided
  deployguard rollback emergency        # turn everything off

Everywhere  --config PATH  --state DIR  --env ENV  --output table|json|yaml
Exit codes  0 done  1 failed or refused  2 usage or config  3 taken back
            4 not enough data or time out  5 state
more: deployguard COMMAND --help
"""

EVERYWHERE = """\
Everywhere
  --config PATH  --state DIR  --env ENV  --output table|json|yaml
"""
