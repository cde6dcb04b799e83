# SPDX-License-Identifier: Apache-2.0
"""The load balancers of one tier are lost, those of the other one are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fault_support import fault, host_key
from tests.lab.support import RunningCloud, running_cloud
from tests.lab.test_services import WEB, curl, done, rows, vm
from tests.lab.test_vpc import tier

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_only_the_last_tier_with_load_balancers_loses_them(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "lab", "--topology", "vpc", "--scale", "0", "--vms", "4") as cloud:
        app_web = app_balancer(cloud)
        assert answers(cloud, app_web) == [True, True]
        with fault(cloud, "tier-balancer-lost"):
            restart(cloud)
            assert answers(cloud, app_web) == [True, False]
        restart(cloud)
        assert answers(cloud, app_web) == [True, True]
        with fault(cloud, "address-rules-missing"):
            restart(cloud)
            assert [bool(host_key(cloud, f"198.51.100.{last}")) for last in (11, 12)] == [False, True]
        restart(cloud)
        assert host_key(cloud, "198.51.100.11")


def answers(cloud: RunningCloud, app_web: str) -> list[bool]:
    return [curl(cloud, "outside", url)[0] == "200" for url in (WEB, app_web)]


def restart(cloud: RunningCloud) -> None:
    vpc = rows(cloud, "listVPCs", "vpc")[0]["id"]
    job = cloud.wait_for_job(cloud.api("restartVPC", id=vpc, cleanup="true")[1])
    assert job["jobstatus"] == 1, job


def app_balancer(cloud: RunningCloud) -> str:
    """A public load balancer in front of the tier `app`; its URL."""
    vpc = rows(cloud, "listVPCs", "vpc")[0]["id"]
    ip = done(cloud, "associateIpAddress", vpcid=vpc)["ipaddress"]
    given = {"name": "app-web", "algorithm": "roundrobin", "publicport": "80", "privateport": "8000"}
    rule = done(cloud, "createLoadBalancerRule", publicipid=ip["id"], networkid=tier(cloud, "app"), **given)
    done(
        cloud,
        "assignToLoadBalancerRule",
        id=rule["loadbalancer"]["id"],
        virtualmachineids=f"{vm(cloud, 'vm03')},{vm(cloud, 'vm04')}",
    )
    return f"http://{ip['ipaddress']}/"
