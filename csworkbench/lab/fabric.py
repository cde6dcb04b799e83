# SPDX-License-Identifier: Apache-2.0
"""The hypervisor and what is plugged into it: bridges, tenants, the provider's router, a host behind it."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from csworkbench.lab import control, ipv6, plan, tenant
from csworkbench.lab.calls_http import LISTENING
from csworkbench.lab.calls_netlink import PORT_SET, SET, TABLE
from csworkbench.lab.hostfs import Spec
from csworkbench.lab.hosts import Host, LabError, Running
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.records import Vm

CONTROL_BRIDGE, PUBLIC_BRIDGE = "brctl", "brpub"
_CLOCK_STEP_S = 1013
"""Seconds between the clocks of two tenants: odd, so that no multiple of a minute hides a mistake."""
_DAEMON_START_S = 10.0

GATEWAY_RULES = f"""\
table ip {TABLE} {{
  set {SET} {{ type ipv4_addr; }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip saddr @{SET} drop
    ip daddr @{SET} drop
  }}
}}
"""
"""An outage is one element in the set: no connection tracking, no rule change, one transaction."""


def switch_rules(servers: Collection[str]) -> str:
    """The same for services of the routers, at the switch between them and their guests: it outlives any router."""
    addresses = f"{{ {', '.join(sorted(servers))} }}"
    return f"""\
