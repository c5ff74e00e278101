"""`gate` as a CI job reads it: what it judged, what it could not, for what it waits, and what to type next."""

from support.command import Folder, Site


def test_a_failed_deploy_is_said_though_no_rollout_can_fail(live: Folder, site: Site) -> None:
    prod = {"baseUrl": site.url, "strategy": "gradual", "deploy": ["false"]}
    live.write_config(site.url, environments={"prod": prod})
    live("deploy", "prod", "--yes", "--version", "1.0.0", code=1)
    ran = live("gate", "--env", "prod")
    assert "release r-1 (1.0.0), the last one, failed" in ran.out
    assert "there is no rollout, so nothing was judged (exit 0)" in ran.out
    assert "deployguard report show r-1 --env prod" in ran.err
    assert live.json("gate")["warnings"][0].startswith("release r-1")


def test_a_take_back_counts_for_the_release_that_it_came_after(live: Folder) -> None:
    live("deploy", "prod", "--yes", "--version", "1.0.0")
    live("deploy", "prod", "--yes", "--version", "1.0.1")
    live("rollback", "emergency")
    assert live("gate", code=3).out.count("taken back") >= 2, "the newest release started nothing, and lost it all"
    live("deploy", "prod", "--yes", "--version", "1.0.2")
    assert "there is no rollout" in live("gate").out, "what was lost before holds up no later release"


def test_it_says_at_once_for_what_it_waits_and_who_watches(live: Folder) -> None:
    live("rollout", "start", "homepage")
    live("watch", "--once", "--interval", "5m")
    ran = live("gate", "--timeout", "1s", code=4)
    assert "homepage waits: " in ran.err
    assert "(watch --once, pid " in ran.err
    assert "it comes about every 5m." in ran.err.replace("\n", " ")
    assert "The gate waits until " in ran.err
    assert "gate timed out after 1" in ran.out


def test_its_help_says_how_long_it_waits(empty: Folder) -> None:
    assert "10m" in empty("gate", "--help").out
