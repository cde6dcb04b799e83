# SPDX-License-Identifier: Apache-2.0
"""The daemons of a virtual router: names and leases, metadata, passwords, load balancer."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from csworkbench.lab import haproxy, plan
from csworkbench.lab.fabric import Daemon, Fabric
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.records import Network, Vm
from csworkbench.lab.rules import GUEST_DEVICE

DIRECTORY = "/run/vr"
METADATA_DIRECTORY = f"{DIRECTORY}/metadata"
_DNSMASQ_STARTED = "started, version"
_HAPROXY_STARTED = "Loading success"
PASSWORD_DIRECTORY = f"{DIRECTORY}/passwords"
_DHCP_FILE = f"{DIRECTORY}/dhcphosts.txt"
_HAPROXY_FILE = f"{DIRECTORY}/haproxy.cfg"


class Services:
    """What runs on one router. All raise LabError."""

    def __init__(self, fabric: Fabric, network: Network, host: Host) -> None:
        self._fabric, self._network, self._host = fabric, network, host
        self._dnsmasq: Daemon | None = None
        self._haproxy: Daemon | None = None
        self._passwords: Daemon | None = None
        self._balanced = ""

    async def boot(self) -> None:
        """What the image starts by itself: a web server that knows nobody yet, haproxy with its dummy listener."""
        await self._fabric.service(self._host, "metadata", address=self._network.gateway, directory=METADATA_DIRECTORY)
        await self.balance(serving=False)

    async def passwords(self) -> None:
        """The password server, from the first configuration run on."""
        if not _runs(self._passwords):
            self._passwords = await self._fabric.service(
                self._host, "passwords", address=self._network.gateway, directory=PASSWORD_DIRECTORY
            )

    async def names(self) -> None:
        """DHCP and DNS: start dnsmasq, or let a running one read its files again."""
        vms = self._network.vms
        leases = "".join(f"{vm.mac},set:{vm.name},{vm.address},{vm.name},infinite\n" for vm in vms)
        names = "".join(f"{vm.address} {vm.name}.{plan.DOMAIN} {vm.name}\n" for vm in vms)
        own = f"{self._network.gateway} {self._host.name} data-server data-server.{plan.DOMAIN}\n"
        await self._host.write(
            {
                f"{DIRECTORY}/dnsmasq.conf": _dnsmasq_conf(self._network),
                _DHCP_FILE: leases,
                f"{DIRECTORY}/hosts": own + names,
            }
        )
        if self._dnsmasq is not None and _runs(self._dnsmasq):
            with suppress(LabError):  # 2.90 was seen to die of it after giving a lease: started again below
                await self._fabric.signalled(self._host, self._dnsmasq, signal.SIGHUP, f"read {_DHCP_FILE}")
                return
        if self._dnsmasq is not None:
            await self._dnsmasq.running.kill()
            await self._dnsmasq.running.exited
        argv = ["dnsmasq", "-k", "--log-facility=-", "-C", f"{DIRECTORY}/dnsmasq.conf"]
        self._dnsmasq = await self._fabric.daemon(self._host, argv, _DNSMASQ_STARTED)

    async def metadata(self, pause: Callable[[], Awaitable[None]]) -> None:
        """User data and metadata, VM by VM with that pause; then the passwords that no router was given yet."""
        for vm in list(self._network.vms):
            await pause()
            content = json.dumps(vm_data(self._network, vm))
            await self._host.write({f"{METADATA_DIRECTORY}/{vm.address}.json": content})
        fresh, self._network.passwords = self._network.passwords, {}
        await self._host.write({f"{PASSWORD_DIRECTORY}/{address}": text for address, text in fresh.items()})

    async def balance(self, *, serving: bool) -> None:
        """haproxy: reloaded when its configuration has changed, started when it does not run."""
        wanted = haproxy.configuration(self._network, serving=serving)
        if self._haproxy is not None and _runs(self._haproxy):
            if wanted != self._balanced:
                await self._host.write({_HAPROXY_FILE: wanted})
                await self._fabric.signalled(self._host, self._haproxy, signal.SIGUSR2, _HAPROXY_STARTED)
        else:
            await self._host.write({_HAPROXY_FILE: wanted})
            argv = ["haproxy", "-W", "-db", "-f", _HAPROXY_FILE]
            self._haproxy = await self._fabric.daemon(self._host, argv, _HAPROXY_STARTED)
        self._balanced = wanted


def vm_data(network: Network, vm: Vm) -> dict[str, str]:
    """What `/latest/PATH` answers that VM, by path."""
    public = next((ip.address for ip in network.ips if ip.static_nat is vm), network.source_nat.address)
    items = {
        "service-offering": "Small Instance",
        "availability-zone": "zone1",
        "local-ipv4": vm.address,
        "local-hostname": vm.name,
        "public-ipv4": public,
        "public-hostname": public,
        "instance-id": vm.id,
        "vm-id": vm.id,
        "public-keys": network.public_key,
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
addn-hosts={DIRECTORY}/hosts
domain={plan.DOMAIN}
local=/{plan.DOMAIN}/
dhcp-range={network.cidr.network_address},static,{network.cidr.netmask},infinite
dhcp-hostsfile={DIRECTORY}/dhcphosts.txt
dhcp-ignore=tag:!known
dhcp-leasefile={DIRECTORY}/dnsmasq.leases
dhcp-option=option:router,{network.gateway}
dhcp-option=option:dns-server,{network.gateway}
dhcp-option=option:mtu,1500
"""
