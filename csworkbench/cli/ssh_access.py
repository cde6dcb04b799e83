# SPDX-License-Identifier: Apache-2.0
"""How tenants are logged in to: a scenario's access, through its jump hosts, or into the test cloud."""

from contextlib import AsyncExitStack
from dataclasses import replace

from csworkbench.model.scenario import Tenants
from csworkbench.probing.connect import dial_tcp, dial_through
from csworkbench.probing.handshakes import Handshakes
from csworkbench.probing.jump import jump_chain
from csworkbench.probing.ssh import SshAccess

from .lab_cloud import LabCloud
from .ways import hops


def ssh_access(tenants: Tenants, lab: LabCloud | None, stack: AsyncExitStack) -> tuple[SshAccess, Handshakes]:
    """The access, and the handshakes that all of it shares; jump hosts are closed with the stack."""
    access, handshakes = _access(tenants, lab), Handshakes()
    jumps = jump_chain(hops(tenants), access, handshakes)
    for jump in jumps:
        stack.push_async_callback(jump.close)
    return (replace(access, dial=jumps[-1].dial) if jumps else access), handshakes


def _access(tenants: Tenants, lab: LabCloud | None) -> SshAccess:
    access = SshAccess(
        tenants.user, tenants.key, tenants.known_hosts, tenants.host_key, tenants.proxy_command, dial_tcp
    )
    if lab is None:
        return access
    return replace(
        access,
        user=tenants.user or lab.user,
        key=tenants.key or lab.key_file,
        known_hosts=tenants.known_hosts or lab.known_hosts,
        dial=dial_through(lab.connect_socket),
        own_config=True,
    )
