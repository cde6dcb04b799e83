# SPDX-License-Identifier: Apache-2.0
"""A miniature: two redundant routers between a tenant and the outside, without the rest of a cloud.

Also a program (`python -m tests.lab.redundant_pair`) that kills the primary and prints what its neighbours saw.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Interface

from csworkbench.lab import plan, tenant
from csworkbench.lab.fabric import PUBLIC_BRIDGE, Fabric, Port
from csworkbench.lab.hosts import Host, Running
from csworkbench.lab.keepalived import VirtualAddress, Vrrp
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.plan import GUEST_BRIDGE
from csworkbench.lab.redundancy import Callbacks, Half, Redundancy, State

GATEWAY = plan.GUEST_GATEWAY
TENANT, FORWARDED = "10.1.1.101", "198.51.100.11"
PUBLIC_MAC = "1e:00:3c:00:00:01"
PUSH_PORT = 7000
_PR_SET_CHILD_SUBREAPER = 36
_PUSH_INTERVAL_S = 0.05
LIMIT_S = 30.0
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/ip_nonlocal_bind": "1",
    **{f"net/ipv4/conf/{which}/arp_ignore": "2" for which in ("all", "default")},
    **{f"net/ipv4/conf/{which}/arp_announce": "2" for which in ("all", "default")},
}
_RULES = f"""\
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -d 224.0.0.18/32 -j ACCEPT
-A INPUT -d 225.0.0.50/32 -j ACCEPT
-A INPUT -p icmp -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d {FORWARDED}/32 -i eth2 -p tcp --dport {PUSH_PORT} -j DNAT --to-destination {TENANT}
-A POSTROUTING -o eth2 -j SNAT --to-source {plan.SOURCE_NAT}
COMMIT
"""
_PUSHER = f"""\
import socket, sys, threading, time

def push(client):
    while True:
        client.send(b".")
        time.sleep({_PUSH_INTERVAL_S})

listener = socket.create_server(("", {PUSH_PORT}))
print("listening", file=sys.stderr)
while True:
    client, _ = listener.accept()
    threading.Thread(target=push, args=[client], daemon=True).start()
"""


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for a condition; AssertionError after a while."""
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit, what
        await asyncio.sleep(0.02)


@dataclass
class Router:
    """One of the two."""

    host: Host
    ports: list[Port]
    guest_mac: str
    redundancy: Redundancy
    called: list[State] = field(default_factory=list)


class Ping:
    """A running ping whose replies are stamped as they come."""

    def __init__(self, running: Running, output: int) -> None:
        self._running, self._output = running, output

    @classmethod
    async def start(cls, host: Host, target: str) -> Ping:
        """One request every 20 ms; returns after the first reply."""
        output = os.memfd_create("ping", os.MFD_CLOEXEC)
        argv = ["ping", "-n", "-D", "-i", "0.02", target]
        ping = cls(await host.spawn(argv, [output, output, output]), output)
        await until(lambda: bool(ping.replies()), f"{host.name} does not reach {target}")
        return ping

    def replies(self) -> list[float]:
        """When replies came, in seconds."""
        text = os.pread(self._output, os.fstat(self._output).st_size, 0).decode()
        return [float(stamp) for stamp in re.findall(r"^\[([0-9.]+)\] .*ttl=", text, re.MULTILINE)]

    async def gap_s(self) -> float:
        """The longest time without a reply so far, once replies have come again for a second."""
        now = time.time()
        await until(lambda: sum(stamp > now for stamp in self.replies()) > 50, "no reply any more")
        await self._running.signal(signal.SIGINT)
        await self._running.exited
        replies = self.replies()
        os.close(self._output)
        return max(after - before for before, after in itertools.pairwise(replies))


class Session:
    """An established TCP connection from outside to the tenant, on which only the tenant talks."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    async def open(cls, outside: Host) -> Session:
        """Established, and data has come."""
        session = cls(await outside.connect(FORWARDED, PUSH_PORT, 5.0))
        session._socket.setblocking(False)
        assert await session.alive()
        return session

    async def alive(self, limit_s: float = 10.0) -> bool:
        """Whether data that the tenant sends from now on still arrives."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                while len(await loop.sock_recv(self._socket, 65536)) == 65536:
                    pass  # what had come before
                for _ in range(3):
                    if not await loop.sock_recv(self._socket, 65536):
                        return False
        except OSError:  # also TimeoutError
            return False
        return True

    def close(self) -> None:
        """Close our end."""
        self._socket.close()


