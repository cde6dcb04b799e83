# SPDX-License-Identifier: Apache-2.0
"""A network with IPv6: addresses that tenants make for themselves, routed both ways, filtered by nftables."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from csworkbench.lab.hosts import LabError
from csworkbench.lab.options import Options
from tests.lab.support import RunningCloud, running_cloud

OUTSIDE = "2001:db8:f1::10"
GATEWAY = "2001:db8:1::1"
LIFETIME_S = 45
"""For so long a tenant believes in a router that fell silent: three of radvd's longest intervals."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    options = ("--topology", "ipv6", "--scale", "0.02", "--vms", "2")
    with running_cloud(tmp_path_factory.mktemp("s") / "lab", *options) as running:
        yield running


def address(cloud: RunningCloud, name: str) -> str:
    """A VM's IPv6 address as the API has it."""
    (vm,) = cloud.api("listVirtualMachines", listall="true", name=name)[1]["virtualmachine"]
    return str(vm["nic"][0]["ip6address"])


def pings(cloud: RunningCloud, host: str, target: str) -> bool:
    return cloud.run(host, "ping", "-6", "-c", "1", "-W", "1", target).returncode == 0


def believed(cloud: RunningCloud, host: str = "vm01") -> set[str]:
    """The routers whose advertisements that tenant believes, by link-local address."""
    lines = cloud.run(host, "ip", "-6", "route", "show", "default", "proto", "ra").stdout.splitlines()
    return {line.split()[2] for line in lines if "via" in line}


def link_local(cloud: RunningCloud) -> str:
    """The only router's address on the guests' switch."""
    (router,) = cloud.routers()
    shown = cloud.run(router["name"], "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link").stdout
    return shown.split()[3].partition("/")[0]


def until(condition: Callable[[], bool], limit_s: float) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def done(cloud: RunningCloud, command: str, **parameters: str) -> dict[str, Any]:
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    job = cloud.wait_for_job(reply)
    assert job["jobstatus"] == 1, job
    return dict(job["jobresult"])


@pytest.mark.lab
def test_tenants_address_themselves_and_are_routed_both_ways(cloud: RunningCloud) -> None:
    own = address(cloud, "vm01")
    held = cloud.run("vm01", "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global").stdout
    assert f" {own}/64 " in held
    assert "dynamic" in held
    assert believed(cloud) == {link_local(cloud)}
    assert pings(cloud, "vm01", OUTSIDE)
    assert pings(cloud, "outside", own)
    assert "ssh-ed25519" in cloud.run("outside", "ssh-keyscan", "-6", "-T", "2", own).stdout
    assert pings(cloud, "vm02", own)
    looked_up = cloud.run("vm01", "busybox", "nslookup", "vm02.cs2cloud.internal", GATEWAY).stdout
    assert "10.1.1.102" in looked_up


@pytest.mark.lab
def test_the_firewall_lets_in_what_a_rule_names(cloud: RunningCloud) -> None:
    code = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], 2323), 0.7)\n"
        "except OSError as error: print(type(error).__name__)"
    )

    def answer() -> str:
        return cloud.run("outside", "python3", "-c", code, address(cloud, "vm01")).stdout.strip()

    assert answer() == "TimeoutError"  # dropped by the router
    given = {"networkid": cloud.network()["id"], "protocol": "tcp", "startport": "2320", "endport": "2330"}
    rule = done(cloud, "createIpv6FirewallRule", **given, cidrlist="2001:db8:f1::/64")["firewallrule"]
    assert answer() == "ConnectionRefusedError"  # by the tenant itself
    done(cloud, "deleteIpv6FirewallRule", id=rule["id"])
    assert answer() == "TimeoutError"
    rules = cloud.api("listIpv6FirewallRules", listall="true")[1]["firewallrule"]
    assert [(item["protocol"], item["startport"]) for item in rules] == [("tcp", 22)]
    assert cloud.api("createIpv6FirewallRule", **given, cidrlist="10.0.0.0/8")[0] == 431


