# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from csworkbench.cloudstack import AmbiguousNetwork, UnknownNetwork, read_hypervisors, read_inventory, read_routers
from csworkbench.cloudstack.errors import BadParameter, Internal
from csworkbench.cloudstack.inventory import to_router
from csworkbench.cloudstack.networks import find_network
from csworkbench.model.cloud import Balancer, Forwarding, Network, Opening, Router, StaticNat, Vm

from .recorded import APIS, NET, NETWORK, address, network, networks, play, router
from .support import Bench, api, paged, refusal


async def test_a_network_with_all_that_hangs_on_it(bench: Bench) -> None:
    play(bench.cloud)
    found = await read_inventory(bench.client, "probe-net")
    assert found.server_version == "4.22.0.0"
    assert found.network == Network(NET, "probe-net", "Implemented", "Isolated", "10.1.1.0/24", "10.1.1.1")
    assert found.routers == (
        Router(
            "router-42", "r-42-VM", "Running", "VIRTUAL_ROUTER", "", "4.20.1", "9b2c0e", "4.20.1.0", False,
            "02:00:4f:2a:00:2a", "1e:00:3c:00:00:14", "10.1.1.1", "203.0.113.20",
        ),
    )  # fmt: skip
    assert found.vms == (
        Vm("vm-2", "vm2", "Running", "10.1.1.102", "02:00:00:00:01:02"),
        Vm("vm-10", "vm10", "Running", "10.1.1.110", "02:00:00:00:01:0a"),
    )
    assert (found.public_ips, found.source_nat_ip) == (("203.0.113.20", "203.0.113.22"), "203.0.113.20")
    assert found.forwardings[0] == Forwarding("203.0.113.22", 22, 22, "tcp", "vm-2", "Active")
    assert (found.firewall_rules, found.egress_rules, found.rules) == (3, 1, 6)
    lists = [a for a in bench.cloud.asked if a.params["command"].startswith("list") and "page" in a.params]
    assert all(a.params["listall"] == "true" for a in lists)
    assert bench.cloud.calls("listPublicIpAddresses")[0].params["associatednetworkid"] == NET


async def test_what_its_router_serves(bench: Bench) -> None:
    play(bench.cloud)
    row = NETWORK | {
        "service": [{"name": "UserData"}, {"name": "Dns", "provider": []}, "x", {}], "networkdomain": "cs.internal",
        "ip6gateway": "2001:db8::1", "ip6cidr": "2001:db8::/64",
    }  # fmt: skip
    rule = {"publicip": "203.0.113.30", "privateport": "8000", "networkid": NET, "state": "Active"}
    rules = [rule | {"id": f"lb{n}", "name": f"web{n}", "publicport": str(80 + n)} for n in range(22)]
    opened = {"ipaddress": "203.0.113.31", "protocol": "TCP", "startport": 22, "endport": 30}
    bench.cloud.answers |= {
        "listApis": {"api": [*APIS, api("listLoadBalancerRules"), api("listLoadBalancerRuleInstances")]},
        "listNetworks": networks(bench.cloud, [row]),
        "listPublicIpAddresses": paged(
            "publicipaddress", [address(31, isstaticnat=True, virtualmachineid="vm-2"), address(32, isstaticnat=True)]
        ),
        "listFirewallRules": paged(
            "firewallrule", [{"id": "a"} | opened, {"id": "b", "state": "Revoke"} | opened, {"id": "c"}]
        ),
        "listLoadBalancerRules": paged("loadbalancerrule", rules),
        "listLoadBalancerRuleInstances": paged("loadbalancerruleinstance", [{"id": "vm-2"}, {"id": "vm-10"}]),
    }
    found = await read_inventory(bench.client, "probe-net")
    assert (found.network.services, found.network.domain) == (("Dns", "UserData"), "cs.internal")
    assert (found.network.ip6_gateway, found.network.ip6_cidr) == ("2001:db8::1", "2001:db8::/64")
    assert found.static_nats == (StaticNat("203.0.113.31", "vm-2"),)
    assert found.openings == (Opening("203.0.113.31", "tcp", 22, 30),)
    assert found.balancers[0] == Balancer("web0", "203.0.113.30", 80, 8000, "tcp", "Active", ("vm-10", "vm-2"))
    # A call for each rule's back ends, but not for any number of rules.
    assert len(bench.cloud.calls("listLoadBalancerRuleInstances")) == 20
    assert (len(found.balancers), found.balancers[-1].vm_ids) == (22, ())
    assert found.unlisted == ("back ends of 2 more load balancers",)


async def test_what_carries_the_vms(bench: Bench) -> None:
    """Kind and version of the hosts, each once and without what does not belong in one."""
    play(bench.cloud)
    rows = [
        {"hypervisor": "KVM", "hypervisorversion": "6.18"}, {"hypervisor": "KVM", "hypervisorversion": "6.18"},
        {"hypervisor": "VMware", "hypervisorversion": "7.0=<b>\x1b[2J"}, {"hypervisor": "KVM"}, {"name": "x"}, {},
    ]  # fmt: skip
    bench.cloud.answers |= {"listApis": {"api": [*APIS, api("listHosts")]}, "listHosts": paged("host", rows)}
    assert await read_hypervisors(bench.client) == ("KVM", "KVM 6.18", "VMware 7.0b2J")
    assert bench.cloud.calls("listHosts")[0].params["type"] == "Routing"