class Miniature:
    """The hosts; `primary` and `backup` are whoever is it now."""

    def __init__(self, fabric: Fabric, tenant_host: Host, routers: list[Router], advert_interval_s: float) -> None:
        self.fabric, self.tenant, self.routers = fabric, tenant_host, routers
        self._advert_interval_s = advert_interval_s

    @property
    def outside(self) -> Host:
        """Behind the provider's router."""
        return self.fabric.hosts["outside"]

    def in_state(self, state: State) -> Router:
        """The only router in that state."""
        (found,) = [router for router in self.routers if router.redundancy.state is state]
        return found

    async def settled(self) -> None:
        """One primary, one backup, both with their callbacks done."""

        def settled() -> bool:
            states = sorted(router.redundancy.state for router in self.routers)
            called = all(router.called[-1:] == [router.redundancy.state] for router in self.routers)
            return states == [State.BACKUP, State.PRIMARY] and called

        await until(settled, "the pair does not settle")

    async def power_off(self, router: Router) -> None:
        """As a destroyed domain: cables and processes at once."""
        await self.fabric.remove(router.host, router.ports)

    async def replace_backup(self) -> Router:
        """Power the backup off and let a new router join, which becomes backup."""
        old = self.in_state(State.BACKUP)
        await old.redundancy.stop(graceful=False)
        await self.power_off(old)
        self.routers.remove(old)
        new = await _router(self.fabric, 3, self._advert_interval_s, sessions=True)
        self.routers.append(new)
        await new.redundancy.start()
        return new

    async def owners(self) -> set[str]:
        """Guest MACs that answer for the gateway when the tenant asks everybody."""
        done = await self.tenant.run(
            *("arping", "-b", "-c", "2", "-w", "3", "-I", "eth0", "-s", TENANT, GATEWAY), check=False
        )
        return {mac.lower() for mac in re.findall(r"\[([0-9A-Fa-f:]{17})\]", done.output)}


@asynccontextmanager
async def miniature(*, advert_interval_s: float = 1.0, sessions: bool = True) -> AsyncIterator[Miniature]:
    """Both routers run and one is primary."""
    async with AsyncExitStack() as stack:
        stack.callback(_adopt_orphans_no_longer)
        namespaces = await Namespaces.start(root=os.geteuid() == 0)
        stack.push_async_callback(namespaces.stop)
        fabric = Fabric(namespaces)
        await fabric.build([GUEST_BRIDGE], [plan.GUEST_GATEWAY])
        host = await fabric.create(tenant.host_spec("vm01", fabric.next_clock_offset(), nameserver=None))
        await fabric.plug(host, [Port("vm01", GUEST_BRIDGE, "eth0", "02:00:4f:00:00:01")])
        await fabric.ip(
            host,
            f"addr add {TENANT}/24 dev eth0\nlink set lo up\nlink set eth0 up\nroute add default via {GATEWAY}",
        )
        await fabric.daemon(host, ["python3", "-c", _PUSHER], "listening")
        routers = [await _router(fabric, number, advert_interval_s, sessions) for number in (1, 2)]
        small = Miniature(fabric, host, routers, advert_interval_s)
        for router in routers:
            await router.redundancy.start()
        await small.settled()
        yield small
        for router in small.routers:
            await router.redundancy.stop(graceful=False)


def _adopt_orphans_no_longer() -> None:
    """What `Namespaces.start` made of this process; other tests leave their orphans to init."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


async def _router(fabric: Fabric, number: int, advert_interval_s: float, sessions: bool) -> Router:
    name, own = f"r-{number}-VM", f"10.1.1.{number + 1}"
    spec = tenant.host_spec(name, fabric.next_clock_offset(), nameserver=None)
    spec["sysctls"] |= _SYSCTLS
    host = await fabric.create(spec)
    guest_mac = f"02:00:11:00:00:0{number}"
    ports = [
        Port(fabric.port_name("g"), GUEST_BRIDGE, "eth0", guest_mac),
        Port(fabric.port_name("u"), PUBLIC_BRIDGE, "eth2", PUBLIC_MAC),
    ]
    await fabric.plug(host, ports)
    await host.run("iptables-restore", text=_RULES)
    await fabric.ip(
        host,
        f"addr add {own}/24 dev eth0\naddr add {plan.SOURCE_NAT}/24 dev eth2\naddr add {FORWARDED}/24 dev eth2\n"
        "link set lo up\nlink set eth0 up",
    )
    called: list[State] = []

    def note(state: State) -> Callable[[], asyncio.Future[None]]:
        def done() -> asyncio.Future[None]:
            called.append(state)
            finished = asyncio.get_running_loop().create_future()
            finished.set_result(None)
            return finished

        return done

    half = Half(
        vrrp=Vrrp(
            name, [VirtualAddress(IPv4Interface(f"{GATEWAY}/24"), "eth0")], "p4sswordOfRouter", advert_interval_s
        ),
        address=own,
        public_devices=["eth2"],
        routes=[f"default via {plan.PUBLIC_GATEWAY} dev eth2"],
        ignored=[own],
        sessions=sessions,
    )
    callbacks = Callbacks(note(State.PRIMARY), note(State.BACKUP), note(State.FAULT))
    return Router(host, ports, guest_mac, Redundancy(fabric, host, half, callbacks), called)


async def kill_the_primary() -> dict[str, object]:
    """What tenant and outside saw of it."""
    async with miniature() as small:
        ping = await Ping.start(small.tenant, plan.OUTSIDE_HOST)
        session = await Session.open(small.outside)
        backup = small.in_state(State.BACKUP)
        await small.power_off(small.in_state(State.PRIMARY))
        await backup.redundancy.wait_for(State.PRIMARY)
        gap_s = await ping.gap_s()
        alive = await session.alive()
        session.close()
        made = backup.redundancy.transitions[-1]
        return {"gap_s": gap_s, "session": alive, "links_ms": made.links_ms, "all_ms": made.all_ms}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(kill_the_primary())))