@pytest.mark.lab
def test_the_api_names_prefix_route_and_addresses(cloud: RunningCloud) -> None:
    network, (router,) = cloud.network(), cloud.routers()
    assert (network["ip6cidr"], network["ip6gateway"]) == ("2001:db8:1::/64", GATEWAY)
    nics = {nic["traffictype"]: nic for nic in router["nic"]}
    assert nics["Guest"]["ip6address"] == GATEWAY
    assert "ip6address" not in nics["Control"]
    public = nics["Public"]["ip6address"]
    assert network["ip6routes"] == [{"subnet": "2001:db8:1::/64", "gateway": public}]
    held = cloud.run(router["name"], "ip", "-6", "-o", "addr", "show", "dev", "eth2").stdout
    assert f" {public}/64 " in held
    assert f"2001:db8:1::/64 via {public} " in cloud.run("gateway", "ip", "-6", "route").stdout


@pytest.mark.lab
@pytest.mark.parametrize(("kind", "expected"), [("ping6", "1 received"), ("traceroute6", OUTSIDE)])
def test_diagnostics_run_in_the_router(cloud: RunningCloud, kind: str, expected: str) -> None:
    (router,) = cloud.routers()
    given = {"targetid": router["id"], "ipaddress": OUTSIDE, "type": kind}
    options = {"ping6": "-c 1", "traceroute6": "-m 4"}
    found = done(cloud, "runDiagnostics", **given, params=options[kind])["diagnostics"]
    assert found["exitcode"] == "0", found
    assert expected in found["stdout"]


@pytest.mark.lab
def test_a_router_that_ends_in_order_says_good_bye_and_is_believed_again(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    done(cloud, "stopRouter", id=router["id"], forced="false")
    assert believed(cloud) == set()  # radvd's last words: lifetime 0
    done(cloud, "startRouter", id=router["id"])
    until(lambda: pings(cloud, "vm01", OUTSIDE), 10)
    assert believed(cloud) == {link_local(cloud)}


@pytest.mark.lab
def test_a_restart_without_cleanup_keeps_the_router(cloud: RunningCloud) -> None:
    before = believed(cloud)
    assert cloud.restart(cleanup=False)["jobstatus"] == 1
    assert believed(cloud) == before == {link_local(cloud)}
    assert pings(cloud, "vm01", OUTSIDE)
    assert pings(cloud, "outside", address(cloud, "vm02"))


@pytest.mark.lab
def test_a_new_router_announces_itself_beside_the_one_that_vanished(cloud: RunningCloud) -> None:
    old = link_local(cloud)
    assert cloud.restart(cleanup=True)["jobstatus"] == 1
    new = link_local(cloud)
    assert new != old
    assert believed(cloud) >= {new}


@pytest.mark.lab
@pytest.mark.slow
def test_tenants_leave_a_vanished_router_when_its_lifetime_ends(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Power-off says no good bye: outgoing traffic follows the old router for most of its lifetime, unlike IPv4's."""
    options = ("--topology", "ipv6", "--scale", "0.02", "--vms", "1")
    with running_cloud(tmp_path_factory.mktemp("s") / "lab", *options) as cloud:
        old = believed(cloud)
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
        assert cloud.run("vm01", "ping", "-c", "1", "-W", "1", "203.0.113.10").returncode == 0
        assert believed(cloud) > old
        assert not pings(cloud, "vm01", OUTSIDE)
        until(lambda: pings(cloud, "vm01", OUTSIDE), LIFETIME_S + 5)
        assert pings(cloud, "outside", address(cloud, "vm01"))


def test_releases_without_ipv6_refuse_the_topology() -> None:
    with pytest.raises(LabError, match=r"4\.11\.1 has no IPv6"):
        Options(profile="4.11.1", topology="ipv6").check()


def test_a_missing_radvd_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(LabError, match=r"radvd is not installed.*apt install radvd"):
        Options(topology="ipv6").check()
    Options(topology="shared").check()
