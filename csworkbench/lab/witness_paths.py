# SPDX-License-Identifier: Apache-2.0
"""What a witness looks at: paths and sessions, and those that a network has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from csworkbench.lab import plan
from csworkbench.lab.records import Network, Vm

OUTSIDE = "outside"
ECHO_PORT = 7
_USUAL_DOORS = 3


class Kind(StrEnum):
    """How a path is probed."""

    ECHO = "echo"
    """ICMP echo with a fresh identifier each: what a new flow meets."""
    ECHO_SAME = "echo_same"
    """ICMP echo with one identifier: what a flow that lives meets."""
    SYN = "syn"
    """A half-open TCP connection; SYN-ACK is the answer."""
    DNS = "dns"
    HTTP = "http"


class SessionKind(StrEnum):
    """What a long TCP session does."""

    TYPES = "types"
    """ssh; the client types every 20 ms and sees it echoed."""
    PUSHES = "pushes"
    """ssh; the server writes every 20 ms and the client says nothing."""
    ECHOES = "echoes"
    """Plain TCP to an echo server that the witness runs at the other end."""


@dataclass(frozen=True, slots=True)
class Path:
    """One service as one host sees it."""

    name: str
    """The service: `egress`, `ingress` ..."""
    kind: Kind
    vantage: str
    """The host that probes."""
    address: str
    port: int
    """0 for echoes."""
    period_ms: float
    ask: str = ""
    """DNS: the name whose A record is asked for. HTTP: the path."""
    expect: tuple[str, ...] = ()
    """Answers that are right. DNS: one address. HTTP: bodies. The others expect none."""

    @property
    def target(self) -> str:
        """Where to, for people."""
        return f"{self.address}:{self.port}" if self.port else self.address


@dataclass(frozen=True, slots=True)
class Session:
    """One long TCP session."""

    name: str
    kind: SessionKind
    vantage: str
    """The host of its client."""
    address: str
    port: int
    server: str | None = None
    """ECHOES: the host on which the witness listens."""

    @property
    def target(self) -> str:
        """Where to, for people."""
        return f"{self.address}:{self.port}"


def paths_of(network: Network, vantage: str = "vm01", *, everything: bool = False) -> list[Path]:
    """Every service of the network, from that tenant and from outside.

    Of the ways in the first two and the last, unless `everything`. Raises ValueError without such a tenant.
    """
    vm = _tenant(network, vantage)
    gateway, server = network.gateway, network.server
    paths = [
        Path("egress", Kind.ECHO, vm.name, plan.OUTSIDE_HOST, 0, 1),
        Path("egress_same", Kind.ECHO_SAME, vm.name, plan.OUTSIDE_HOST, 0, 1),
        Path("gateway", Kind.ECHO_SAME, vm.name, gateway, 0, 1),
    ]
    peer = next((other for other in network.vms if other is not vm), vm)
    if peer is not vm:
        paths.append(Path("control", Kind.ECHO_SAME, vm.name, peer.address, 0, 5))
    own = (vm.address,)
    paths += [
        Path("dns", Kind.DNS, vm.name, server, 53, 10, f"{peer.name}.{plan.DOMAIN}", (peer.address,)),
        Path("metadata", Kind.HTTP, vm.name, server, 80, 20, "/latest/meta-data/local-ipv4", own),
        Path("password", Kind.HTTP, vm.name, server, 8080, 50, "/", ("saved_password",)),  # no DomU_Request: harmless
    ]
    doors = _doors(network)
    if not everything and len(doors) > _USUAL_DOORS:
        doors = [*doors[: _USUAL_DOORS - 1], doors[-1]]
    paths += [Path("ingress", Kind.SYN, OUTSIDE, door.address, door.port, 5) for door in doors]
    paths += [
        Path("static_nat", Kind.SYN, OUTSIDE, ip.address, plan.SSH_PORT, 5)
        for ip in network.ips
        if ip.static_nat is not None
    ]
    paths += [
        Path("balancer", Kind.HTTP, OUTSIDE, rule.ip.address, rule.public_port, 10, "/", _names(rule.vms))
        for rule in network.balancers
        if rule.vms and rule.private_port == plan.TENANT_PORT
    ]
    return paths


def sessions_of(network: Network, vantage: str = "vm01") -> list[Session]:
    """T and P to the tenant's own forwarded SSH port (else the first), S over static NAT, O from the tenant out."""
    vm = _tenant(network, vantage)
    ssh = [door for door in _doors(network) if door.private_port == plan.SSH_PORT]
    sessions = []
    if ssh:
        door = next((door for door in ssh if door.vm is vm), ssh[0])
        sessions += [
            Session("T", SessionKind.TYPES, OUTSIDE, door.address, door.port),
            Session("P", SessionKind.PUSHES, OUTSIDE, door.address, door.port),
        ]
    static = next((ip for ip in network.ips if ip.static_nat is not None), None)
    if static is not None:
        sessions.append(Session("S", SessionKind.TYPES, OUTSIDE, static.address, plan.SSH_PORT))
    sessions.append(Session("O", SessionKind.ECHOES, vm.name, plan.OUTSIDE_HOST, ECHO_PORT, server=OUTSIDE))
    return sessions


@dataclass(frozen=True, slots=True)
class _Door:
    """Where the outside reaches a port of a VM."""

    vm: Vm
    address: str
    port: int
    private_port: int


def _doors(network: Network) -> list[_Door]:
    """Forwarded TCP ports; in a shared network the VMs' own SSH ports."""
    if network.kind == "Shared":
        return [_Door(vm, vm.address, plan.SSH_PORT, plan.SSH_PORT) for vm in network.vms]
    rules = (rule for rule in network.forwarding if rule.protocol == "tcp")
    return [_Door(rule.vm, rule.ip.address, rule.public_port, rule.private_port) for rule in rules]


def _names(vms: list[Vm]) -> tuple[str, ...]:
    """What the tenants' websites answer."""
    return tuple(vm.name for vm in vms)


def _tenant(network: Network, name: str) -> Vm:
    for vm in network.vms:
        if vm.name == name:
            return vm
    raise ValueError(f"no tenant {name!r}; there are {', '.join(vm.name for vm in network.vms)}")
