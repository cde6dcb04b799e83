# SPDX-License-Identifier: Apache-2.0
"""A system VM, of secondary storage or of the console proxy: its row, and the machine behind it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import base_services, control, plan, records, systemvm_services, tenant, timing
from csworkbench.lab.fabric import CONTROL_BRIDGE, PUBLIC_BRIDGE, Daemon, Fabric, Port
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.image import BOOT_FLAG, Image
from csworkbench.lab.systemvm_services import AGENT, DIRECTORIES, MANAGEMENT
from csworkbench.lab.timing import Pace
from csworkbench.lab.units import Unit, Units

MANAGEMENT_BRIDGE = "brmgmt"
_CONTROL, _PRIVATE, _PUBLIC = "eth0", "eth1", "eth2"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two kinds. `events` begins its events' types; `ports` are open to the public, `inner` to its zone."""

    type: str
    image: str
    """`Image.kind`."""
    host_type: str
    letter: str
    events: str
    alert: tuple[int, str]
    title: str
    label: str
    scan_setting: str
    services: tuple[str, ...]
    """What the image starts of its `enabled_svcs`."""
    ports: tuple[int, ...]
    inner: tuple[int, ...] = ()


SECONDARY_STORAGE = Kind(
    type="secondarystoragevm",
    image="secstorage",
    host_type="SecondaryStorageVM",
    letter="s",
    events="SSVM",
    alert=(19, "ALERT.SERVICE.SSVM"),
    title="Secondary Storage Vm",
    label="secStorageVm",
    scan_setting="secstorage.capacityscan.interval",
    services=(AGENT, "apache2"),
    ports=(443, 80),
)
CONSOLE_PROXY = Kind(
    type="consoleproxy",
    image="consoleproxy",
    host_type="ConsoleProxy",
    letter="v",
    events="PROXY",
    alert=(10, "ALERT.SERVICE.CONSOLEPROXY"),
    title="Console proxy",
    label="proxy",
    scan_setting="consoleproxy.capacityscan.interval",
    services=(AGENT,),
    ports=(443, 80, 8080),
    inner=(8001,),
)
KINDS = (SECONDARY_STORAGE, CONSOLE_PROXY)
"""In the order in which a new zone numbers them: `s-1-VM`, `v-2-VM`."""


@dataclass(slots=True, eq=False)
class SystemVm:
    """A system VM's row. `state` as in listSystemVms; the agent's fields are None until it has connected once."""

    id: str
    host_id: str
    number: int
    kind: Kind
    public_address: str
    private_address: str
    control_address: str
    public_mac: str
    private_mac: str
    control_mac: str
    created: datetime = field(default_factory=records.now)
    state: str = "Starting"
    template_version: str = "UNKNOWN"
    scripts_version: str | None = None
    software_version: str | None = None
    agent_state: str | None = None
    agent_version: str | None = None
    """What its agent said when it connected last."""
    disconnected: datetime | None = None

    @property
    def name(self) -> str:
        """The instance name, e.g. `s-1-VM`."""
        return f"{self.kind.letter}-{self.number}-VM"


