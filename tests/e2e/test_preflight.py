# SPDX-License-Identifier: Apache-2.0
"""Twelve unlike routers and a few faults: what `preflight` says of them, headless and in the TUI."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csworkbench.cli.cloud_screen import ApiSource
from csworkbench.tui.cloud_app import CloudApp
from tests.lab.support import RunningCloud, running_cloud

from .support import ROOT, csworkbench, scenario

pytestmark = pytest.mark.lab

TEMPLATE, SCRIPTS, CURRENT = "needs a new template", "needs new scripts only", "current"
ANEW, PATCH, NOTHING = "restart with cleanup", "live patch", "nothing"
EXPECTED = [
    ("current-01", CURRENT, NOTHING, "template 4.22.0 is the required one"),
    ("current-02", CURRENT, NOTHING, "scripts of 4.22.0.0"),
    ("scripts-01", SCRIPTS, PATCH, "the checksum does not"),
    ("code-01", SCRIPTS, PATCH, "scripts of 4.21.0.0, the server has 4.22.0.0"),
    ("template-01", TEMPLATE, ANEW, "template 4.19.1 is older than 4.22.0"),
    ("patched-01", TEMPLATE, ANEW, "it was live patched"),
    ("fourteen-01", TEMPLATE, ANEW, "template 4.14.0 is older"),
    ("thirteen-01", TEMPLATE, ANEW, "template 4.13.1 is older"),
    ("stopped-01", TEMPLATE, ANEW, "it is Stopped"),
    ("pair-01", CURRENT, NOTHING, "no router of its pair is PRIMARY"),
    ("pair-01", CURRENT, NOTHING, "no router of its pair is PRIMARY"),
    ("empty-01", SCRIPTS, "restart VPC with cleanup", "scripts of 4.21.0.0"),
]
PATCHABLE = {"fourteen-01": "caveat", "thirteen-01": "no", "stopped-01": "no", "empty-01": "no", "template-01": "yes"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    fleet = ROOT / "samples" / "fleets" / "twelve.yaml"
    with running_cloud(tmp_path_factory.mktemp("p") / "lab", "--scale", "0", "--vms", "1", "--fleet", str(fleet)) as up:
        yield up


def preflight(cloud: RunningCloud, *words: str, account: str = "") -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON, stderr; with the keys of an account when one is named."""
    env = {"CSWORKBENCH_LAB_DIR": str(cloud.state)}
    if account:
        keys = cloud.info["accounts"][account]
        env |= {"CLOUDSTACK_ENDPOINT": cloud.info["endpoint"], "CLOUDSTACK_KEY": keys["key"]}
        env |= {"CLOUDSTACK_SECRET": keys["secret"]}
        words = ("--cloud", "env", *words)
    done = csworkbench("preflight", "--json", *words, env=env)
    return done.returncode, json.loads(done.stdout), done.stderr


def check(found: dict[str, Any], name: str) -> dict[str, str]:
    return next(c for c in found["checks"] if c["id"] == name)


def test_need_operation_and_reason_of_twelve(cloud: RunningCloud) -> None:
    code, found, stderr = preflight(cloud)
    assert code == 1
    assert found["stops"] == ["pairs"]
    assert "stop: pairs" in stderr
    told = sorted(
        ((vm["serves"], vm) for vm in found["system_vms"] if vm["kind"] in ("router", "VPC router")),
        key=lambda pair: (pair[0], pair[1]["name"]),
    )
    twelve = [vm for serves, vm in told if serves != "probe-net"]
    assert len(twelve) == 12
    for vm, (serves, need, operation, said) in zip(twelve, sorted(EXPECTED), strict=True):
        assert (vm["serves"], vm["need"], vm["operation"]) == (serves, need, operation)
        assert said in "; ".join((*vm["reasons"], *vm["doubts"]))
        if serves in PATCHABLE:
            assert vm["live_patch"]["answer"] == PATCHABLE[serves]
        assert bool(vm["consequence"]) == (operation != NOTHING)
    assert found["needs"] == {TEMPLATE: 5, SCRIPTS: 3, "cannot tell": 0, CURRENT: 7}
    assert check(found, "routers-running")["level"] == "warn"
    levels = {c["id"]: c["level"] for c in found["checks"]}
    assert {levels[i] for i in ("servers", "hosts", "agents", "templates", "jobs", "capacity", "addresses")} == {"pass"}


