# SPDX-License-Identifier: Apache-2.0
"""The network and VPC offerings, one for each kind of network that the cloud has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csworkbench.lab.api.listing import Row
from csworkbench.lab.records import Network, Vpc

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_ISOLATED = ("SourceNat", "Dhcp", "Dns", "Firewall", "PortForwarding", "StaticNat", "Lb", "UserData")
TIER_SERVICES = ("SourceNat", "Dhcp", "Dns", "NetworkACL", "PortForwarding", "StaticNat", "Lb", "UserData")
_SHARED = ("Dhcp", "Dns", "UserData")


@dataclass(frozen=True, slots=True)
class Offering:
    """One row of listNetworkOfferings. `redundant` says what its SourceNat service gives, not what it can."""

    id: str
    name: str
    text: str
    names: tuple[str, ...]
    provider: str = "VirtualRouter"
    kind: str = "Isolated"
    for_vpc: bool = False
    redundant: bool = False

    def services(self, *, providers: bool) -> list[Row]:
        """`service[]`: of an offering with who provides it, of a network with what it can."""
        return [self._service(name, providers=providers) for name in self.names]

    def _service(self, name: str, *, providers: bool) -> Row:
        service: Row = {"name": name}
        if providers:
            service["provider"] = [{"name": self.provider}]
        if name == "SourceNat":
            redundancy = {"name": "RedundantRouter", "value": str(self.can_be_redundant).lower()}
            service["capability"] = [{**redundancy, "canchooseservicecapability": True}]
        return service

    @property
    def can_be_redundant(self) -> bool:
        """Capability RedundantRouter of SourceNat: isolated networks of this cloud may all be made redundant."""
        return not self.for_vpc and self.kind == "Isolated"


def listing(server: Management) -> list[Offering]:
    """Every network offering."""
    fixed = server.fixtures
    return [
        Offering(
            fixed.network_offering,
            "DefaultIsolatedNetworkOfferingWithSourceNatService",
            "Offering for Isolated networks with Source Nat service enabled",
            _ISOLATED,
        ),
        Offering(
            fixed.redundant_offering,
            "RedundantIsolatedNetworkOffering",
            "Offering for Isolated networks with two routers",
            _ISOLATED,
            redundant=True,
        ),
        Offering(
            fixed.tier_offering,
            "DefaultIsolatedNetworkOfferingForVpcNetworks",
            "Offering for Isolated Vpc networks with Source Nat service enabled",
            TIER_SERVICES,
            provider="VpcVirtualRouter",
            for_vpc=True,
        ),
        Offering(
            fixed.internal_offering,
            "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB",
            "Offering for Isolated Vpc networks with Internal Lb support",
            TIER_SERVICES,
            provider="VpcVirtualRouter",
            for_vpc=True,
        ),
        Offering(
            fixed.shared_offering,
            "DefaultSharedNetworkOffering",
            "Offering for Shared networks",
            _SHARED,
            kind="Shared",
        ),
    ]


def of(server: Management, network: Network) -> Offering:
    """The offering that a network has."""
    fixed = server.fixtures
    if network.kind == "Shared":
        wanted = fixed.shared_offering
    elif network.vpc is not None:
        wanted = fixed.internal_offering if network.internal_balancers else fixed.tier_offering
    else:
        wanted = fixed.redundant_offering if network.redundant else fixed.network_offering
    return server.find(listing(server), wanted)


def of_vpc(server: Management, vpc: Vpc) -> tuple[str, str]:
    """Id and name of a VPC's offering."""
    if vpc.redundant:
        return server.fixtures.redundant_vpc_offering, "Redundant VPC offering"
    return server.fixtures.vpc_offering, "Default VPC offering"
