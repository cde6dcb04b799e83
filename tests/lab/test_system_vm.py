# SPDX-License-Identifier: Apache-2.0
"""A system VM other than a router: made of the same image, patched with its agent as well."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator

import pytest

from csworkbench.lab import plan, system_vm, tenant
from csworkbench.lab.fabric import CONTROL_BRIDGE, Daemon, Fabric, Port
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import Host
from csworkbench.lab.image import BOOT_FLAG, Image
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.livepatch import LivePatch, PatchTarget
from csworkbench.lab.profiles import PROFILES
from csworkbench.lab.settings import Settings
from csworkbench.lab.units import Unit, Units

pytestmark = pytest.mark.lab

OLD, NEW = PROFILES["4.17"], PROFILES["4.22"]
ADDRESS = "169.254.7.7"


class Agent:
    """A daemon that stands for the Java agent of the VM."""

    def __init__(self, fabric: Fabric, host: Host) -> None:
        self._fabric, self._host = fabric, host
        self.daemon: Daemon | None = None

    async def start(self) -> None:
        """Raises LabError."""
        words = ["sh", "-c", "echo started >&2; exec sleep 1000"]
        self.daemon = await self._fabric.daemon(self._host, words, "started")


@pytest.fixture
async def fabric() -> AsyncIterator[Fabric]:
    namespaces = await Namespaces.start(root=os.geteuid() == 0)
    try:
        made = Fabric(namespaces)
        await made.build([], [plan.GUEST_GATEWAY])
        yield made
    finally:
        await namespaces.stop()


async def console_proxy(fabric: Fabric) -> tuple[Host, Agent, Units]:
    """A running console proxy with 4.17's scripts."""
    spec = tenant.host_spec("v-2-VM", 0, nameserver=None)
    Image("consoleproxy", OLD.template, OLD).install(spec, fabric.control.authorized)
    host = await fabric.create(spec)
    await fabric.plug(host, [Port(fabric.port_name("c"), CONTROL_BRIDGE, "eth0")])
    await fabric.ip(host, f"addr add {ADDRESS}/16 dev eth0\nlink set lo up\nlink set eth0 up")
    agent = Agent(fabric, host)
    units = Units(host, {"cloud": Unit(lambda: [agent.daemon] if agent.daemon else [], agent.start)})
    await agent.start()
    await system_vm.boot(fabric, host, ADDRESS, units)
    await host.write({BOOT_FLAG: ""})
    return host, agent, units


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
async def test_a_console_proxy_gets_its_new_agent(fabric: Fabric) -> None:
    host, agent, units = await console_proxy(fabric)
    settings = Settings(OLD)
    live_patch, target = LivePatch(fabric.control, settings, Faults()), PatchTarget(host, ADDRESS, "consoleproxy")
    before = agent.daemon
    unchanged = await live_patch.patch(target, forced=False)
    assert (unchanged.success, unchanged.scripts_version) == (True, OLD.scripts_checksum)
    assert agent.daemon is before
    settings.upgrade(NEW, template=True)
    patched = await live_patch.patch(target, forced=False)
    assert patched.success, patched.details
    assert (patched.template_version, patched.scripts_version) == (OLD.template, NEW.scripts_checksum)
    assert agent.daemon is not before
    assert (await host.run("pgrep", "-c", "sleep")).output == "1\n"
    assert (await host.run("cat", "/usr/local/cloud/systemvm/agent.properties")).output == "version=4.22.0.0\n"
    assert re.search(r"-A INPUT -i eth2 .*--dport 8080", (await host.run("iptables-save")).output)
    units.close()


async def test_a_machine_that_is_away_is_a_failure(fabric: Fabric) -> None:
    host, _agent, units = await console_proxy(fabric)
    await host.run("sh", "-c", "pkill -x sshd")
    result = await LivePatch(fabric.control, Settings(NEW), Faults()).patch(
        PatchTarget(host, ADDRESS, "consoleproxy"), forced=True
    )
    assert not result.success
    assert "refused" in result.details
    units.close()