@pytest.mark.slow
async def test_the_same_twelve_on_the_screen(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_LAB_DIR", str(cloud.state))
    app = CloudApp(ApiSource("lab"), glyphs="blocks")
    async with app.run_test(size=(200, 40)) as pilot:
        end = time.monotonic() + 60
        while app.cloud.found is None:
            assert time.monotonic() < end, app.cloud.status
            await asyncio.sleep(0.05)
        await pilot.pause()
        lines = app.cloud.view.text_rows()
        for serves, need, operation, said in EXPECTED:
            short = {TEMPLATE: "new template", SCRIPTS: "new scripts", CURRENT: "current"}[need]
            assert any(serves in ln and short in ln and operation[:20] in ln for ln in lines), serves
            await pilot.press("slash", *serves, "enter", "enter")
            await pilot.pause()
            shown = str(app.screen.query_one("#lines").render())
            assert " ".join(said.split()) in " ".join(shown.split()), shown
            assert need in shown
            await pilot.press("escape", "escape")
            await pilot.pause()


@pytest.mark.slow
def test_faults_show_in_the_checks(cloud: RunningCloud) -> None:
    networks = {row["name"]: row["id"] for row in cloud.api("listNetworks", listall="true")[1]["network"]}
    rules = cloud.api("listFirewallRules", listall="true", networkid=networks["template-01"])[1]["firewallrule"]
    _, reply = cloud.api("deleteFirewallRule", id=rules[0]["id"])
    assert cloud.wait_for_job(reply)["jobstatus"] == 2  # an outdated router takes no commands: the rule stays
    assert cloud.lab("fault", "duplicate-routers").returncode == 0
    _, reply = cloud.api("restartNetwork", id=networks["current-01"], cleanup="true")
    cloud.wait_for_job(reply)
    assert cloud.lab("fault", "no-capacity").returncode == 0
    cloud.api("updateConfiguration", name="router.health.checks.failures.to.recreate.vr", value="dhcp_check.py")
    try:
        code, found, _ = preflight(cloud)
    finally:
        assert cloud.lab("fault", "no-capacity", "--off").returncode == 0
    assert code == 1
    assert "capacity" in found["stops"]
    assert "routers-count" in found["stops"]
    assert "current-01 has 2 routers" in check(found, "routers-count")["evidence"]
    assert check(found, "rules")["level"] == "warn"
    assert "is in Revoke" in check(found, "rules")["evidence"]
    assert "dhcp_check.py" in check(found, "settings")["evidence"]


@pytest.mark.slow
def test_settings_are_kept_and_set_back(cloud: RunningCloud, tmp_path: Path) -> None:
    file, env = tmp_path / "settings.json", {"CSWORKBENCH_LAB_DIR": str(cloud.state)}
    cloud.api("updateConfiguration", name="network.rolling.restart", value="true")
    preflight(cloud, "--snapshot", str(file))
    assert file.stat().st_mode & 0o077 == 0
    cloud.api("updateConfiguration", name="network.rolling.restart", value="false")
    asked = csworkbench("preflight", "--restore", str(file), env=env)
    assert asked.returncode == 2
    assert "updateConfiguration name=network.rolling.restart value='true'" in asked.stdout
    assert csworkbench("preflight", "--restore", str(file), "--yes", env=env).returncode == 0
    (row,) = cloud.api("listConfigurations", name="network.rolling.restart")[1]["configuration"]
    assert row["value"] == "true"


@pytest.mark.slow
@pytest.mark.parametrize(("account", "lists_routers"), [("ops", False), ("dom", True)])
def test_other_roles_are_told_once_what_they_may_not_see(
    cloud: RunningCloud, account: str, lists_routers: bool
) -> None:
    code, found, stderr = preflight(cloud, account=account)
    assert code == 0, stderr
    assert found["system_vms"] == []  # a user may not list routers, a domain admin has none in his domain
    hidden = [entry["command"] for entry in found["not_seen"]]
    assert "listHosts" in hidden
    assert ("listRouters" in hidden) is not lists_routers
    assert len(hidden) == len(set(hidden))
    assert check(found, "hosts")["level"] == "not allowed to see"


@pytest.mark.slow
def test_a_stop_keeps_a_run_from_beginning(cloud: RunningCloud, tmp_path: Path) -> None:
    env = {"CSWORKBENCH_LAB_DIR": str(cloud.state), "CSWORKBENCH_DATA_DIR": os.environ["CSWORKBENCH_DATA_DIR"]}
    file = scenario(tmp_path, network="network: pair-01")
    done = csworkbench("run", str(file), "--yes", env=env)
    assert done.returncode == 1
    assert "preflight says stop: redundant pairs" in done.stderr
    assert "--force" in done.stderr
    forced = csworkbench("run", str(file), "--force", env=env)
    assert forced.returncode == 2  # it goes on to the question, and there is nobody to ask
    assert "preflight stop" in forced.stderr


@pytest.mark.slow
def test_usage(cloud: RunningCloud) -> None:
    assert csworkbench("preflight", "--cloud", "nowhere").returncode == 2
    none = csworkbench("preflight")
    assert none.returncode == 2
    assert "csworkbench lab up" in none.stderr
    text = csworkbench("preflight", "--all", env={"CSWORKBENCH_LAB_DIR": str(cloud.state)})
    assert text.returncode == 1
    assert max(map(len, text.stdout.splitlines())) <= 80
    assert "\x1b" not in text.stdout


@pytest.mark.slow
def test_two_primaries_stop(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "l", "--scale", "0.05", "--vms", "1", "--topology", "redundant") as cloud:
        assert check(preflight(cloud)[1], "pairs")["level"] == "pass"
        assert cloud.lab("fault", "both-primary").returncode == 0
        end = time.monotonic() + 60
        while [r.get("redundantstate") for r in cloud.routers()] != ["PRIMARY"] * 2:
            assert time.monotonic() < end
            time.sleep(0.2)
        code, found, _ = preflight(cloud)
        assert (code, found["stops"]) == (1, ["pairs"])
