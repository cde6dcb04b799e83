# SPDX-License-Identifier: Apache-2.0
"""The cloud's database rows: what the API lists and what routers are built from."""

from __future__ import annotations

import ipaddress
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from csworkbench.lab.keypairs import KeyPair

ADD, ACTIVE, REVOKE = "Add", "Active", "Revoke"
"""States of a rule: not on the router yet, there, on its way out."""
RUNNING = "Running"
RELEASING = "Releasing"
"""State of a public address that goes: routers leave it away from now on."""


def new_id(rng: random.Random) -> str:
    """A random (version 4) UUID that the state directory's seed reproduces."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def mac(prefix: str, rng: random.Random) -> str:
    """A MAC address with these leading octets."""
    missing = 6 - len(prefix.split(":"))
    return ":".join([prefix, *(f"{rng.getrandbits(8):02x}" for _ in range(missing))])


def now() -> datetime:
    """UTC, to the second: what the database stores."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(slots=True, eq=False)
class Vm:
    """A tenant VM with one NIC."""

    network: Network
    id: str
    nic_id: str
    number: int
    name: str
    address: str
    mac: str
    user_data: str = ""
    display_name: str = ""
    """What people call it; empty: its name."""
    key_pairs: tuple[KeyPair, ...] = ()
    """Those that it was deployed with: their keys may log in."""
    kind: str = "own"
    """What its login user may do: `tenant_kinds.Kind`."""
    state: str = RUNNING
    created: datetime = field(default_factory=now)

    @property
    def instance_name(self) -> str:
        """The hypervisor's name for it."""
        return f"i-2-{self.number}-VM"


@dataclass(slots=True, eq=False)
class PublicIp:
    """A public address acquired for a network or a VPC.

    `network`: the one that it carries rules for; None in a VPC until it has some.
    """

    id: str
    address: str
    network: Network | None
    source_nat: bool = False
    static_nat: Vm | None = None
    """The VM that this address belongs to as a whole."""
    state: str = "Allocated"
    allocated: datetime = field(default_factory=now)


@dataclass(slots=True, eq=False)
class FirewallRule:
    """Ingress on a public address, or egress of the network when `ip` is None. Ports None: all (icmp: any type).

    A rule whose `state` is `Revoke` is on its way out: the next configuration run leaves it away.
    """

    network: Network
    id: str
    ip: PublicIp | None
    protocol: str
    start_port: int | None
    end_port: int | None
    cidr: str
    state: str = ACTIVE
    opened_for: str | None = None
    """The id of the rule that this one was made for (`openfirewall`): it goes with it."""
    destinations: str = ""
    """Of an egress rule: networks with commas between, empty for any."""


@dataclass(slots=True, eq=False)
class ForwardingRule:
    """A port of a public address that goes to a VM."""

    network: Network
    id: str
    ip: PublicIp
    protocol: str
    public_port: int
    private_port: int
    vm: Vm
    state: str = ACTIVE


@dataclass(slots=True, eq=False)
class BalancerRule:
    """A port of a public address that haproxy serves from several VMs."""

    network: Network
    id: str
    name: str
    ip: PublicIp
    algorithm: str
    public_port: int
    private_port: int
    vms: list[Vm]
    protocol: str = "tcp"
    state: str = ACTIVE


@dataclass(slots=True, eq=False)
class InternalBalancer:
    """A load balancer inside a VPC tier: a port of a tier's address that an internal LB VM serves."""

    network: Network
    id: str
    name: str
    address: str
    algorithm: str
    port: int
    private_port: int
    vms: list[Vm]
    state: str = ACTIVE


@dataclass(slots=True, eq=False)
class AclRule:
    """One line of a network ACL list. Ports None: all (icmp: any type). The lowest number is asked first."""

    id: str
    number: int
    action: Literal["Allow", "Deny"]
    traffic: Literal["Ingress", "Egress"]
    protocol: str
    start_port: int | None
    end_port: int | None
    cidr: str
    state: str = ACTIVE


@dataclass(slots=True, eq=False)
class AclList:
    """A named list of ACL rules, used by any number of tiers of its VPC."""

    id: str
    name: str
    rules: list[AclRule] = field(default_factory=list)
    description: str = ""
    default: bool = False
    """One of the two that every VPC has and nobody can change."""


Traffic = Literal["Guest", "Control", "Public"]


@dataclass(slots=True, eq=False)
class Nic:
    """One NIC of a router. `address`: its own one, which in a redundant pair is not the guests' gateway."""

    id: str
    traffic: Traffic
    device: str
    mac: str
    address: str
    network: Network | None = None
    """Of a guest NIC."""


