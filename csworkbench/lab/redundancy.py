# SPDX-License-Identifier: Apache-2.0
"""One router's half of a redundant pair: keepalived, conntrackd, and what a router does when its role changes.

The links, the routes and the connection tracking change inside the router (`calls_vrrp`); the services follow from
here, through the owner's callbacks, in the order of CloudStack's CsRedundant.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from csworkbench.lab import wire
from csworkbench.lab.calls_vrrp import FOLLOWING, PRIMARY_WORD
from csworkbench.lab.fabric import Daemon, Fabric
from csworkbench.lab.hosts import Host, LabError, Running
from csworkbench.lab.keepalived import (
    CONNTRACKD_FILE,
    DIRECTORY,
    KEEPALIVED_FILE,
    NOTIFY_FIFO,
    Vrrp,
    conntrackd_conf,
    keepalived_conf,
)

_log = logging.getLogger(__name__)
_ROUTES_FILE = f"{DIRECTORY}/routes"
_KEEPALIVED = ("keepalived", "-n", "-l", "-D", "-P", "-f", KEEPALIVED_FILE)
_PID_FILES = ("-p", f"{DIRECTORY}/keepalived.pid", "-r", f"{DIRECTORY}/vrrp.pid")
_CONNTRACKD = ("conntrackd", "-C", CONNTRACKD_FILE)
_KEEPALIVED_STARTED = "Startup complete"
_CONNTRACKD_STARTED = "starting in console mode"
_START_LIMIT_S = 10.0


class State(StrEnum):
    """`redundantstate` of listRouters."""

    UNKNOWN = "UNKNOWN"
    BACKUP = "BACKUP"
    PRIMARY = "PRIMARY"
    FAULT = "FAULT"


_STATES = {PRIMARY_WORD: State.PRIMARY, "BACKUP": State.BACKUP, "FAULT": State.FAULT}
"""By keepalived's word."""


@dataclass(frozen=True, slots=True)
class Half:
    """What distinguishes one router of a pair.

    `address`: its own on the first guest device, over which the pair talks. `public_devices`: up on the primary only.
    `upstream`: who must answer on the first of these before routes are set. `routes`: for `ip route replace`, set again
    after the public devices are up, e.g. `default via 198.51.100.1`.
    `ignored`: addresses whose connections are not synchronised (its own, the control address, the gateways).
    `sessions`: whether conntrackd runs.
    """

    vrrp: Vrrp
    address: str
    public_devices: Sequence[str]
    upstream: str = ""
    routes: Sequence[str] = ()
    ignored: Sequence[str] = ()
    sessions: bool = True


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the owner does on a change of role: start or stop the password server and dnsmasq, in this order."""

    on_primary: Callable[[], Awaitable[None]]
    on_backup: Callable[[], Awaitable[None]]
    on_fault: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of role as the router made it: ms from keepalived's word to the public links, and to the end."""

    state: State
    links_ms: float
    all_ms: float