class Machine:
    """The machine behind a row. Every coroutine raises LabError."""

    def __init__(self, row: SystemVm, fabric: Fabric, clock_offset_s: int) -> None:
        self.row = row
        self._fabric = fabric
        self._clock_offset_s = clock_offset_s
        self._host: Host | None = None
        self._ports: list[Port] = []
        self._services: dict[str, Daemon] = {}
        self._units: Units | None = None

    @property
    def host(self) -> Host:
        """The running machine; raises LabError when it is off."""
        if self._host is None:
            raise LabError(f"{self.row.name} is not running")
        return self._host

    async def deploy(self, image: Image) -> None:
        """Define the domain with its three NICs and a disk of that image; nothing answers yet."""
        row = self.row
        spec = tenant.host_spec(row.name, self._clock_offset_s, nameserver=None)
        spec["directories"] |= dict.fromkeys(DIRECTORIES, 0o755)
        image.install(spec, self._fabric.control.authorized)
        self._host = await self._fabric.create(spec)
        wires = (
            (CONTROL_BRIDGE, _CONTROL, row.control_mac),
            (MANAGEMENT_BRIDGE, _PRIVATE, row.private_mac),
            (PUBLIC_BRIDGE, _PUBLIC, row.public_mac),
        )
        self._ports = [Port(self._fabric.port_name("s"), *wire) for wire in wires]
        await self._fabric.plug(self._host, self._ports)

    async def boot(self, pace: Pace) -> None:
        """Let it boot: firewall, then addresses and their announcement, then what it serves."""
        row, host = self.row, self.host
        await pace.wait(timing.SYSTEM_VM_BOOT_S)
        await host.run("iptables-restore", text=base_rules(row.kind))
        await self._fabric.ip(
            host,
            f"addr replace {row.control_address}/16 dev {_CONTROL}\n"
            f"addr replace {row.private_address}/{MANAGEMENT.prefixlen} brd + dev {_PRIVATE}\n"
            f"addr replace {row.public_address}/{plan.PUBLIC.prefixlen} brd + dev {_PUBLIC}\n"
            f"link set lo up\nlink set {_CONTROL} up\nlink set {_PRIVATE} up\nlink set {_PUBLIC} up\n"
            f"route replace default via {plan.PUBLIC_GATEWAY} dev {_PUBLIC}",
        )
        announced = {_PUBLIC: ([row.public_address], None), _PRIVATE: ([row.private_address], None)}
        await asyncio.gather(
            host.call("announce", devices=announced), systemvm_services.make_certificate(host, row.public_address)
        )
        self._units = Units(host, {service: self._unit(service) for service in row.kind.services})
        await asyncio.gather(
            base_services.start(self._fabric, host, row.control_address, self._units),
            *(self._start(service) for service in row.kind.services),
        )
        await host.write({BOOT_FLAG: ""})

    async def reboot(self, pace: Pace) -> None:
        """A reboot of the guest: its disk, its addresses and the code on it stay."""
        await self.end_services()
        await self.host.run("sh", "-c", f"rm -f {BOOT_FLAG}; kill -KILL -1", check=False)
        await self._fabric.ip(self.host, "\n".join(f"link set {port.device} down" for port in self._ports))
        self._forget()
        await self.boot(pace)

    async def end_services(self) -> None:
        """SIGTERM to every process of it but its first: what systemd does before it goes down."""
        await self.host.run("sh", "-c", "kill -TERM -1", check=False)

    async def destroy(self) -> None:
        """Power off and remove; does nothing when it is off."""
        host, self._host = self._host, None
        self._forget()
        if host is not None:
            await self._fabric.remove(host, self._ports)

    def _unit(self, service: str) -> Unit:
        return Unit(
            lambda: [self._services[service]] if service in self._services else [], lambda: self._start(service)
        )

    def _forget(self) -> None:
        """What runs no more."""
        self._services.clear()
        if self._units is not None:
            self._units.close()
            self._units = None

    async def _start(self, service: str) -> None:
        self._services[service] = await systemvm_services.start(self._fabric, self.host, self.row.kind.type, service)


async def destroyed(machine: Machine) -> None:
    """Destroy a machine of which nothing more is expected, e.g. after a failed start."""
    with contextlib.suppress(LabError):
        await machine.destroy()


def base_rules(kind: Kind) -> str:
    """The image's own firewall, for iptables-restore."""
    rules = [
        "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p icmp -j ACCEPT",
        "-A INPUT -i lo -j ACCEPT",
        f"-A INPUT -i {_CONTROL} -p tcp -m tcp --dport {control.PORT} -m state --state NEW,ESTABLISHED -j ACCEPT",
    ]
    opened = [(_PUBLIC, port) for port in kind.ports]
    opened += [(device, port) for port in kind.inner for device in (_CONTROL, _PRIVATE)]
    rules += [
        f"-A INPUT -i {device} -p tcp -m tcp --dport {port} -m state --state NEW -j ACCEPT" for device, port in opened
    ]
    heads = [":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    return "\n".join(["*filter", *heads, *rules, "COMMIT", ""])
