# SPDX-License-Identifier: Apache-2.0
"""The cloud's database rows: what the API lists and what routers are built from."""

from __future__ import annotations

import ipaddress
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

ADD, ACTIVE, REVOKE = "Add", "Active", "Revoke"
"""States of a rule: not on the router yet, there, on its way out."""
RUNNING = "Running"


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

    id: str
    nic_id: str
    number: int
    name: str
    address: str
    mac: str
    user_data: str = ""
    state: str = RUNNING
    created: datetime = field(default_factory=now)

    @property
    def instance_name(self) -> str:
        """The hypervisor's name for it."""
        return f"i-2-{self.number}-VM"


@dataclass(slots=True, eq=False)
class PublicIp:
    """A public address acquired for the network."""

    id: str
    address: str
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

    id: str
    ip: PublicIp | None
    protocol: str
    start_port: int | None
    end_port: int | None
    cidr: str
    state: str = ACTIVE
    opened_for: str | None = None
    """The id of the rule that this one was made for (`openfirewall`): it goes with it."""


@dataclass(slots=True, eq=False)
class ForwardingRule:
    """A port of a public address that goes to a VM."""

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

    id: str
    name: str
    ip: PublicIp
    algorithm: str
    public_port: int
    private_port: int
    vms: list[Vm]
    protocol: str = "tcp"
    state: str = ACTIVE


@dataclass(slots=True)
class Router:
    """A virtual router's row; `state` as in listRouters."""

    id: str
    number: int
    guest_mac: str
    control_mac: str
    public_mac: str
    control_address: str
    nic_ids: tuple[str, str, str]
    created: datetime = field(default_factory=now)
    state: str = "Starting"
    template_version: str = "UNKNOWN"
    scripts_version: str | None = None
    software_version: str | None = None

    @property
    def name(self) -> str:
        """The instance name, e.g. `r-42-VM`."""
        return f"r-{self.number}-VM"


@dataclass(slots=True)
class Network:
    """The isolated network with all that belongs to it."""

    id: str
    name: str
    cidr: ipaddress.IPv4Network
    gateway: str
    vms: list[Vm]
    ips: list[PublicIp]
    firewall: list[FirewallRule]
    egress: list[FirewallRule]
    forwarding: list[ForwardingRule]
    balancers: list[BalancerRule] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    """By guest address: given to the router once, when the VM has started; a later router never hears of them."""
    public_key: str = ""
    zone_id: str = ""
    routers: list[Router] = field(default_factory=list)
    egress_default_allow: bool = False
    restart_required: bool = False
    public_mac: str | None = None
    """Of the routers' public NIC: each new router gets its predecessor's."""
    state: str = "Implemented"
    created: datetime = field(default_factory=now)

    @property
    def source_nat(self) -> PublicIp:
        """The address that the network's VMs leave with."""
        return next(ip for ip in self.ips if ip.source_nat)
