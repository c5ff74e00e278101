"""`deploy ENV`: the plan, the question, the run as it goes, and what comes next."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import Run, run
from deployguard.cli.words import By, Reason, says
from deployguard.errors import Code, Offer, fail

if TYPE_CHECKING:
    from deployguard.operations.protocol import DeployAsk
    from deployguard.operations.values.releases import DeployPlan


def deploy(
    environment: Annotated[str, typer.Argument(metavar="ENV", show_default=False)],
    version: Annotated[str | None, says("--version", "V", "Reaches commands as DEPLOYGUARD_VERSION.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The plan; changes nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and act until every rollout is decided.")] = False,
    retry: Annotated[list[str], says("--retry", "FLAG|all", "Start again what was taken back.")] = [],  # noqa: B006
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for CI.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Deploy although a check fails now.")] = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    from deployguard.cli.render import deploying
    from deployguard.operations.protocol import DeployAsk

    current, operations = run(), run().operations(environment)
    _check_version(version)
    ask = DeployAsk(version=version, retry=tuple(retry), by=by, reason=reason)
    plan = operations.plan_deploy(ask)
    if not current.as_data:
        deploying.plan(plan, current.page, dry_run=dry_run)
        current.page.flush()
    same = _command(plan, ask, watch=watch)
    _check_preflight(plan, same, force=force)
    if dry_run:
        current.emit(plan, view=partial(deploying.dry_run_end, command=same))
        return
    if not yes:
        _confirm(plan, current, same)
    deployed = operations.deploy(ask, deploying.progress(current.page))
    current.emit(deployed, view=partial(deploying.deployed, stays=watch))
    if watch:
        from deployguard.cli.watch import stay

        leads = [row.rollout for row in (*deployed.rollouts, *deployed.stays)]
        stay(current, operations, until_decided=leads)


def _command(plan: "DeployPlan", ask: "DeployAsk", *, watch: bool) -> str:
    """What was asked, so that an offer to ask it again loses nothing of it."""
    words = ["deployguard deploy", plan.environment]
    words += ["--version", ask.version] if ask.version else []
    words += [f"--retry {flag}" for flag in ask.retry]
    return " ".join([*words, "--watch"] if watch else words)


def _check_version(version: str | None) -> None:
    import re

    if version is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", version):
        raise fail(
            Code.OUT_OF_RANGE,
            "this is no version",
            where="option --version",
            found=f'"{version[:60]}"',
            wanted="letters, digits and . _ + -, at most 128, beginning with a letter or digit",
        )


def _check_preflight(plan: "DeployPlan", same: str, *, force: bool) -> None:
    missing = any(not command.found for command in plan.commands)
    if not plan.problems or (force and not missing):
        return
    env = plan.environment
    failing = () if missing else (Offer(f"{same} --force", "deploys although a check fails now"),)
    raise fail(
        Code.PREFLIGHT_FAILED,
        f"{env} is not ready for a deploy",
        where="preflight",
        found="; ".join(plan.problems),
        wanted="every command found and every check passing before the deploy",
        now="nothing was run or changed",
        next=(Offer(f"deployguard monitoring check --env {env}", "what each check answers"), *failing),
    )


def _confirm(plan: "DeployPlan", current: Run, same: str) -> None:
    """Never y/N and never a default; without a terminal it is refused and names `--yes`."""
    wanted = {"no": None, "yes": "yes"}.get(plan.confirm, plan.environment)
    if wanted is None:
        return
    answer = None
    if sys.stdin is not None and not sys.stdin.closed:
        from deployguard.cli.render import deploying

        deploying.question(wanted, current.page)
        current.page.flush()
        answer = sys.stdin.readline()
    if answer is not None and answer.strip() == wanted:
        return
    found = "standard input is closed" if not answer else f'"{answer.strip()}"'
    raise fail(
        Code.DECLINED,
        f"{plan.environment} was not deployed",
        where="the question",
        found=found,
        wanted=f'"{wanted}" typed, or --yes where nobody can answer',
        now="nothing was run or changed",
        next=(Offer(f"{same} --yes", "does not ask"),),
    )


apps = {
    "deploy": single("deploy", deploy, "Plan, ask, run the commands, check until stable, start the rollouts, report.")
}
