# SPDX-License-Identifier: Apache-2.0
"""What the workbench keeps of CloudStack's objects. Field names follow the API where it has one."""

from dataclasses import dataclass, field


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
    """A network with all that hangs on it, as read at one time."""

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

    @property
    def rules(self) -> int:
        """All rules together, for display."""
        return len(self.forwardings) + self.firewall_rules + self.egress_rules
