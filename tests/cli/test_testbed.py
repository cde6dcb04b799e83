# SPDX-License-Identifier: Apache-2.0
"""`testbed` against the test cloud: a bed is made, measured, and taken away without a trace, also after kill -9."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from tests.e2e.support import ROOT
from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab
LISTS = {
    "listNetworks": "network", "listVirtualMachines": "virtualmachine", "listRouters": "router",
    "listPublicIpAddresses": "publicipaddress", "listFirewallRules": "firewallrule",
    "listEgressFirewallRules": "firewallrule", "listPortForwardingRules": "portforwardingrule",
    "listLoadBalancerRules": "loadbalancerrule", "listSSHKeyPairs": "sshkeypair",
}  # fmt: skip
SHORT = "phases: {warmup: 200ms, baseline: 2s, confirm: 2s, settle_limit: 60s}\n"
KILLED = """
import os, signal, sys
from csworkbench.cli import main
from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.read_only import is_read

left, when = int(sys.argv.pop(1)), sys.argv.pop(1)
exchange = Client.exchange

def strike():
    os.kill(os.getpid(), signal.SIGKILL)

async def counted(self, command, params, **how):
    global left
    last = not is_read(command) and (left := left - 1) == 0
    if last and when == "before":
        strike()
    reply = await exchange(self, command, params, **how)
    if last:
        strike()
    return reply

Client.exchange = counted
main()
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("t") / "lab", "--scale", "0", "--vms", "1") as running:
        yield running


