# SPDX-License-Identifier: Apache-2.0
"""The client `cs` from the package registry, unchanged, with its own signing, paging and polling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cs import CloudStack, CloudStackApiException

from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["4.9", "4.22"])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state: Path = tmp_path_factory.mktemp("c") / "lab"
    with running_cloud(state, "--scale", "0.01", "--vms", "3", "--profile", request.param) as running:
        yield running


def client(cloud: RunningCloud, method: str = "get", secret: str | None = None) -> CloudStack:
    info = cloud.info
    return CloudStack(info["endpoint"], info["key"], secret or info["secret"], method=method, poll_interval=0.1)


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_lists_networks_and_routers(cloud: RunningCloud, method: str) -> None:
    api = client(cloud, method)
    (network,) = api.listNetworks(listall=True)["network"]
    (router,) = api.listRouters(listall=True, networkid=network["id"])["router"]
    assert (network["name"], router["state"]) == ("probe-net", "Running")
    assert api.listVPCs(listall=True) == {}
    assert len(api.listVirtualMachines(listall=True, fetch_list=True)) == 3
    assert api.listVPCs(listall=True, fetch_list=True) == []


def test_it_restarts_a_network_and_reads_the_job_result(cloud: RunningCloud) -> None:
    api = client(cloud)
    (before,) = api.listRouters(listall=True)["router"]
    network = api.listNetworks(listall=True)["network"][0]["id"]
    assert api.restartNetwork(id=network, cleanup=True, fetch_result=True) == {"success": True}
    (after,) = api.listRouters(listall=True)["router"]
    assert after["id"] != before["id"]
    result = api.rebootRouter(id=after["id"], fetch_result=True)
    assert (result["router"]["id"], result["router"]["state"]) == (after["id"], "Running")


def test_it_reads_errors(cloud: RunningCloud) -> None:
    with pytest.raises(CloudStackApiException) as unknown:
        client(cloud).listNetworks(id="00000000-0000-4000-8000-000000000000")
    assert unknown.value.error["errorcode"] == 431
    with pytest.raises(CloudStackApiException) as unsigned:
        client(cloud, secret="wrong").listZones()
    assert unsigned.value.error["errorcode"] == 401
    (router,) = client(cloud).listRouters(listall=True)["router"]
    client(cloud).stopRouter(id=router["id"], forced=True, fetch_result=True)
    with pytest.raises(CloudStackApiException) as failed:
        client(cloud).rebootRouter(id=router["id"], fetch_result=True)
    assert failed.value.error["errorcode"] == 534
    assert client(cloud).startRouter(id=router["id"], fetch_result=True)["router"]["state"] == "Running"