table bridge {TABLE} {{
  set {PORT_SET} {{ type inet_service; }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip daddr {addresses} udp dport @{PORT_SET} drop
    ip daddr {addresses} tcp dport @{PORT_SET} drop
    ip saddr {addresses} udp sport @{PORT_SET} drop
    ip saddr {addresses} tcp sport @{PORT_SET} drop
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Port:
    """A virtual cable: the switch's end on a bridge, the other end a device of a host."""

    name: str
    bridge: str
    device: str
    mac: str | None = None


@dataclass(slots=True)
class Daemon:
    """A daemon on a host, with the last lines that it wrote."""

    running: Running
    log: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    waiting: list[tuple[str, asyncio.Future[None]]] = field(default_factory=list)
    """Who waits for which text on its stderr."""

    def expect(self, text: str) -> asyncio.Future[None]:
        """Resolves when it writes that; fails with LabError when it ends before."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((text, written))
        return written


class Fabric:
    """Makes hosts and cables. `gateway` and `outside` exist after `build`."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.namespaces = namespaces
        self.hosts: dict[str, Host] = {}
        self.control = control.Control(namespaces.fab)
        self._ports = 0
        self._clock = 0

    async def build(self, guest_bridges: Sequence[str], servers: Collection[str]) -> None:
        """The switches, the provider's router, the outside host. `servers`: where guests find routers' services."""
        gateway_spec = tenant.host_spec("gateway", 0, nameserver=None)  # its stamps are the host's
        gateway_spec["sysctls"] |= {
            "net/ipv4/ip_forward": "1",
            "net/ipv4/conf/all/arp_announce": "2",  # else a router with arp_ignore=2 drops its requests
            "net/ipv4/conf/default/arp_announce": "2",
        }
        outside_spec = tenant.host_spec("outside", 0, nameserver=None)
        outside_spec["read_only"] = False  # an outside vantage is the host itself: it writes where its user may
        _, gateway, outside, _ = await asyncio.gather(
            self.switches(CONTROL_BRIDGE, PUBLIC_BRIDGE, *guest_bridges),
            self.create(gateway_spec),
            self.create(outside_spec),
            self.control.prepare(),
        )
        await self.ip(self.namespaces.fab, f"addr add {control.ADDRESS}/16 dev {CONTROL_BRIDGE}")
        await self.plug(gateway, [Port("gateway", PUBLIC_BRIDGE, "eth0", "02:00:c6:33:64:01")])
        await self.ip(
            self.namespaces.fab, f"link add name eth1 netns {gateway.pid} type veth peer name eth0 netns {outside.pid}"
        )
        await asyncio.gather(
            self.ip(
                gateway,
                f"addr add {plan.PUBLIC_GATEWAY}/{plan.PUBLIC.prefixlen} dev eth0\n"
                f"addr add {plan.OUTSIDE_GATEWAY}/{plan.OUTSIDE.prefixlen} dev eth1\n"
                "link set lo up\nlink set eth0 up\nlink set eth1 up",
            ),
            self.ip(
                outside,
                f"addr add {plan.OUTSIDE_HOST}/{plan.OUTSIDE.prefixlen} dev eth0\n"
                f"link set lo up\nlink set eth0 up\nroute add default via {plan.OUTSIDE_GATEWAY}",
            ),
            gateway.run("nft", "-f", "-", text=GATEWAY_RULES),
            self.namespaces.fab.run("nft", "-f", "-", text=switch_rules(servers)),
        )

    async def switches(self, *names: str) -> None:
        """One bridge per name, as for a VLAN: it learns and forwards at once."""
        lines = (f"link add name {name} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0" for name in names)
        await self.ip(self.namespaces.fab, "\n".join(lines))

    async def remove_switch(self, name: str) -> None:
        """The bridge of a network that is gone; nothing when it is not there."""
        await self.ip(self.namespaces.fab, f"link del {name}", check=False)

    def next_clock_offset(self) -> int:
        """Seconds by which the next host's CLOCK_MONOTONIC shall differ from everybody else's."""
        self._clock += _CLOCK_STEP_S
        return self._clock

    async def create(self, spec: Spec) -> Host:
        """A host of that description, known by its name."""
        host = await self.namespaces.create(spec)
        host.environment = tenant.environment(host.name)
        self.hosts[host.name] = host
        return host

    async def remove(self, host: Host, ports: Sequence[Port]) -> None:
        """Power off: the cables first, so that nothing is half alive, then every process."""
        fab = self.namespaces.fab
        # A host that died by itself has taken its cables along.
        await self.ip(fab, "\n".join(f"link set {port.name} down" for port in ports), check=False)
        if self.hosts.get(host.name) is host:
            del self.hosts[host.name]
        await self.namespaces.destroy(host)
        await self.ip(fab, "\n".join(f"link del {port.name}" for port in ports), check=False)  # may be gone already

    def port_name(self, prefix: str) -> str:
        """A name that no port had before: the kernel removes devices late."""
        self._ports += 1
        return f"{prefix}p{self._ports}"

    async def plug(self, host: Host, ports: Sequence[Port]) -> None:
        """Connect a host; the devices are down on its side."""
        lines = [
            f"link add name {port.name} master {port.bridge} up type veth peer name {port.device}"
            f"{f' address {port.mac}' if port.mac else ''} netns {host.pid}"
            for port in ports
        ]
        await self.ip(self.namespaces.fab, "\n".join(lines))

    async def ip(self, host: Host, lines: str, *, check: bool = True) -> None:
        """`ip -batch` inside a host."""
        await host.run("ip", *([] if check else ["-force"]), "-batch", "-", text=lines + "\n", check=check)

    async def daemon(self, host: Host, argv: Sequence[str], ready: str) -> Daemon:
        """Start a daemon and wait for that text on its stderr; raises LabError with its last line if it ends."""
        return await self._started(host, argv[0], ready, lambda descriptors: host.spawn(argv, descriptors))

    async def signalled(self, host: Host, daemon: Daemon, number: int, ready: str) -> None:
        """Signal a daemon's first process and wait until it writes that; raises LabError."""
        written = daemon.expect(ready)
        await daemon.running.signal(number)
        try:
            await asyncio.wait_for(written, _DAEMON_START_S)
        except (LabError, TimeoutError) as error:
            last = daemon.log[-1] if daemon.log else "no message"
            raise LabError(f"{host.name}: a daemon does not take its new configuration: {last}") from error

    async def service(self, host: Host, function: str, ready: str = LISTENING, **arguments: object) -> Daemon:
        """Start one of our own small servers there and wait until it listens, or writes `ready`; raises LabError."""
        return await self._started(
            host, function, ready, lambda descriptors: host.serve(function, descriptors, **arguments)
        )

    async def _started(
        self, host: Host, name: str, ready: str, start: Callable[[Sequence[int]], Awaitable[Running]]
    ) -> Daemon:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            running = await start([null, null, writer])
        except LabError:
            os.close(reader)
            raise
        finally:
            os.close(null)
            os.close(writer)
        daemon = Daemon(running)
        started = daemon.expect(ready)
        await asyncio.get_running_loop().connect_read_pipe(lambda: _Log(daemon), os.fdopen(reader, "rb", buffering=0))
        try:
            await asyncio.wait_for(started, _DAEMON_START_S)
        except (LabError, TimeoutError) as error:
            last = daemon.log[-1] if daemon.log else "no message"
            raise LabError(f"{host.name}: {name} does not start: {last}") from error
        return daemon

    async def tenant(self, vm: Vm, keys: tenant.SshKeys) -> tuple[Host, Port]:
        """A tenant VM on the guest network; its SSH server is started apart (`sshd`)."""
        network = vm.network
        six = network.cidr6 is not None
        offset = self.next_clock_offset()
        spec = tenant.tenant_spec(vm.name, offset, nameserver=network.server, keys=keys, ipv6=six, kind=vm.kind)
        spec["sysctls"] |= ipv6.HOST_SYSCTLS if six else {}
        host = await self.create(spec)
        port = Port(self.port_name("t"), network.bridge, "eth0", vm.mac)
        await self.plug(host, [port])
        await self.ip(
            host,
            f"addr add {vm.address}/{network.cidr.prefixlen} dev eth0\n"
            f"link set lo up\nlink set eth0 up\nroute add default via {network.gateway}",
        )
        return host, port

    async def website(self, host: Host) -> Daemon:
        """Start the tenant's own small web server, which the load balancer has behind it."""
        return await self.service(host, "website", name=host.name, port=plan.TENANT_PORT)

    async def sshd(self, host: Host, *program: str) -> Daemon:
        """Start the SSH server of a tenant, perhaps with words before it; returns when it listens."""
        return await self.daemon(host, [*program, "-D", "-e", "-f", tenant.SSHD_CONFIG], tenant.LISTENING)


class _Log(asyncio.Protocol):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def data_received(self, data: bytes) -> None:
        for line in data.decode(errors="replace").splitlines():
            self._daemon.log.append(line)
            for text, written in self._daemon.waiting:
                if text in line and not written.done():
                    written.set_result(None)
        self._daemon.waiting[:] = [entry for entry in self._daemon.waiting if not entry[1].done()]

    def connection_lost(self, exc: Exception | None) -> None:
        for _, written in self._daemon.waiting:
            if not written.done():
                written.set_exception(LabError("ended"))
        self._daemon.waiting.clear()