async def test_a_user_who_may_not_list_hosts_is_told_of_none(bench: Bench) -> None:
    play(bench.cloud)
    assert await read_hypervisors(bench.client) == ()


async def test_a_refusal_to_list_hosts_stops_nothing(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers |= {
        "listApis": {"api": [*APIS, api("listHosts")]},
        "listHosts": refusal(401, "not allowed", "listHosts"),
    }
    assert await read_hypervisors(bench.client) == ()


async def test_by_id_and_in_a_project(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listNetworks"] = networks(bench.cloud, [], [NETWORK | {"projectid": "p1"}])
    found = await read_inventory(bench.client, NET.upper())
    assert found.network.id == NET
    assert bench.cloud.calls("listRouters")[0].params["projectid"] == "p1"


async def test_the_name_must_fit_exactly(bench: Bench) -> None:
    play(bench.cloud)
    two = [network("n1", "probe-net-2"), network("n2", "Probe-Net"), NETWORK]
    bench.cloud.answers["listNetworks"] = networks(bench.cloud, two)
    assert (await find_network(bench.client, "probe-net"))["id"] == NET
    bench.cloud.answers["listNetworks"] = networks(bench.cloud, two[:2])
    with pytest.raises(UnknownNetwork, match="Did you mean") as caught:
        await find_network(bench.client, "probe-net")
    assert str(caught.value).startswith("listNetworks: no network is called probe-net. Did you mean Probe-Net or")


async def test_an_old_server_is_asked_by_keyword(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listApis"] = {"api": [api("listNetworks", "id", "keyword")]}
    assert (await find_network(bench.client, "probe-net"))["id"] == NET
    assert bench.cloud.calls("listNetworks")[0].params["keyword"] == "probe-net"


async def test_two_of_the_same_name(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listNetworks"] = networks(
        bench.cloud, [NETWORK], [network("n2", "probe-net", project="dev\x1b[1m")]
    )
    with pytest.raises(AmbiguousNetwork) as caught:
        await find_network(bench.client, "probe-net")
    assert f"2 networks are called probe-net: {NET} (ops), n2 (dev\ufffd[1m)" in str(caught.value)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([], "sees no network at all"),
        ([network("a", "web"), network("b", "db")], "This key sees db, web."),
        ([network("a", "prob-net")], "Did you mean prob-net?"),
    ],
)
async def test_unknown(bench: Bench, found: list[dict[str, Any]], says: str) -> None:
    play(bench.cloud)
    bench.cloud.answers["listNetworks"] = networks(bench.cloud, found)
    with pytest.raises(UnknownNetwork) as caught:
        await read_inventory(bench.client, "probe-net")
    assert says in str(caught.value)


async def test_an_unknown_id(bench: Bench) -> None:
    play(bench.cloud)

    def answer(params: dict[str, str]) -> Any:
        return refusal(431, "Unable to find it") if "id" in params else paged("network", [NETWORK])(params)

    bench.cloud.answers["listNetworks"] = answer
    with pytest.raises(UnknownNetwork):
        await read_inventory(bench.client, "11111111-6c1a-4f7b-9a53-2d8e7c61b0aa")
    with pytest.raises(UnknownNetwork):
        await read_inventory(bench.client, " ")


async def test_projects_that_may_not_be_listed_do_no_harm(bench: Bench) -> None:
    play(bench.cloud)
    plain = networks(bench.cloud, [NETWORK])
    bench.cloud.answers["listNetworks"] = lambda p: refusal(531, "no projects") if "projectid" in p else plain(p)
    assert (await read_inventory(bench.client, "probe-net")).network.id == NET


async def test_what_the_key_may_not_list_stays_empty(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listApis"] = {"api": [api("listNetworks", "name"), api("listVirtualMachines")]}
    found = await read_inventory(bench.client, "probe-net")
    assert found.routers == ()
    assert len(found.vms) == 2
    assert {"routers", "load balancers", "firewall rules"} <= set(found.unlisted)
    assert "VMs" not in found.unlisted
    assert await read_routers(bench.client, NET) == ()


async def test_an_error_of_a_list_is_an_error(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listFirewallRules"] = refusal(530, "database")
    with pytest.raises(Internal):
        await read_inventory(bench.client, "probe-net")
    bench.cloud.answers["listNetworks"] = refusal(431, "x")
    with pytest.raises(BadParameter):
        await read_inventory(bench.client, "probe-net")


@pytest.mark.parametrize(
    ("state", "redundant", "reads"),
    [
        ("MASTER", True, "PRIMARY"), ("PRIMARY", True, "PRIMARY"), ("BACKUP", True, "BACKUP"), ("UNKNOWN", False, ""),
        ("FAULT", True, "FAULT"),
    ],
)  # fmt: skip
def test_redundant_states(state: str, redundant: bool, reads: str) -> None:
    row = router(redundantstate=state, isredundantrouter=redundant)
    assert to_router(row, NET).redundant_state == reads


def test_a_router_of_an_old_server() -> None:
    found = to_router(
        {"id": "r", "name": "r-1-VM", "state": "Running", "guestmacaddress": "02:AA", "publicip": "1.2.3.4"}, NET
    )
    assert found == Router("r", "r-1-VM", "Running", guest_mac="02:aa", public_ip="1.2.3.4")