@dataclass(slots=True, eq=False)
class Router:
    """A virtual router's row; `state` as in listRouters."""

    served: Served
    id: str
    number: int
    nics: list[Nic]
    role: Literal["VIRTUAL_ROUTER", "INTERNAL_LB_VM"] = "VIRTUAL_ROUTER"
    redundant: bool = False
    redundant_state: str = "UNKNOWN"
    """What was last polled: UNKNOWN, BACKUP, PRIMARY or FAULT."""
    created: datetime = field(default_factory=now)
    state: str = "Starting"
    template_version: str = "UNKNOWN"
    scripts_version: str | None = None
    software_version: str | None = None

    @property
    def name(self) -> str:
        """The instance name, e.g. `r-42-VM`."""
        return f"{'b' if self.role == 'INTERNAL_LB_VM' else 'r'}-{self.number}-VM"

    @property
    def kind(self) -> str:
        """`type` of its boot parameters: router, vpcrouter, dhcpsrvr or ilbvm."""
        if self.role == "INTERNAL_LB_VM":
            return "ilbvm"
        if isinstance(self.served, Vpc):
            return "vpcrouter"
        return "router" if self.nic("Public") is not None else "dhcpsrvr"

    def nic(self, traffic: Traffic) -> Nic | None:
        """Its first NIC of that kind."""
        return next((nic for nic in self.nics if nic.traffic == traffic), None)

    @property
    def control(self) -> Nic:
        """Where the host reaches it."""
        return next(nic for nic in self.nics if nic.traffic == "Control")

    @property
    def guests(self) -> list[Nic]:
        """Its NICs on guest networks."""
        return [nic for nic in self.nics if nic.traffic == "Guest"]


@dataclass(slots=True, kw_only=True, eq=False)
class Served:
    """What a router, or a redundant pair, is there for: a network, or a VPC with all its tiers."""

    id: str
    name: str
    zone_id: str = ""
    ips: list[PublicIp] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    redundant: bool = False
    restart_required: bool = False
    public_mac: str | None = None
    """Of the routers' public NIC: each new router gets its predecessor's."""
    state: str = "Implemented"
    created: datetime = field(default_factory=now)

    @property
    def networks(self) -> Sequence[Network]:
        """The guest networks behind the routers."""
        raise NotImplementedError

    @property
    def routers_wanted(self) -> int:
        """How many routers it has when all is well: one, or a pair."""
        return 2 if self.redundant else 1

    @property
    def held_ips(self) -> list[PublicIp]:
        """The public addresses that its routers shall have."""
        return [ip for ip in self.ips if ip.state != RELEASING]

    @property
    def source_nat(self) -> PublicIp | None:
        """The address that the VMs leave with; None where there is no source NAT."""
        return next((ip for ip in self.ips if ip.source_nat), None)


@dataclass(slots=True, kw_only=True, eq=False)
class Network(Served):
    """A guest network with all that belongs to it. A tier's `ips` are the very list of its VPC."""

    kind: Literal["Isolated", "Shared"] = "Isolated"
    display_text: str = ""
    """The name, where it is empty."""
    cidr: ipaddress.IPv4Network
    gateway: str
    vlan: int
    bridge: str
    """The switch that its VMs and routers are plugged into."""
    vpc: Vpc | None = None
    vms: list[Vm] = field(default_factory=list)
    firewall: list[FirewallRule] = field(default_factory=list)
    egress: list[FirewallRule] = field(default_factory=list)
    forwarding: list[ForwardingRule] = field(default_factory=list)
    balancers: list[BalancerRule] = field(default_factory=list)
    internal_balancers: list[InternalBalancer] = field(default_factory=list)
    acl: AclList | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    """By guest address: given to the router once, when the VM has started; a later router never hears of them."""
    public_key: str = ""
    egress_default_allow: bool = False
    cidr6: ipaddress.IPv6Network | None = None
    """The /64 that radvd announces, where the network has IPv6."""
    firewall6: list[FirewallRule] = field(default_factory=list)
    """What is let in to that /64; their `ip` is None."""

    @property
    def networks(self) -> Sequence[Network]:
        """Itself."""
        return (self,)

    @property
    def routers_wanted(self) -> int:
        """A tier has no router of its own, but an internal LB VM for each address of its internal balancers."""
        if self.vpc is None:
            return 2 if self.redundant else 1
        return len({balancer.address for balancer in self.internal_balancers})

    @property
    def server(self) -> str:
        """Where guests find DNS and metadata: the gateway, in a shared network an address of the router's own.

        That one stays from router to router: CloudStack keeps it in a placeholder NIC.
        """
        return self.gateway if self.kind == "Isolated" else str(self.cidr[2])

    @property
    def public_rules(self) -> list[ForwardingRule | BalancerRule]:
        """What its public addresses serve, port by port."""
        return [*self.forwarding, *self.balancers]

    @property
    def served(self) -> Served:
        """What its router serves: the VPC of a tier, else the network itself."""
        return self if self.vpc is None else self.vpc


@dataclass(slots=True, kw_only=True, eq=False)
class Vpc(Served):
    """A virtual private cloud: tiers behind one router or pair."""

    cidr: ipaddress.IPv4Network
    tiers: list[Network] = field(default_factory=list)
    acl_lists: list[AclList] = field(default_factory=list)

    @property
    def networks(self) -> Sequence[Network]:
        """Its tiers."""
        return self.tiers
