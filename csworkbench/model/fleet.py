# SPDX-License-Identifier: Apache-2.0
"""A whole cloud as its management server lists it: what an upgrade has to look at. Names follow the API's."""

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a system VM is there for."""

    ROUTER = "router"
    VPC_ROUTER = "VPC router"
    INTERNAL_LB = "internal LB"
    SSVM = "SSVM"
    CPVM = "CPVM"


AGENTS = (Kind.SSVM, Kind.CPVM)
"""Those that have an agent of their own, and serve a zone rather than a network."""


@dataclass(frozen=True, slots=True)
class SystemVm:
    """A router, an internal load balancer VM, an SSVM or a CPVM. What the server does not tell is empty.

    `version` is the template's; `agent_version` only SSVM and CPVM have. `requires_upgrade` is None where the API has
    no such field. `created_s`: seconds since 1970 by the server's clock, 0 unknown. `network` and `vpc` are names.
    """

    id: str
    name: str
    kind: Kind
    state: str
    version: str = ""
    software_version: str = ""
    scripts_version: str = ""
    agent_version: str = ""
    agent_state: str = ""
    requires_upgrade: bool | None = None
    redundant: bool = False
    redundant_state: str = ""
    health_failed: bool = False
    created_s: int = 0
    zone_id: str = ""
    zone: str = ""
    hypervisor: str = ""
    host_id: str = ""
    host: str = ""
    network_ids: tuple[str, ...] = ()
    network: str = ""
    vpc_id: str = ""
    vpc: str = ""
    account: str = ""
    domain: str = ""
    pod_id: str = ""
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """A hypervisor. `version` is its agent's CloudStack release (KVM), or empty."""

    id: str
    name: str
    state: str
    resource_state: str
    version: str
    hypervisor: str
    zone_id: str
    zone: str


@dataclass(frozen=True, slots=True)
class Server:
    """A management server. `started_s`: seconds since 1970, 0 unknown."""

    name: str
    state: str
    version: str
    started_s: int = 0


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone."""

    id: str
    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A system VM template in one zone. `ready` is isready; `status` tells how far it is."""

    id: str
    name: str
    zone_id: str
    zone: str
    hypervisor: str
    ready: bool
    status: str


@dataclass(frozen=True, slots=True)
class GuestNetwork:
    """A guest network or VPC tier."""

    id: str
    name: str
    state: str
    zone_id: str
    redundant: bool
    restart_required: bool
    vpc_id: str = ""
    vpn: bool = False


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC with the names of its tiers."""

    id: str
    name: str
    zone_id: str
    redundant: bool
    restart_required: bool
    tiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is not Active. `kind`: firewall, egress, port forwarding, load balancer or network ACL."""

    kind: str
    id: str
    state: str
    network_id: str
    text: str


@dataclass(frozen=True, slots=True)
class PendingJob:
    """An asynchronous job that has not ended; `command` is the last part of its Java class."""

    id: str
    command: str
    instance_id: str
    created: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of a zone: `type` as in CapacityType (0 memory, 1 CPU, 4 public addresses, 5 private addresses)."""

    type: int
    zone_id: str
    zone: str
    used: int
    total: int

    @property
    def free(self) -> int:
        """What is left; never negative."""
        return max(0, self.total - self.used)


@dataclass(frozen=True, slots=True)
class SettingSeen:
    """A global setting, or with `zone_id` a zone's own value."""

    name: str
    value: str
    zone_id: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A list that this key did not get, and why."""

    command: str
    why: str


@dataclass(frozen=True, slots=True)
class Partial:
    """A list of which only the first rows were read."""

    command: str
    read: int
    total: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything at one time. `live_patch`: the server knows the parameter (4.17 and later)."""

    server_version: str = ""
    live_patch: bool = False
    vms: tuple[SystemVm, ...] = ()
    hosts: tuple[Host, ...] = ()
    servers: tuple[Server, ...] = ()
    zones: tuple[Zone, ...] = ()
    templates: tuple[Template, ...] = ()
    networks: tuple[GuestNetwork, ...] = ()
    vpcs: tuple[Vpc, ...] = ()
    rules: tuple[Rule, ...] = ()
    rules_read: int = 0
    jobs: tuple[PendingJob, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    router_memory: int = 0
    """Bytes that a new router takes, 0 unknown."""
    router_cpu_mhz: int = 0
    settings: tuple[SettingSeen, ...] = ()
    hidden: tuple[Hidden, ...] = field(default=())
    partial: tuple[Partial, ...] = field(default=())

    def setting(self, name: str, zone_id: str = "") -> str | None:
        """A setting's value there: the zone's own, else the global one; None when it was not listed."""
        found = {s.zone_id: s.value for s in self.settings if s.name == name}
        return found.get(zone_id, found.get(""))

    def hides(self, command: str) -> str:
        """Why a list was not read; empty when it was."""
        return next((h.why for h in self.hidden if h.command == command), "")
