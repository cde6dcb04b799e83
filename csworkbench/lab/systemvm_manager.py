# SPDX-License-Identifier: Apache-2.0
"""The zone's system VMs: their life cycle, agents, alerts, and the scan that replaces missing ones."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

from csworkbench.lab import plan, records, timing
from csworkbench.lab.api.errors import INTERNAL, PARAMETER, ApiError
from csworkbench.lab.events import Alert, EventLog
from csworkbench.lab.hosts import LabError
from csworkbench.lab.image import Image
from csworkbench.lab.livepatch import LivePatch, PatchTarget
from csworkbench.lab.settings import Settings
from csworkbench.lab.systemvm_agents import AgentPort
from csworkbench.lab.systemvm_machine import KINDS, MANAGEMENT_BRIDGE, Kind, Machine, SystemVm, destroyed
from csworkbench.lab.systemvm_services import MANAGEMENT, MANAGEMENT_SERVER
from csworkbench.lab.vr import Surroundings

_log = logging.getLogger(__name__)
_AGENT_LIMIT_S = 10.0
_SHORTEST_SCAN_S = 0.05
_FIRST_PUBLIC, _FIRST_PRIVATE = 240, 10
_RUNNING = "Running"


class SystemVms:
    """Rows and machines of both kinds. Operations on one VM wait for each other; they raise ApiError 431 or 530."""

    def __init__(self, settings: Settings, around: Surroundings, log: EventLog, live_patch: LivePatch) -> None:
        self.rows: list[SystemVm] = []
        self._settings, self._around, self._log_book, self._live_patch = settings, around, log, live_patch
        self._machines: dict[str, Machine] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._agents = AgentPort(self._agent_up, self._agent_lost)
        self._tasks: list[asyncio.Task[None]] = []

    async def bring_up(self, next_number: Callable[[], int]) -> None:
        """The network they share, the first ones, and the scans. Raises LabError.

        `next_number` gives the numbers of later ones; the first have their own, which nobody else uses.
        """
        fab = self._around.fabric.namespaces.fab
        await self._around.fabric.ip(
            fab,
            f"link add name {MANAGEMENT_BRIDGE} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"
            f"addr add {MANAGEMENT_SERVER}/{MANAGEMENT.prefixlen} dev {MANAGEMENT_BRIDGE}",
        )
        await self._agents.open(fab)
        await asyncio.gather(*(self._first(kind, number) for number, kind in enumerate(KINDS, start=1)))
        self._tasks = [asyncio.create_task(self._scan(kind, next_number), name=f"scan {kind.type}") for kind in KINDS]

    async def close(self) -> None:
        """End the scans and the agents' port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._agents.close()

    def find(self, identity: str) -> SystemVm | None:
        """The VM with that id."""
        return next((row for row in self.rows if row.id == identity), None)

    def machine(self, row: SystemVm) -> Machine:
        """The machine behind a row; raises LabError when it is expunged."""
        try:
            return self._machines[row.id]
        except KeyError:
            raise LabError(f"{row.name} is gone") from None

    async def start(self, row: SystemVm) -> None:
        """startSystemVm; nothing happens to a running one."""
        async with self._turn(row):
            if row.state != _RUNNING:
                await self._power_on(row)

    async def stop(self, row: SystemVm, *, forced: bool) -> None:
        """stopSystemVm; the next scan starts it again."""
        async with self._turn(row):
            if row.state != "Stopped":
                await self._power_off(row, forced=forced)

    async def reboot(self, row: SystemVm, *, forced: bool) -> None:
        """rebootSystemVm: of the guest, or with `forced` a stop and a start; one that is off is started."""
        async with self._turn(row):
            if row.state == _RUNNING and not forced:
                try:
                    await self.machine(row).reboot(self._around.pace)
                except LabError as error:
                    raise ApiError(INTERNAL, f"Failed to reboot {row.kind.title} {row.name}: {error}") from error
                self._alert(row, "rebooted")
                return
            if row.state == _RUNNING:
                await self._power_off(row, forced=False)
            await self._power_on(row)

    async def destroy(self, row: SystemVm) -> None:
        """destroySystemVm: expunged at once together with its host row; the next scan makes another one."""
        async with self._turn(row):
            if row.state != "Stopped":
                await self._power_off(row, forced=True)
            row.state = "Expunging"
            self._expunge(row)

    async def patch(self, row: SystemVm, *, forced: bool) -> str:
        """patchSystemVm: the answer's details."""
        async with self._turn(row):
            if row.state != _RUNNING:
                text = f"Unable to patch SystemVM: {row.name} as it is not in Running state. "
                raise ApiError(INTERNAL, text + "Please destroy and recreate the SystemVM.")
            target = PatchTarget(self.machine(row).host, row.control_address, row.kind.image)
            result = await self._live_patch.patch(target, forced=forced)
            if not result.success:
                raise ApiError(INTERNAL, f"Failed to patch systemVM {row.name} due to {result.details}")
            self._live_patch.enter(result, row)
            return result.details

    @asynccontextmanager
    async def _turn(self, row: SystemVm) -> AsyncIterator[None]:
        """Its operations one after the other. Raises ApiError 431 when it has gone meanwhile."""
        async with self._locks.setdefault(row.id, asyncio.Lock()):
            if row not in self.rows:
                raise ApiError(PARAMETER, "unable to find a system vm with specified vmId")
            yield

    def _new(self, kind: Kind, number: int) -> SystemVm:
        rng = self._around.rng
        third, fourth = rng.randrange(1, 255), rng.randrange(2, 255)
        public, private = ({getattr(row, f"{name}_address") for row in self.rows} for name in ("public", "private"))
        row = SystemVm(
            id=records.new_id(rng),
            host_id=records.new_id(rng),
            number=number,
            kind=kind,
            public_address=_first_free([str(plan.PUBLIC[host]) for host in range(_FIRST_PUBLIC, 255)], public),
            private_address=_first_free([str(MANAGEMENT[host]) for host in range(_FIRST_PRIVATE, 255)], private),
            control_address=f"{plan.CONTROL_PREFIX}.{third}.{fourth}",
            public_mac=records.mac("1e:00:5c", rng),
            private_mac=records.mac("1e:00:5d", rng),
            control_mac=f"0e:00:a9:fe:{third:02x}:{fourth:02x}",
        )
        self.rows.append(row)
        fabric = self._around.fabric
        self._machines[row.id] = Machine(row, fabric, fabric.next_clock_offset())
        return row

    async def _first(self, kind: Kind, number: int) -> None:
        """Of a zone that comes up: ready when its agent is Up. Raises LabError."""
        row = self._new(kind, number)
        try:
            await self._power_on(row)
            async with asyncio.timeout(_AGENT_LIMIT_S):
                await self._agents.connected(row.private_address)
        except (ApiError, TimeoutError) as error:
            raise LabError(f"{row.name} does not start: {error or 'its agent does not connect'}") from error
        self._alert(row, "up")

    async def _scan(self, kind: Kind, next_number: Callable[[], int]) -> None:
        """Every so often: is there one that runs? If not, start the one that is stopped, or make a new one."""
        await self._around.pace.wait(timing.FIRST_SCAN_S)
        while True:
            if not any(row.kind is kind and row.state != "Stopped" for row in self.rows):
                with suppress(ApiError):  # told by its alert; tried again at the next scan
                    await self._expand(kind, next_number)
            interval_s = self._settings.number(kind.scan_setting) / 1000 * self._around.pace.scale
            await asyncio.sleep(max(_SHORTEST_SCAN_S, interval_s))

    async def _expand(self, kind: Kind, next_number: Callable[[], int]) -> None:
        row = next((row for row in self.rows if row.kind is kind), None) or self._new(kind, next_number())
        async with self._turn(row):
            if row.state == _RUNNING:
                return
            try:
                await self._power_on(row)
            except ApiError:
                self._expunge(row)
                raise
        self._alert(row, "up")

    async def _power_on(self, row: SystemVm) -> None:
        """A new disk with the registered template and the hypervisor's code; Running before its agent is."""
        row.state = "Starting"
        machine = self.machine(row)
        image = Image(row.kind.image, self._settings.template, self._live_patch.agent_release)
        try:
            if self._around.faults.is_set("no-capacity"):
                raise LabError(f"Unable to create a deployment for VM {row.name}")
            await machine.deploy(image)
            await machine.boot(self._around.pace)
        except LabError as error:
            await destroyed(machine)
            row.state = "Stopped"
            self._alert(row, "startup failure", str(error))
            raise ApiError(INTERNAL, f"Failed to start {row.kind.title} {row.name}: {error}") from error
        row.state = _RUNNING
        row.template_version, row.scripts_version = image.template, image.release.scripts_checksum
        row.software_version = self._settings.profile.code_version

    async def _power_off(self, row: SystemVm, *, forced: bool) -> None:
        row.state = "Stopping"
        machine, pace = self.machine(row), self._around.pace
        try:
            if not forced:
                await machine.end_services()
                await pace.wait(timing.ROUTER_SHUTDOWN_S)
            await machine.destroy()
        except LabError as error:
            _log.warning("%s: %s", row.name, error)
        await pace.wait(timing.ROUTER_STOP_S)
        row.state = "Stopped"
        self._agents.forget(row.private_address)
        self._agent_lost(row.private_address)
        self._alert(row, "down")

    def _expunge(self, row: SystemVm) -> None:
        self.rows.remove(row)
        del self._machines[row.id], self._locks[row.id]

    def _agent_up(self, address: str, version: str) -> None:
        for row in self._at(address):
            row.agent_state, row.agent_version, row.disconnected = "Up", version, None

    def _agent_lost(self, address: str) -> None:
        for row in self._at(address):
            if row.agent_state == "Up":
                row.agent_state, row.disconnected = "Disconnected", records.now()

    def _at(self, address: str) -> list[SystemVm]:
        return [row for row in self.rows if row.private_address == address]

    def _alert(self, row: SystemVm, what: str, error: str = "") -> None:
        number, name = row.kind.alert
        where = f"zone: zone1, {row.kind.label}: {row.name}, public IP: {row.public_address}, private IP: "
        text = f"{row.kind.title} {what}{'. ' if error else ' in '}{where}{row.private_address}"
        text += f", error details: {error}" if error else ""
        self._log_book.alerts.append(Alert(records.new_id(self._around.rng), number, name, text))


def _first_free(candidates: list[str], taken: Collection[str]) -> str:
    """Raises ApiError 530 when there is none."""
    free = next(itertools.filterfalse(taken.__contains__, candidates), None)
    if free is None:
        raise ApiError(INTERNAL, "Unable to get an address for a system VM")
    return free
