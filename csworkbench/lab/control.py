# SPDX-License-Identifier: Apache-2.0
"""The hypervisor's way to its system VMs: SSH on port 3922, over the control network and with a key of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from csworkbench.lab.hosts import Completed, Host, LabError
from csworkbench.lab.tenant import USER

ADDRESS = "169.254.0.1"
PORT = 3922
_KEY = "/run/cloud/id_rsa.cloud"
_CONNECT_S = 10
_COPIES = 3
_OPTIONS = (
    *("-F", "none", "-i", _KEY, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "LogLevel=ERROR"),
    # As CloudStack: a system VM makes its key when it first boots, nobody has seen it before.
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
)
_log = logging.getLogger(__name__)


class Control:
    """SSH and SCP from the hypervisor's namespace; `authorized` is there after `prepare`."""

    def __init__(self, hypervisor: Host) -> None:
        self.hypervisor = hypervisor
        self.authorized = ""
        """The public key that system VMs let in."""

    async def prepare(self) -> None:
        """Make the key. Raises LabError."""
        words = (
            f"mkdir -p {_KEY.rpartition('/')[0]} && ssh-keygen -q -t ed25519 -N '' -C cloud -f {_KEY} && cat {_KEY}.pub"
        )
        self.authorized = (await self.hypervisor.run("sh", "-c", words)).output

    async def run(self, address: str, command: str, *, limit_s: float) -> Completed:
        """Run a shell command there; raises LabError when there is no connection or no end in time."""
        words = ("ssh", "-p", str(PORT), *_OPTIONS, f"{USER}@{address}", command)
        try:
            async with asyncio.timeout(limit_s):
                done = await self.hypervisor.run(*words, check=False)
        except TimeoutError:
            raise LabError(f"{address}: no answer within {limit_s:.0f} s") from None
        if done.status == 255:
            raise LabError(f"{address}: {done.errors.strip() or 'no connection'}")
        return done

    async def copy(self, address: str, files: Sequence[str], directory: str) -> None:
        """Copy the hypervisor's files there, in up to three tries. Raises LabError."""
        words = ("scp", "-P", str(PORT), *_OPTIONS, *files, f"{USER}@{address}:{directory}/")
        for attempt in range(1, _COPIES + 1):
            try:
                await self.hypervisor.run(*words)
                return
            except LabError as error:
                _log.warning("%s: copy %d of %d failed: %s", address, attempt, _COPIES, error)
                if attempt == _COPIES:
                    raise
