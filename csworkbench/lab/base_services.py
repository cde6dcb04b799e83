# SPDX-License-Identifier: Apache-2.0
"""What every system VM, a router too, runs besides its own services: SSH on the control network, and its systemctl."""

from __future__ import annotations

import shutil

from csworkbench.lab import control, image
from csworkbench.lab.fabric import Fabric
from csworkbench.lab.hosts import SYSTEM_PATH, Host
from csworkbench.lab.tenant import LISTENING
from csworkbench.lab.units import Units

_COMMENT = "system-vm"
_BOOT = (
    f"rm -f {image.SYSTEMCTL} && mkfifo -m 600 {image.SYSTEMCTL} && "
    # A key without the comment is the machine's own, seen through the VM's /etc; after a reboot there is the VM's.
    f"{{ grep -qs '{_COMMENT}$' {image.HOST_KEY}.pub || {{ rm -f {image.HOST_KEY} {image.HOST_KEY}.pub && "
    f"ssh-keygen -q -t ed25519 -N '' -C {_COMMENT} -f {image.HOST_KEY}; }}; }}"
)


async def start(fabric: Fabric, host: Host, address: str, units: Units) -> None:
    """Let the hypervisor in at its control address, which is configured. Raises LabError."""
    await host.run("sh", "-c", _BOOT)
    await units.serve()
    sshd = shutil.which("sshd", path=SYSTEM_PATH) or "sshd"
    listen = ("-o", f"ListenAddress={address}:{control.PORT}")
    await fabric.daemon(host, [sshd, "-D", "-e", "-f", image.SSHD_CONFIG, *listen], LISTENING)
