# SPDX-License-Identifier: Apache-2.0
"""Where a tenant's sshd is reached, and through what."""

from dataclasses import replace
from typing import Any

import pytest

from csworkbench.cli.ways import Way, other_ways, through_the_router, way_to
from csworkbench.model.cloud import AclRule, Forwarding, Inventory, Network, Opening, StaticNat, Vm, Vpc
from csworkbench.model.lane import ChannelPath, Vantage, VantageKind
from csworkbench.model.scenario import Management, Tenants

VM, BARE = Vm("id1", "vm01", "Running", "10.1.1.11"), Vm("id2", "vm02", "Running", "10.1.1.12")
INVENTORY = Inventory(
    "4.22", Network("n1", "net", "Implemented"), vms=(VM, BARE), public_ips=("198.51.100.11", "198.51.100.12"),
    source_nat_ip="198.51.100.10", forwardings=(Forwarding("198.51.100.11", 2201, 22, "tcp", "id1", "Active"),),
)  # fmt: skip
ROUTER, SECOND, JUMP = ChannelPath.ROUTER, ChannelPath.SECOND, ChannelPath.JUMP


@pytest.mark.parametrize(
    ("tenants", "vm", "way"),
    [
        (Tenants(), VM, Way("198.51.100.11", 2201, ROUTER)),
        (Tenants(), BARE, "no port-forwarding rule leads to its port 22, and it has no static NAT address"),
        (Tenants(management=Management({"vm01": "192.168.5.11"})), VM, Way("192.168.5.11", 22, SECOND)),
        (Tenants(management=Management({"vm01": "192.168.5.11"}, port=2222)), VM, Way("192.168.5.11", 2222, SECOND)),
        (Tenants(management=Management({"vm01": "192.168.5.11"})), BARE, "`management` gives no address for it"),
        (Tenants(management=Management(network="mgmt")), BARE, Way("192.168.5.12", 22, SECOND)),
        (Tenants(management=Management({"vm01": "198.51.100.12"})), VM, Way("198.51.100.12", 22, ROUTER)),
        (Tenants(jump="ops@bastion"), VM, Way("198.51.100.11", 2201, ROUTER)),
        (Tenants(jump="ops@bastion"), BARE, Way("10.1.1.12", 22, JUMP)),
        (Tenants(jump=("a", "ops@198.51.100.12:2222")), BARE, Way("10.1.1.12", 22, ROUTER)),
        (Tenants(jump="b", management=Management(network="mgmt")), BARE, Way("192.168.5.12", 22, JUMP)),
    ],
)
def test_ways(tenants: Tenants, vm: Vm, way: Way | str) -> None:
    in_network = tenants.management is not None and tenants.management.network
    assert way_to(vm, tenants, INVENTORY, {"id2": "192.168.5.12"} if in_network else {}) == way


def natted(*openings: Opening, **changes: Any) -> Inventory:
    return replace(INVENTORY, static_nats=(StaticNat("198.51.100.12", "id2"),), openings=openings, **changes)


TIER = Network("t1", "web", "Implemented", cidr="10.1.1.0/24", vpc_id="v1")
OTHER = Network("t2", "db", "Implemented", cidr="10.1.2.0/24", vpc_id="v1")


def tiered(*acl: AclRule) -> Inventory:
    return natted(network=TIER, vpc=Vpc("v1", "vpc", "Enabled"), tiers=(TIER, OTHER), acl=acl)


@pytest.mark.parametrize(
    ("inventory", "way"),
    [
        (natted(Opening("198.51.100.12", "tcp", 22, 22)), Way("198.51.100.12", 22, ROUTER)),
        (natted(Opening("198.51.100.12", "all")), Way("198.51.100.12", 22, ROUTER)),
        (natted(Opening("198.51.100.11", "tcp", 22, 22)),
         "no firewall rule lets port 22 of its static NAT address 198.51.100.12 in"),
        (natted(Opening("198.51.100.12", "tcp", 80, 90)),
         "no firewall rule lets port 22 of its static NAT address 198.51.100.12 in"),
        (natted(unlisted=("firewall rules",)), Way("198.51.100.12", 22, ROUTER)),
        (tiered(AclRule("t1", 5, True, "tcp", 20, 30)), Way("198.51.100.12", 22, ROUTER)),
        (tiered(AclRule("t1", 3, False, "tcp", 22, 22), AclRule("t1", 5, True, "all")),
         "the ACL of web does not let port 22 of its static NAT address 198.51.100.12 in"),
        (tiered(AclRule("t2", 1, True, "all")),
         "the ACL of web does not let port 22 of its static NAT address 198.51.100.12 in"),
        (tiered(), Way("198.51.100.12", 22, ROUTER)),
        (replace(INVENTORY, network=Network("n1", "net", "Setup", type="Shared")), Way("10.1.1.12", 22, SECOND)),
    ],
)  # fmt: skip
def test_a_vm_without_a_forwarded_port(inventory: Inventory, way: Way | str) -> None:
    assert way_to(BARE, Tenants(), inventory, {}) == way


def test_the_way_is_said_where_it_is_not_a_forwarded_port() -> None:
    forwarded = Vantage("vm01", VantageKind.TENANT, "198.51.100.11", 2201, "10.1.1.11")
    by_nat = Vantage("vm02", VantageKind.TENANT, "198.51.100.12", 22, "10.1.1.12")
    by_own = Vantage("vm03", VantageKind.TENANT, "10.1.1.13", 22, "10.1.1.13")
    inventory = natted()
    assert other_ways([forwarded, Vantage("outside", VantageKind.OUTSIDE)], inventory) == ""
    told = other_ways([forwarded, by_nat, by_own], inventory)
    assert told == "reached by static NAT: vm02 (198.51.100.12); reached by its own address: vm03 (10.1.1.13)"


def test_it_is_said_once_for_all() -> None:
    told = through_the_router({f"vm{n:02}": ROUTER for n in range(10)} | {"vm99": SECOND})
    assert told.startswith("the channel to vm00, vm01, vm02 and 7 more runs through the router under test")
    assert not through_the_router({"vm01": SECOND, "outside": ChannelPath.LOCAL})
