# SPDX-License-Identifier: Apache-2.0
"""The daemons of a virtual router: names and leases, metadata, passwords, load balancer."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from csworkbench.lab import dnsmasq, haproxy, plan
from csworkbench.lab.defects import Defects
from csworkbench.lab.dnsmasq import server
from csworkbench.lab.fabric import Daemon, Fabric
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.image import HAPROXY_CONFIG
from csworkbench.lab.records import Network, Router, Vm
from csworkbench.lab.units import Unit

DIRECTORY = "/run/vr"
METADATA_DIRECTORY = f"{DIRECTORY}/metadata"
_DNSMASQ_STARTED = "started, version"
_HAPROXY_STARTED = "Loading success"
PASSWORD_DIRECTORY = f"{DIRECTORY}/passwords"
_DHCP_FILE = f"{DIRECTORY}/dhcphosts.txt"


class Services:
    """What runs on one router. All raise LabError."""

    def __init__(self, fabric: Fabric, row: Router, host: Host, defects: Defects) -> None:
        self._fabric, self._row, self._host, self._defects = fabric, row, host, defects
        router = row.role == "VIRTUAL_ROUTER"  # an internal LB VM has haproxy and nothing else for its tier
        self._guests = [(nic, nic.network) for nic in row.guests if router and nic.network is not None]
        self._dnsmasq: Daemon | None = None
        self._haproxy: Daemon | None = None
        self._web: list[Daemon] = []
        self._passwords: list[Daemon] = []
        self._balanced = ""
        self.active = not row.redundant
        """False on a BACKUP: it has no password server, and its dnsmasq is stopped."""

    async def boot(self, *, serving: bool) -> None:
        """What the image starts by itself: a web server that knows nobody yet, haproxy with its dummy listener.

        `serving`: haproxy with its rules at once, because a reload right after its start may be lost.
        """
        await self._start_web()
        if self._row.kind in ("router", "vpcrouter"):
            await self.balance(serving=serving)

    def units(self) -> dict[str, Unit]:
        """What the router's systemctl knows."""
        return {
            "apache2": Unit(lambda: self._web, self._start_web),
            "dnsmasq": Unit(lambda: [self._dnsmasq] if self._dnsmasq else [], self._start_dnsmasq),
            "haproxy": Unit(lambda: [self._haproxy] if self._haproxy else [], self._start_haproxy),
            "cloud-password-server": Unit(lambda: self._passwords, self._start_passwords),
        }

    async def _start_web(self) -> None:
        self._web = [
            await self._fabric.service(self._host, "metadata", address=address, directory=METADATA_DIRECTORY)
            for address in self._addresses
        ]

    async def _start_dnsmasq(self) -> None:
        argv = ["dnsmasq", "-k", "--log-facility=-", "-C", f"{DIRECTORY}/dnsmasq.conf"]
        self._dnsmasq = await self._fabric.daemon(self._host, argv, _DNSMASQ_STARTED)

    async def _start_haproxy(self) -> None:
        """With whatever its file says now."""
        self._balanced = ""
        self._haproxy = await self._fabric.daemon(
            self._host, ["haproxy", "-W", "-db", "-f", HAPROXY_CONFIG], _HAPROXY_STARTED
        )

    async def passwords(self) -> None:
        """The password server, from the first configuration run on."""
        if not self._defects.no_passwords:
            await self._start_passwords()

    async def _start_passwords(self) -> None:
        if self.active and not any(_runs(daemon) for daemon in self._passwords):
            self._passwords = [
                await self._fabric.service(self._host, "passwords", address=address, directory=PASSWORD_DIRECTORY)
                for address in self._addresses
            ]

    async def end_web(self) -> None:
        """The web server dies, as it may in the field; nobody starts it again before the router's next start."""
        for daemon in self._web:
            await daemon.running.kill()
            await daemon.running.exited

    async def names(self) -> None:
        """DHCP and DNS: start dnsmasq, or let a running one read its files again; a BACKUP only gets the files."""
        vms = [vm for _, network in self._guests for vm in network.vms]
        known = [] if self._defects.no_leases else vms
        leases = "".join(f"{vm.mac},set:{vm.name},{vm.address},{vm.name},infinite\n" for vm in known)
        names = "".join(f"{vm.address} {vm.name}.{plan.DOMAIN} {vm.name}\n" for vm in vms)
        own = "".join(
            f"{server(nic, network)} {self._host.name} data-server data-server.{plan.DOMAIN}\n"
            for nic, network in self._guests
        )
        await self._host.write(
            {
                f"{DIRECTORY}/dnsmasq.conf": dnsmasq.configuration(self._row, DIRECTORY),
                _DHCP_FILE: leases,
                f"{DIRECTORY}/hosts": own + names,
            }
        )
        if not self.active:
            return
        if self._dnsmasq is not None and _runs(self._dnsmasq):
            with suppress(LabError):  # 2.90 was seen to die of it after giving a lease: started again below
                await self._fabric.signalled(self._host, self._dnsmasq, signal.SIGHUP, f"read {_DHCP_FILE}")
                return
        await self._stop_names()
        await self._start_dnsmasq()

    async def metadata(self, pause: Callable[[], Awaitable[None]]) -> None:
        """User data and metadata, VM by VM with that pause; then the passwords that no router was given yet."""
        for _, network in self._guests:
            for vm in list(network.vms):
                await pause()
                content = vm_data(network, vm)
                if self._defects.no_keys:
                    content["meta-data/public-keys"] = ""
                await self._host.write({f"{METADATA_DIRECTORY}/{vm.address}.json": json.dumps(content)})
            fresh, network.passwords = network.passwords, {}
            await self._host.write({f"{PASSWORD_DIRECTORY}/{address}": text for address, text in fresh.items()})

    async def activate(self, *, names: bool) -> None:
        """What a router does last when it becomes PRIMARY; `names`: it knows its guests already."""
        await self.passwords()
        if names:
            await self._stop_names()  # dnsmasq is restarted: it listens on the addresses that it finds at its start
            await self.names()

    async def passivate(self) -> None:
        """What a BACKUP does not run."""
        await self._stop_names()
        for daemon in self._passwords:
            await daemon.running.kill()
            await daemon.running.ended()
        self._passwords = []

    async def _stop_names(self) -> None:
        if self._dnsmasq is not None:
            await self._dnsmasq.running.kill()
            await self._dnsmasq.running.ended()

    async def balance(self, *, serving: bool, anew: bool = False) -> None:
        """haproxy: reloaded when its configuration has changed or `anew` is set, started when it does not run."""
        wanted = haproxy.of(self._row, serving=serving, lost=self._defects.unbalanced)
        await self._host.write({HAPROXY_CONFIG: wanted})  # a live patch may have brought another file
        if self._haproxy is not None and _runs(self._haproxy):
            if anew or wanted != self._balanced:
                await self._fabric.signalled(self._host, self._haproxy, signal.SIGUSR2, _HAPROXY_STARTED)
        else:
            await self._start_haproxy()
        self._balanced = wanted

    @property
    def _addresses(self) -> list[str]:
        """Where guests ask: the gateway, and in a pair the router's own address too."""
        return [address for nic, network in self._guests for address in {server(nic, network): None, nic.address: None}]


def vm_data(network: Network, vm: Vm) -> dict[str, str]:
    """What `/latest/PATH` answers that VM, by path."""
    leaves_with = next((ip for ip in network.ips if ip.static_nat is vm), network.served.source_nat)
    public = leaves_with.address if leaves_with is not None else vm.address
    items = {
        "service-offering": "Small Instance",
        "availability-zone": "zone1",
        "local-ipv4": vm.address,
        "local-hostname": vm.name,
        "public-ipv4": public,
        "public-hostname": public,
        "instance-id": vm.id,
        "vm-id": vm.id,
        "public-keys": "\n".join(pair.public_key for pair in vm.key_pairs) or network.public_key,
        "cloud-identifier": f"CloudStack-{{{network.zone_id}}}",
        "hypervisor-host-name": "kvm-01",
    }
    index = "".join(f"{name}\n" for name in items)
    return {
        "user-data": vm.user_data,
        "meta-data": index,
        **{f"meta-data/{name}": text for name, text in items.items()},
    }


def _runs(daemon: Daemon | None) -> bool:
    return daemon is not None and not daemon.running.exited.done()
