# SPDX-License-Identifier: Apache-2.0
"""What the workbench keeps of CloudStack's objects. Field names follow the API where it has one."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Router:
    """A virtual router as listRouters showed it. Versions are empty where the server does not tell."""

    id: str
    name: str
    state: str
    role: str = ""
    redundant_state: str = ""
    version: str = ""
    scripts_version: str = ""
    software_version: str = ""
    requires_upgrade: bool = False
    guest_mac: str = ""
    public_mac: str = ""
    guest_ip: str = ""
    public_ip: str = ""
    failing_checks: tuple[str, ...] = ()  # health checks that failed when they were asked for, before and after


@dataclass(frozen=True, slots=True)
class Network:
    """A guest network. `project_id` and `vpc_id` are empty where it belongs to none."""

    id: str
    name: str
    state: str
    type: str = ""
    cidr: str = ""
    gateway: str = ""
    restart_required: bool = False
    redundant: bool = False
    project_id: str = ""
    vpc_id: str = ""
    services: tuple[str, ...] = ()
    domain: str = ""
    ip6_gateway: str = ""
    ip6_cidr: str = ""
    offering_id: str = ""
    offering: str = ""


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC without its tiers. `project_id` is empty where it belongs to none."""

    id: str
    name: str
    state: str
    cidr: str = ""
    restart_required: bool = False
    redundant: bool = False
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class SystemVm:
    """A VM of secondary storage or a console proxy. `version` and `agent_state` are its agent's (4.13.1+)."""

    id: str
    name: str
    kind: str
    state: str
    agent_state: str = ""
    version: str = ""
    public_ip: str = ""
    private_ip: str = ""
    zone_id: str = ""


@dataclass(frozen=True, slots=True)
class Vm:
    """A tenant VM with its address in the network under test."""

    id: str
    name: str
    state: str
    ip: str
    mac: str = ""
    ip6: str = ""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """A port-forwarding rule."""

    public_ip: str
    public_port: int
    private_port: int
    protocol: str
    vm_id: str
    state: str


@dataclass(frozen=True, slots=True)
class StaticNat:
    """A public address that belongs to one VM as a whole."""

    public_ip: str
    vm_id: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a firewall rule lets in to a public address. `protocol` is tcp, udp, icmp or all."""

    public_ip: str
    protocol: str
    start_port: int = 0
    end_port: int = 0

    def lets_in(self, protocol: str, port: int) -> bool:
        """Whether packets to that port pass; a rule without ports is for all of them."""
        if self.protocol == "all":
            return True
        return self.protocol == protocol and (not self.start_port or self.start_port <= port <= self.end_port)


@dataclass(frozen=True, slots=True)
class AclRule:
    """An ingress rule of a VPC tier's list. Of those that fit, the one with the lowest number decides."""

    network_id: str
    number: int
    allows: bool
    protocol: str
    start_port: int = 0
    end_port: int = 0

    def fits(self, protocol: str, port: int) -> bool:
        """Whether it is about packets to that port; a rule without ports is about all of them."""
        if self.protocol == "all":
            return True
        return self.protocol == protocol and (not self.start_port or self.start_port <= port <= self.end_port)


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer rule and the VMs behind it."""

    name: str
    public_ip: str
    public_port: int
    private_port: int
    protocol: str
    state: str
    vm_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """A network with all that hangs on it, as read at one time.

    Of a VPC: `vpc`, all its `tiers`, and the routers, VMs and rules of all of them; `network` is the tier of the first
    VM. Of a router: its network or VPC, and `target_router`, its id. Of a system VM: `systemvms`, and an empty
    `network`. `unsettled` are rules that are not on the router (yet), in words.
    """

    server_version: str
    network: Network
    routers: tuple[Router, ...] = ()
    vms: tuple[Vm, ...] = ()
    public_ips: tuple[str, ...] = ()
    source_nat_ip: str = ""
    forwardings: tuple[Forwarding, ...] = field(default=())
    firewall_rules: int = 0
    egress_rules: int = 0
    static_nats: tuple[StaticNat, ...] = ()
    openings: tuple[Opening, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    unlisted: tuple[str, ...] = ()  # what the key may not list, or not all of it was read: in words
    vpc: Vpc | None = None
    tiers: tuple[Network, ...] = ()
    systemvms: tuple[SystemVm, ...] = ()
    target_router: str = ""
    unsettled: tuple[str, ...] = ()
    hypervisors: tuple[str, ...] = ()  # of the hosts that run VMs: kind and version
    acl: tuple[AclRule, ...] = ()

    @property
    def name(self) -> str:
        """What the run is about: the VPC's, the network's or the system VM's name."""
        if self.vpc is not None:
            return self.vpc.name
        return self.network.name or next((vm.name for vm in self.systemvms), "")

    @property
    def state(self) -> str:
        """The state of what the run is about."""
        if self.vpc is not None:
            return self.vpc.state
        return self.network.state or next((vm.state for vm in self.systemvms), "")

    @property
    def redundant(self) -> bool:
        """Whether two routers are meant to share the work."""
        return self.vpc.redundant if self.vpc is not None else self.network.redundant

    @property
    def project_id(self) -> str:
        """The project that all of it belongs to, or empty."""
        return self.vpc.project_id if self.vpc is not None else self.network.project_id

    def network_of(self, guest_ip: str) -> Network:
        """The tier in which that address lies; the network itself where there are no tiers."""
        for tier in self.tiers:
            try:
                inside = ip_address(guest_ip) in ip_network(tier.cidr, strict=False)
            except ValueError:
                continue
            if inside:
                return tier
        return self.network

    @property
    def rules(self) -> int:
        """All rules together, for display."""
        return len(self.forwardings) + self.firewall_rules + self.egress_rules
