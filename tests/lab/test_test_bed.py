# SPDX-License-Identifier: Apache-2.0
"""A test bed made by commands, as an ordinary user of the cloud: keys, network, VMs, rules; used; and taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.support import RunningCloud, descendants, namespaces_of, running_cloud

pytestmark = pytest.mark.lab

KEY = "/tmp/bed-key"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("b") / "lab", "--scale", "0", "--vms", "1") as running:
        yield running


@pytest.fixture
def user(admin: RunningCloud) -> RunningCloud:
    """The same cloud with the credentials of the account `ops`, whose role is User."""
    return RunningCloud(admin.state, admin.process, {**admin.info, **admin.info["accounts"]["ops"]})


def sync(cloud: RunningCloud, command: str, **parameters: str) -> dict[str, Any]:
    """The content of a reply that is no error."""
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    return reply


def done(cloud: RunningCloud, command: str, **parameters: str) -> dict[str, Any]:
    """The result of a job that succeeds."""
    job = cloud.wait_for_job(sync(cloud, command, **parameters))
    assert job["jobstatus"] == 1, job
    return dict(job["jobresult"])


def first_id(cloud: RunningCloud, command: str, key: str, **parameters: str) -> str:
    return str(sync(cloud, command, **parameters)[key][0]["id"])


def offering(cloud: RunningCloud, name: str) -> str:
    return first_id(cloud, "listNetworkOfferings", "networkoffering", name=name)


def new_network(cloud: RunningCloud, name: str, **parameters: str) -> dict[str, Any]:
    isolated = offering(cloud, "DefaultIsolatedNetworkOfferingWithSourceNatService")
    zone = first_id(cloud, "listZones", "zone")
    given = {"displaytext": "a test bed", "networkofferingid": isolated, "zoneid": zone, **parameters}
    return dict(sync(cloud, "createNetwork", name=name, **given)["network"])


def deploy(cloud: RunningCloud, network: str, *names: str, **parameters: str) -> list[dict[str, Any]]:
    """All of them asked for before the first one runs."""
    zone, small = first_id(cloud, "listZones", "zone"), first_id(cloud, "listServiceOfferings", "serviceoffering")
    given = {"networkids": network, "zoneid": zone, "serviceofferingid": small, **parameters}
    jobs = [
        cloud.wait_for_job(reply)
        for reply in [sync(cloud, "deployVirtualMachine", name=name, **given) for name in names]
    ]
    assert [job["jobstatus"] for job in jobs] == [1] * len(names), jobs
    return [job["jobresult"]["virtualmachine"] for job in jobs]


def bridges(cloud: RunningCloud) -> set[str]:
    """The switches that the hypervisor has, seen in its own network namespace."""
    words = (
        "nsenter",
        "-t",
        str(cloud.info["supervisor_pid"]),
        "-n",
        "-m",
        "ip",
        "-br",
        "link",
        "show",
        "type",
        "bridge",
    )
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout
    return {line.split()[0] for line in shown.splitlines()}


def network_namespaces(cloud: RunningCloud) -> set[str]:
    """One per host of the cloud, and the machine's own."""
    spaces = set().union(*(namespaces_of(pid) for pid in descendants(cloud.info["pid"])))
    return {space for space in spaces if space.startswith("net:")}


