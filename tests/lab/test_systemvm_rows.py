# SPDX-License-Identifier: Apache-2.0
"""System VMs over the API of each release, without machines: fields, refusals, hostile input."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest

from csworkbench.lab import diagnostics_data
from csworkbench.lab.hosts import Host
from csworkbench.lab.livepatch import LivePatch
from csworkbench.lab.management import Management
from csworkbench.lab.systemvm_agents import AgentPort
from csworkbench.lab.systemvm_machine import CONSOLE_PROXY, SystemVm
from csworkbench.lab.systemvm_manager import SystemVms
from csworkbench.lab.vr import Surroundings
from tests.lab.served import served

AGENT_FIELDS = {"agentstate", "version", "disconnected"}


def with_proxy(server: Management) -> SystemVm:
    """A console proxy that is stopped."""
    addresses = ("198.51.100.240", "172.16.0.10", "169.254.3.4")
    macs = ("1e:00:5c:00:00:01", "1e:00:5d:00:00:01", "0e:00:a9:fe:03:04")
    vm = SystemVm(server.new_id(), server.new_id(), 2, CONSOLE_PROXY, *addresses, *macs, state="Stopped")
    vm.agent_state, vm.agent_version, vm.disconnected = "Disconnected", "4.17.2.0", vm.created
    server.system_vms = SystemVms(server.settings, cast(Surroundings, None), server.log, cast(LivePatch, None))
    server.system_vms.rows.append(vm)
    return vm


@pytest.mark.parametrize(("release", "told"), [("4.9", False), ("4.11.1", False), ("4.17", True), ("4.22", True)])
async def test_what_the_agent_tells_is_shown_since_4_13_1(release: str, told: bool) -> None:
    async with served(release) as api:
        vm = with_proxy(api.server)
        _, reply = await api.call("listSystemVms", systemvmtype="consoleproxy")
        (row,) = reply["systemvm"]
        assert (row["name"], row["publicip"]) == ("v-2-VM", vm.public_address)
        assert {"hostid", "linklocalip", "privateip"} & set(row) == set()  # it is off
        assert set(row) >= AGENT_FIELDS if told else not AGENT_FIELDS & set(row)
        assert (await api.call("listSystemVms", systemvmtype="secondarystoragevm"))[1] == {}
        known = {item["name"]: item for item in (await api.call("listApis"))[1]["api"]}
        assert ("patchSystemVm" in known) == (release in ("4.17", "4.22"))
        assert ("getDiagnosticsData" in known) == (release in ("4.17", "4.22"))
        reboot = {param["name"] for param in known["rebootSystemVm"]["params"]}
        assert ("forced" in reboot) == (release in ("4.17", "4.22"))
        fields = {field["name"] for field in known["listSystemVms"]["response"]}
        assert set(row) <= fields


async def test_refusals_of_the_job() -> None:
    async with served("4.22") as api:
        vm = with_proxy(api.server)
        _, reply = await api.call("patchSystemVm", id=vm.id)
        job = await api.settled(reply)
        assert (job["jobresultcode"], job["jobresult"]["errortext"][:56]) == (
            530,
            "Unable to patch SystemVM: v-2-VM as it is not in Running",
        )
        _, reply = await api.call("patchSystemVm")
        assert (await api.settled(reply))["jobresultcode"] == 431
        _, reply = await api.call("getDiagnosticsData", targetid=vm.id)
        job = await api.settled(reply)
        text = "Unable to find host for virtual machine instance: v-2-VM"
        assert (job["jobresultcode"], job["jobresult"]["errortext"]) == (530, text)
        assert (await api.call("destroySystemVm", id=api.server.routers[0].id))[0] == 431
        api.as_user()
        for command in ("listSystemVms", "destroySystemVm", "patchSystemVm", "getDiagnosticsData"):
            assert (await api.call(command, id=vm.id, targetid=vm.id))[0] == 401


@pytest.mark.parametrize("name", ["/etc/hosts", "/var/log/cloud.log", "[IPTABLES]", "iproute", "/a/..b/c"])
def test_names_that_are_collected(name: str) -> None:
    diagnostics_data.check([name])


HOSTILE = ("../x", "/etc/../shadow", "/a//b", "/a b", "/a;b", "/$(x)", "[a b]", "/a\n", "/" + "a" * 2000)


@pytest.mark.parametrize("name", ["", "[", "hosts.txt", *HOSTILE])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the path"):
        diagnostics_data.check([name])


async def test_an_agent_that_does_not_introduce_itself_is_nobody() -> None:
    told: list[str] = []
    lost = asyncio.Event()
    port = AgentPort(lambda address, version: told.append(f"{address} {version}"), lambda _: lost.set())
    listening = socket.create_server(("127.0.0.1", 0))

    async def listen(_address: str, _port: int) -> socket.socket:
        return listening

    await port.open(cast(Host, SimpleNamespace(listen=listen)))
    where = listening.getsockname()
    for first in (b"GET / HTTP/1.0\r\n\r\n", b"StartupCommand 4.22; rm\n", b"StartupCommand " + b"4" * 1000 + b"\n"):
        reader, writer = await asyncio.open_connection(*where)
        writer.write(first)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    assert told == []
    _, writer = await asyncio.open_connection(*where)
    writer.write(b"StartupCommand 4.22.0.0\n")
    await asyncio.wait_for(port.connected("127.0.0.1"), 5)
    assert told == ["127.0.0.1 4.22.0.0"]
    assert not lost.is_set()
    writer.close()
    await asyncio.wait_for(lost.wait(), 5)
    await port.close()