def bed_command(
    cloud: RunningCloud, *words: str, program: tuple[str, ...] = ("-m", "csworkbench")
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without a terminal, on this cloud."""
    own = {"CSWORKBENCH_LAB_DIR": str(cloud.state)}
    done = subprocess.run(
        [sys.executable, *program, "testbed", *words], capture_output=True, text=True, timeout=170, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **own}, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def inventory(cloud: RunningCloud) -> dict[str, Any]:
    """Everything that a bed might leave behind."""
    found = {}
    for command, key in LISTS.items():
        rows = cloud.api(command, listall="true")[1].get(key, [])
        found[command] = sorted((row.get("id", ""), row.get("state", "")) for row in rows)
    return found


def killed_testbed(cloud: RunningCloud, call: int, when: str, *words: str) -> None:
    """As `bed_command`, but killed before or after the call of that number, of those that change something."""
    done = bed_command(cloud, *words, program=("-c", KILLED, str(call), when))
    assert done.returncode == -signal.SIGKILL, done.stderr


def folder() -> Path:
    return Path(os.environ["CSWORKBENCH_DATA_DIR"]) / "testbeds" / "testbed"


def test_a_bed_from_nothing_to_whole_and_back_to_nothing(cloud: RunningCloud) -> None:
    before = inventory(cloud)
    made = bed_command(cloud, "up", "--vms", "1", "--yes")
    assert made.returncode == 0, made.stderr
    assert f"csworkbench run {folder() / 'scenario.yaml'}" in made.stdout
    assert {path.name: path.stat().st_mode & 0o777 for path in folder().iterdir()}["key"] == 0o600
    assert folder().stat().st_mode & 0o777 == 0o700

    told = bed_command(cloud, "status", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["state"]) == (0, "whole")
    assert len(found["items"]) == found["planned"]
    rows = cloud.api("listVirtualMachines", listall="true")[1]["virtualmachine"]
    assert sum(found["network"].split("-")[-1] in row["name"] and row["state"] == "Running" for row in rows) == 1

    again = bed_command(cloud, "up", "--yes")
    assert (again.returncode, "exists" in again.stderr) == (2, True)

    gone = bed_command(cloud, "down")
    assert gone.returncode == 0, gone.stderr
    assert inventory(cloud) == before
    assert not folder().exists()
    assert bed_command(cloud, "down").returncode == 0
    assert bed_command(cloud, "status").returncode == 1


@pytest.mark.slow
def test_a_restart_is_measured_on_a_bed(cloud: RunningCloud, tmp_path: Path) -> None:
    made = bed_command(cloud, "up", "--vms", "3", "--yes", "--name", "measured")
    assert made.returncode == 0, made.stderr
    try:
        scenario = tmp_path / "short.yaml"
        scenario.write_text((folder().parent / "measured" / "scenario.yaml").read_text() + SHORT)
        words = [sys.executable, "-m", "csworkbench", "run", str(scenario), "--yes", "--json"]
        env = {**os.environ, "CSWORKBENCH_LAB_DIR": str(cloud.state)}
        ran = subprocess.run(words, capture_output=True, text=True, timeout=170, check=False, env=env, cwd=ROOT)
        assert ran.returncode == 0, ran.stderr
        summary = json.loads(ran.stdout)
        assert summary["verdict"] == "restarted"
        assert summary["missing_records"] == 0
        assert {"egress", "ingress", "balancer"} <= {lane["service"] for lane in summary["lanes"] if lane["ok"]}
    finally:
        assert bed_command(cloud, "down", "--name", "measured").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "when"),
    [(1, "after"), (2, "before"), (2, "after"), (3, "after"), (5, "after"), (8, "before"), (19, "after")],
)
def test_killed_while_making_it_leaves_enough_to_clean_up(cloud: RunningCloud, call: int, when: str) -> None:
    before = inventory(cloud)
    killed_testbed(cloud, call, when, "up", "--vms", "2", "--yes")
    told = bed_command(cloud, "status")
    assert told.returncode == 1
    gone = bed_command(cloud, "down")
    assert gone.returncode == 0, gone.stderr
    assert inventory(cloud) == before
    assert not folder().exists()


@pytest.mark.slow
@pytest.mark.parametrize(("call", "when"), [(1, "before"), (1, "after"), (6, "after"), (7, "after")])
def test_killed_while_removing_it_is_finished_by_the_next(cloud: RunningCloud, call: int, when: str) -> None:
    before = inventory(cloud)
    assert bed_command(cloud, "up", "--vms", "1", "--yes").returncode == 0
    killed_testbed(cloud, call, when, "down")
    gone = bed_command(cloud, "down")
    assert gone.returncode == 0, gone.stderr
    assert inventory(cloud) == before


@pytest.mark.slow
def test_what_others_put_on_the_network_stays_and_is_named(cloud: RunningCloud) -> None:
    before = inventory(cloud)
    assert bed_command(cloud, "up", "--vms", "1", "--yes").returncode == 0
    network = json.loads(bed_command(cloud, "status", "--json").stdout)["items"][1]["id"]
    zone = cloud.api("listZones")[1]["zone"][0]["id"]
    offering = cloud.api("listServiceOfferings")[1]["serviceoffering"][0]["id"]
    given = {"networkids": network, "zoneid": zone, "serviceofferingid": offering, "name": "foreign"}
    vm = cloud.wait_for_job(cloud.api("deployVirtualMachine", **given)[1])["jobresult"]["virtualmachine"]
    refused = bed_command(cloud, "down")
    assert refused.returncode == 1
    assert "VM foreign" in refused.stderr
    assert folder().is_dir()
    left = cloud.api("listVirtualMachines", networkid=network, listall="true")[1]["virtualmachine"]
    assert [row["name"] for row in left] == ["foreign"]
    cloud.wait_for_job(cloud.api("destroyVirtualMachine", id=vm["id"], expunge="true")[1])
    assert bed_command(cloud, "down").returncode == 0
    assert inventory(cloud) == before


@pytest.mark.slow
def test_on_an_old_release_with_two_routers_and_gone_with_its_cloud(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_cloud(tmp_path_factory.mktemp("o") / "lab", "--profile", "4.9", "--scale", "0", "--vms", "1") as old:
        made = bed_command(old, "up", "--vms", "1", "--redundant", "--yes")
        assert made.returncode == 0, made.stderr
        assert len(old.routers()) == 3
        other = old.state.parent / "elsewhere"
        hidden = bed_command(RunningCloud(other, old.process, old.info), "down")
        assert (hidden.returncode, "CSWORKBENCH_LAB_DIR" in hidden.stderr) == (2, True)
    gone = bed_command(old, "down")
    assert gone.returncode == 0, gone.stderr
    assert "gone, and the bed with it" in gone.stderr
    assert not folder().exists()


@pytest.mark.slow
def test_an_unknown_name_is_told_with_what_there_is_and_nobody_says_yes(cloud: RunningCloud) -> None:
    refused = bed_command(cloud, "up", "--offering", "Huge")
    assert refused.returncode == 2
    assert "no service offering is called Huge. The server offers: Small Instance." in refused.stderr
    refused = bed_command(cloud, "up")
    assert (refused.returncode, "nobody to ask: add --yes" in refused.stderr) == (2, True)
    assert not folder().exists()


@pytest.mark.slow
def test_the_test_cloud_under_another_name_is_refused(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in (("ENDPOINT", "endpoint"), ("KEY", "key"), ("SECRET", "secret")):
        monkeypatch.setenv(f"CLOUDSTACK_{name}", cloud.info[key])
    refused = bed_command(cloud, "up", "--cloud", "env", "--egress-target", "203.0.113.10", "--yes")
    assert (refused.returncode, "only with --cloud lab" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--vms", "0"), "--vms"),
        (("--name", "../x"), "letters, digits and hyphens"),
        (("--cloud", "nowhere"), "--egress-target is missing"),
        (("--cloud", "nowhere", "--egress-target", "192.0.2.1"), "nowhere"),
    ],
)
def test_refused_before_anybody_is_asked(words: tuple[str, ...], said: str) -> None:
    refused = CliRunner().invoke(cli, ("testbed", "up", "--yes", *words))
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not folder().exists()