class Redundancy:
    """`start` once, `stop` once; its methods raise LabError."""

    def __init__(self, fabric: Fabric, host: Host, half: Half, callbacks: Callbacks) -> None:
        self._fabric, self._host, self._half = fabric, host, half
        self._callbacks = {
            State.PRIMARY: callbacks.on_primary,
            State.BACKUP: callbacks.on_backup,
            State.FAULT: callbacks.on_fault,
        }
        self.transitions: list[Transition] = []
        self._state = State.UNKNOWN
        self._changed = asyncio.Condition()
        self._keepalived: Daemon | None = None
        self._conntrackd: Daemon | None = None
        self._follower: Running | None = None
        self._due: asyncio.Queue[State] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def daemons(self) -> list[Daemon]:
        """keepalived, once it was started."""
        return [] if self._keepalived is None else [self._keepalived]

    @property
    def state(self) -> State:
        """What keepalived said last and the router has done; UNKNOWN when it does not run."""
        return self._state

    async def wait_for(self, *states: State) -> State:
        """The state as soon as it is one of these."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._state in states)
            return self._state

    async def start(self) -> None:
        """Start as BACKUP, which takes the public links down. Guest devices must be up with their own addresses."""
        half = self._half
        await self._host.run("mkdir", "-p", DIRECTORY)
        await self._host.write(
            {
                KEEPALIVED_FILE: keepalived_conf(half.vrrp),
                CONNTRACKD_FILE: conntrackd_conf(half.vrrp.device, half.address, half.ignored),
                _ROUTES_FILE: "".join(f"route replace {route}\n" for route in half.routes),
            }
        )
        lines = await self._follow()
        await self._start_conntrackd()
        await self.start_keepalived()
        self._tasks = [asyncio.create_task(self._listen(lines)), asyncio.create_task(self._act())]
        try:
            await asyncio.wait_for(self.wait_for(*_STATES.values()), _START_LIMIT_S)
        except TimeoutError:
            raise LabError(f"{self._host.name}: keepalived does not tell its state") from None

    async def start_keepalived(self) -> None:
        """Start it, or start it again: as BACKUP."""
        self._keepalived = await self._fabric.daemon(self._host, [*_KEEPALIVED, *_PID_FILES], _KEEPALIVED_STARTED)

    async def stop(self, *, graceful: bool) -> None:
        """End it. Graceful: as systemd does at shutdown, keepalived resigns and takes its addresses away (about 1 s).

        The public links stay as they are, as in CloudStack: the power-off that follows takes them.
        """
        if self._keepalived is not None:
            keepalived = self._keepalived.running
            await (keepalived.signal(signal.SIGTERM) if graceful else keepalived.kill())
            await self._keepalived.running.ended()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for running in (self._conntrackd.running if self._conntrackd else None, self._follower):
            if running is not None:
                await running.kill()
                await running.ended()
        await self._become(State.UNKNOWN)

    async def synchronise(self) -> None:
        """Ask the other router for all its sessions. CloudStack does not: there a backup that joins learns of new ones.

        Returns when it is asked; the answer arrives in the background.
        """
        await self._host.run(*_CONNTRACKD, "-n")

    async def synchronised(self) -> int:
        """How many sessions of the other router would be taken over now."""
        return len((await self._host.run(*_CONNTRACKD, "-e")).output.splitlines())

    async def _follow(self) -> asyncio.StreamReader:
        """Start the program that acts on transitions; returns its reports once it reads the FIFO."""
        synchronise = [[*_CONNTRACKD, option] for option in ("-c", "-f", "-R", "-B")] if self._half.sessions else []
        statistics = [[*_CONNTRACKD, "-s"]] if self._half.sessions else []
        commands = {
            PRIMARY_WORD: [["ip", "-force", "-batch", _ROUTES_FILE], *synchronise],
            "BACKUP": [],
            "FAULT": statistics,
        }
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(reader, "rb", buffering=0)
        )
        try:
            self._follower = await self._host.serve(
                "follow_vrrp",
                [null, writer, writer],
                fifo=NOTIFY_FIFO,
                devices=list(self._half.public_devices),
                upstream=self._half.upstream,
                commands=commands,
                environment=dict(self._host.environment),
            )
        finally:
            wire.close_all([null, writer])
        first = (await lines.readline()).decode(errors="replace").strip()
        if first != json.dumps(FOLLOWING):
            raise LabError(f"{self._host.name}: transitions cannot be followed: {first}")
        return lines

    async def _start_conntrackd(self) -> None:
        if self._half.sessions:
            words = ["sh", "-c", f"exec {' '.join(_CONNTRACKD)} >&2"]  # it logs to standard output
            self._conntrackd = await self._fabric.daemon(self._host, words, _CONNTRACKD_STARTED)

    async def _restart_conntrackd(self) -> None:
        if self._conntrackd is not None:
            await self._conntrackd.running.signal(signal.SIGTERM)
            await self._conntrackd.running.ended()
            await self._start_conntrackd()

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        """Until the router is gone."""
        async for line in lines:
            try:
                report = json.loads(line)
            except ValueError:
                _log.warning("%s: %s", self._host.name, line.decode(errors="replace").strip())
                continue
            for error in report["failed"]:
                _log.warning("%s: %s", self._host.name, error)
            state = _STATES[report["state"]]
            self.transitions.append(Transition(state, report["links_ms"], report["all_ms"]))
            self._due.put_nowait(state)
            await self._become(state)
        await self._become(State.UNKNOWN)

    async def _become(self, state: State) -> None:
        async with self._changed:
            self._state = state
            self._changed.notify_all()

    async def _act(self) -> None:
        """The services, after each transition; an error in one does not stop the next."""
        while True:
            state = await self._due.get()
            try:
                if state is State.BACKUP:
                    await self._restart_conntrackd()
                await self._callbacks[state]()
            except LabError as error:
                _log.warning("%s: becoming %s: %s", self._host.name, state, error)


async def role(host: Host, *, public_device: str | None = None) -> State:
    """What checkrouter.sh would report, from the router itself; raises LabError when it is off.

    `public_device`: of a VPC's router (eth1), whose link tells; an isolated network's has two addresses on eth0.
    """
    if (await host.run("pgrep", "-x", "keepalived", check=False)).status != 0:
        return State.FAULT
    if public_device is None:
        (row,) = json.loads((await host.run("ip", "-j", "-4", "address", "show", "dev", "eth0")).output)
        return State.PRIMARY if len(row.get("addr_info", [])) == 2 else State.BACKUP
    (row,) = json.loads((await host.run("ip", "-j", "link", "show", "dev", public_device)).output)
    return {"UP": State.PRIMARY, "DOWN": State.BACKUP}.get(row["operstate"], State.UNKNOWN)
