"""`deploy ENV`: the plan, the question, the run as it goes, and what comes next."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deployguard.cli.app import single
from deployguard.cli.context import Run, run
from deployguard.cli.words import By, Reason
from deployguard.errors import Code, Offer, fail

if TYPE_CHECKING:
    from deployguard.operations.values.releases import DeployPlan


def deploy(
    environment: Annotated[str, typer.Argument(metavar="ENV", show_default=False)],
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="V", help="Reaches commands as DEPLOYGUARD_VERSION.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The plan; changes nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and act until every rollout is decided.")] = False,
    retry: Annotated[
        list[str],
        typer.Option("--retry", metavar="FLAG|all", help="Start again what was taken back.", show_default=False),
    ] = [],  # noqa: B006
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for CI.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Deploy although a check fails now.")] = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    from deployguard.cli.render import deploying
    from deployguard.operations.protocol import DeployAsk

    current, operations = run(), run().operations(environment)
    check_version(version)
    ask = DeployAsk(version=version, retry=tuple(retry), by=by, reason=reason)
    plan = operations.plan_deploy(ask)
    if not current.as_data:
        deploying.plan(plan, current.page, dry_run=dry_run)
        current.page.flush()
    _check_preflight(plan, force=force)
    if dry_run:
        if current.as_data:
            current.print_data(plan)
        else:
            deploying.dry_run_end(plan, current.page)
            current.page.flush()
        return
    if not yes:
        _confirm(plan, current)
    from deployguard.cli.progress import progress

    deployed = operations.deploy(ask, progress(current))
    current.emit(deployed)
    if watch:
        from deployguard.cli.watch import stay

        leads = [row.rollout for row in (*deployed.rollouts, *deployed.stays)]
        stay(current, operations, until_decided=leads)


def check_version(version: str | None) -> None:
    import re

    if version is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", version):
        raise fail(
            Code.OUT_OF_RANGE,
            "this is no version",
            where="option --version",
            found=f'"{version[:60]}"',
            wanted="letters, digits and . _ + -, at most 128, beginning with a letter or digit",
            now="nothing was changed (exit 2)",
        )


def _check_preflight(plan: "DeployPlan", *, force: bool) -> None:
    missing = [problem for problem in plan.problems if not problem.startswith("check ")]
    if not plan.problems or (force and not missing):
        return
    env = plan.environment
    failing = () if missing else (Offer(f"deployguard deploy {env} --force", "deploys although a check fails now"),)
    raise fail(
        Code.PREFLIGHT_FAILED,
        f"{env} is not ready for a deploy",
        where="preflight",
        found="; ".join(plan.problems),
        wanted="every command found and every check passing before the deploy",
        now="nothing was run or changed (exit 1)",
        next=(Offer(f"deployguard monitoring check --env {env}", "what each check answers"), *failing),
    )


def _confirm(plan: "DeployPlan", current: Run) -> None:
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
        now="nothing was run or changed (exit 1)",
        next=(Offer(f"deployguard deploy {plan.environment} --yes", "does not ask"),),
    )


apps = {
    "deploy": single("deploy", deploy, "Plan, ask, run the commands, check until stable, start the rollouts, report.")
}
