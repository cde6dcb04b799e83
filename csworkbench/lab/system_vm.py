# SPDX-License-Identifier: Apache-2.0
"""What every system VM starts besides its own services: SSH on the control network, and its systemctl."""

from __future__ import annotations

import shutil

from csworkbench.lab import control, image
from csworkbench.lab.fabric import Fabric
from csworkbench.lab.hosts import SYSTEM_PATH, Host
from csworkbench.lab.tenant import LISTENING
from csworkbench.lab.units import Units

_FIRST_BOOT = (
    f"mkfifo -m 600 {image.SYSTEMCTL} && rm -f {image.HOST_KEY} {image.HOST_KEY}.pub && "
    f"ssh-keygen -q -t ed25519 -N '' -C system-vm -f {image.HOST_KEY}"
)


async def boot(fabric: Fabric, host: Host, address: str, units: Units) -> None:
    """Let the hypervisor in at its control address, which is configured. Raises LabError."""
    await host.run("sh", "-c", _FIRST_BOOT)
    await units.serve()
    sshd = shutil.which("sshd", path=SYSTEM_PATH) or "sshd"
    listen = ("-o", f"ListenAddress={address}:{control.PORT}")
    await fabric.daemon(host, [sshd, "-D", "-e", "-f", image.SSHD_CONFIG, *listen], LISTENING)
