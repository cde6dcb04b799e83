# SPDX-License-Identifier: Apache-2.0
"""SSH into system VMs: from the hypervisor only, on port 3922 of their control addresses, with the hypervisor's key."""

from __future__ import annotations

import shutil
from typing import Any

from csworkbench.lab.fabric import CONTROL_BRIDGE, Fabric
from csworkbench.lab.hosts import SYSTEM_PATH, Host
from csworkbench.lab.tenant import LISTENING

PORT = 3922
KEY = "/run/cloud/id_rsa.cloud"
"""On the hypervisor."""
_HYPERVISOR_ADDRESS = "169.254.0.1"
_DIRECTORY = "/var/lib/cloud/ssh"
_CONFIG = f"""\
Port {PORT}
PidFile none
HostKey {_DIRECTORY}/host_key
AuthorizedKeysFile {_DIRECTORY}/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
SetEnv PATH={SYSTEM_PATH}
Subsystem sftp internal-sftp
"""


async def prepare(fabric: Fabric) -> str:
    """Give the hypervisor its key and its address among the system VMs; the public key. Raises LabError."""
    fab = fabric.namespaces.fab
    await fabric.ip(fab, f"addr replace {_HYPERVISOR_ADDRESS}/16 dev {CONTROL_BRIDGE}")
    make = f"test -s {KEY} || ssh-keygen -q -t ed25519 -N '' -C cloud -f {KEY}"
    return (await fab.run("sh", "-c", f"mkdir -p {KEY.rpartition('/')[0]} && {{ {make}; }} && cat {KEY}.pub")).output


def install(spec: dict[str, Any], authorized: str) -> None:
    """Put the server's files into a host's description."""
    spec["directories"][_DIRECTORY] = 0o700
    spec["files"] |= {
        f"{_DIRECTORY}/sshd_config": (_CONFIG, 0o600),
        f"{_DIRECTORY}/authorized_keys": (authorized, 0o600),
        "/var/log/lastlog": ("", 0o644),
    }


async def serve(fabric: Fabric, host: Host, address: str) -> None:
    """Start the server at that address, with a host key made at the first boot. Raises LabError."""
    key = f"{_DIRECTORY}/host_key"
    await host.run("sh", "-c", f"test -s {key} || ssh-keygen -q -t ed25519 -N '' -C system-vm -f {key}")
    sshd = shutil.which("sshd", path=SYSTEM_PATH) or "sshd"
    listen = ("-o", f"ListenAddress={address}:{PORT}")
    await fabric.daemon(host, [sshd, "-D", "-e", "-f", f"{_DIRECTORY}/sshd_config", *listen], LISTENING)
