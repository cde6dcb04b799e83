# SPDX-License-Identifier: Apache-2.0
"""Where a tenant's sshd is reached, and through what."""

import pytest

from csworkbench.cli.ways import Way, through_the_router, way_to
from csworkbench.model.cloud import Forwarding, Inventory, Network, Vm
from csworkbench.model.lane import ChannelPath
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
        (Tenants(), BARE, "no port-forwarding rule leads to its port 22"),
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


def test_it_is_said_once_for_all() -> None:
    told = through_the_router({f"vm{n:02}": ROUTER for n in range(10)} | {"vm99": SECOND})
    assert told.startswith("the channel to vm00, vm01, vm02 and 7 more runs through the router under test")
    assert not through_the_router({"vm01": SECOND, "outside": ChannelPath.LOCAL})
