# SPDX-License-Identifier: Apache-2.0
"""A virtual router that really routes: NAT, firewall and dnsmasq, configured file by file as vr_cfg.sh does."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from csworkbench.lab import plan, rules, tenant, timing
from csworkbench.lab.fabric import CONTROL_BRIDGE, GUEST_BRIDGE, PUBLIC_BRIDGE, Daemon, Fabric, Port
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.records import Network, Router
from csworkbench.lab.rules import CONTROL_DEVICE, GUEST_DEVICE, PUBLIC_DEVICE, Stage
from csworkbench.lab.timing import Pace

_log = logging.getLogger(__name__)
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/ip_nonlocal_bind": "1",
    "net/ipv4/conf/all/arp_ignore": "2",
    "net/ipv4/conf/default/arp_ignore": "2",
    "net/ipv4/conf/all/arp_announce": "2",
    "net/ipv4/conf/default/arp_announce": "2",
    "net/ipv4/conf/all/promote_secondaries": "1",
    "net/ipv4/conf/default/promote_secondaries": "1",
}
_DIRECTORY = "/run/vr"
_DNSMASQ_STARTED = "started, version"


@dataclass(slots=True)
class Surroundings:
    """What every router needs from the cloud around it; the pace changes once the cloud is up."""

    fabric: Fabric
    network: Network
    pace: Pace
    faults: Faults
    rng: random.Random


class VirtualRouter:
    """The machine behind a router's row. `deploy`, `boot`, `configure`, `destroy`; each raises LabError."""

    def __init__(self, row: Router, around: Surroundings) -> None:
        self.row = row
        self._around = around
        self._fabric, self._network = around.fabric, around.network
        self._host: Host | None = None
        self._ports: list[Port] = []
        self._stages: set[Stage] = set()
        self._source_nat = False
        self._egress = False
        self._dnsmasq: Daemon | None = None
        self._announcing: set[asyncio.Task[dict[str, Any]]] = set()

    @property
    def host(self) -> Host:
        """The running machine; raises LabError when it is off."""
        if self._host is None:
            raise LabError(f"{self.row.name} is not running")
        return self._host

    async def deploy(self) -> None:
        """Define the domain with its three NICs; nothing answers yet."""
        spec = tenant.host_spec(self.row.name, self._fabric.next_clock_offset(), nameserver=None)
        spec["sysctls"] |= _SYSCTLS
        spec["directories"][_DIRECTORY] = 0o755
        self._host = await self._fabric.create(spec)
        self._ports = [
            Port(self._fabric.port_name("g"), GUEST_BRIDGE, GUEST_DEVICE, self.row.guest_mac),
            Port(self._fabric.port_name("c"), CONTROL_BRIDGE, CONTROL_DEVICE, self.row.control_mac),
            Port(self._fabric.port_name("u"), PUBLIC_BRIDGE, PUBLIC_DEVICE, self.row.public_mac),
        ]
        await self._fabric.plug(self._host, self._ports)

    async def boot(self) -> None:
        """Let it boot. At the end it owns its boot-time addresses and has announced them, but forwards nothing new."""
        await self._around.pace.wait(timing.ROUTER_BOOT_S)
        await self._restore(rules.base(self._network))  # before any address: else it answers RST for the network
        await self._fabric.ip(
            self.host,
            f"addr add {self._network.gateway}/{self._network.cidr.prefixlen} brd + dev {GUEST_DEVICE}\n"
            f"addr add {self.row.control_address}/16 dev {CONTROL_DEVICE}\n"
            f"addr add {self._network.source_nat.address}/{plan.PUBLIC.prefixlen} brd + dev {PUBLIC_DEVICE}\n"
            f"link set lo up\nlink set {GUEST_DEVICE} up\nlink set {CONTROL_DEVICE} up\nlink set {PUBLIC_DEVICE} up\n"
            f"route add default via {plan.PUBLIC_GATEWAY} dev {PUBLIC_DEVICE}",
        )
        self._announce()

    async def configure(self) -> None:
        """One aggregated configuration: each file a run of configure.py, and a conntrack flush at the end."""
        await self._around.pace.wait(timing.ADDRESSES_S)
        await self._take_addresses()
        await self._rules_run(Stage.FIREWALL, timing.FIREWALL_S)
        await self._rules_run(Stage.FORWARDING, timing.FORWARDING_S)
        await self._rules_run(Stage.STATIC_NAT, timing.STATIC_NAT_S)
        await self._around.pace.wait(timing.DHCP_PER_VM_S * len(self._network.vms))
        await self._serve_names()
        await self._rules_run(Stage.LOAD_BALANCER, timing.LOAD_BALANCER_S)
        await self.host.call("flush_conntrack")

    async def revoke(self) -> None:
        """Take all rules away, as the management server does before it destroys a router for good."""
        await self._restore(rules.base(self._network))

    async def destroy(self) -> None:
        """Power off and remove; does nothing when it is off."""
        host, self._host = self._host, None
        if host is not None:
            await self._fabric.remove(host, self._ports)
        self._stages.clear()
        self._source_nat = self._egress = False
        self._dnsmasq = None

    async def _take_addresses(self) -> None:
        others = [ip.address for ip in self._network.ips if not ip.source_nat]
        lines = "\n".join(
            f"addr replace {address}/{plan.PUBLIC.prefixlen} brd + dev {PUBLIC_DEVICE}" for address in others
        )
        self._stages.add(Stage.ADDRESSES)
        await self._restore(rules.mangle_table(self._network, self._stages))  # closed before it is reachable
        await self._fabric.ip(self.host, lines)
        self._announce()

    async def _rules_run(self, stage: Stage, real_s: float) -> None:
        """A run that touches rules: the egress chain is empty from its start until the other sections are done."""
        await self._around.pace.wait(real_s - timing.EGRESS_GAP_S)
        if self._egress:
            await self._restore(rules.EMPTY_EGRESS, "--noflush")
        await self._around.pace.wait(timing.EGRESS_GAP_S)
        self._stages.add(stage)
        self._egress = True
        await self._restore(
            rules.mangle_table(self._network, self._stages)
            + rules.filter_table(self._network, self._stages, egress=True)
        )
        if not self._source_nat:
            await self._around.pace.wait(timing.TABLE_GAP_S)
            self._source_nat = True
        await self._restore(rules.nat_table(self._network, self._stages, source_nat=True))
        self._announce()

    async def _serve_names(self) -> None:
        """DHCP and DNS: start dnsmasq, or let a running one read its files again."""
        vms = self._network.vms
        leases = "".join(f"{vm.mac},set:{vm.name},{vm.address},{vm.name},infinite\n" for vm in vms)
        names = "".join(f"{vm.address} {vm.name}.{plan.DOMAIN} {vm.name}\n" for vm in vms)
        own = f"{self._network.gateway} {self.row.name} data-server data-server.{plan.DOMAIN}\n"
        await self.host.write(
            {
                f"{_DIRECTORY}/dnsmasq.conf": _dnsmasq_conf(self._network),
                f"{_DIRECTORY}/dhcphosts.txt": leases,
                f"{_DIRECTORY}/hosts": own + names,
            }
        )
        if self._dnsmasq is not None and not self._dnsmasq.running.exited.done():
            await self._dnsmasq.running.kill(signal.SIGHUP)
        else:
            argv = ["dnsmasq", "-k", "--log-facility=-", "-C", f"{_DIRECTORY}/dnsmasq.conf"]
            self._dnsmasq = await self._fabric.daemon(self.host, argv, _DNSMASQ_STARTED)
        self._stages.add(Stage.DHCP)

    def _announce(self) -> None:
        """One gratuitous ARP for each address that is configured; lost, as in the field, when nobody can send it."""
        if self._around.faults.is_set("no-garp"):
            return
        public = [ip.address for ip in self._network.ips if ip.source_nat or Stage.ADDRESSES in self._stages]
        upstream = plan.PUBLIC_GATEWAY if self._around.faults.is_set("real-arping") else None
        devices = {GUEST_DEVICE: ([self._network.gateway], None), PUBLIC_DEVICE: (public, upstream)}
        sending = asyncio.create_task(self.host.call("announce", devices=devices))  # in the background, as there
        self._announcing.add(sending)
        sending.add_done_callback(self._announced)

    def _announced(self, sending: asyncio.Task[dict[str, Any]]) -> None:
        self._announcing.discard(sending)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            _log.warning("%s: %s", self.row.name, error)

    async def _restore(self, text: str, *options: str) -> None:
        await self.host.run("iptables-restore", *options, text=text)


def _dnsmasq_conf(network: Network) -> str:
    return f"""\
user=
group=
keep-in-foreground
pid-file=
interface={GUEST_DEVICE}
except-interface=lo
bind-interfaces
no-resolv
no-hosts
no-ping
addn-hosts={_DIRECTORY}/hosts
domain={plan.DOMAIN}
local=/{plan.DOMAIN}/
dhcp-range={network.cidr.network_address},static,{network.cidr.netmask},infinite
dhcp-hostsfile={_DIRECTORY}/dhcphosts.txt
dhcp-ignore=tag:!known
dhcp-leasefile={_DIRECTORY}/dnsmasq.leases
dhcp-option=option:router,{network.gateway}
dhcp-option=option:dns-server,{network.gateway}
dhcp-option=option:mtu,1500
"""


async def destroyed(router: VirtualRouter) -> None:
    """Destroy a router of which nothing more is expected, e.g. after a failed start."""
    with suppress(LabError):
        await router.destroy()
