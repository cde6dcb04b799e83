# SPDX-License-Identifier: Apache-2.0
"""A virtual router that really routes: NAT, firewall and dnsmasq, configured file by file as vr_cfg.sh does."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from csworkbench.lab import base_services, plan, tenant, timing, vr_redundancy
from csworkbench.lab.announcements import announcements
from csworkbench.lab.defects import Defects
from csworkbench.lab.fabric import CONTROL_BRIDGE, PUBLIC_BRIDGE, Fabric, Port
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.image import BOOT_FLAG, Image
from csworkbench.lab.records import Nic, Router, Traffic
from csworkbench.lab.redundancy import Callbacks, Redundancy
from csworkbench.lab.rules import Stage
from csworkbench.lab.rulesets import rule_set
from csworkbench.lab.settings import Settings
from csworkbench.lab.timing import Pace
from csworkbench.lab.units import Unit, Units
from csworkbench.lab.vr_ipv6 import Ipv6
from csworkbench.lab.vr_services import DIRECTORY, METADATA_DIRECTORY, PASSWORD_DIRECTORY, Services

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
    "net/netfilter/nf_conntrack_events": "1",  # of every flow, also of one that began before anybody followed them
}
_WIDTH = plan.PUBLIC.prefixlen
_CONTROL_WIDTH = 16
_RULE_RUNS = {
    Stage.FIREWALL: timing.FIREWALL_S,
    Stage.FORWARDING: timing.FORWARDING_S,
    Stage.STATIC_NAT: timing.STATIC_NAT_S,
    Stage.LOAD_BALANCER: timing.LOAD_BALANCER_S,
    Stage.NETWORK_ACL: timing.NETWORK_ACL_S,
}
"""Runs that touch rules, with their real seconds."""


@dataclass(slots=True)
class Surroundings:
    """What every router needs from the cloud around it; the pace changes once the cloud is up."""

    fabric: Fabric
    pace: Pace
    faults: Faults
    rng: random.Random
    settings: Settings
    at_once: bool = False
    """The cloud comes up and nobody looks: routers are configured in one step, not file by file."""


class VirtualRouter:
    """The machine behind a router's row. `deploy`, `boot`, `configure`, `destroy`; each raises LabError."""

    def __init__(self, row: Router, around: Surroundings) -> None:
        self.row = row
        self._around = around
        self._fabric, self._served = around.fabric, row.served
        self._rules = rule_set(row)
        self._public = row.nic("Public")
        self._ipv6 = Ipv6(self._fabric, row)
        self._host: Host | None = None
        self._ports: list[Port] = []
        self._stages: set[Stage] = set()
        self._source_nat = False
        self._egress = False
        self._held: list[str] = []
        self._services: Services | None = None
        self._redundancy: Redundancy | None = None
        self._units: Units | None = None
        self._turn = asyncio.Lock()
        self._announcing: set[asyncio.Task[dict[str, Any]]] = set()
        self.held_by: set[str] = set()
        """Faults for which nobody reaches it, to look or to configure: it hangs or is frozen."""

    @property
    def host(self) -> Host:
        """The running machine; raises LabError when it is off or does not answer."""
        if self._host is None:
            raise LabError(f"{self.row.name} is not running")
        if self.held_by:
            raise LabError(f"{self.row.name} does not answer")
        return self._host

    @property
    def services(self) -> Services:
        """Its daemons; raises LabError when it is off."""
        if self._services is None:
            raise LabError(f"{self.row.name} is not running")
        return self._services

    @property
    def redundancy(self) -> Redundancy | None:
        """Its half of a pair, from the first configuration on."""
        return self._redundancy

    def ports(self, *traffic: Traffic) -> list[Port]:
        """The cables of its NICs of these kinds, of all if none is named; what is left of them when it is off."""
        pairs = zip(self.row.nics, self._ports, strict=False)
        return [port for nic, port in pairs if not traffic or nic.traffic in traffic]

    async def deploy(self, image: Image) -> None:
        """Define the domain with its NICs and a disk of that image; nothing answers yet."""
        spec = tenant.host_spec(self.row.name, self._fabric.next_clock_offset(), nameserver=None)
        spec["sysctls"] |= _SYSCTLS | ({"net/ipv4/ip_forward": "0"} if self.row.kind == "dhcpsrvr" else {})
        spec["sysctls"] |= self._ipv6.sysctls
        spec["directories"] |= dict.fromkeys((DIRECTORY, METADATA_DIRECTORY, PASSWORD_DIRECTORY), 0o755)
        image.install(spec, self._fabric.control.authorized)
        self._host = await self._fabric.create(spec)
        self._ports = [self._port(nic) for nic in self.row.nics]
        await self._fabric.plug(self._host, self._ports)
        defects = Defects.of(self._served, self._around.faults)
        self._rules = rule_set(self.row, left_out=defects.left_out)
        self._services = Services(self._fabric, self.row, self._host, defects)

    async def boot(self) -> None:
        """Let it boot. At the end it owns its boot-time addresses and has announced them, but forwards nothing new."""
        await self._around.pace.wait(timing.ROUTER_BOOT_S)
        await self._restore(self._rules.base())  # before any address: else it answers RST for the network
        lines = [
            *(f"addr add {nic.address}/{_width(nic)} brd + dev {nic.device}" for nic in self.row.nics),
            "link set lo up",
            *(f"link set {nic.device} up" for nic in self.row.nics if nic is not self._public or self.services.active),
        ]
        if self.services.active and (upstream := self._upstream) is not None:
            lines.append(f"route add default via {upstream[0]} dev {upstream[1]}")
        await self._fabric.ip(self.host, "\n".join(lines))
        self._announce()
        await self._ipv6.boot(self.host)
        self._units = Units(self.host, self.services.units())
        await asyncio.gather(
            self.services.boot(serving=self._around.at_once),
            base_services.start(self._fabric, self.host, self.row.control.address, self._units),
        )
        await self.host.write({BOOT_FLAG: ""})

    async def configure(self) -> None:
        """One aggregated configuration: each file a run of configure.py, and a conntrack flush at the end."""
        async with self._turn:
            if self._around.at_once:
                await self._configure_at_once()
                return
            for stage in self._rules.stages:
                await self._run(stage)
            await self.host.call("flush_conntrack")

    async def apply(self, *stages: Stage) -> None:
        """What a single command sends: these files only, nothing is flushed; runs of one router never overlap.

        Files that such a router does not have are left out.
        """
        async with self._turn:
            for stage in stages:
                if stage in self._rules.stages:
                    await self._run(stage)

    async def end_services(self) -> None:
        """An orderly shutdown before the power-off: keepalived resigns, then every process but the first ends."""
        redundancy, self._redundancy = self._redundancy, None
        if redundancy is not None:
            await redundancy.stop(graceful=True)
        await self.host.run("sh", "-c", "kill -TERM -1", check=False)

    async def revoke(self) -> None:
        """Take all rules away, as the management server does before it destroys a router for good."""
        await self._restore(self._rules.base())

    async def destroy(self) -> None:
        """Power off and remove; does nothing when it is off."""
        if self._units is not None:
            self._units.close()
            self._units = None
        host, self._host = self._host, None
        redundancy, self._redundancy = self._redundancy, None
        if host is not None:
            await self._fabric.remove(host, self._ports)
        if redundancy is not None:
            await redundancy.stop(graceful=False)
        self._stages.clear()
        self._source_nat = self._egress = False
        self._held = []
        self._services = None
        self.held_by.clear()

    @property
    def _upstream(self) -> tuple[str, str] | None:
        """Gateway and device of the default route: on a guest network only where another router is the gateway."""
        if self._public is not None:
            return plan.PUBLIC_GATEWAY, self._public.device
        guests = ((nic.network.gateway, nic) for nic in self.row.guests if nic.network is not None)
        return next(((gateway, nic.device) for gateway, nic in guests if gateway != nic.address), None)

    def _port(self, nic: Nic) -> Port:
        match nic.traffic:
            case "Control":
                prefix, bridge = "c", CONTROL_BRIDGE
            case "Public":
                prefix, bridge = "u", PUBLIC_BRIDGE
            case _:
                assert nic.network is not None  # noqa: S101 - as every guest NIC has
                prefix, bridge = "g", nic.network.bridge
        return Port(self._fabric.port_name(prefix), bridge, nic.device, nic.mac)

    async def _run(self, stage: Stage) -> None:
        pace = self._around.pace
        match stage:
            case Stage.ADDRESSES:
                await pace.wait(timing.ADDRESSES_S)
                await self._take_addresses()
                if self.row.redundant and self._redundancy is None:
                    await self._join_pair()
                await self.services.passwords()
            case Stage.DHCP:
                await pace.wait(timing.DHCP_PER_VM_S * sum(len(network.vms) for network in self._served.networks))
                await self.services.names()
                self._stages.add(stage)
            case Stage.METADATA:
                await self.services.metadata(lambda: pace.wait(timing.METADATA_PER_VM_S))
                self._stages.add(stage)
            case _ if self.row.kind != "dhcpsrvr":
                await self._rules_run(stage, _RULE_RUNS[stage])

    async def _join_pair(self) -> None:
        """Start as BACKUP; whoever finds no PRIMARY becomes it by itself."""
        half = vr_redundancy.half(self.row, self._around.settings.decimal("router.redundant.vrrp.interval"))
        callbacks = Callbacks(self._become_active, self._become_passive, self._become_passive)
        redundancy = self._redundancy = Redundancy(self._fabric, self.host, half, callbacks)
        await redundancy.start()
        if self._units is not None:
            self._units.add("keepalived", Unit(lambda: redundancy.daemons, redundancy.start_keepalived))

    async def _become_active(self) -> None:
        """What the routers' own program has not done: the services that only the PRIMARY has."""
        self.services.active = True
        async with self._turn:
            await self.services.activate(names=Stage.DHCP in self._stages)

    async def _become_passive(self) -> None:
        self.services.active = False
        async with self._turn:
            await self.services.passivate()

    async def _configure_at_once(self) -> None:
        """To the same end as all files: a process per table and file is most of what many routers cost."""
        self._stages.update(self._rules.stages)
        self._egress = self._source_nat = True
        await self._take_addresses()
        if self.row.redundant:
            await self._join_pair()
        await self._restore(
            self._rules.filter(self._stages, egress=True) + self._rules.nat(self._stages, source_nat=True)
        )
        await self._ipv6.firewall(self.host)
        for stage in self._rules.stages:
            match stage:
                case Stage.ADDRESSES:
                    await self.services.passwords()
                case Stage.DHCP:
                    await self.services.names()
                case Stage.METADATA:
                    await self.services.metadata(lambda: self._around.pace.wait(0))
                case Stage.LOAD_BALANCER:
                    await self.services.balance(serving=True)
                case _:
                    pass

    async def _take_addresses(self) -> None:
        self._stages.add(Stage.ADDRESSES)
        tables = self._rules.mangle(self._stages)  # closed before it is reachable
        if self.row.kind == "dhcpsrvr":  # no file with rules follows
            tables += self._rules.filter(self._stages, egress=False)
        await self._restore(tables)
        if self._public is not None:
            device, wanted = self._public.device, [ip.address for ip in self._served.held_ips if not ip.source_nat]
            lines = [
                *(f"addr del {address}/{_WIDTH} dev {device}" for address in self._held if address not in wanted),
                *(f"addr replace {address}/{_WIDTH} brd + dev {device}" for address in wanted),
            ]
            await self._fabric.ip(self.host, "\n".join(lines))
            self._held = wanted
        self._announce()

    async def _rules_run(self, stage: Stage, real_s: float) -> None:
        """A run that touches rules: the egress chain is empty from its start until the other sections are done."""
        await self._around.pace.wait(real_s - timing.EGRESS_GAP_S)
        if self._egress and self._rules.empty_egress:
            await self._restore(self._rules.empty_egress, "--noflush")
        await self._around.pace.wait(timing.EGRESS_GAP_S)
        if stage is Stage.LOAD_BALANCER:
            await self.services.balance(serving=True)
        self._stages.add(stage)
        self._egress = True
        await self._restore(self._rules.mangle(self._stages) + self._rules.filter(self._stages, egress=True))
        if stage is Stage.FIREWALL:
            await self._ipv6.firewall(self.host)
        if not self._source_nat:
            await self._around.pace.wait(timing.TABLE_GAP_S)
            self._source_nat = True
        await self._restore(self._rules.nat(self._stages, source_nat=True))
        self._announce()

    def _announce(self) -> None:
        """One gratuitous ARP for each address that is configured; lost, as in the field, when nobody can send it."""
        sending = asyncio.create_task(self.host.call("announce", devices=self.announcements()))  # in the background
        self._announcing.add(sending)
        sending.add_done_callback(self._announced)

    def announcements(self) -> dict[str, tuple[list[str], str | None]]:
        """What `calls_arp.announce` is to say; nothing on a BACKUP."""
        if not self.services.active:
            return {}
        public = [ip.address for ip in self._served.held_ips if ip.source_nat or Stage.ADDRESSES in self._stages]
        return announcements(self.row, public, self._around.faults)

    def _announced(self, sending: asyncio.Task[dict[str, Any]]) -> None:
        self._announcing.discard(sending)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            _log.warning("%s: %s", self.row.name, error)

    async def _restore(self, text: str, *options: str) -> None:
        await self.host.run("iptables-restore", *options, text=text)


def _width(nic: Nic) -> int:
    if nic.network is not None:
        return nic.network.cidr.prefixlen
    return _CONTROL_WIDTH if nic.traffic == "Control" else _WIDTH


async def destroyed(router: VirtualRouter) -> None:
    """Destroy a router of which nothing more is expected, e.g. after a failed start."""
    with suppress(LabError):
        await router.destroy()