def ssh(cloud: RunningCloud, address: str, command: str, port: int = 22) -> str:
    """What a command says on a VM, reached from `outside` with the key in KEY there."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes")
    words = [word for option in (*options, "ConnectTimeout=5") for word in ("-o", option)]
    target = f"{cloud.info['ssh']['user']}@{address}"
    ran = cloud.run("outside", "ssh", *words, "-F", "none", "-i", KEY, "-p", str(port), target, command)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into the hypervisor with nsenter")
def test_a_test_bed_from_key_to_ssh_and_back_to_nothing(user: RunningCloud) -> None:
    hosts, switches = network_namespaces(user), bridges(user)
    pair = sync(user, "createSSHKeyPair", name="mine")["keypair"]
    user.run("outside", "sh", "-c", f'umask 077; printf %s "$0" > {KEY}', pair["privatekey"])
    (listed,) = sync(user, "listSSHKeyPairs", name="mine")["sshkeypair"]
    assert "privatekey" not in listed
    assert listed["fingerprint"] == pair["fingerprint"]

    network = new_network(user, "bed")
    assert (network["state"], network["displaytext"], network["cidr"]) == ("Allocated", "a test bed", "10.1.1.0/24")
    assert "vlan" not in network
    assert bridges(user) == switches
    done(user, "createEgressFirewallRule", networkid=network["id"], protocol="all")
    vms = deploy(user, network["id"], "bed1", "bed2", keypairs="mine")
    assert [vm["keypairs"] for vm in vms] == ["mine", "mine"]
    (row,) = sync(user, "listNetworks", id=network["id"])["network"]
    assert row["state"] == "Implemented"
    assert bridges(user) - switches == {f"br{row['vlan']}"}
    (source_nat,) = sync(user, "listPublicIpAddresses", associatednetworkid=network["id"])["publicipaddress"]
    assert source_nat["issourcenat"]

    ip = done(user, "associateIpAddress", networkid=network["id"])["ipaddress"]
    assert not ip["issourcenat"]
    done(user, "createFirewallRule", ipaddressid=ip["id"], protocol="tcp", startport="1", endport="65535")
    rules = []
    for vm, port in zip(vms, (22, 2222), strict=True):
        given = {"ipaddressid": ip["id"], "virtualmachineid": vm["id"], "protocol": "tcp", "openfirewall": "false"}
        done(user, "createPortForwardingRule", publicport=str(port), privateport="22", **given)
        rules.append(ssh(user, ip["ipaddress"], "hostname; ping -c1 -W2 203.0.113.10 >/dev/null && echo out", port))
    assert rules == ["bed1\nout\n", "bed2\nout\n"]
    assert ssh(user, ip["ipaddress"], "ping -c1 -W2 bed2 >/dev/null && echo neighbour") == "neighbour\n"

    status, reply = user.api("deleteNetwork", id=network["id"])
    assert status == 200
    refused = user.wait_for_job(reply)
    assert (refused["jobstatus"], refused["jobresult"]["errortext"]) == (2, "Failed to delete network")
    for vm in vms:
        done(user, "destroyVirtualMachine", id=vm["id"], expunge="true")
    done(user, "disassociateIpAddress", id=ip["id"])
    done(user, "deleteNetwork", id=network["id"])
    sync(user, "deleteSSHKeyPair", name="mine")
    assert bridges(user) == switches
    assert network_namespaces(user) == hosts
    assert [row["name"] for row in sync(user, "listNetworks")["network"]] == ["probe-net"]
    assert len(sync(user, "listPublicIpAddresses")["publicipaddress"]) == 4
    assert sync(user, "listSSHKeyPairs") == {}
    kinds = {event["type"] for event in sync(user, "listEvents")["event"]}
    assert {"NETWORK.CREATE", "NETWORK.DELETE", "REGISTER.SSH.KEYPAIR", "VM.CREATE", "NET.IPASSIGN"} <= kinds


def test_another_offering_replaces_the_routers(admin: RunningCloud) -> None:
    network = new_network(admin, "changing")
    done(admin, "createEgressFirewallRule", networkid=network["id"], protocol="all")
    deploy(admin, network["id"], "changed1")
    routers = []
    for name, count in (
        ("RedundantIsolatedNetworkOffering", 2),
        ("DefaultIsolatedNetworkOfferingWithSourceNatService", 1),
    ):
        given = {"networkofferingid": offering(admin, name), "updateinsequence": "true"}
        row = done(admin, "updateNetwork", id=network["id"], name=f"with-{count}", **given)["network"]
        assert (row["name"], row["redundantrouter"], row["networkofferingname"]) == (f"with-{count}", count == 2, name)
        found = sync(admin, "listRouters", listall="true", networkid=network["id"])["router"]
        assert [router["state"] for router in found] == ["Running"] * count
        routers += [router["id"] for router in found]
    assert len(set(routers)) == 3  # every one of them is new
    assert admin.run("changed1", "ping", "-c", "1", "-W", "2", "203.0.113.10").returncode == 0
