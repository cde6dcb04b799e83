# SPDX-License-Identifier: Apache-2.0
"""What carries a cloud's VMs: the rows of ShapeBlue's table are hypervisors."""

import re

from .client import Client
from .envelope import string
from .errors import CloudStackError

MOST = 4


async def read_hypervisors(client: Client) -> tuple[str, ...]:
    """Kind and version of the hosts, e.g. `VMware 7.0`, each once; empty where they cannot be listed.

    Raises CloudStackError when the server's commands cannot be read.
    """
    if not (await client.capabilities()).has("listHosts"):
        return ()
    found: set[str] = set()
    try:
        hosts = await client.list_all("listHosts", "host", type="Routing")
    except CloudStackError:  # a role that names the command and refuses it; it only names an arm
        return ()
    for row in hosts:
        words = (string(row.get("hypervisor"), 32), string(row.get("hypervisorversion"), 64))
        told = " ".join(re.sub(r"[^\w.+-]", "", word, flags=re.ASCII) for word in words if word).strip()
        if told:
            found.add(told[:60])
    return tuple(sorted(found)[:MOST])
